/* lives.h - the starts of a node, told apart: so that the others notice an older copy of its data.
 *
 * Each start of a node is a life: counted from 1, with a random number that no other start has,
 * durable before the node speaks to anybody. The last lives are told in the handshake, and every
 * member keeps the last life that it has seen of every other one. A healthy node's lives are a
 * chain that only grows, so what was seen is in it:
 *
 *   seen          told                 is
 *   5: a          6: c, 5: a           the same node, started again
 *   5: a          7: d, 6: c, 5: a     the same; whoever keeps the memory slept a while
 *   5: a          4: z                 an older copy of its directory
 *   5: a          5: b, 4: z           the same, or a copy of it that runs elsewhere
 *   5: a, member  no identity          a directory that was wiped
 *   5: a          nothing told         not known: of a version that counted nothing
 *
 * A memory that is missing or behind lets pass what it does not know of; it refuses nobody. Pure
 * functions. */
#ifndef LIVES_H
#define LIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVES_TOLD_MAX 64 /* of the last lives: an older one that was seen cannot be compared */
#define LIVES_TOLD_SIZE_MAX (8 + 8 * LIVES_TOLD_MAX)
#define LIFE_SIZE 17
#define LIVES_SEEN_MAX 128 /* ids that are remembered; the one not seen for longest goes */

/* A node's own. */
struct lives {
    uint64_t starts;                /* the number of the present life; 0: not known */
    unsigned n;                     /* that are told: at most LIVES_TOLD_MAX */
    uint64_t marks[LIVES_TOLD_MAX]; /* marks[i]: the random number of life starts - i */
};

/* What is remembered of another node. */
struct life {
    uint64_t start; /* 0: it has told none */
    uint64_t mark;
    bool member; /* it knew its cluster's identity */
};

struct lives_seen {
    unsigned n;
    struct {
        uint64_t id;
        struct life life;
    } nodes[LIVES_SEEN_MAX]; /* who was seen last is last */
};

/* A new life begins. */
void lives_begin(struct lives *l, uint64_t mark);

enum lives_fit {
    LIVES_FIT,     /* what was seen is in them, or cannot be compared */
    LIVES_OLDER,   /* they end before it */
    LIVES_ANOTHER, /* they have another life in its place */
};
enum lives_fit lives_compare(const struct lives *told, const struct life *seen);

/* NULL: nothing is remembered of it. Valid until the next note. */
const struct life *lives_recall(const struct lives_seen *s, uint64_t id);
/* It was seen in this life. A node that was once seen as a member stays one. True: that was not
 * known before. */
bool lives_note(struct lives_seen *s, uint64_t id, const struct lives *told, bool member);

/* For the handshake: u64 starts, then u64 marks, the last one first. Returns the length. */
size_t lives_encode(const struct lives *l, uint8_t out[LIVES_TOLD_SIZE_MAX]);
/* What is malformed or has nothing tells nothing: starts is 0. */
void lives_decode(const uint8_t *data, size_t len, struct lives *out);
/* u64 start, u64 mark, u8 member. */
void life_encode(const struct life *life, uint8_t out[LIFE_SIZE]);
bool life_decode(const uint8_t *data, size_t len, struct life *out);

#endif
