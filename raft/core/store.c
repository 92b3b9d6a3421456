/* store.c - the map from order id to order: sorted open addressing, in shards.
 *
 * What holds in every shard between two calls:
 *   1. the orders stand in the slots in order of (hash, id);
 *   2. an order stands at its home slot or behind it, with no free slot in between;
 *   3. at least one slot is free.
 * A search may therefore begin at the home and end at the first free slot or larger tag. */
#define XXH_INLINE_ALL
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../client/base/must.h"
#include "store.h"

#define SHARD_BITS 12
#define TAG_BITS 16
#define HOMES_MIN 7u
#define SLOTS_MAX (1u << 28)
#define OVERFLOW_MAX 64u /* at 7/8 load a longer run than this at the very end is very rare */
#define RUN_SHORT 8u     /* so many orders of one tag are looked at one by one */

static_assert(STORE_TABLE_SHARDS == 1 << SHARD_BITS, "a shard is the top bits of the hash");
static_assert(SLOTS_MAX <= UINT32_MAX / 2, "a table's size, and what it grows by, is four bytes");
static_assert(HOMES_MIN >= 7, "growing by a quarter or a seventh is growing");

/* --- hashes --- */

/* A hash of one of the two tables. */
struct place {
    bool keyed;
    uint64_t hash;
};

uint64_t store_hash(const struct store *s, bool keyed, struct slice id)
{
    return keyed ? siphash(s->key, id.data, id.len)
                 : XXH3_64bits_withSeed(id.data, id.len, s->seed);
}

static struct place place_of(const struct store *s, bool keyed, struct slice id)
{
    return (struct place){keyed, store_hash(s, keyed, id)};
}

static struct slice id_of(const struct order *o)
{
    return (struct slice){order_id(o), o->id_len};
}

static bool is_keyed(const struct store *s, const struct order *o)
{
    return o->schedule_index >= s->keyed_from;
}

static uint32_t shard_of(struct place p)
{
    return (p.keyed ? STORE_TABLE_SHARDS : 0) + (uint32_t)(p.hash >> (64 - SHARD_BITS));
}

static uint16_t tag_of(struct place p)
{
    return (uint16_t)(p.hash >> (64 - SHARD_BITS - TAG_BITS));
}

static int id_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int bytes = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return bytes != 0 ? bytes : (a.len > b.len) - (a.len < b.len);
}

/* Is this order behind (hash, id)? */
static bool order_is_behind(const struct store *s, const struct order *o, struct place p,
                            struct slice id)
{
    uint64_t its = store_hash(s, p.keyed, id_of(o));
    return its != p.hash ? its > p.hash : id_compare(id_of(o), id) > 0;
}

static bool id_is(const struct order *o, struct slice id)
{
    return o->id_len == id.len && memcmp(order_id(o), id.data, id.len) == 0;
}

/* --- one shard: its size --- */

static uint16_t *tags_of(const struct store_shard *sh)
{
    return (uint16_t *)(sh->slots + sh->cap);
}

static size_t table_bytes(uint32_t cap)
{
    return cap * (sizeof(struct order *) + sizeof(uint16_t));
}

/* Slots for so many homes: the rest takes what is pushed past their end. */
static uint32_t slots_for(uint32_t homes)
{
    return homes + (homes / 7 < OVERFLOW_MAX ? homes / 7 : OVERFLOW_MAX);
}

/* Never decreases as the tag grows: slots in order of home are slots in order of hash. */
static uint32_t home_of(uint32_t homes, uint16_t tag)
{
    return (uint32_t)(((uint64_t)tag * homes) >> TAG_BITS);
}

static bool is_full(const struct store_shard *sh)
{
    return sh->n >= sh->homes - sh->homes / 8;
}

/* How many slots the orders of `sh` take when there are so many homes. */
static uint32_t shard_extent(const struct store_shard *sh, uint32_t homes)
{
    const uint16_t *tags = tags_of(sh);
    uint32_t next = 0;
    for (uint32_t i = 0; i < sh->cap; i++) {
        if (sh->slots[i] != NULL) {
            uint32_t home = home_of(homes, tags[i]);
            next = (next > home ? next : home) + 1;
        }
    }
    return next;
}

/* Put all orders of `from` into the empty table `to`, in their order. */
static void shard_copy(const struct store_shard *from, struct store_shard *to)
{
    const uint16_t *from_tags = tags_of(from);
    uint16_t *to_tags = tags_of(to);
    uint32_t next = 0;
    for (uint32_t i = 0; i < from->cap; i++) {
        if (from->slots[i] == NULL) {
            continue;
        }
        uint32_t home = home_of(to->homes, from_tags[i]);
        next = next > home ? next : home;
        assert(next + 1 < to->cap);
        to->slots[next] = from->slots[i];
        to_tags[next] = from_tags[i];
        to->n++;
        next++;
    }
    assert(to->n == from->n);
}

/* So many homes, and at least so many slots. False: no memory. */
static bool shard_resize(struct store *s, struct store_shard *sh, uint32_t homes, uint32_t cap)
{
    uint32_t extent = sh->cap > 0 ? shard_extent(sh, homes) : 0;
    cap = cap > extent + 1 ? cap : extent + 1;
    struct store_shard fresh = {.homes = homes, .cap = cap};
    fresh.slots = cap <= SLOTS_MAX ? calloc(1, table_bytes(cap)) : NULL;
    if (fresh.slots == NULL) {
        return false;
    }
    if (sh->cap > 0) {
        shard_copy(sh, &fresh);
    }
    s->memory += table_bytes(cap) - table_bytes(sh->cap);
    free(sh->slots);
    *sh = fresh;
    return true;
}

static void shard_must_resize(struct store *s, struct store_shard *sh, uint32_t homes, uint32_t cap)
{
    must_hold(shard_resize(s, sh, homes, cap));
}

/* Too many orders: more homes. A quarter: most of a table is in use. */
static void shard_grow(struct store *s, struct store_shard *sh)
{
    uint32_t homes = sh->homes + (sh->homes < 4 * HOMES_MIN ? HOMES_MIN : sh->homes / 4);
    shard_must_resize(s, sh, homes, slots_for(homes));
}

/* Too many orders at its end: more slots there. */
static void shard_widen(struct store *s, struct store_shard *sh)
{
    shard_must_resize(s, sh, sh->homes, sh->cap + sh->cap / 4 + 1);
}

/* A table far too large makes walks slow. Doing without is always possible. */
static void shard_shrink(struct store *s, struct store_shard *sh)
{
    if (sh->n == 0) {
        s->memory -= table_bytes(sh->cap);
        free(sh->slots);
        *sh = (struct store_shard){0};
    } else if (sh->cap > slots_for(HOMES_MIN) && sh->n < sh->cap / 8) {
        uint32_t homes = sh->n < sh->homes / 8 ? sh->homes / 2 : sh->homes;
        homes = homes > HOMES_MIN ? homes : HOMES_MIN;
        bool done = shard_resize(s, sh, homes, slots_for(homes));
        (void)done;
    }
}

/* --- one shard: its orders --- */

/* The orders of one tag: slots from `at` on. */
struct run {
    uint32_t at;
    uint32_t n;
};

/* Those of this tag; if there are none, the slot where one would stand, which may be cap. */
static struct run shard_run(const struct store_shard *sh, uint16_t tag)
{
    const uint16_t *tags = tags_of(sh);
    uint32_t i = home_of(sh->homes, tag);
    while (i < sh->cap && sh->slots[i] != NULL && tags[i] < tag) {
        i++;
    }
    struct run run = {.at = i};
    while (i < sh->cap && sh->slots[i] != NULL && tags[i] == tag) {
        i++;
    }
    run.n = i - run.at;
    return run;
}

/* The slot where an order of this hash and id belongs: the first of its tag that holds one behind
 * it, or the one after them all. */
static uint32_t shard_position(const struct store *s, const struct store_shard *sh, struct place p,
                               struct slice id)
{
    struct run run = shard_run(sh, tag_of(p));
    while (run.n > 0) {
        uint32_t half = run.n / 2;
        if (order_is_behind(s, sh->slots[run.at + half], p, id)) {
            run.n = half;
        } else {
            run.at += half + 1;
            run.n -= half + 1;
        }
    }
    return run.at;
}

/* Is the order that would stand before slot `at` the one with this id? */
static bool shard_holds(const struct store_shard *sh, uint32_t at, uint16_t tag, struct slice id)
{
    return at > 0 && sh->slots[at - 1] != NULL && tags_of(sh)[at - 1] == tag &&
           id_is(sh->slots[at - 1], id);
}

/* The slot that holds this id, or cap. */
static uint32_t shard_find(const struct store *s, const struct store_shard *sh, struct place p,
                           struct slice id)
{
    if (sh->n == 0) {
        return sh->cap;
    }
    struct run run = shard_run(sh, tag_of(p));
    if (run.n > RUN_SHORT) {
        uint32_t at = shard_position(s, sh, p, id);
        return shard_holds(sh, at, tag_of(p), id) ? at - 1 : sh->cap;
    }
    for (uint32_t i = run.at; i < run.at + run.n; i++) {
        if (id_is(sh->slots[i], id)) {
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
    assert(at >= home_of(sh->homes, tag));
    assert(at == 0 || sh->slots[at - 1] == NULL || tags[at - 1] <= tag);
    assert(at == gap || tags[at] >= tag);
    memmove(sh->slots + at + 1, sh->slots + at, (gap - at) * sizeof *sh->slots);
    memmove(tags + at + 1, tags + at, (gap - at) * sizeof *tags);
    sh->slots[at] = o;
    tags[at] = tag;
    sh->n++;
    assert(sh->n < sh->cap); /* where a search ends */
    return true;
}

/* Free slot `at`: those behind it that are not at home move one back. */
static void shard_take(struct store_shard *sh, uint32_t at)
{
    uint16_t *tags = tags_of(sh);
    uint32_t end = at + 1;
    assert(sh->n > 0);
    while (end < sh->cap && sh->slots[end] != NULL && home_of(sh->homes, tags[end]) < end) {
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
    s->keyed_from = UINT64_MAX;
}

void store_close(struct store *s)
{
    for (uint32_t i = 0; i < STORE_SHARDS; i++) {
        free(s->shards[i].slots);
    }
    memset(s, 0, sizeof *s);
}

void store_set_key(struct store *s, struct siphash_key key, uint64_t index)
{
    assert(s->keyed_from == UINT64_MAX);
    s->key = key;
    s->keyed_from = index;
}

struct store_place store_place(const struct store *s, struct slice id)
{
    if (s->keyed_from == UINT64_MAX) {
        return (struct store_place){0};
    }
    struct place p = place_of(s, true, id);
    __builtin_prefetch(&s->shards[shard_of(p)]);
    return (struct store_place){true, p.hash};
}

/* The same for one of the tables: what is known of the place is not worked out again. */
static struct place place_in(const struct store *s, bool keyed, struct slice id,
                             struct store_place known)
{
    return keyed && known.known ? (struct place){true, known.hash} : place_of(s, keyed, id);
}

void store_prefetch(const struct store *s, struct store_place place)
{
    struct place p = {true, place.hash};
    const struct store_shard *sh = &s->shards[shard_of(p)];

    if (place.known && sh->n > 0) {
        uint32_t home = home_of(sh->homes, tag_of(p));
        __builtin_prefetch(tags_of(sh) + home);
        __builtin_prefetch(sh->slots + home);
    }
}

void store_prefetch_order(const struct store *s, struct store_place place)
{
    struct place p = {true, place.hash};
    const struct store_shard *sh = &s->shards[shard_of(p)];

    if (place.known && sh->n > 0) {
        struct run run = shard_run(sh, tag_of(p));
        if (run.n > 0) {
            __builtin_prefetch(sh->slots[run.at]);
            __builtin_prefetch(order_id(sh->slots[run.at]));
        }
    }
}

static struct order *find_in(const struct store *s, bool keyed, struct slice id,
                             struct store_place place)
{
    struct place p = place_in(s, keyed, id, place);
    const struct store_shard *sh = &s->shards[shard_of(p)];
    uint32_t at = shard_find(s, sh, p, id);
    return at < sh->cap ? sh->slots[at] : NULL;
}

struct order *store_find_at(const struct store *s, struct slice id, struct store_place place)
{
    struct order *o = NULL;

    if (id.len > 0 && s->keyed_from != UINT64_MAX) {
        o = find_in(s, true, id, place);
    }
    if (id.len > 0 && o == NULL && s->n_seeded > 0) {
        o = find_in(s, false, id, place);
    }
    return o;
}

struct order *store_find(const struct store *s, struct slice id)
{
    return store_find_at(s, id, store_place(s, id));
}

bool store_insert_at(struct store *s, struct order *o, struct store_place place)
{
    bool keyed = is_keyed(s, o);
    struct place p = place_in(s, keyed, id_of(o), place);
    struct store_shard *sh = &s->shards[shard_of(p)];
    uint16_t tag = tag_of(p);
    uint32_t at = sh->cap > 0 ? shard_position(s, sh, p, id_of(o)) : 0;

    if (shard_holds(sh, at, tag, id_of(o)) ||
        (keyed ? s->n_seeded > 0 && find_in(s, false, id_of(o), place) != NULL
               : s->n > s->n_seeded && find_in(s, true, id_of(o), place) != NULL)) {
        return false;
    }
    if (sh->cap == 0 || is_full(sh)) {
        shard_grow(s, sh);
        at = shard_position(s, sh, p, id_of(o));
    }
    while (!shard_put(sh, at, o, tag)) {
        shard_widen(s, sh); /* which moves nobody */
    }
    s->n++;
    s->n_seeded += !keyed;
    return true;
}

bool store_insert(struct store *s, struct order *o)
{
    return store_insert_at(s, o, (struct store_place){0});
}

void store_remove(struct store *s, struct order *o)
{
    bool keyed = is_keyed(s, o);
    struct place p = place_of(s, keyed, id_of(o));
    struct store_shard *sh = &s->shards[shard_of(p)];
    uint32_t at = shard_find(s, sh, p, id_of(o));
    assert(at < sh->cap && sh->slots[at] == o);
    shard_take(sh, at);
    assert(s->n > 0 && s->n_seeded <= s->n && (keyed || s->n_seeded > 0));
    s->n--;
    s->n_seeded -= !keyed;
    shard_shrink(s, sh);
}

struct store_position store_position_of(const struct store *s, const struct order *o)
{
    return (struct store_position){is_keyed(s, o), id_of(o)};
}

struct order *store_next(const struct store *s, struct store_position position)
{
    struct place p = {.keyed = position.keyed};
    if (position.id.len > 0) {
        p.hash = store_hash(s, position.keyed, position.id);
    }
    uint32_t shard = shard_of(p);
    const struct store_shard *sh = &s->shards[shard];
    uint32_t at = sh->n > 0 ? shard_position(s, sh, p, position.id) : sh->cap;
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
