/* check_access.c - who may do what (AUTH), by a model of its own: what an administrator asked for, and at
 * which log index it took effect. What the log carries out, and what clients are told, must be what the
 * grants of that moment allow; a denial must be one that they explain, and tells nothing of an order.
 *
 * Principals have numbers, 1 and up; nobody is 0. A request id is its principal's own: the judge keeps
 * it with the number added (check_key), and finds it in a node's state by the marks that it saw there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../raft/core/recent.h"
#include "check_internal.h"

#define RANDOM_AT 6 /* of a request id */

/* --- request ids --- */

void check_key(unsigned principal, const uint8_t *request, uint8_t key[ORDERSCHED_REQUEST_ID_SIZE])
{
    memcpy(key, request, ORDERSCHED_REQUEST_ID_SIZE);
    key[14] ^= (uint8_t)(principal >> 8);
    key[15] ^= (uint8_t)principal;
}

static void unmark(const uint8_t *kept, const uint8_t mark[GRANTS_MARK_SIZE], uint8_t *id)
{
    memcpy(id, kept, ORDERSCHED_REQUEST_ID_SIZE);
    for (unsigned i = 0; i < GRANTS_MARK_SIZE; i++) {
        id[RANDOM_AT + i] ^= mark[i];
    }
}

struct request_record *check_request_kept(struct check *c, const uint8_t *kept)
{
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE], key[ORDERSCHED_REQUEST_ID_SIZE];
    struct request_record *r = check_request(c, kept);

    for (size_t i = 0; r == NULL && i < c->access.n_marks; i++) {
        unmark(kept, c->access.marks[i].mark, id);
        check_key(c->access.marks[i].principal, id, key);
        r = check_request(c, key);
    }
    return r;
}

static unsigned number_of(const struct principal *p)
{
    return strcmp(p->name, CHECK_ADMIN_NAME) == 0 ? CHECK_ADMIN : (unsigned)atoi(p->name + 1);
}

/* Marks never change. */
static void learn_marks(struct access *a, const struct grants *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        unsigned number = number_of(g->principals[i]);
        size_t k = 0;
        while (k < a->n_marks && a->marks[k].principal != number) {
            k++;
        }
        if (k == a->n_marks) {
            a->marks = check_grow(a->marks, a->n_marks, &a->cap_marks, sizeof *a->marks);
            a->marks[k].principal = number;
            memcpy(a->marks[k].mark, g->principals[i]->mark, GRANTS_MARK_SIZE);
            a->n_marks++;
        }
    }
}

/* --- the model: what holds since which log index --- */

static struct policy *policy_last(struct access *a)
{
    return &a->policies[a->n_policies - 1];
}

void check_access_begin(struct check *c)
{
    struct access *a = &c->access;

    a->policies = check_grow(a->policies, 0, &a->cap_policies, sizeof *a->policies);
    a->n_policies = 1;
}

void check_access_free(struct check *c)
{
    free(c->access.policies);
    free(c->access.marks);
    check_audit_free(c);
}

static struct policy_grant *grant_of(struct policy *p, unsigned principal)
{
    static struct policy_grant nobodys;
    unsigned client = (principal - 1) % SIM_CLIENTS_MAX;

    if (principal == CHECK_NOBODY || principal == CHECK_ADMIN ||
        p->of[client].principal != principal) {
        nobodys = (struct policy_grant){0};
        return &nobodys;
    }
    return &p->of[client];
}

static void take_effect(struct access *a, uint64_t index)
{
    const struct check_change *change = &a->change;

    a->policies = check_grow(a->policies, a->n_policies, &a->cap_policies, sizeof *a->policies);
    struct policy *next = &a->policies[a->n_policies];
    *next = *policy_last(a);
    a->n_policies++;
    next->index = index;
    next->until = 0;
    if (change->code == OPERATION_AUTHORIZE) {
        next->on = change->on;
    } else if (change->principal != CHECK_ADMIN) {
        next->of[(change->principal - 1) % SIM_CLIENTS_MAX] =
            change->code == OPERATION_GRANT_REVOKE
                ? (struct policy_grant){0}
                : (struct policy_grant){change->principal, change->grant};
    }
}

void check_change_sent(struct check *c, const struct check_change *change, const uint8_t *request)
{
    struct access *a = &c->access;

    a->change = *change;
    if (a->n_sent > 0 && memcmp(a->sent[(a->n_sent - 1) % CHECK_SENT_MAX], request, 16) == 0) {
        return;
    }
    memcpy(a->sent[a->n_sent++ % CHECK_SENT_MAX], request, ORDERSCHED_REQUEST_ID_SIZE);
}

bool check_change_applied(const struct check *c)
{
    return c->access.applied;
}

void check_change_begins(struct check *c)
{
    c->access.n_sent = 0;
    c->access.applied = false;
}

/* Until its client knows the new token it may be denied with the old one. */
void check_change_known(struct check *c)
{
    if (c->access.change.code == OPERATION_TOKEN_ROTATE) {
        policy_last(&c->access)->until = c->max_index;
    }
}

static bool is_recorded(const struct machine *m, const uint8_t *request)
{
    const struct recent_request *r = recent_find(m->recent, request);

    return r != NULL && r->error == ORDERSCHED_OK;
}

/* The administrator's request, as the state keeps it: under its mark, or before it had one as it came. */
static bool has_taken_effect(const struct access *a, const struct machine *m)
{
    const struct principal *root = grants_find(&m->grants,
                                               (struct slice){(const uint8_t *)CHECK_ADMIN_NAME,
                                                              strlen(CHECK_ADMIN_NAME)});
    uint8_t kept[ORDERSCHED_REQUEST_ID_SIZE];

    for (unsigned i = 0; i < a->n_sent && i < CHECK_SENT_MAX; i++) {
        if (is_recorded(m, a->sent[i])) {
            return true;
        }
        if (root != NULL) {
            unmark(a->sent[i], root->mark, kept);
            if (is_recorded(m, kept)) {
                return true;
            }
        }
    }
    return false;
}

void check_access_applied(struct check *c, uint64_t index, const struct machine *m)
{
    struct access *a = &c->access;

    if (!c->options->access) {
        return;
    }
    learn_marks(a, &m->grants);
    check_audit_applied(c, m);
    if (a->n_sent > 0 && !a->applied && has_taken_effect(a, m)) {
        a->applied = true;
        check_audit_changed(c, index, a->n_policies > 1 || a->change.principal != CHECK_ADMIN);
        take_effect(a, index);
        c->coverage->grants_changed++;
    }
}

/* --- what a policy allows --- */

static bool role_may(enum role role, enum operation_code code)
{
    switch (code) {
        case OPERATION_SCHEDULE:
        case OPERATION_PAY:
        case OPERATION_CANCEL:
        case OPERATION_EXTEND: return role == ROLE_PRODUCER || role == ROLE_ADMIN;
        case OPERATION_GET:
        case OPERATION_HISTORY: return role != ROLE_WORKER;
        case OPERATION_DEAD_REDRIVE:
        case OPERATION_DEAD_DROP:
        case OPERATION_ROUTE_PAUSE:
        case OPERATION_CLOCK_TRUST: return role == ROLE_OPERATOR || role == ROLE_ADMIN;
        default: return role == ROLE_ADMIN;
    }
}

static bool begins_with(const char *s, const char *beginning)
{
    return strncmp(s, beginning, strlen(beginning)) == 0;
}

static bool covers_id(const struct check *c, const struct check_grant *g, enum operation_code code,
                      unsigned id)
{
    char name[16];

    if (!check_changes_order(code) && code != OPERATION_GET && code != OPERATION_HISTORY) {
        return g->prefix[0] == '\0';
    }
    check_order_name(c, id, name);
    return begins_with(name, g->prefix);
}

static bool is_for_all_routes(const struct check_grant *g)
{
    return strcmp(g->routes, "*") == 0;
}

/* As far as the routes go it may not be known which is meant: -1. */
static bool may(const struct check *c, const struct policy *p, const struct request_ask *ask)
{
    const struct policy_grant *g = grant_of((struct policy *)(uintptr_t)p, ask->principal);
    char route[16];

    if (ask->principal == CHECK_NOBODY) {
        return !p->on;
    }
    snprintf(route, sizeof route, "r%d", ask->route);
    return g->principal != 0 && (!p->on || (role_may(g->grant.role, ask->code) &&
                                            covers_id(c, &g->grant, ask->code, ask->id) &&
                                            (ask->route < 0 || is_for_all_routes(&g->grant) ||
                                             strcmp(g->grant.routes, route) == 0)));
}

static bool may_deny(const struct check *c, const struct policy *p, const struct request_ask *ask)
{
    const struct policy_grant *g = grant_of((struct policy *)(uintptr_t)p, ask->principal);

    return !may(c, p, ask) || (p->on && !is_for_all_routes(&g->grant));
}

/* Is there a policy, of those in force after `from` and up to `to`, or just before, of which this is so? */
static bool
any_policy(const struct check *c, uint64_t from, uint64_t to, const struct request_ask *ask,
           bool (*is)(const struct check *, const struct policy *, const struct request_ask *))
{
    const struct access *a = &c->access;

    for (size_t i = 0; i < a->n_policies; i++) {
        bool over = i + 1 < a->n_policies && a->policies[i + 1].index <= from;
        if (!over && a->policies[i].index <= to && is(c, &a->policies[i], ask)) {
            return true;
        }
    }
    return false;
}

void check_access_effect(struct check *c, struct request_record *r, uint64_t index, int route)
{
    struct request_ask ask = {r->principal, r->code, r->order, route};

    if (!c->options->access) {
        return;
    }
    check_quota_recorded(c, r);
    c->coverage->effects_allowed++;
    if (!any_policy(c, index - 1, index, &ask, may)) {
        check_fail(c, "AUTH", (int)r->order,
                   "log index %" PRIu64 " carries out a %s:\n  asked for by principal %u\n"
                   "  which had no grant for it in front of that entry, nor within it",
                   index, check_code_name(r->code), r->principal);
    }
}

/* --- answers --- */

static bool is_rotated(const struct access *a, uint64_t floor)
{
    for (size_t i = 0; i < a->n_policies; i++) {
        if (a->policies[i].until >= floor && a->policies[i].until != 0) {
            return true;
        }
    }
    return false;
}

static void check_denied(struct check *c, const struct check_call *call,
                         const struct request_ask *ask, uint64_t floor)
{
    c->coverage->calls_denied++;
    if (!any_policy(c, floor, c->max_index, ask, may_deny) &&
        !(c->access.change.code == OPERATION_TOKEN_ROTATE && c->access.n_sent > 0) &&
        !is_rotated(&c->access, floor)) {
        check_fail(c, "AUTH", (int)call->id,
                   "a %s of principal %u is denied:\n"
                   "  it had a grant for it at each log index from %" PRIu64 " to %" PRIu64,
                   check_code_name(call->code), call->principal, floor, c->max_index);
    }
}

void check_result(struct check *c, const struct result *r)
{
    if ((r->error == ORDERSCHED_DENIED || r->error == ORDERSCHED_QUOTA) &&
        (r->state != ORDERSCHED_STATE_NONE || r->deadline_ms != 0 || r->index != 0)) {
        check_fail(c, "AUTH", -1,
                   "a refusal tells of the order:\n  %s, deadline %" PRIu64 ", log index %" PRIu64
                   "\n  its caller may not know whether there is one",
                   ordersched_state_name(r->state), r->deadline_ms, r->index);
    }
}

void check_access_answered(struct check *c, const struct check_call *call,
                           const struct ordersched_answer *a)
{
    struct request_ask ask = {call->principal, call->code, call->id, -1};
    uint64_t floor = call->local ? 0 : call->floor;

    if (!c->options->access) {
        return;
    }
    if (a->error == ORDERSCHED_DENIED) {
        check_denied(c, call, &ask, floor);
    } else if (a->error == ORDERSCHED_QUOTA) {
        check_quota_answered(c, call, floor);
    } else if (a->error < ORDERSCHED_INVALID && !any_policy(c, floor, c->max_index, &ask, may)) {
        check_fail(c, "AUTH", (int)call->id,
                   "a %s of principal %u is answered %s:\n"
                   "  it had no grant for it at any log index from %" PRIu64 " to %" PRIu64,
                   check_code_name(call->code), call->principal, ordersched_error_name(a->error),
                   floor, c->max_index);
    }
}

static bool is_for_some_routes(const struct check *c, const struct policy *p,
                               const struct request_ask *ask)
{
    const struct policy_grant *g = grant_of((struct policy *)(uintptr_t)p, ask->principal);

    (void)c;
    return p->on && g->principal != 0 && !is_for_all_routes(&g->grant);
}

bool check_access_hides(const struct check *c, const struct check_call *call, uint64_t floor,
                        const struct ordersched_answer *a)
{
    struct request_ask ask = {call->principal, call->code, call->id, -1};
    bool tells_nothing = a->state == ORDERSCHED_STATE_NONE &&
                         (a->error == ORDERSCHED_NOT_FOUND || a->error == ORDERSCHED_EXISTS);

    return c->options->access && tells_nothing &&
           any_policy(c, floor, c->max_index, &ask, is_for_some_routes);
}
