/* transport_handshake.h - the first bytes each way of a connection: who is this, whom does it want.
 *
 *    0  u32 magic "OSDP"        4  u16 version (HANDSHAKE_VERSION)
 *    6  u16 length of the whole handshake
 *    8  u64 sender's id        16  u64 id the sender expects at the other end
 *   24  u16 length of cluster  26  u16 length of address
 *   28  cluster, then the sender's address (HOST:PORT), printable ASCII
 *       u32 checksum: the low half of XXH3-64 of everything before
 *
 * Little-endian. The connecting member speaks first; the accepting one answers in the same form
 * only when it agrees, and otherwise just closes: a stranger learns nothing. Pure functions.
 *
 * Changing this: a new version; members of both versions cannot talk, so a cluster is stopped
 * for such an upgrade or both are accepted for one release. Magic, version and length stay. */
#ifndef TRANSPORT_HANDSHAKE_H
#define TRANSPORT_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#include "../client/protocol.h"

#define HANDSHAKE_VERSION 2
#define HANDSHAKE_HEADER_SIZE 28
#define HANDSHAKE_ADDRESS_MAX (PROTOCOL_ADDRESS_MAX - 1)
#define HANDSHAKE_MAX (HANDSHAKE_HEADER_SIZE + PROTOCOL_CLUSTER_MAX + HANDSHAKE_ADDRESS_MAX + 4)

struct handshake {
    uint64_t sender;
    uint64_t receiver;
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    char address[HANDSHAKE_ADDRESS_MAX + 1];
};

enum handshake_status { HANDSHAKE_MORE, HANDSHAKE_DONE, HANDSHAKE_BAD };

/* Encode; returns the length. Cluster and address must be within their limits (ours are). */
size_t handshake_encode(const struct handshake *h, uint8_t out[HANDSHAKE_MAX]);
/* Decode the first `len` bytes of a connection. MORE: all is well so far. BAD: `reason` has a
 * phrase for the log. DONE: *used bytes were taken. Strangers are found out at their first byte. */
enum handshake_status handshake_decode(const uint8_t *data, size_t len, struct handshake *h,
                                       size_t *used, char *reason, size_t reason_len)
    ORDERSCHED_MUST_CHECK;
/* Is `h` meant for node `own` of `cluster`, and from `expected` (0 = from anybody but us)?
 * 0, or -1 with a phrase for the log in `reason`. */
int handshake_judge(const struct handshake *h, const char *cluster, uint64_t own,
                    uint64_t expected, char *reason, size_t reason_len) ORDERSCHED_MUST_CHECK;

#endif
