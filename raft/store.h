/* store.h - the map from order id to order.
 *
 * Open addressing with linear probing, kept sorted by hash ("Robin Hood" order), in
 * STORE_SHARDS shards chosen by the top bits of the hash. A shard grows by itself, so that the
 * longest single resize is that of one shard (10 M orders: some 4,000 slots), not of the whole.
 * Iteration runs in order of (hash, id) and can be resumed from any such position, across
 * insertions, deletions, resizes, and on another replica, because the seed of the hash is
 * replicated state.
 *
 * Inside a shard the 16 hash bits below the shard's are the order's tag, kept beside the slots:
 * a search reads tags and looks only at orders whose tag is the same. The home slot grows with
 * the tag, and the last few slots are nobody's home: the orders pushed past the end of the homes
 * stand there, and nothing ever wraps around, so that the order of the slots is the order of
 * (hash, id). A shard whose last slot is needed grows.
 *
 * Owns nothing: orders belong to the machine. Not thread-safe. */
#ifndef STORE_H
#define STORE_H

#include "order.h"

#define STORE_SHARDS 4096

struct store_shard {
    struct order **slots; /* cap of them, NULL = free; behind them cap tags, same memory */
    uint32_t cap;         /* slots, or 0 */
    uint32_t n;
};

struct store {
    uint64_t seed;
    uint64_t n;
    size_t memory; /* bytes of the tables */
    struct store_shard shards[STORE_SHARDS];
};

void store_init(struct store *s, uint64_t seed);
void store_close(struct store *s); /* frees the tables, not the orders */
uint64_t store_hash(const struct store *s, struct slice id);
struct order *store_find(const struct store *s, struct slice id); /* or NULL */
/* False, and nothing done, when the id is in the store. Aborts on lack of memory. */
bool store_insert(struct store *s, struct order *o) ORDERSCHED_MUST_CHECK;
/* The order must be in the store. */
void store_remove(struct store *s, struct order *o);

/* The first order behind (hash, id), by hash, then by the bytes of the id; NULL at the end. An
 * empty id stands before all others. To begin: hash 0 and an empty id. To continue: the hash and
 * id of the last order seen, which may have left the store since. A whole walk takes
 * O(n + STORE_SHARDS). */
struct order *store_next(const struct store *s, uint64_t hash, struct slice id);

#endif
