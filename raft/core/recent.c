/* recent.c - a ring of the recent requests that belong to no known order, found by id.
 *
 * The ring is cut in chunks that are allocated when the newest reaches them and freed when the
 * oldest leaves them. The table is a linear hash (Litwin 1980): a bucket is the head of a chain
 * through the requests; with each request that comes one bucket more is split off an older one,
 * as long as there are fewer buckets than requests. */
#include "recent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../client/base/must.h"
#include "machine_parts.h"

#define CHUNK 1024u
#define CHUNKS (MACHINE_RECENT_MAX / CHUNK)
#define FIRST_BUCKETS 64u
#define NONE UINT32_MAX
#define IN_CACHE 4096u /* so many are there without being asked for */
_Static_assert((MACHINE_RECENT_MAX & (MACHINE_RECENT_MAX - 1)) == 0, "places wrap around");
_Static_assert(MACHINE_RECENT_MAX % CHUNK == 0, "the last chunk is whole");
_Static_assert((FIRST_BUCKETS & (FIRST_BUCKETS - 1)) == 0, "the first round is a whole one");
_Static_assert((size_t)MACHINE_RECENT_MAX *(sizeof(struct recent_request) + sizeof(uint32_t)) <=
                   MACHINE_RECENT_BYTES,
               "what the page says");

#define DIGEST_BASE 0x9e3779b97f4a7c15u         /* odd, so that it has... */
#define DIGEST_BASE_INVERSE 0xf1de83e19937733du /* ...an inverse modulo 2^64 */
_Static_assert(DIGEST_BASE *DIGEST_BASE_INVERSE == 1, "each undoes the other");

struct recent {
    struct recent_request *chunks[CHUNKS]; /* NULL: none of its places is in use */
    uint32_t first;                        /* place of the oldest */
    uint32_t n;
    uint32_t limit;
    uint32_t n_buckets;
    uint32_t mask;          /* the buckets of the last full round: a power of two, less one */
    uint32_t *buckets;      /* MACHINE_RECENT_MAX; place of the first in the chain, or NONE */
    struct siphash_key key; /* of the table */
    /* The hashes of the requests as the digits of a number to the base DIGEST_BASE, modulo 2^64,
     * the newest last: who comes and who goes changes it in a few steps. */
    uint64_t digest;
    uint64_t power; /* DIGEST_BASE to the n */
};

static struct recent_request *at_place(const struct recent *r, uint32_t place)
{
    return &r->chunks[place / CHUNK][place % CHUNK];
}

static uint32_t place_of(const struct recent *r, uint32_t i)
{
    return (r->first + i) & (MACHINE_RECENT_MAX - 1);
}

/* --- the table --- */

static uint32_t *bucket_of(const struct recent *r, const uint8_t *request_id)
{
    uint8_t common[ORDERSCHED_REQUEST_ID_SIZE];

    request_id_normalise(request_id, common);
    uint32_t hash = (uint32_t)siphash(r->key, common, sizeof common);
    uint32_t bucket = hash & (2 * r->mask + 1);

    return &r->buckets[bucket < r->n_buckets ? bucket : bucket & r->mask];
}

static void recent_chain(struct recent *r, uint32_t place)
{
    struct recent_request *request = at_place(r, place);
    uint32_t *bucket = bucket_of(r, request->id);

    request->next = *bucket;
    *bucket = place;
}

static void recent_unchain(struct recent *r, uint32_t place)
{
    uint32_t *at = bucket_of(r, at_place(r, place)->id);

    while (*at != place) {
        assert(*at != NONE);
        at = &at_place(r, *at)->next;
    }
    *at = at_place(r, place)->next;
}

/* One bucket more: it takes its share of the one that stood for both. */
static void recent_split(struct recent *r)
{
    uint32_t old = r->n_buckets & r->mask;
    uint32_t place = r->buckets[old];

    assert(r->n_buckets < MACHINE_RECENT_MAX); /* there are fewer than requests */
    r->buckets[old] = NONE;
    r->buckets[r->n_buckets++] = NONE;
    while (place != NONE) {
        uint32_t next = at_place(r, place)->next;
        recent_chain(r, place);
        place = next;
    }
    if (r->n_buckets == 2 * (r->mask + 1)) {
        r->mask = 2 * r->mask + 1;
    }
    assert(r->mask < r->n_buckets && r->n_buckets <= 2 * r->mask + 1);
}

void recent_set_key(struct recent *r, struct siphash_key key)
{
    r->key = key;
    memset(r->buckets, 0xff, r->n_buckets * sizeof *r->buckets); /* NONE */
    for (uint32_t i = 0; i < r->n; i++) {
        recent_chain(r, place_of(r, i));
    }
}

uint32_t recent_longest_search(const struct recent *r)
{
    uint32_t longest = 0;

    for (uint32_t i = 0; i < r->n_buckets; i++) {
        uint32_t n = 0;

        for (uint32_t place = r->buckets[i]; place != NONE; place = at_place(r, place)->next) {
            n++;
        }
        longest = n > longest ? n : longest;
    }
    return longest;
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

/* --- the ring --- */

struct recent *recent_new(void)
{
    struct recent *r = calloc(1, sizeof *r);

    if (!r) {
        return NULL;
    }
    r->limit = MACHINE_RECENT_MAX;
    r->n_buckets = FIRST_BUCKETS;
    r->mask = FIRST_BUCKETS - 1;
    r->power = 1;
    /* All at once: what is not touched is not there. */
    r->buckets = malloc(MACHINE_RECENT_MAX * sizeof *r->buckets);
    if (!r->buckets) {
        recent_free(r);
        return NULL;
    }
    memset(r->buckets, 0xff, FIRST_BUCKETS * sizeof *r->buckets); /* NONE */
    return r;
}

void recent_free(struct recent *r)
{
    if (r) {
        for (uint32_t i = 0; i < CHUNKS; i++) {
            free(r->chunks[i]);
        }
        free(r->buckets);
        free(r);
    }
}

void recent_set_limit(struct recent *r, uint32_t limit)
{
    assert(limit > 0 && limit <= MACHINE_RECENT_MAX && r->n <= limit);
    r->limit = limit;
}

uint32_t recent_limit(const struct recent *r)
{
    return r->limit;
}

uint32_t recent_count(const struct recent *r)
{
    return r->n;
}

const struct recent_request *recent_at(const struct recent *r, uint32_t i)
{
    assert(i < r->n);
    return at_place(r, place_of(r, i));
}

void recent_prefetch(const struct recent *r, const uint8_t *request_id)
{
    if (r->n > IN_CACHE) {
        __builtin_prefetch(bucket_of(r, request_id));
    }
}

void recent_prefetch_request(const struct recent *r, const uint8_t *request_id)
{
    if (r->n > IN_CACHE) {
        uint32_t place = *bucket_of(r, request_id);
        if (place != NONE) {
            __builtin_prefetch(at_place(r, place));
        }
    }
}

const struct recent_request *recent_find(const struct recent *r, const uint8_t *request_id)
{
    if (r->n == 0) {
        return NULL;
    }
    for (uint32_t place = *bucket_of(r, request_id); place != NONE;
         place = at_place(r, place)->next) {
        const struct recent_request *request = at_place(r, place);

        if (request_id_is_same(request->id, request_id)) {
            return request;
        }
    }
    return NULL;
}

void recent_add(struct recent *r, const struct recent_request *request)
{
    uint32_t place = place_of(r, r->n);
    struct recent_request **chunk = &r->chunks[place / CHUNK];

    assert(r->n < r->limit);
    if (*chunk == NULL) {
        *chunk = must_have(malloc(CHUNK * sizeof **chunk));
    }
    r->n++;
    *at_place(r, place) = *request;
    recent_chain(r, place);
    if (r->n_buckets < r->n) {
        recent_split(r);
    }
    digest_add(r, request);
}

void recent_drop_oldest(struct recent *r)
{
    uint32_t place = r->first;

    assert(r->n > 0);
    recent_unchain(r, place);
    digest_drop(r, at_place(r, place));
    r->first = place_of(r, 1);
    r->n--;
    assert(r->n > 0 || (r->digest == 0 && r->power == 1));
    /* The chunk goes with its last place, unless the newest have come round to its first ones. */
    if (r->n == 0 ||
        (place % CHUNK == CHUNK - 1 && place_of(r, r->n - 1) / CHUNK != place / CHUNK)) {
        free(r->chunks[place / CHUNK]);
        r->chunks[place / CHUNK] = NULL;
    }
}
