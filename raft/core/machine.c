/* machine.c - the walk of the state machine through one entry of the log: time first, then the
 * operations, then the purge. The rules are in docs/semantics.md. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "machine_parts.h"
#include "../access/auditing.h"
#include "../../client/base/must.h"
#include "../../client/wire/principal.h"
#include "../mutant.h"
#include "recent.h"
#include "secret.h"

/* So many operations wait for memory at the same time. More do not help: a processor has some ten
 * or twelve such requests under way. */
#define STEPS 6

static_assert((MACHINE_STAMPS & (MACHINE_STAMPS - 1)) == 0, "stamps are found by their number");
static_assert(MACHINE_ROUTES_MAX <= 1u << ORDER_ROUTE_BITS, "order.route has so many bits");

void machine_init(struct machine *m)
{
    memset(m, 0, sizeof *m);
    m->retention_ms = MACHINE_RETENTION_DEFAULT_MS;
    store_init(&m->store, 0);
    slab_init(&m->slab);
    m->memory = m->store.memory;
    /* All slots at once, so that a route never moves: its ready list has its head in it. */
    m->routes = must_have(calloc(MACHINE_ROUTES_MAX, sizeof *m->routes));
    m->route_cells = must_have(calloc(MACHINE_ROUTE_CELLS, sizeof *m->route_cells));
    m->recent = must_have(recent_new());
    machine_index_reset(m);
}

/* Each order is counted in the one state that it is in. */
static bool counts_are_whole(const struct machine *m)
{
    const struct machine_counts *n = &m->stored;

    return n->pending + n->closing + n->paid + n->cancelled + n->expired + n->dead == m->store.n;
}

/* Free the state; the lists through it are void afterwards. */
static void free_state(struct machine *m)
{
    struct machine_walk walk = {0};
    struct order *o;

    while ((o = machine_walk_next(m, &walk))) {
        order_free(&m->slab, o);
    }
    store_close(&m->store);
    slab_close(&m->slab);
    for (uint32_t i = 0; i < m->n_routes; i++) {
        route_clear(&m->routes[i]);
    }
    free(m->routes);
    free(m->route_cells);
    recent_free(m->recent);
    grants_clear(&m->grants);
    audit_clear(&m->audit);
}

void machine_close(struct machine *m)
{
    if (m->observer != NULL) {
        m->observer->machine_ends(m->observer);
    }
    free_state(m);
    forecast_clear(&m->forecast);
    machine_canary_close(m);
    memset(m, 0, sizeof *m);
}

void machine_adopt(struct machine *m, struct machine *fresh, struct machine_rebuild *rebuild)
{
    assert(m->observer == NULL && fresh->observer == NULL);
    /* Heads of lists do not move: nothing is linked yet. */
    assert(!machine_canary_is_out(fresh));
    assert(fresh->wheel.n == 0 && link_empty(&fresh->closing) && link_empty(&fresh->terminal));
    recent_set_limit(fresh->recent, recent_limit(m->recent));
    m->purge_wait_ms = 0;
    free_state(m);
    m->observed_mark = fresh->observed_mark;
    m->digest = (struct machine_digest){.mark = fresh->digest.mark};
    m->now_ms = fresh->now_ms;
    m->applied = fresh->applied;
    m->epoch = fresh->epoch;
    m->epoch_ms = fresh->epoch_ms;
    m->seed = fresh->seed;
    m->retention_ms = fresh->retention_ms;
    memcpy(m->identity, fresh->identity, sizeof m->identity);
    memcpy(m->secret, fresh->secret, sizeof m->secret);
    m->secret_index = fresh->secret_index;
    m->request_floor_ms = fresh->request_floor_ms;
    m->era = fresh->era;
    m->set_back_ms = fresh->set_back_ms;
    m->clock_trusted = fresh->clock_trusted;
    m->keyed = fresh->keyed;
    m->traced = fresh->traced;
    m->store = fresh->store;
    slab_move(&m->slab, &fresh->slab);
    m->routes = fresh->routes;
    m->route_cells = fresh->route_cells;
    m->n_routes = fresh->n_routes;
    m->routes_index = fresh->applied;
    m->recent = fresh->recent;
    m->grants = fresh->grants;
    m->audit = fresh->audit;
    m->memory = fresh->memory;
    machine_index_reset(m);
    machine_rebuild_commit(m, rebuild);
    assert(counts_are_whole(m));
    memset(fresh, 0, sizeof *fresh);
    slab_init(&fresh->slab); /* empty, but to be closed */
}

/* "Time": now decreases by being set back alone, and what was stamped before that is no time of
 * this era. */
static void advance_now(struct machine *m, uint64_t now_ms, uint32_t era)
{
    if (m->now_ms >= now_ms || (era != m->era && !MUTANT(ERA_IGNORED))) {
        return;
    }
    m->now_ms = now_ms;
    m->stamps[m->n_stamps++ % MACHINE_STAMPS] = (struct machine_stamp){now_ms, m->clock_us};
    if (m->wheel.n == 0) {
        /* An empty wheel follows at no cost, so that it measures from the present and not from
         * 1970. */
        struct link none;
        bool done;

        link_head_init(&none);
        done = wheel_advance(&m->wheel, now_ms, &none, 1);
        assert(done && link_empty(&none));
    }
}

/* "Epochs": whoever comes first gives the cluster its identity and its secret, for good. */
static void take_identity(struct machine *m, const struct operation *op)
{
    if (op->identity.len == sizeof m->identity && !identity_is_known(m->identity)) {
        memcpy(m->identity, op->identity.data, sizeof m->identity);
    }
}

void machine_use_secret(struct machine *m)
{
    uint8_t key[SIPHASH_KEY_SIZE];

    assert(m->secret_index > 0);
    secret_derive(m->secret, "orders", key, sizeof key);
    store_set_key(&m->store, siphash_key_of(key), m->secret_index);
    secret_derive(m->secret, "requests", key, sizeof key);
    recent_set_key(m->recent, siphash_key_of(key));
}

static void take_secret(struct machine *m, bool first, const struct operation *op)
{
    if (op->secret.len == sizeof m->secret && m->secret_index == 0 && first) {
        memcpy(m->secret, op->secret.data, sizeof m->secret);
        m->secret_index = m->applied;
        machine_use_secret(m);
    }
}

void machine_apply_epoch(struct machine *m, uint64_t epoch, bool first, const struct operation *op,
                         struct result *result)
{
    if (epoch >= m->epoch) {
        m->epoch_ms =
            m->now_ms; /* also of one that was interrupted: what it delivered is not known */
    }
    if (epoch <= m->epoch) {
        result->error = ORDERSCHED_DECIDED;
        return;
    }
    m->epoch = MUTANT(FENCE_RESET_ON_RESTORE) ? m->epoch + 1 : epoch;
    m->retention_ms = op->retention_ms;
    if (m->seed == 0 && m->store.n == 0) {
        m->store.seed = op->seed; /* which is empty */
        m->seed = op->seed;
    }
    take_identity(m, op);
    take_secret(m, first, op);
    result->error = ORDERSCHED_OK;
}

/* An operation that is about to be applied. */
struct step {
    struct operation op;
    struct store_place place;                       /* of the order it is about */
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]; /* its caller's own, where it has a principal */
};

static bool is_the_leaders(enum operation_code code)
{
    return code >= OPERATION_EPOCH;
}

/* Who asks from here on; what was said in front of it may have changed the principals. */
static void follow_actor(const struct machine *m, struct actor *actor, const struct operation *op)
{
    if (op->code == OPERATION_CALLER) {
        *actor = machine_actor(m, caller_of(op));
    } else if (actor->revision != m->grants.revision) {
        *actor = machine_actor(m, actor->caller);
    }
}

/* May it be carried out? Else it is answered. */
static bool is_admitted(const struct machine *m, const struct actor *actor, struct step *step,
                        struct result *result)
{
    enum role role = 0;

    if (is_the_leaders(step->op.code)) {
        return true;
    }
    enum lack lack = machine_may(m, actor, &step->op, &role);
    if (lack != LACK_NOTHING && !MUTANT(ROLE_CHECKED_BEFORE_LOG)) {
        const struct order *o = MUTANT(DENIED_TELLS_OF_ORDER) ? machine_find(m, step->op.id) : NULL;
        machine_describe(m, o, ORDERSCHED_DENIED, result);
        result->lacks = (uint8_t)lack;
        result->role = (uint8_t)role;
        return false;
    }
    machine_mark_request(actor, &step->op, step->request_id);
    return true;
}

/* Is there room in the quotas of whoever asks? Else it is answered. A copy of a request needs none, and is
 * charged to nobody. */
static bool has_quota(const struct machine *m, struct claim *claim, const struct step *step,
                      struct result *result)
{
    if (claim->shortage.kind == QUOTA_NONE) {
        return true;
    }
    if (machine_knows_request(m, &step->op)) {
        *claim = (struct claim){0};
        return true;
    }
    if (MUTANT(QUOTA_CHECKED_BEFORE_LOG)) {
        return true;
    }
    machine_describe(m, NULL, ORDERSCHED_QUOTA, result);
    result->remaining_ms = claim->shortage.wait_ms;
    result->quota = (uint8_t)claim->shortage.kind;
    result->grant = claim->shortage.place;
    return false;
}

/* --- the audit trail --- */

static struct auditing auditing_of(const struct machine *m, const struct actor *a)
{
    return auditing_begin(&a->caller, a->principal, m->now_ms, m->applied);
}

static void apply_note(struct machine *m, const struct operation *op, struct result *result)
{
    struct actor actor = machine_actor(m, caller_of(op));
    struct auditing auditing = auditing_of(m, &actor);

    auditing_note(&auditing, &m->audit, op);
    result->error = ORDERSCHED_OK;
}

static void apply_set_back(struct machine *m, const struct entry *e, const struct operation *op,
                           struct result *result)
{
    struct actor actor = machine_actor(m, caller_of(op)); /* as of before */
    struct auditing auditing = auditing_of(m, &actor);
    uint64_t from_ms = m->now_ms;

    machine_apply_set_back(m, op, e->n_operations == 1 && e->era == m->era, result);
    if (op->address.data != NULL && result->error == ORDERSCHED_OK) {
        auditing_set_back(&auditing, &m->audit, from_ms - m->now_ms);
    }
}

/* Operation number `i` of the entry, which is admitted. 0, or -1 for one that no log of ours holds. */
static int carry_out(struct machine *m, const struct entry *e, uint32_t i,
                     const struct actor *actor, const struct step *step, struct result *result)
{
    const struct operation *op = &step->op;

    switch (op->code) {
        case OPERATION_SCHEDULE:
        case OPERATION_PAY:
        case OPERATION_CANCEL:
        case OPERATION_EXTEND:
        case OPERATION_DEAD_REDRIVE:
        case OPERATION_DEAD_DROP: machine_apply_order(m, actor, op, step->place, result); return 0;
        case OPERATION_ROUTE_PUT:
        case OPERATION_ROUTE_DELETE:
        case OPERATION_ROUTE_PAUSE:
        case OPERATION_ROUTE_ROTATE:
        case OPERATION_ROUTE_SET:
        case OPERATION_ROUTE_RETRY: machine_apply_route(m, op, result); return 0;
        case OPERATION_CLOCK_TRUST: machine_apply_clock(m, op, result); return 0;
        case OPERATION_GRANT_PUT:
        case OPERATION_GRANT_REVOKE:
        case OPERATION_TOKEN_CREATE:
        case OPERATION_TOKEN_ROTATE:
        case OPERATION_AUTHORIZE: machine_apply_grant(m, op, result); return 0;
        case OPERATION_CALLER: return 0; /* follow_actor() has heard it */
        case OPERATION_EPOCH: machine_apply_epoch(m, e->epoch, i == 0, op, result); return 0;
        case OPERATION_OUTCOME: machine_apply_outcome(m, op, result); return 0;
        case OPERATION_HURRY: machine_apply_hurry(m, op, result); return 0;
        case OPERATION_NOTE: apply_note(m, op, result); return 0;
        case OPERATION_TOKEN_USED:
            grants_use_token(&m->grants, op->secret, m->now_ms, op->address);
            return 0;
        case OPERATION_CANARY: machine_apply_canary(m, op, result); return 0;
        case OPERATION_SET_BACK: apply_set_back(m, e, op, result); return 0;
        default: return -1;
    }
}

/* The same, if it may be carried out. */
static int apply_operation(struct machine *m, const struct entry *e, uint32_t i,
                           const struct actor *actor, struct step *step, struct result *result)
{
    memset(result, 0, sizeof *result);
    if (!is_admitted(m, actor, step, result)) {
        return 0;
    }
    if (actor->principal == NULL || actor->principal->slot == 0 || is_the_leaders(step->op.code)) {
        return carry_out(m, e, i, actor, step, result);
    }
    struct claim claim = machine_claim(m, actor, &step->op, m->now_ms, NULL);
    if (!has_quota(m, &claim, step, result)) {
        return 0;
    }
    machine_charge(m, &claim);
    int rv = carry_out(m, e, i, actor, step, result);
    machine_end_charge(m, &claim, &step->op, step->place, result);
    return rv;
}

/* The same, and what it leaves in the audit trail. */
static int apply_and_audit(struct machine *m, const struct entry *e, uint32_t i,
                           const struct actor *actor, struct step *step, struct result *result)
{
    bool audited = actor->caller.from.data != NULL && step->op.code < OPERATION_EPOCH &&
                   audit_covers(step->op.code) &&
                   !(MUTANT(AUDIT_LEAVES_ONE_OUT) && step->op.code == OPERATION_GRANT_REVOKE);

    if (!audited) {
        return apply_operation(m, e, i, actor, step, result);
    }
    struct auditing auditing = auditing_of(m, actor);
    int rv = apply_operation(m, e, i, actor, step, result);
    if (rv == 0) {
        auditing_end(&auditing, &m->audit, &step->op, result);
    }
    return rv;
}

bool machine_can_apply(const uint8_t *data, size_t len)
{
    struct entry e;
    struct operation op;
    size_t at = 0;

    if (entry_decode(data, len, &e) != 0 || e.n_operations > e.operations.len) {
        return false;
    }
    for (uint32_t i = 0; i < e.n_operations; i++, at += op.bytes.len) {
        if (operation_decode(e.operations.data + at, e.operations.len - at, &op) != ORDERSCHED_OK ||
            !operation_is_logged(op.code)) {
            return false;
        }
    }
    return at == e.operations.len;
}

static void results_reserve(struct machine_results *results, uint32_t n)
{
    results->n = 0;
    if (results->cap < n) {
        results->results = must_have(realloc(results->results, n * sizeof *results->results));
        results->cap = n;
    }
}

/* The deliberate bug: what is relative is so to the proposer's clock. */
static void mutant_take_clock(const struct entry *e, struct operation *op)
{
    if (MUTANT(DEADLINE_BY_PROPOSER) && op->relative) {
        op->relative = false;
        op->time_ms += e->now_ms;
    }
}

static bool is_on_order(enum operation_code code)
{
    return code <= OPERATION_EXTEND || code == OPERATION_OUTCOME;
}

/* Step by step: what is asked for in one loop is read in the next. */
static void bring_near(const struct machine *m, const struct step *steps, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        store_prefetch(&m->store, steps[i].place);
        if (steps[i].op.request_id != NULL) {
            recent_prefetch(m->recent, steps[i].op.request_id);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        store_prefetch_order(&m->store, steps[i].place);
        if (steps[i].op.request_id != NULL) {
            recent_prefetch_request(m->recent, steps[i].op.request_id);
        }
    }
}

/* Decode the next operations of the entry, `n` of them, and have what they need of the store on its
 * way. Returns their bytes, or 0 when one is malformed. */
static size_t decode_steps(const struct machine *m, const struct entry *e, size_t at,
                           struct step *steps, uint32_t n)
{
    size_t begin = at;

    for (uint32_t i = 0; i < n; i++) {
        struct step *s = &steps[i];
        if (operation_decode(e->operations.data + at, e->operations.len - at, &s->op) !=
            ORDERSCHED_OK) {
            return 0;
        }
        at += s->op.bytes.len;
        s->op.keyed = s->op.keyed && e->keyed;
        mutant_take_clock(e, &s->op);
        s->place = (struct store_place){0};
        if (is_on_order(s->op.code)) {
            s->place = store_place(&m->store, s->op.id);
        }
    }
    bring_near(m, steps, n);
    return at - begin;
}

int machine_apply_entry(struct machine *m, uint64_t index, const struct entry *e,
                        struct machine_results *results)
{
    struct step steps[STEPS];
    struct actor actor = machine_actor(m, (struct caller){.kind = CALLER_NOBODY});
    size_t at = 0;

    assert(index > m->applied);
    if (e->n_operations > e->operations.len) {
        return -1;
    }
    m->applied = index;
    advance_now(m, e->now_ms, e->era);
    m->keyed = m->keyed || e->keyed;
    if (e->n_operations > 0) {
        machine_follow_now(m, e->n_operations);
    }
    if (results) {
        results_reserve(results, e->n_operations);
    }
    for (uint32_t done = 0, n; done < e->n_operations; done += n) {
        n = e->n_operations - done < STEPS ? e->n_operations - done : STEPS;
        size_t taken = decode_steps(m, e, at, steps, n);
        if (taken == 0) {
            return -1;
        }
        at += taken;
        for (uint32_t i = 0; i < n; i++) {
            struct result unheard;
            struct result *result = results ? &results->results[done + i] : &unheard;
            follow_actor(m, &actor, &steps[i].op);
            if (apply_and_audit(m, e, done + i, &actor, &steps[i], result) != 0) {
                return -1;
            }
        }
    }
    if (at != e->operations.len) {
        return -1;
    }
    if (results) {
        results->n = e->n_operations;
    }
    machine_purge_forgotten(m);
    assert(counts_are_whole(m));
    if (m->observer != NULL) {
        m->observer->entry_applied(m->observer, index, e->bytes.data, e->bytes.len);
    }
    return 0;
}

int machine_apply(struct machine *m, uint64_t index, const uint8_t *data, size_t len,
                  struct machine_results *results)
{
    struct entry e;

    return entry_decode(data, len, &e) == 0 ? machine_apply_entry(m, index, &e, results) : -1;
}
