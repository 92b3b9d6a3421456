/* delivery_key.h - the idempotency key of an order's deadline version: "osd_" and 32 hex digits.
 *
 * It decides what a receiver takes for done already, so nobody may be able to make an order that
 * bears another's key. It is the first half of HMAC-SHA-256, with a key made of the cluster's secret
 * ("callbacks", raft/core/secret.h), over
 *
 *     u8 1, u8 length of the cluster's name, the name, u64 schedule index, u64 version, order id
 *
 * (little-endian). Orders that were scheduled before the cluster had its secret keep the keys they
 * may have been delivered under: XXH3-128 of name, NUL, both numbers and id. */
#ifndef DELIVERY_KEY_H
#define DELIVERY_KEY_H

#include <openssl/sha.h>

#include "../../raft/core/machine.h"
#include "receiver.h"

/* What makes the keys of one cluster: HMAC's two hashes, begun. */
struct delivery_keys {
    const char *cluster;
    uint64_t from_index; /* orders scheduled from here on have keys by HMAC */
    SHA256_CTX inner;
    SHA256_CTX outer;
};

/* For the machine as it is: again when it may have got its secret since. `cluster` is kept. */
void delivery_keys_init(struct delivery_keys *k, const char *cluster, const struct machine *m);
void delivery_keys_clear(struct delivery_keys *k);
void delivery_key(const struct delivery_keys *k, const struct order *o,
                  char out[ORDERSCHED_KEY_SIZE]);
/* The id of a batch, from this delivery on: the first half of SHA-256 of its orders' keys, one
 * behind the other. Any thread. */
void delivery_batch_key(const struct delivery *first, char out[ORDERSCHED_KEY_SIZE]);

#endif
