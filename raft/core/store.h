/* store.h - the map from order id to order.
 *
 * Two tables: the *keyed* one hashes ids with SipHash under a key that is made of the cluster's
 * secret, so that no client can tell which ids collide; the *seeded* one, with XXH3 and a seed, holds
 * the orders of a cluster that has no secret yet. Once there is a key nothing new comes into the
 * seeded table: an order's schedule index tells which of the two is its, here and on every replica,
 * and what an older version left there stands where it stood until it is forgotten.
 *
 * A table is open addressing with linear probing, kept sorted by hash ("Robin Hood" order), in
 * STORE_TABLE_SHARDS shards chosen by the top bits of the hash. A shard grows by itself, so that the
 * longest single resize is that of one shard (10 M orders: some 4,000 slots), not of the whole.
 * Iteration runs in order of (table, hash, id) and can be resumed from any such position, across
 * insertions, deletions, resizes, and on another replica, because seed and key are replicated
 * state.
 *
 * Inside a shard the 16 hash bits below the shard's are the order's tag, kept beside the slots:
 * a search reads tags and looks only at orders whose tag is the same. The home slot grows with
 * the tag, and the last few slots are nobody's home: the orders pushed past the end of the homes
 * stand there, and nothing ever wraps around, so that the order of the slots is the order of
 * (hash, id). A shard gets more homes by load alone; where orders crowd past its end it gets more
 * slots there, no more than a quarter of them unused.
 *
 * The worst case, all n orders of a shard with one tag: memory is as for others; a search reads
 * 2 n bytes of tags in a row and hashes log2(n) ids, a change moves 10 n bytes. Nothing fails.
 *
 * Owns nothing: orders belong to the machine. Not thread-safe. */
#ifndef STORE_H
#define STORE_H

#include "../../client/wire/siphash.h"
#include "order.h"

#define STORE_TABLE_SHARDS 4096
#define STORE_SHARDS (2 * STORE_TABLE_SHARDS) /* those of the seeded table first */

struct store_shard {
    struct order **slots; /* cap of them, NULL = free; behind them cap tags, same memory */
    uint32_t cap;         /* slots, or 0 */
    uint32_t homes;       /* of them, from the first on */
    uint32_t n;
};

struct store {
    uint64_t seed;
    struct siphash_key key;
    uint64_t keyed_from; /* orders scheduled from this index on are in the keyed table */
    uint64_t n;
    uint64_t n_seeded; /* of them, in the seeded table */
    size_t memory;     /* bytes of the tables */
    struct store_shard shards[STORE_SHARDS];
};

/* A place in the order of iteration: behind this id of this table. Zero it to begin. */
struct store_position {
    bool keyed;
    struct slice id;
};

void store_init(struct store *s, uint64_t seed);
void store_close(struct store *s); /* frees the tables, not the orders */
/* From now on orders scheduled at `index` and later, of which there is none yet, are in the keyed
 * table. Once in the life of a store. */
void store_set_key(struct store *s, struct siphash_key key, uint64_t index);
uint64_t store_hash(const struct store *s, bool keyed, struct slice id);
struct order *store_find(const struct store *s, struct slice id); /* or NULL */
/* False, and nothing done, when the id is in the store. The order's schedule index must be set, and
 * stays. Aborts on lack of memory. */
bool store_insert(struct store *s, struct order *o) ORDERSCHED_MUST_CHECK;

/* Where an id belongs in the keyed table, whether it is there or not: worked out once for all that
 * is done with the id. Holds until the store is closed; while there is no key nothing is known, and
 * whoever is given the place works it out himself. */
struct store_place {
    bool known;
    uint64_t hash;
};
struct store_place store_place(const struct store *s, struct slice id);
/* A store of millions is in no cache, but several ids can wait for memory at the same time. Have the
 * processor bring near, one after the other: the place's shard (the above does), its slots, the
 * order of its tag. */
void store_prefetch(const struct store *s, struct store_place place);
void store_prefetch_order(const struct store *s, struct store_place place);
/* As store_find and store_insert; `place` is the id's. */
struct order *store_find_at(const struct store *s, struct slice id, struct store_place place);
bool store_insert_at(struct store *s, struct order *o,
                     struct store_place place) ORDERSCHED_MUST_CHECK;
/* The order must be in the store. */
void store_remove(struct store *s, struct order *o);

struct store_position store_position_of(const struct store *s, const struct order *o);
/* The first order behind a position, by table, hash, and the bytes of the id; NULL at the end. The
 * position's order may have left the store since, or never have been there; an empty id stands
 * before all others of its table. A whole walk takes O(n + STORE_SHARDS). */
struct order *store_next(const struct store *s, struct store_position position);

#endif
