/* check_state.c - the replicated state field by field, written down by an encoder of the simulator's own.
 *
 * The machine's digest is what nodes in production are compared by, so it is judged here and not
 * trusted: the states of two nodes are compared by this encoder (PREFIX, I11), which knows nothing of
 * machine_digest.c; and at the end of a run each field of a state is changed for a moment, and the
 * digest must change with it (DIGEST). A field added to the replicated state is added in both
 * places. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../../raft/core/machine_parts.h"
#include "../../../raft/core/recent.h"
#include "check_internal.h"

#define STATE_ORDERS_MAX 6 /* whose fields are changed, of a state */

/* --- writing it down --- */

struct pen {
    uint8_t *bytes;
    size_t n, cap;
};

static void put(struct pen *p, const void *data, size_t len)
{
    if (p->n + len + 8 > p->cap) {
        p->cap = 2 * (p->n + len) + 4096;
        p->bytes = realloc(p->bytes, p->cap);
        if (p->bytes == NULL) {
            abort();
        }
    }
    if (len > 0) {
        memcpy(p->bytes + p->n, data, len);
    }
    p->n += len;
}

static void put_number(struct pen *p, uint64_t value)
{
    put(p, &value, sizeof value); /* within one process: as it lies in memory */
}

static void put_string(struct pen *p, const void *data, size_t len)
{
    put_number(p, len);
    put(p, data, len);
}

static void put_extra(struct pen *p, const struct order_extra *e)
{
    struct slice reason = history_reason(e->history);
    struct slice events = history_events(e->history);

    put_number(p, e->next_ms);
    put_number(p, e->redriven_ms);
    put_number(p, e->attempts);
    put_number(p, e->failures);
    put_number(p, e->history != NULL ? e->history->dropped : 0);
    put_string(p, reason.data, reason.len);
    put_string(p, events.data, events.len);
    put_number(p, e->n_requests);
    for (unsigned i = 0; i < e->n_requests; i++) {
        const struct order_request *r = &e->requests[i];
        put(p, r->id, sizeof r->id);
        put_number(p, r->index);
        put_number(p, r->deadline_ms);
        put_number(p, r->error);
        put_number(p, r->state);
    }
}

/* Orders lie in no order that nodes share: each is hashed for itself. An extra part in which nothing has
 * been noted is as good as none. */
static uint64_t order_hash(struct pen *p, const struct order *o)
{
    static const struct order_extra none;

    p->n = 0;
    put_string(p, order_id(o), o->id_len);
    put_string(p, order_payload(o), o->payload_len);
    put_number(p, o->deadline_ms);
    put_number(p, o->schedule_index);
    put_number(p, o->route);
    put_number(p, o->version);
    put_number(p, o->state);
    put(p, o->schedule_request, sizeof o->schedule_request);
    put_number(p, order_decided_ms(o));
    put_number(p, order_decision_index(o));
    put_number(p, o->extra != NULL ? o->extra->first_deadline_ms : o->deadline_ms);
    put_extra(p, o->extra != NULL ? o->extra : &none);
    if (order_charge(o) != 0) {
        put_number(p, order_charge(o));
    }
    if (o->traced) {
        put(p, order_traceparent(o), PROTOCOL_TRACEPARENT_SIZE);
    }
    return XXH3_64bits(p->bytes, p->n);
}

static void put_routes(struct pen *p, const struct machine *m)
{
    for (uint32_t i = 0; i < m->n_routes; i++) {
        const struct route *r = &m->routes[i];
        if (r->used) { /* slots that are free again leave no trace in a snapshot */
            put_number(p, i);
            put_string(p, r->name, r->name_len);
            put_string(p, r->bytes, r->len);
            put_number(p, r->paused);
            put_number(p, r->paused_ms);
            put_number(p, r->revision);
        }
    }
}

static void put_recent(struct pen *p, const struct machine *m)
{
    put_number(p, recent_count(m->recent));
    for (uint32_t i = 0; i < recent_count(m->recent); i++) {
        const struct recent_request *r = recent_at(m->recent, i);
        put(p, r->id, sizeof r->id);
        put_number(p, r->index);
        put_number(p, r->deadline_ms);
        put_number(p, r->error);
        put_number(p, r->state);
    }
}

static void put_quota(struct pen *p, const struct grants *g, const struct principal *one)
{
    const struct quota_account *accounts = grants_accounts(g, one);

    for (uint32_t i = 0; accounts != NULL && i < GRANT_MAX; i++) {
        put_number(p, one->slot);
        put_number(p, accounts[i].bucket.time_ms);
        put_number(p, accounts[i].bucket.level);
        put_number(p, accounts[i].orders);
        put_number(p, accounts[i].bytes);
    }
}

static void put_grants(struct pen *p, const struct grants *g)
{
    put_number(p, g->on);
    put_number(p, g->made);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct principal *one = g->principals[i];
        put_string(p, one->name, one->name_len);
        put_number(p, one->kind);
        put(p, one->mark, sizeof one->mark);
        put_number(p, one->index);
        put_string(p, one->bytes, one->len);
        for (uint32_t k = 0; k < one->n_tokens; k++) {
            put(p, one->tokens[k].hash, sizeof one->tokens[k].hash);
            put_number(p, one->tokens[k].created_ms);
            put_number(p, one->tokens[k].expires_ms);
            put_number(p, one->tokens[k].used_ms);
            put_string(p, one->tokens[k].from, one->tokens[k].from_len);
        }
        put_quota(p, g, one);
    }
}

static void put_audit(struct pen *p, const struct audit_trail *a)
{
    const struct audit_row *row;

    put_number(p, a->made);
    for (uint64_t number = 0; (row = audit_after(a, number)) != NULL; number = row->number) {
        put_number(p, row->number);
        put_number(p, row->time_ms);
        put_number(p, row->index);
        put_number(p, row->code);
        put_number(p, (uint64_t)row->error);
        put_number(p, row->kind);
        put_string(p, row->name.data, row->name.len);
        put_string(p, row->from.data, row->from.len);
        put_string(p, row->about.data, row->about.len);
        put_string(p, row->detail.data, row->detail.len);
        put_number(p, row->count);
        put_number(p, row->first_ms);
    }
}

uint64_t check_state_hash(const struct machine *m)
{
    struct pen p = {0};
    struct machine_walk walk = {0};
    uint64_t orders = 0;
    const struct order *o;

    while ((o = machine_walk_next(m, &walk)) != NULL) {
        orders += order_hash(&p, o);
    }
    p.n = 0;
    put_number(&p, orders);
    put_number(&p, m->store.n);
    put_number(&p, m->now_ms);
    put_number(&p, m->epoch);
    put_number(&p, m->epoch_ms);
    put_number(&p, m->era);
    put_number(&p, m->set_back_ms);
    put_number(&p, m->seed);
    put_number(&p, m->retention_ms);
    put_number(&p, m->request_floor_ms);
    put(&p, m->identity, sizeof m->identity);
    put(&p, m->secret, sizeof m->secret);
    put_number(&p, m->secret_index);
    put_routes(&p, m);
    put_recent(&p, m);
    if (m->clock_trusted != 0) { /* the traces of all other runs stay as they were */
        put_number(&p, m->clock_trusted);
    }
    if (m->keyed) { /* the same */
        put_number(&p, m->keyed);
    }
    if (m->traced) { /* and again */
        put_number(&p, 2);
    }
    if (m->grants.made > 0) { /* the same */
        put_grants(&p, &m->grants);
    }
    if (m->audit.made > 0) {
        put_audit(&p, &m->audit);
    }
    uint64_t hash = XXH3_64bits(p.bytes, p.n);
    free(p.bytes);
    return hash;
}

/* --- is all of it in the digest? --- */

/* Change a field for a moment: the digest must not be what it was. */
#define LOOK(field)                        \
    do {                                   \
        (field) ^= 1;                      \
        if (machine_digest(m) == before) { \
            missing = #field;              \
        }                                  \
        (field) ^= 1;                      \
    } while (0)

static const char *look_at_extra(const struct machine *m, const struct order *o, uint64_t before)
{
    struct order_extra *extra = o->extra;
    const char *missing = NULL;

    LOOK(extra->next_ms);
    LOOK(extra->first_deadline_ms);
    LOOK(extra->redriven_ms);
    LOOK(extra->attempts);
    LOOK(extra->failures);
    if (order_is_terminal(o)) {
        LOOK(extra->decided_ms);
        LOOK(extra->decision_index);
    }
    if (extra->history != NULL) {
        LOOK(extra->history->dropped);
        if (extra->history->reason_len + extra->history->len > 0) {
            LOOK(extra->history->bytes[0]);
        }
    }
    for (unsigned i = 0; i < extra->n_requests && i < 2; i++) {
        LOOK(extra->requests[i].id[15]);
        LOOK(extra->requests[i].index);
        LOOK(extra->requests[i].deadline_ms);
        LOOK(extra->requests[i].error);
        LOOK(extra->requests[i].state);
    }
    return missing;
}

static const char *look_at_order(const struct machine *m, struct order *o, uint64_t before)
{
    const char *missing = NULL;

    LOOK(o->bytes[0]);
    LOOK(o->deadline_ms);
    LOOK(o->schedule_index);
    LOOK(o->route);
    LOOK(o->version);
    LOOK(o->charge_low);
    LOOK(o->charge_high);
    LOOK(o->schedule_request[15]);
    if (o->payload_len > 0) {
        LOOK(o->bytes[o->id_len]);
    }
    if (o->traced) {
        LOOK(o->bytes[o->id_len + o->payload_len]);
    }
    const char *in_extra = o->extra != NULL ? look_at_extra(m, o, before) : NULL;
    return in_extra != NULL ? in_extra : missing;
}

static const char *look_at_principal(const struct machine *m, struct principal *p, uint64_t before)
{
    const char *missing = NULL;

    LOOK(p->name[0]);
    LOOK(p->kind);
    LOOK(p->mark[9]);
    LOOK(p->index);
    LOOK(p->bytes[1]);
    if (p->n_tokens > 0) {
        LOOK(p->tokens[0].hash[0]);
        LOOK(p->tokens[0].created_ms);
        LOOK(p->tokens[0].expires_ms);
    }
    if (p->n_tokens > 0 && p->tokens[0].used_ms > 1) {
        LOOK(p->tokens[0].used_ms);
        LOOK(p->tokens[0].from_len);
        LOOK(p->tokens[0].from[0]);
    }
    if (p->slot != 0) {
        struct quota_bucket *bucket = &grants_accounts(&m->grants, p)->bucket;
        LOOK(p->slot);
        LOOK(bucket->time_ms);
        LOOK(bucket->level);
    }
    return missing;
}

static const char *look_at_grants(struct machine *m, uint64_t before)
{
    const char *missing = NULL;

    if (m->grants.made > 0) {
        LOOK(m->grants.on);
        LOOK(m->grants.made);
    }
    for (uint32_t i = 0; i < m->grants.n && missing == NULL; i++) {
        missing = look_at_principal(m, m->grants.principals[i], before);
    }
    return missing;
}

static const char *look_at_audit(struct machine *m, uint64_t before)
{
    const char *missing = NULL;

    if (m->audit.made > 0) {
        LOOK(m->audit.made);
        LOOK(m->audit.sum); /* of all rows: machine_check() reckons it anew */
    }
    return missing;
}

static const char *look_at_rest(struct machine *m, uint64_t before)
{
    const char *missing = NULL;

    LOOK(m->now_ms);
    LOOK(m->epoch);
    LOOK(m->seed);
    LOOK(m->retention_ms);
    LOOK(m->request_floor_ms);
    LOOK(m->identity[0]);
    LOOK(m->secret[0]);
    LOOK(m->secret_index);
    LOOK(m->clock_trusted);
    LOOK(m->keyed);
    LOOK(m->traced);
    LOOK(m->era);
    LOOK(m->set_back_ms);
    for (uint32_t i = 0; i < m->n_routes; i++) {
        if (m->routes[i].used) {
            LOOK(m->routes[i].name[0]);
            LOOK(m->routes[i].hash);
            LOOK(m->routes[i].paused);
            LOOK(m->routes[i].revision);
        }
    }
    return missing;
}

/* Those that most has happened to are looked at first. */
void check_state_digest(struct check *c, unsigned node, const struct machine *given)
{
    struct machine *m = (struct machine *)(uintptr_t)given; /* changed, and changed back */
    uint64_t before = machine_digest(m);
    const char *missing = look_at_rest(m, before);
    missing = missing == NULL ? look_at_grants(m, before) : missing;
    missing = missing == NULL ? look_at_audit(m, before) : missing;
    unsigned left = STATE_ORDERS_MAX;

    for (int extra = 1; extra >= 0 && missing == NULL; extra--) {
        struct machine_walk walk = {0};
        struct order *o;
        while (missing == NULL && left > 0 && (o = machine_walk_next(m, &walk)) != NULL) {
            if ((o->extra != NULL) == extra) {
                missing = look_at_order(m, o, before);
                left--;
            }
        }
    }
    if (missing != NULL) {
        check_fail(c, "DIGEST", -1,
                   "the digest of node %u, log index %" PRIu64 ", leaves out:\n  %s", node + 1,
                   m->applied, missing);
    } else if (machine_digest(m) != before) {
        abort(); /* not changed back */
    }
}
