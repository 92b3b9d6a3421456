/* check_quota.c - how much may be done (QUOTA), by a model of its own: which requests the log remembers, and
 * which orders are not decided. No more is charged to a grant than it has, a copy of a request is charged
 * to nobody, and what is decided is given back.
 *
 * What an entry does that changes grants as well is not told apart: the model goes on from the state. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../../raft/core/recent.h"
#include "check_internal.h"

#define OPERATION 1000u /* thousandths, as levels have it */

static unsigned client_of(unsigned principal)
{
    return (principal - 1) % SIM_CLIENTS_MAX;
}

void check_quota_recorded(struct check *c, struct request_record *r)
{
    if (!r->charged && r->principal != CHECK_NOBODY && r->principal != CHECK_ADMIN) {
        r->charged = true;
        struct quota_model *q = &c->quotas.of[client_of(r->principal)];
        q->recorded += q->principal == r->principal;
    }
}

/* Of a keyed schedule each copy that is refused is remembered, and charged, for itself. */
static void note_refused_alone(struct check *c, const uint8_t *kept)
{
    uint8_t keyed[ORDERSCHED_REQUEST_ID_SIZE];

    memcpy(keyed, kept, sizeof keyed);
    keyed[0] |= 0x80;
    const struct request_record *r = check_request_kept(c, keyed);
    if (r != NULL && r->principal != CHECK_NOBODY && r->principal != CHECK_ADMIN) {
        struct quota_model *q = &c->quotas.of[client_of(r->principal)];
        q->recorded += q->principal == r->principal;
    }
}

/* Those that came to the recent requests with this entry. */
static void note_recent(struct check *c, const struct machine *m)
{
    uint32_t n = recent_count(m->recent);

    for (uint32_t i = n; i > 0; i--) {
        const uint8_t *id = recent_at(m->recent, i - 1)->id;
        if (memcmp(id, c->quotas.newest, ORDERSCHED_REQUEST_ID_SIZE) == 0) {
            break;
        }
        struct request_record *r = check_request_kept(c, id);
        if (r != NULL) {
            check_quota_recorded(c, r);
        } else {
            note_refused_alone(c, id);
        }
    }
    if (n > 0) {
        memcpy(c->quotas.newest, recent_at(m->recent, n - 1)->id, ORDERSCHED_REQUEST_ID_SIZE);
    }
}

static const struct check_grant *grant_now(const struct check *c, unsigned client)
{
    const struct access *a = &c->access;
    const struct policy *last = &a->policies[a->n_policies - 1];

    return last->on && last->of[client].principal != 0 ? &last->of[client].grant : NULL;
}

static const struct principal *principal_of(const struct machine *m, unsigned number)
{
    char name[16];

    snprintf(name, sizeof name, "c%u", number);
    return grants_find(&m->grants, (struct slice){(const uint8_t *)name, strlen(name)});
}

/* --- operations a second --- */

static uint64_t filled(const struct quota_model *q, uint64_t rate, uint64_t now_ms)
{
    uint64_t level = q->level + (now_ms - q->time_ms) * rate, full = rate * OPERATION;

    return level < full ? level : full;
}

static void check_rate(struct check *c, struct quota_model *q, uint64_t rate, uint64_t index,
                       const struct machine *m, const struct quota_bucket *bucket)
{
    /* Before the cluster has had a time nothing is counted. */
    uint64_t taken = m->now_ms > 0 ? q->recorded * OPERATION : 0;
    uint64_t level = filled(q, rate, m->now_ms);
    uint64_t told = quota_bucket_level(bucket, rate, m->now_ms);

    if (taken > level) {
        check_fail(c, "QUOTA", -1,
                   "log index %" PRIu64 " carries out more than a rate allows:\n"
                   "  principal %u may do %" PRIu64 " operations a second, and had %" PRIu64
                   " thousandths of one left\n  it remembers %" PRIu64 " more requests of it",
                   index, q->principal, rate, level, q->recorded);
        return;
    }
    if (told != level - taken) {
        check_fail(c, "QUOTA", -1,
                   "the operations that principal %u has left at log index %" PRIu64 ":\n"
                   "  by the requests that are remembered %" PRIu64 " thousandths\n"
                   "  by the state %" PRIu64,
                   q->principal, index, level - taken, told);
        return;
    }
    q->level = told;
    q->time_ms = m->now_ms;
}

/* --- orders --- */

/* For whom the orders are counted that came with this entry. */
static void note_orders(struct check *c, uint64_t index, const struct machine *m, bool changed)
{
    for (unsigned id = 0; id < c->n_ids; id++) {
        struct life *life = c->histories[id].life;
        if (life == NULL || life->scheduled != index || life->gone != 0) {
            continue;
        }
        const struct request_record *r = check_request(c, life->request);
        if (r == NULL || r->principal == CHECK_NOBODY) {
            continue;
        }
        const struct check_grant *g = grant_now(c, client_of(r->principal));
        bool counts = g != NULL && g->orders > 0;
        if (changed) {
            char name[16];
            size_t len = check_order_name(c, id, name);
            const struct order *o = store_find(&m->store,
                                               (struct slice){(const uint8_t *)name, len});
            counts = o != NULL && order_charge(o) != 0;
        }
        life->counted_for = counts ? r->principal : CHECK_NOBODY;
        c->quotas.of[client_of(r->principal)].scheduled += counts;
    }
}

static uint64_t count_orders(const struct check *c, unsigned principal)
{
    uint64_t n = 0;

    for (unsigned id = 0; id < c->n_ids; id++) {
        const struct life *life = c->histories[id].life;
        n += life != NULL && life->gone == 0 && life->counted_for == principal &&
             !check_is_terminal(life->state);
    }
    return n;
}

static void check_orders_of(struct check *c, const struct quota_model *q, uint64_t orders,
                            uint64_t index, const struct quota_account *account, bool changed)
{
    uint64_t n = count_orders(c, q->principal);

    if (n != account->orders) {
        check_fail(c, "QUOTA", -1,
                   "the orders that are counted for principal %u at log index %" PRIu64 ":\n"
                   "  not decided %" PRIu64 "\n  by the state %" PRIu64,
                   q->principal, index, n, account->orders);
    } else if (!changed && orders > 0 && q->scheduled > 0 && n > orders) {
        check_fail(c, "QUOTA", -1,
                   "log index %" PRIu64 " makes more orders than a quota allows:\n"
                   "  principal %u may have %" PRIu64 " that are not decided\n  it has %" PRIu64,
                   index, q->principal, orders, n);
    }
}

/* --- each entry --- */

static void check_client(struct check *c, unsigned client, uint64_t index, const struct machine *m,
                         bool changed)
{
    struct quota_model *q = &c->quotas.of[client];
    const struct check_grant *g = grant_now(c, client);
    unsigned number = c->access.policies[c->access.n_policies - 1].of[client].principal;
    const struct principal *p = number != 0 ? principal_of(m, number) : NULL;
    const struct quota_account *account = p != NULL ? grants_accounts(&m->grants, p) : NULL;

    changed = changed || q->principal != number || g == NULL || m->era > 0;
    q->principal = number;
    if (account != NULL) {
        check_orders_of(c, q, g != NULL ? g->orders : 0, index, account, changed);
    }
    if (account != NULL && g != NULL && g->rate > 0) {
        if (changed) {
            q->level = quota_bucket_level(&account->bucket, g->rate, m->now_ms);
            q->time_ms = m->now_ms;
        } else {
            check_rate(c, q, g->rate, index, m, &account->bucket);
        }
    }
    q->recorded = q->scheduled = 0;
}

void check_quota_applied(struct check *c, uint64_t index, const struct machine *m)
{
    const struct access *a = &c->access;
    bool changed = a->policies[a->n_policies - 1].index == index;

    if (!c->options->quotas) {
        return;
    }
    note_recent(c, m);
    note_orders(c, index, m, changed);
    for (unsigned i = 0; i < c->options->clients; i++) {
        check_client(c, i, index, m, changed);
    }
}

/* --- answers --- */

void check_quota_answered(struct check *c, const struct check_call *call, uint64_t floor)
{
    const struct access *a = &c->access;

    c->coverage->calls_over_quota++;
    for (size_t i = 0; i < a->n_policies; i++) {
        const struct policy *p = &a->policies[i];
        bool over = i + 1 < a->n_policies && a->policies[i + 1].index <= floor;
        const struct policy_grant *g = &p->of[client_of(call->principal)];
        if (!over && p->on && g->principal == call->principal &&
            (g->grant.rate > 0 || (g->grant.orders > 0 && call->code == OPERATION_SCHEDULE))) {
            return;
        }
    }
    check_fail(c, "QUOTA", (int)call->id,
               "a %s of principal %u is refused by a quota:\n"
               "  it had none for it at any log index from %" PRIu64 " to %" PRIu64,
               check_code_name(call->code), call->principal, floor, c->max_index);
}
