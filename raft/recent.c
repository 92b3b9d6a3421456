/* recent.c - a ring of the recent requests that belong to no known order, found by id through
 * a hash index with linear probing. Both grow by doubling up to MACHINE_RECENT_MAX. */
#include "recent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "machine_parts.h"

#define FIRST_CAP 64u
#define DIGEST_BASE 0x9e3779b97f4a7c15u    /* odd, so that it has... */
#define DIGEST_BASE_INVERSE 0xf1de83e19937733du /* ...an inverse modulo 2^64 */
_Static_assert(DIGEST_BASE * DIGEST_BASE_INVERSE == 1, "each undoes the other");
_Static_assert((MACHINE_RECENT_MAX & (MACHINE_RECENT_MAX - 1)) == 0, "the cap is a power of two");

struct recent {
    struct recent_request *ring;
    uint32_t cap;   /* of the ring, a power of two */
    uint32_t first; /* place of the oldest */
    uint32_t n;
    uint32_t *index; /* 2 * cap cells: place in the ring + 1, or 0 = free */
    struct siphash_key key; /* of the index */
    /* The hashes of the requests as the digits of a number to the base DIGEST_BASE, modulo 2^64,
     * the newest last: who comes and who goes changes it in a few steps. */
    uint64_t digest;
    uint64_t power; /* DIGEST_BASE to the n */
};

static uint32_t cell_of(const struct recent *r, const uint8_t *request_id)
{
    return (uint32_t)siphash(r->key, request_id, ORDERSCHED_REQUEST_ID_SIZE) & (2 * r->cap - 1);
}

/* The cell that holds the id, or the free one at which the search ends. */
static uint32_t probe(const struct recent *r, const uint8_t *request_id)
{
    uint32_t cell = cell_of(r, request_id);

    while (r->index[cell] != 0 && memcmp(r->ring[r->index[cell] - 1].id, request_id,
                                         ORDERSCHED_REQUEST_ID_SIZE) != 0) {
        cell = (cell + 1) & (2 * r->cap - 1);
    }
    return cell;
}

/* --- the digest --- */

static uint64_t hash_of(const struct recent_request *request)
{
    uint8_t bytes[ORDERSCHED_REQUEST_ID_SIZE + 18];
    uint8_t *at = bytes + ORDERSCHED_REQUEST_ID_SIZE;

    memcpy(bytes, request->id, ORDERSCHED_REQUEST_ID_SIZE);
    for (unsigned i = 0; i < 8; i++) {
        *at++ = (uint8_t)(request->index >> (8 * i));
        *at++ = (uint8_t)(request->deadline_ms >> (8 * i));
    }
    *at++ = request->error;
    *at++ = request->state;
    return XXH3_64bits(bytes, sizeof bytes);
}

static void digest_add(struct recent *r, const struct recent_request *newest)
{
    r->digest = r->digest * DIGEST_BASE + hash_of(newest);
    r->power *= DIGEST_BASE;
}

static void digest_drop(struct recent *r, const struct recent_request *oldest)
{
    r->power *= DIGEST_BASE_INVERSE;
    r->digest -= hash_of(oldest) * r->power;
}

uint64_t recent_digest(const struct recent *r)
{
    return r->digest;
}

uint64_t recent_digest_anew(const struct recent *r)
{
    struct recent fresh = {.power = 1};

    for (uint32_t i = 0; i < r->n; i++) {
        digest_add(&fresh, recent_at(r, i));
    }
    return fresh.digest;
}

/* --- life --- */

struct recent *recent_new(void)
{
    struct recent *r = calloc(1, sizeof *r);

    if (!r) {
        return NULL;
    }
    r->cap = FIRST_CAP;
    r->power = 1;
    r->ring = malloc(r->cap * sizeof *r->ring);
    r->index = calloc(2 * (size_t)r->cap, sizeof *r->index);
    if (!r->ring || !r->index) {
        recent_free(r);
        return NULL;
    }
    return r;
}

void recent_free(struct recent *r)
{
    if (r) {
        free(r->ring);
        free(r->index);
        free(r);
    }
}

const struct recent_request *recent_find(const struct recent *r, const uint8_t *request_id)
{
    uint32_t cell = probe(r, request_id);

    return r->index[cell] != 0 ? &r->ring[r->index[cell] - 1] : NULL;
}

const struct recent_request *recent_at(const struct recent *r, uint32_t i)
{
    assert(i < r->n);
    return &r->ring[(r->first + i) & (r->cap - 1)];
}

uint32_t recent_count(const struct recent *r)
{
    return r->n;
}

/* Free the cell, and move back into the gap what the search would no longer reach. */
static void free_cell(struct recent *r, uint32_t gap)
{
    uint32_t mask = 2 * r->cap - 1;

    for (uint32_t cell = (gap + 1) & mask; r->index[cell] != 0; cell = (cell + 1) & mask) {
        uint32_t home = cell_of(r, r->ring[r->index[cell] - 1].id);

        if (((cell - home) & mask) >= ((cell - gap) & mask)) {
            r->index[gap] = r->index[cell];
            gap = cell;
        }
    }
    r->index[gap] = 0;
}

static void drop_oldest(struct recent *r)
{
    uint32_t cell = probe(r, r->ring[r->first].id);

    assert(r->n > 0 && r->index[cell] == r->first + 1);
    free_cell(r, cell);
    digest_drop(r, &r->ring[r->first]);
    r->first = (r->first + 1) & (r->cap - 1);
    r->n--;
}

static void grow(struct recent *r)
{
    struct recent bigger = {.cap = 2 * r->cap,
                            .n = r->n,
                            .key = r->key,
                            .digest = r->digest,
                            .power = r->power};

    bigger.ring = machine_must_have(malloc(bigger.cap * sizeof *bigger.ring));
    bigger.index = machine_must_have(calloc(2 * (size_t)bigger.cap, sizeof *bigger.index));
    for (uint32_t i = 0; i < r->n; i++) {
        bigger.ring[i] = *recent_at(r, i);
        bigger.index[probe(&bigger, bigger.ring[i].id)] = i + 1;
    }
    free(r->ring);
    free(r->index);
    *r = bigger;
}

void recent_set_key(struct recent *r, struct siphash_key key)
{
    r->key = key;
    memset(r->index, 0, 2 * (size_t)r->cap * sizeof *r->index);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t place = (r->first + i) & (r->cap - 1);

        r->index[probe(r, r->ring[place].id)] = place + 1;
    }
}

uint32_t recent_longest_search(const struct recent *r)
{
    uint32_t longest = 0;
    uint32_t run = 0;

    for (uint32_t i = 0; i < 4 * r->cap; i++) { /* twice around: a run may pass the end */
        run = r->index[i & (2 * r->cap - 1)] != 0 && run < 2 * r->cap ? run + 1 : 0;
        longest = longest < run ? run : longest;
    }
    return longest;
}

void recent_add(struct recent *r, const struct recent_request *request, uint64_t *floor_ms)
{
    uint32_t cell;
    uint32_t place;

    if (r->n == MACHINE_RECENT_MAX) {
        uint64_t time_ms = request_id_time_ms(r->ring[r->first].id);

        if (*floor_ms < time_ms) {
            *floor_ms = time_ms;
        }
        drop_oldest(r);
    } else if (r->n == r->cap) {
        grow(r);
    }
    cell = probe(r, request->id);
    assert(r->index[cell] == 0);
    place = (r->first + r->n) & (r->cap - 1);
    r->ring[place] = *request;
    digest_add(r, request);
    r->index[cell] = place + 1;
    r->n++;
}

void recent_trim(struct recent *r, uint64_t floor_ms)
{
    while (r->n > 0 && request_id_time_ms(r->ring[r->first].id) <= floor_ms) {
        drop_oldest(r);
    }
}
