/* standing.h - which cluster a node belongs to, and how it came there.
 *
 * A cluster's identity is 128 random bits, made at its founding and decided by its log. Before a
 * node knows it, only this tells clusters apart: a founding member has the list that it was started
 * with, the same on all of them; a joining one has nothing, and waits to be addressed.
 *
 *   FOUNDING ──── meets a member, same list ───┐
 *   JOINING ───── a member addresses it ───────┴──► has the identity ──► MEMBER, by the log
 *
 * A MEMBER without an identity comes from a version that knew none. Its founding is unknown (0),
 * and stays so when its cluster gets an identity. Who joins takes over its cluster's founding.
 * Pure functions. */
#ifndef STANDING_H
#define STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../client/wire/protocol.h"

#define STANDING_IDENTITY_SIZE PROTOCOL_IDENTITY_SIZE
#define STANDING_IDENTITY_TEXT 33  /* hexadecimal, and NUL */
#define STANDING_FOUNDERS_MAX 1024 /* of the list as people read it; a longer one is left out */

/* On the wire and on disk: never renumbered. */
enum standing_state { STANDING_MEMBER, STANDING_FOUNDING, STANDING_JOINING };

struct standing {
    enum standing_state state;
    uint8_t identity[STANDING_IDENTITY_SIZE]; /* zeros: not known yet */
    uint64_t founding;                        /* hash of the list of founders; 0: unknown */
    /* "1=HOST:PORT,2=HOST:PORT", by id: for sentences, the hash decides. "": unknown or long. */
    char founders[STANDING_FOUNDERS_MAX + 1];
};

struct standing_founder {
    uint64_t id;
    const char *address;
};

/* A founding member of the cluster of this name. The list's order and the letter case of its host
 * names do not matter. At least one founder. */
void standing_found(struct standing *s, const char *cluster,
                    const struct standing_founder *founders, unsigned n);
bool standing_has_identity(const struct standing *s);
/* Take over the cluster of `from`, which has an identity: all but the state. */
void standing_adopt(struct standing *s, const struct standing *from);
/* The first 8 hexadecimal digits of an identity, which people compare; "none" of zeros. */
const char *standing_brief(const uint8_t identity[STANDING_IDENTITY_SIZE], char out[9]);
void standing_identity_text(const uint8_t identity[STANDING_IDENTITY_SIZE],
                            char out[STANDING_IDENTITY_TEXT]);
/* The inverse. False: these are not 32 hexadecimal digits. */
bool standing_identity_parse(const char *text, uint8_t identity[STANDING_IDENTITY_SIZE]);
/* Is this node in the list of founders? True also where the list is not at hand. */
bool standing_names(const struct standing *s, uint64_t id);
/* A phrase that names the first difference of two lists: `ours` is "here", `theirs` is "there". */
void standing_difference(const char *ours, const char *theirs, char *out, size_t len);

#endif
