/* worker_leases.c - see worker_leases.h. */
#include "worker_leases.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../raft/mutant.h"

static_assert((WORKER_BUCKETS & (WORKER_BUCKETS - 1)) == 0, "a bucket is some bits of a serial");
static_assert(ORDERSCHED_TOKEN_SIZE == 3 * 8, "epoch, serial, random bits");

static void write_u64(uint8_t *out, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

static uint64_t read_u64(const uint8_t *in)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        v = v << 8 | in[i];
    }
    return v;
}

void worker_leases_init(struct worker_leases *l)
{
    memset(l, 0, sizeof *l);
    l->settling_last = &l->settling;
    l->settled_last = &l->settled;
}

/* ---- the table ---- */

static struct reservation **bucket_of(struct worker_leases *l, uint64_t serial)
{
    return &l->buckets[serial & (WORKER_BUCKETS - 1)];
}

static void reservation_free(struct worker_leases *l, struct reservation *r)
{
    struct reservation **at = bucket_of(l, r->serial);

    while (*at != r) {
        assert(*at != NULL);
        at = &(*at)->bucket_next;
    }
    *at = r->bucket_next;
    free(r);
}

struct reservation *worker_leases_find(const struct worker_leases *l, struct slice token)
{
    assert(token.len == ORDERSCHED_TOKEN_SIZE);
    uint64_t serial = read_u64(token.data + 8);
    struct reservation *r = l->buckets[serial & (WORKER_BUCKETS - 1)];

    if (read_u64(token.data) != l->epoch) {
        return NULL;
    }
    while (r != NULL && (r->serial != serial || r->random_bits != read_u64(token.data + 16))) {
        r = r->bucket_next;
    }
    return r;
}

void worker_leases_token(const struct worker_leases *l, const struct reservation *r,
                         uint8_t token[ORDERSCHED_TOKEN_SIZE])
{
    write_u64(token, l->epoch);
    write_u64(token + 8, r->serial);
    write_u64(token + 16, r->random_bits);
}

/* ---- the heap of leases ---- */

static void heap_put(struct worker_leases *l, size_t at, struct reservation *r)
{
    l->heap[at] = r;
    r->heap_at = at;
}

static void heap_rise(struct worker_leases *l, size_t at)
{
    struct reservation *r = l->heap[at];

    while (at > 0 && l->heap[(at - 1) / 2]->until_us > r->until_us) {
        heap_put(l, at, l->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(l, at, r);
}

static void heap_sink(struct worker_leases *l, size_t at)
{
    struct reservation *r = l->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->n) {
            break;
        }
        if (child + 1 < l->n && l->heap[child + 1]->until_us < l->heap[child]->until_us) {
            child++;
        }
        if (l->heap[child]->until_us >= r->until_us) {
            break;
        }
        heap_put(l, at, l->heap[child]);
        at = child;
    }
    heap_put(l, at, r);
}

static void heap_remove(struct worker_leases *l, struct reservation *r)
{
    size_t at = r->heap_at;

    assert(at < l->n && l->heap[at] == r);
    l->n--;
    if (at < l->n) {
        heap_put(l, at, l->heap[l->n]);
        heap_rise(l, at);
        heap_sink(l, at); /* what lies there now: the same one, or its former parent */
    }
}

/* ---- the life of a reservation ---- */

struct reservation *worker_leases_add(struct worker_leases *l, struct delivery *d,
                                      uint64_t random_bits, uint64_t lease_us, uint64_t until_us,
                                      const char *worker)
{
    struct reservation *r = must_have(calloc(1, sizeof *r));

    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : 2 * l->cap;
        l->heap = must_have(realloc(l->heap, l->cap * sizeof *l->heap));
    }
    r->delivery = d;
    r->state = RESERVATION_LEASED;
    r->serial = ++l->serial;
    r->random_bits = random_bits;
    r->lease_us = lease_us;
    r->until_us = until_us;
    snprintf(r->worker, sizeof r->worker, "%s", worker);
    r->bucket_next = *bucket_of(l, r->serial);
    *bucket_of(l, r->serial) = r;
    heap_put(l, l->n++, r);
    heap_rise(l, r->heap_at);
    return r;
}

struct reservation *worker_leases_first(const struct worker_leases *l)
{
    return l->n > 0 ? l->heap[0] : NULL;
}

void worker_leases_extend(struct worker_leases *l, struct reservation *r, uint64_t until_us)
{
    assert(r->state == RESERVATION_LEASED && l->heap[r->heap_at] == r);
    r->until_us = until_us;
    heap_rise(l, r->heap_at);
    heap_sink(l, r->heap_at);
}

struct delivery *worker_leases_end(struct worker_leases *l, struct reservation *r)
{
    struct delivery *d = r->delivery;

    assert(r->state == RESERVATION_LEASED);
    heap_remove(l, r);
    reservation_free(l, r);
    return d;
}

void worker_leases_settling(struct worker_leases *l, struct reservation *r, uint64_t ticket)
{
    assert(r->state == RESERVATION_LEASED);
    heap_remove(l, r);
    r->delivery = NULL;
    r->state = RESERVATION_SETTLING;
    r->ticket = ticket;
    r->next = NULL;
    *l->settling_last = r;
    l->settling_last = &r->next;
}

/* Only so many are remembered: the oldest that nobody waits for are forgotten. */
static void leases_trim(struct worker_leases *l)
{
    while (l->n_settled > WORKER_SETTLED_MAX && l->settled->waiters == 0) {
        struct reservation *r = l->settled;
        l->settled = r->next;
        if (l->settled == NULL) {
            l->settled_last = &l->settled;
        }
        assert(l->n_settled > 0 && r->state == RESERVATION_SETTLED);
        l->n_settled--;
        reservation_free(l, r);
    }
}

void worker_leases_settled(struct worker_leases *l, uint64_t ticket, const struct result *result)
{
    struct reservation *r = l->settling;

    /* Tickets are told in their order, and none is left out. */
    assert(r == NULL || r->ticket >= ticket || MUTANT(HAZARD_GROUPED_APPLY));
    if (r == NULL || r->ticket != ticket) {
        return; /* somebody else's */
    }
    l->settling = r->next;
    if (l->settling == NULL) {
        l->settling_last = &l->settling;
    }
    r->state = RESERVATION_SETTLED;
    r->error = result->error;
    r->order_state = result->state;
    r->index = result->index;
    r->next = NULL;
    *l->settled_last = r;
    l->settled_last = &r->next;
    l->n_settled++;
    leases_trim(l);
}

static void free_all(struct worker_leases *l, struct reservation *r)
{
    while (r != NULL) {
        struct reservation *next = r->next;
        assert(r->waiters == 0);
        reservation_free(l, r);
        r = next;
    }
}

void worker_leases_forget(struct worker_leases *l)
{
    free_all(l, l->settling);
    free_all(l, l->settled);
    l->settling = l->settled = NULL;
    l->settling_last = &l->settling;
    l->settled_last = &l->settled;
    l->n_settled = 0;
}

void worker_leases_close(struct worker_leases *l)
{
    assert(l->n == 0);
    worker_leases_forget(l);
    free(l->heap);
    memset(l, 0, sizeof *l);
}
