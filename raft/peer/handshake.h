/* handshake.h - the first bytes each way of a connection: who is this, whom does it want.
 *
 *    0  u32 magic "OSDP"        4  u16 version (HANDSHAKE_VERSION)
 *    6  u16 length of the whole handshake
 *    8  u64 sender's id        16  u64 id the sender expects at the other end
 *   24  u16 length of cluster  26  u16 length of address
 *   28  u8 standing_state      29  u8 flags (handshake_flag)
 *   30  u16 length of the extensions
 *   32  the cluster's identity, 16 bytes, zeros: not known to the sender
 *   48  u64 hash of the list of founders, 0: unknown (standing.h)
 *   56  cluster, then the sender's address (HOST:PORT), printable ASCII
 *       extensions: u16 tag, u16 length, bytes; a tag that is not known is passed over
 *       u32 checksum: the low half of XXH3-64 of everything before
 *
 * Little-endian. The connecting member speaks first. The accepting one answers in the same form,
 * also when it refuses, so that both sides can say why; but a stranger (another version, another
 * cluster's name, damaged) learns nothing, its connection is just closed. Pure functions; who fits
 * is judged by acquaintance.h.
 *
 * Changing this: an extension, if those who do not know it may go on without; else a new version:
 * members of both versions cannot talk, so a cluster is stopped for such an upgrade or both are
 * accepted for one release. Magic, version and length stay. */
#ifndef TRANSPORT_HANDSHAKE_H
#define TRANSPORT_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../client/wire/protocol.h"
#include "standing.h"

#define HANDSHAKE_VERSION 3
#define HANDSHAKE_HEADER_SIZE 56
#define HANDSHAKE_ADDRESS_MAX (PROTOCOL_ADDRESS_MAX - 1)
#define HANDSHAKE_EXTENSIONS_MAX 2048
#define HANDSHAKE_MAX                                                       \
    (HANDSHAKE_HEADER_SIZE + PROTOCOL_CLUSTER_MAX + HANDSHAKE_ADDRESS_MAX + \
     HANDSHAKE_EXTENSIONS_MAX + 4)

enum handshake_flag {
    HANDSHAKE_ASKS = 1,    /* the sender only wants the answer, and takes part in nothing */
    HANDSHAKE_REFUSES = 2, /* the sender has judged the other's handshake, and closes */
};

/* Tags of extensions: never given out twice. */
enum handshake_tag {
    HANDSHAKE_FOUNDERS = 1, /* standing.founders; kept by encode and decode themselves */
    HANDSHAKE_LIVES = 2,    /* the sender's starts (lives.h); missing: not known */
    HANDSHAKE_SEEN = 3,     /* the receiver's life that the sender has seen last; missing: none */
    HANDSHAKE_SHORTAGE = 4, /* u8, of the sender's data disk (transport.h); missing: not known */
    HANDSHAKE_REMOVED = 5,  /* u64, the log index of the committed configuration in which the
                             * receiver is not a member, though the sender is; missing: it is one,
                             * or that is not known */
    HANDSHAKE_CLOCK = 6,    /* u8 1: the sender takes frames that tell clocks (frame.h) */
};

struct handshake {
    uint64_t sender;
    uint64_t receiver;
    uint8_t flags;
    struct standing standing;
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    char address[HANDSHAKE_ADDRESS_MAX + 1];
    /* As on the wire. To encode: without HANDSHAKE_FOUNDERS; decoded: with all that came. */
    uint8_t extensions[HANDSHAKE_EXTENSIONS_MAX];
    uint16_t extensions_len;
};

enum handshake_status { HANDSHAKE_MORE, HANDSHAKE_DONE, HANDSHAKE_BAD };

/* Append an extension. False: there is no room for it, and nothing was changed. */
bool handshake_extend(struct handshake *h, uint16_t tag, const void *data, uint16_t len);
/* The bytes of an extension, in h; NULL: it has none of this tag. */
const uint8_t *handshake_find(const struct handshake *h, uint16_t tag, uint16_t *len);

/* Encode; returns the length. Cluster and address must be within their limits (ours are). */
size_t handshake_encode(const struct handshake *h, uint8_t out[HANDSHAKE_MAX]);
/* Decode the first `len` bytes of a connection. MORE: all is well so far. BAD: `reason` has a
 * phrase for the log. DONE: *used bytes were taken. Strangers are found out at their first byte. */
enum handshake_status handshake_decode(const uint8_t *data, size_t len, struct handshake *h,
                                       size_t *used, char *reason,
                                       size_t reason_len) ORDERSCHED_MUST_CHECK;

#endif
