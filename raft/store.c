/* store.c - the map from order id to order: sorted open addressing, in shards.
 *
 * What holds in every shard between two calls:
 *   1. the orders stand in the slots in order of (hash, id);
 *   2. an order stands at its home slot or behind it, with no free slot in between;
 *   3. at least one slot is free.
 * A search may therefore begin at the home and end at the first free slot or larger tag. */
#define XXH_INLINE_ALL
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "store.h"

#define SHARD_BITS 12
#define TAG_BITS 16
#define CAP_MIN 8u
#define CAP_MAX (1u << 28)
#define OVERFLOW_MAX 64u /* at 7/8 load a longer run than this at the very end is very rare */

static_assert(STORE_SHARDS == 1 << SHARD_BITS, "a shard is the top bits of the hash");

/* --- hashes --- */

uint64_t store_hash(const struct store *s, struct slice id)
{
    return XXH3_64bits_withSeed(id.data, id.len, s->seed);
}

static struct slice id_of(const struct order *o)
{
    return (struct slice){order_id(o), o->id_len};
}

static uint32_t shard_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - SHARD_BITS));
}

static uint16_t tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> (64 - SHARD_BITS - TAG_BITS));
}

static int id_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int bytes = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return bytes != 0 ? bytes : (a.len > b.len) - (a.len < b.len);
}

/* Is this order behind (hash, id)? The tags have been found equal. */
static bool order_is_behind(const struct store *s, const struct order *o, uint64_t hash,
                            struct slice id)
{
    uint64_t its = store_hash(s, id_of(o));
    return its != hash ? its > hash : id_compare(id_of(o), id) > 0;
}

static bool id_is(const struct order *o, struct slice id)
{
    return o->id_len == id.len && memcmp(order_id(o), id.data, id.len) == 0;
}

/* --- one shard --- */

static uint16_t *tags_of(const struct store_shard *sh)
{
    return (uint16_t *)(sh->slots + sh->cap);
}

static size_t table_bytes(uint32_t cap)
{
    return cap * (sizeof(struct order *) + sizeof(uint16_t));
}

/* Slots that are somebody's home: the rest takes what is pushed past their end. */
static uint32_t homes_of(uint32_t cap)
{
    return cap - (cap / 8 < OVERFLOW_MAX ? cap / 8 : OVERFLOW_MAX);
}

/* Never decreases as the tag grows: slots in order of home are slots in order of hash. */
static uint32_t home_of(uint32_t cap, uint16_t tag)
{
    return (uint32_t)(((uint64_t)tag * homes_of(cap)) >> TAG_BITS);
}

static bool is_full(const struct store_shard *sh)
{
    return sh->n >= homes_of(sh->cap) - homes_of(sh->cap) / 8;
}

/* Put all orders of `from` into the empty table `to`, in their order. False when they would run
 * over its end. */
static bool shard_copy(const struct store_shard *from, struct store_shard *to)
{
    const uint16_t *from_tags = tags_of(from);
    uint16_t *to_tags = tags_of(to);
    uint32_t next = 0;
    for (uint32_t i = 0; i < from->cap; i++) {
        if (from->slots[i] == NULL) {
            continue;
        }
        uint32_t home = home_of(to->cap, from_tags[i]);
        next = next > home ? next : home;
        if (next + 1 >= to->cap) {
            return false;
        }
        to->slots[next] = from->slots[i];
        to_tags[next] = from_tags[i];
        to->n++;
        next++;
    }
    assert(to->n == from->n);
    return true;
}

enum resize { RESIZE_DONE, RESIZE_TOO_SMALL, RESIZE_NO_MEMORY };

static enum resize shard_resize(struct store *s, struct store_shard *sh, uint32_t cap)
{
    struct store_shard fresh = {.slots = calloc(1, table_bytes(cap)), .cap = cap};
    if (fresh.slots == NULL) {
        return RESIZE_NO_MEMORY;
    }
    if (sh->cap > 0 && !shard_copy(sh, &fresh)) {
        free(fresh.slots);
        return RESIZE_TOO_SMALL;
    }
    s->memory += table_bytes(cap) - table_bytes(sh->cap);
    free(sh->slots);
    *sh = fresh;
    return RESIZE_DONE;
}

static void shard_grow(struct store *s, struct store_shard *sh)
{
    uint32_t cap = sh->cap;
    enum resize done;
    do {
        cap += cap < 4 * CAP_MIN ? CAP_MIN : cap / 4; /* a quarter: most of a table is in use */
        done = cap <= CAP_MAX ? shard_resize(s, sh, cap) : RESIZE_NO_MEMORY;
    } while (done == RESIZE_TOO_SMALL);
    if (done == RESIZE_NO_MEMORY) {
        fprintf(stderr, "orderschedd: out of memory in the table of orders\n");
        abort();
    }
}

/* A table far too large makes walks slow. Doing without is always possible. */
static void shard_shrink(struct store *s, struct store_shard *sh)
{
    if (sh->n == 0) {
        s->memory -= table_bytes(sh->cap);
        free(sh->slots);
        *sh = (struct store_shard){0};
    } else if (sh->cap > CAP_MIN && sh->n < sh->cap / 8) {
        enum resize done = shard_resize(s, sh, sh->cap / 2);
        (void)done;
    }
}

/* The slot where an order of this tag, hash and id belongs: the first from its home on that is
 * free or holds one behind it. May be cap. */
static uint32_t shard_position(const struct store *s, const struct store_shard *sh, uint64_t hash,
                               struct slice id)
{
    const uint16_t *tags = tags_of(sh);
    uint16_t tag = tag_of(hash);
    uint32_t i = home_of(sh->cap, tag);
    while (i < sh->cap && sh->slots[i] != NULL &&
           (tags[i] < tag || (tags[i] == tag && !order_is_behind(s, sh->slots[i], hash, id)))) {
        i++;
    }
    return i;
}

/* The slot that holds this id, or cap. */
static uint32_t shard_find(const struct store_shard *sh, uint16_t tag, struct slice id)
{
    if (sh->n == 0) {
        return sh->cap;
    }
    const uint16_t *tags = tags_of(sh);
    for (uint32_t i = home_of(sh->cap, tag); i < sh->cap; i++) {
        if (sh->slots[i] == NULL || tags[i] > tag) {
            break;
        }
        if (tags[i] == tag && id_is(sh->slots[i], id)) {
            return i;
        }
    }
    return sh->cap;
}

/* Put the order at slot `at`, those from there to the next free slot one further. False, and
 * nothing done, when that would take the last slot. */
static bool shard_put(struct store_shard *sh, uint32_t at, struct order *o, uint16_t tag)
{
    uint16_t *tags = tags_of(sh);
    uint32_t gap = at;
    while (gap < sh->cap && sh->slots[gap] != NULL) {
        gap++;
    }
    if (gap + 1 >= sh->cap) {
        return false;
    }
    memmove(sh->slots + at + 1, sh->slots + at, (gap - at) * sizeof *sh->slots);
    memmove(tags + at + 1, tags + at, (gap - at) * sizeof *tags);
    sh->slots[at] = o;
    tags[at] = tag;
    sh->n++;
    return true;
}

/* Free slot `at`: those behind it that are not at home move one back. */
static void shard_take(struct store_shard *sh, uint32_t at)
{
    uint16_t *tags = tags_of(sh);
    uint32_t end = at + 1;
    while (end < sh->cap && sh->slots[end] != NULL && home_of(sh->cap, tags[end]) < end) {
        end++;
    }
    memmove(sh->slots + at, sh->slots + at + 1, (end - at - 1) * sizeof *sh->slots);
    memmove(tags + at, tags + at + 1, (end - at - 1) * sizeof *tags);
    sh->slots[end - 1] = NULL;
    sh->n--;
}

/* --- the store --- */

void store_init(struct store *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->seed = seed;
}

void store_close(struct store *s)
{
    for (uint32_t i = 0; i < STORE_SHARDS; i++) {
        free(s->shards[i].slots);
    }
    memset(s, 0, sizeof *s);
}

struct order *store_find(const struct store *s, struct slice id)
{
    if (id.len == 0) {
        return NULL;
    }
    uint64_t hash = store_hash(s, id);
    const struct store_shard *sh = &s->shards[shard_of(hash)];
    uint32_t at = shard_find(sh, tag_of(hash), id);
    return at < sh->cap ? sh->slots[at] : NULL;
}

/* Does the slot before the one where this id belongs hold it already? */
static bool shard_holds(const struct store_shard *sh, uint32_t at, uint16_t tag, struct slice id)
{
    return at > 0 && sh->slots[at - 1] != NULL && tags_of(sh)[at - 1] == tag &&
           id_is(sh->slots[at - 1], id);
}

bool store_insert(struct store *s, struct order *o)
{
    uint64_t hash = store_hash(s, id_of(o));
    struct store_shard *sh = &s->shards[shard_of(hash)];
    uint16_t tag = tag_of(hash);
    for (;;) {
        uint32_t at = sh->cap > 0 ? shard_position(s, sh, hash, id_of(o)) : 0;
        if (shard_holds(sh, at, tag, id_of(o))) {
            return false;
        }
        if (sh->cap > 0 && !is_full(sh) && shard_put(sh, at, o, tag)) {
            s->n++;
            return true;
        }
        shard_grow(s, sh);
    }
}

void store_remove(struct store *s, struct order *o)
{
    uint64_t hash = store_hash(s, id_of(o));
    struct store_shard *sh = &s->shards[shard_of(hash)];
    uint32_t at = shard_find(sh, tag_of(hash), id_of(o));
    assert(at < sh->cap && sh->slots[at] == o);
    shard_take(sh, at);
    s->n--;
    shard_shrink(s, sh);
}

struct order *store_next(const struct store *s, uint64_t hash, struct slice id)
{
    uint32_t shard = shard_of(hash);
    const struct store_shard *sh = &s->shards[shard];
    uint32_t at = sh->n > 0 ? shard_position(s, sh, hash, id) : sh->cap;
    for (;;) {
        for (; at < sh->cap; at++) {
            if (sh->slots[at] != NULL) {
                return sh->slots[at];
            }
        }
        if (++shard == STORE_SHARDS) {
            return NULL;
        }
        sh = &s->shards[shard];
        at = sh->n > 0 ? 0 : sh->cap;
    }
}
