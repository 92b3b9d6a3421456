/* machine_digest.c - one number for the whole replicated state (docs/semantics.md, "Digest").
 *
 * Each part is hashed in a canonical encoding: numbers as 8 bytes little-endian, byte strings
 * behind their length, an extra part that says nothing as if it were not there. A field added to
 * the replicated state is added here, in the snapshot and in docs/semantics.md. */
#define XXH_STATIC_LINKING_ONLY /* a hash state on the stack: nothing here can fail */
#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "budget.h"
#include "machine_parts.h"
#include "../mutant.h"
#include "recent.h"
#include "secret.h"

/* Nominal costs, in ns. */
#define ORDER_HASH_NS 400u
#define ORDER_LOOK_NS 20u
#define SHARD_NS 20u
#define BYTES_A_NS 4u

/* What is hashed, gathered: most orders fit, and one call for all of it is several times faster than
 * one for each part, with the same result. */
struct canon {
    size_t len;
    bool streams; /* it has not fitted: the beginning is in `state` */
    uint8_t bytes[512];
    XXH3_state_t state;
};

static void canon_begin(struct canon *c)
{
    c->len = 0;
    c->streams = false;
}

static void canon_flush(struct canon *c)
{
    if (!c->streams) {
        XXH3_64bits_reset(&c->state);
        c->streams = true;
    }
    XXH3_64bits_update(&c->state, c->bytes, c->len);
    c->len = 0;
}

static uint64_t canon_end(struct canon *c)
{
    if (!c->streams) {
        return XXH3_64bits(c->bytes, c->len);
    }
    canon_flush(c);
    return XXH3_64bits_digest(&c->state);
}

static void add_data(struct canon *c, const void *data, size_t len)
{
    if (len > sizeof c->bytes - c->len) {
        canon_flush(c);
    }
    if (len > sizeof c->bytes) {
        assert(c->streams && c->len == 0); /* nothing waits in front of it */
        XXH3_64bits_update(&c->state, data, len);
    } else if (len > 0) {
        memcpy(c->bytes + c->len, data, len);
        c->len += len;
    }
}

static void add_uint(struct canon *c, uint64_t value)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    add_data(c, bytes, sizeof bytes);
}

static void add_bytes(struct canon *c, const void *data, size_t len)
{
    add_uint(c, len);
    add_data(c, data, len);
}

static void add_answer(struct canon *hash, const uint8_t *request_id, int error, int state,
                       uint64_t deadline_ms, uint64_t index)
{
    add_bytes(hash, request_id, ORDERSCHED_REQUEST_ID_SIZE);
    add_uint(hash, (uint64_t)error);
    add_uint(hash, (uint64_t)state);
    add_uint(hash, deadline_ms);
    add_uint(hash, index);
}

static void add_history(struct canon *hash, const struct history *h)
{
    struct slice reason = history_reason(h);
    struct slice events = history_events(h);

    add_uint(hash, h ? h->dropped : 0);
    add_bytes(hash, reason.data, reason.len);
    add_bytes(hash, events.data, events.len);
}

static uint64_t hash_order(const struct order *o)
{
    const struct order_extra *extra = o->extra;
    uint32_t n_requests = extra ? extra->n_requests : 0;
    struct canon hash;

    canon_begin(&hash);
    add_bytes(&hash, order_id(o), o->id_len);
    add_bytes(&hash, order_payload(o), MUTANT(DIGEST_FORGETS_PAYLOAD) ? 0 : o->payload_len);
    add_uint(&hash, o->state);
    add_uint(&hash, o->deadline_ms);
    add_uint(&hash, order_decided_ms(o));
    add_uint(&hash, order_decision_index(o));
    add_uint(&hash, o->schedule_index);
    add_bytes(&hash, o->schedule_request, sizeof o->schedule_request);
    add_uint(&hash, o->version);
    add_uint(&hash, o->route);
    add_uint(&hash, extra ? extra->next_ms : 0);
    add_uint(&hash, extra ? extra->first_deadline_ms : o->deadline_ms);
    add_uint(&hash, extra ? extra->attempts : 0);
    add_uint(&hash, extra && !MUTANT(DIGEST_FORGETS_FAILURES) ? extra->failures : 0);
    add_uint(&hash, extra ? extra->redriven_ms : 0);
    add_history(&hash, extra ? extra->history : NULL);
    add_uint(&hash, n_requests);
    for (uint32_t i = 0; i < n_requests; i++) {
        const struct order_request *r = &extra->requests[i];

        add_answer(&hash, r->id, r->error, r->state, r->deadline_ms, r->index);
    }
    if (order_charge(o) != 0) { /* else as it was before there was such a thing */
        add_uint(&hash, order_charge(o));
    }
    if (o->traced && !MUTANT(DIGEST_FORGETS_TRACEPARENT)) { /* the same */
        add_bytes(&hash, order_traceparent(o), PROTOCOL_TRACEPARENT_SIZE);
    }
    return canon_end(&hash);
}

static void add_routes(struct canon *hash, const struct machine *m)
{
    for (uint32_t i = 0; i < m->n_routes; i++) {
        const struct route *r = &m->routes[i];

        if (!r->used) {
            continue;
        }
        add_uint(hash, i);
        add_bytes(hash, r->name, r->name_len);
        add_uint(hash, r->hash);
        add_uint(hash, r->paused);
        add_uint(hash, r->revision);
    }
    add_uint(hash, UINT64_MAX); /* ends the routes: no slot has this number */
}

/* The digest is no cryptographic hash, and anybody may ask for it: the secret is in it by a number
 * that tells nothing of it. */
static void add_secret(struct canon *hash, const struct machine *m)
{
    uint8_t sign[8];

    secret_derive(m->secret, "digest", sign, sizeof sign);
    add_data(hash, sign, sizeof sign);
    add_uint(hash, m->secret_index);
}

static void add_token(struct canon *hash, const struct token *t)
{
    add_data(hash, t->hash, sizeof t->hash);
    add_uint(hash, t->created_ms);
    add_uint(hash, t->expires_ms);
    if (t->used_ms != 0) { /* as with all that came later */
        add_uint(hash, t->used_ms);
        add_bytes(hash, t->from, t->from_len);
    }
}

/* How many orders are counted in its accounts, the orders say. */
static void add_quota(struct canon *hash, const struct grants *g, const struct principal *p)
{
    const struct quota_account *accounts = grants_accounts(g, p);

    if (accounts == NULL) { /* it never had one */
        return;
    }
    add_uint(hash, p->slot);
    for (uint32_t i = 0; i < p->n_grants; i++) {
        add_uint(hash, accounts[i].bucket.time_ms);
        add_uint(hash, accounts[i].bucket.level);
    }
}

/* The principals, in order of their names. */
static void add_grants(struct canon *hash, const struct grants *g)
{
    add_uint(hash, g->on);
    add_uint(hash, g->made);
    add_uint(hash, g->n);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct principal *p = g->principals[i];
        add_data(hash, p->name, p->name_len);
        add_uint(hash, p->kind);
        add_data(hash, p->mark, sizeof p->mark);
        add_uint(hash, p->index);
        add_data(hash, p->bytes, p->len);
        add_uint(hash, p->n_tokens);
        for (uint32_t k = 0; k < p->n_tokens; k++) {
            add_token(hash, &p->tokens[k]);
        }
        add_quota(hash, g, p);
    }
}

/* Everything but the orders. */
static uint64_t hash_rest(const struct machine *m)
{
    struct canon hash;

    canon_begin(&hash);
    add_routes(&hash, m);
    add_uint(&hash, recent_count(m->recent));
    add_uint(&hash, recent_digest(m->recent));
    add_uint(&hash, m->now_ms);
    add_uint(&hash, m->epoch);
    add_uint(&hash, m->seed);
    add_uint(&hash, m->retention_ms);
    add_uint(&hash, m->request_floor_ms);
    add_uint(&hash, m->era);
    add_uint(&hash, m->set_back_ms);
    add_data(&hash, m->identity, sizeof m->identity);
    add_secret(&hash, m);
    if (m->clock_trusted != 0) { /* else as it was before there was such a thing */
        add_uint(&hash, m->clock_trusted);
    }
    if (grants_are_in_use(&m->grants)) { /* the same */
        add_grants(&hash, &m->grants);
    }
    if (m->audit.made > 0) { /* and again */
        add_uint(&hash, m->audit.made);
        add_uint(&hash, m->audit.sum);
    }
    if (m->keyed) { /* and again */
        add_uint(&hash, m->keyed);
    }
    if (m->traced) { /* and again, which is no keyed's number */
        add_uint(&hash, 2);
    }
    return canon_end(&hash);
}

static uint64_t hash_all(uint64_t n, uint64_t orders, uint64_t rest)
{
    struct canon hash;

    canon_begin(&hash);
    add_uint(&hash, n);
    add_uint(&hash, orders);
    add_uint(&hash, rest);
    return canon_end(&hash);
}

uint64_t machine_digest(const struct machine *m)
{
    struct machine_walk walk = {0};
    const struct order *o;
    uint64_t orders = 0;

    while ((o = machine_walk_next(m, &walk))) {
        orders += hash_order(o);
    }
    return hash_all(m->store.n, orders, hash_rest(m));
}

/* --- in slices --- */

void machine_digest_begin(struct machine *m)
{
    assert(!m->digest.running);
    m->digest = (struct machine_digest){
        .running = true,
        .mark = m->digest.mark ^ 1,
        .applied = m->applied,
        .n = m->store.n,
        .rest = hash_rest(m),
    };
}

void machine_digest_add(struct machine *m, struct order *o)
{
    assert(o->digest != m->digest.mark);
    m->digest.orders += hash_order(o);
    o->digest = m->digest.mark;
}

/* What hashing an order takes: a look at it, which the caches seldom hold, and its bytes. */
static uint64_t cost_of(const struct order *o)
{
    const struct history *h = o->extra ? o->extra->history : NULL;

    return ORDER_HASH_NS + (o->payload_len + history_events(h).len) / BYTES_A_NS;
}

/* Count in what is left of a shard, one order at least. Begins with its first slot each time:
 * within a shard orders move as others come and go, and the marks tell who was seen. False: the
 * budget is used up. */
static bool digest_shard(struct machine *m, const struct store_shard *shard, uint64_t *budget_ns)
{
    bool any = false;

    for (uint32_t i = 0; i < shard->cap; i++) {
        struct order *o = shard->slots[i];

        if (o == NULL) {
            continue;
        }
        if (o->digest == m->digest.mark) {
            budget_spend(budget_ns, ORDER_LOOK_NS);
            continue;
        }
        if (*budget_ns == 0 && any) {
            return false;
        }
        budget_spend(budget_ns, cost_of(o));
        machine_digest_add(m, o);
        any = true;
    }
    return true;
}

bool machine_digest_step(struct machine *m, uint64_t *budget_ns)
{
    struct machine_digest *d = &m->digest;

    assert(d->running);
    while (d->shard < STORE_SHARDS) {
        if (!digest_shard(m, &m->store.shards[d->shard], budget_ns)) {
            return false;
        }
        budget_spend(budget_ns, SHARD_NS);
        d->shard++;
        if (*budget_ns == 0 && d->shard < STORE_SHARDS) {
            return false;
        }
    }
    assert(d->mark == 0 || d->mark == 1); /* an order's has one bit */
    d->value = hash_all(d->n, d->orders, d->rest);
    d->running = false;
    return true;
}
