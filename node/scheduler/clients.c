/* clients.c - what clients send: answered at once, refused, or queued for an entry. */
#include <assert.h>

#include "../../raft/mutant.h"
#include "../../raft/core/recent.h"
#include "../../client/wire/route_check.h"
#include "internal.h"

#define WATCH_AHEAD 4u /* so many items before its turn a request is looked up */

/* Why a route may not be put or set so, or OK. */
static int scheduler_admit_route(const struct scheduler *s, const struct inbound *in,
                                 const struct inbound_item *item)
{
    struct operation op;

    int error = operation_decode(in->message + item->offset, item->len, &op);
    assert(error == ORDERSCHED_OK); /* inbound_check decoded these very bytes */
    bool is_exec = op.settings.kind == ROUTE_EXEC || op.settings.n_command > 0;
    error = operation_check_settings(&op);
    return error == ORDERSCHED_OK && is_exec && !s->config.allow_exec ? ORDERSCHED_EXEC_NOT_ALLOWED
                                                                      : error;
}

void scheduler_note_refusals(struct scheduler *s, const struct inbound *in,
                             const struct result *logged)
{
    uint32_t n_refused = 0;
    uint32_t n_changes = 0;

    if (in->source == NULL || logged == NULL) {
        return;
    }
    uint64_t now_us = scheduler_monotonic_us(s);
    for (uint32_t i = 0; i < in->n_logged; i++) {
        n_refused += logged[i].recent && logged[i].in_vain;
        n_changes += logged[i].recent && !logged[i].in_vain;
    }
    refusals_note(&s->refusals, in->source->address, n_refused, now_us);
    refusals_note(&s->changes, in->source->address, n_changes, now_us);
}

/* Of what its address may take of the memory of recent requests it has had more than its share. */
struct greed {
    bool refusals;
    bool changes;
};

static struct greed greed_of(const struct scheduler *s, const struct inbound *in)
{
    uint32_t remembered = recent_count(s->machine.recent);

    if (in->source == NULL || in->n_logged == 0) {
        return (struct greed){0};
    }
    uint64_t now_us = scheduler_monotonic_us(s);
    return (struct greed){
        refusals_are_too_many(&s->refusals, in->source->address, remembered, now_us),
        refusals_are_too_many(&s->changes, in->source->address, remembered, now_us),
    };
}

/* Whose clock is to be trusted must be there to be heard. */
static int scheduler_admit_trust(const struct scheduler *s, const struct inbound *in,
                                 const struct inbound_item *item)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned n = replica_list_members(s->replica, members);
    struct operation op;

    int error = operation_decode(in->message + item->offset, item->len, &op);
    assert(error == ORDERSCHED_OK); /* inbound_check decoded these very bytes */
    for (unsigned i = 0; i < n; i++) {
        if (members[i].voter && members[i].id == op.node_id) {
            return ORDERSCHED_OK;
        }
    }
    return op.node_id == 0 ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

/* What an operator does to routes, clocks and principals: what it changes is remembered in places that are kept. */
static bool is_an_operators(enum operation_code code)
{
    return operation_is_on_route(code) || operation_is_on_clock(code) ||
           operation_is_on_principal(code);
}

/* Would it take a place in the memory of recent requests that its address may not have? */
static bool is_greedy(const struct scheduler *s, const struct inbound *in,
                      const struct inbound_item *item, struct greed greed,
                      const struct actor *actor)
{
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op;

    if (!greed.refusals && !(greed.changes && is_an_operators(item->code))) {
        return false;
    }
    int error = operation_decode(in->message + item->offset, item->len, &op);
    assert(error == ORDERSCHED_OK); /* inbound_check decoded these very bytes */
    machine_mark_request(actor, &op, id);
    if (machine_is_in_vain(&s->machine, &op)) {
        return greed.refusals;
    }
    return greed.changes && is_an_operators(op.code);
}

/* What the memory of orders may not pass: the orders and tables, what is held for them in vain, and
 * what is queued, so that the overshoot is that of the entries in flight. */
static uint64_t memory_held(const struct scheduler *s)
{
    return s->machine.memory + slab_waste(&s->machine.slab) + s->batcher.queued_bytes;
}

/* Would this leave one more record with an order that is there? A copy gets its answer, and a
 * payment or a cancellation in time is always taken. */
static bool adds_to_an_order(const struct scheduler *s, const struct inbound *in,
                             const struct inbound_item *item, const struct actor *actor)
{
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    const struct order *o;
    struct order_request scratch;
    struct operation op;

    if (item->code < OPERATION_PAY || item->code > OPERATION_EXTEND) {
        return false;
    }
    int error = operation_decode(in->message + item->offset, item->len, &op);
    assert(error == ORDERSCHED_OK); /* inbound_check decoded these very bytes */
    machine_mark_request(actor, &op, id);
    o = machine_find(&s->machine, op.id);
    return o != NULL && !machine_hides(&s->machine, actor, op.code, o) &&
           order_find_request(o, op.request_id, &scratch) == NULL &&
           (op.code == OPERATION_EXTEND || order_state(o, s->machine.now_ms) != ORDERSCHED_PENDING);
}

static bool is_of_routes(enum operation_code code)
{
    return code == OPERATION_ROUTE_PUT || code == OPERATION_ROUTE_SET;
}

/* Routes are few, and no orders: to point one elsewhere may be the way to make room. */
static bool is_full_for(const struct scheduler *s, const struct inbound *in,
                        const struct inbound_item *item, const struct actor *actor)
{
    enum operation_code code = (enum operation_code)item->code;
    uint64_t held = memory_held(s);

    if (code == OPERATION_SCHEDULE &&
        (held >= s->config.max_bytes ||
         s->machine.store.n + s->batcher.queued_operations >= s->config.max_orders)) {
        return true;
    }
    return held >= s->config.max_bytes + s->config.max_bytes / 8 &&
           (is_of_routes(code) || adds_to_an_order(s, in, item, actor));
}

/* A schedule's traceparent goes into the log only where its route carries them: that it does stands in the log
 * itself, so that all nodes know what it is (docs/callbacks.md, "Traces"). */
static void scheduler_strip(const struct scheduler *s, struct inbound *in, uint32_t i)
{
    const struct inbound_item *item = &in->items[i];
    struct operation op;

    if (item->traceparent == 0) {
        return;
    }
    int error = operation_decode(in->message + item->offset, item->len, &op);
    assert(error == ORDERSCHED_OK); /* inbound_check decoded these very bytes */
    const struct route *r = machine_find_route(&s->machine, op.route);
    if ((r == NULL || !r->settings.traceparent) && !MUTANT(TRACEPARENT_OF_ANY_ROUTE)) {
        inbound_strip(in, i);
    }
}

/* Why this item may not enter now, or OK. */
static int scheduler_admit(const struct scheduler *s, const struct inbound *in,
                           const struct inbound_item *item, struct greed greed,
                           const struct actor *actor)
{
    enum operation_code code = (enum operation_code)item->code;
    bool grows = code == OPERATION_SCHEDULE || is_of_routes(code);

    if (!operation_is_logged(code)) {
        return ORDERSCHED_OK;
    }
    if (is_of_routes(code)) {
        int error = scheduler_admit_route(s, in, item);
        if (error != ORDERSCHED_OK) {
            return error;
        }
    }
    if (code == OPERATION_CLOCK_TRUST) {
        int error = scheduler_admit_trust(s, in, item);
        if (error != ORDERSCHED_OK) {
            return error;
        }
    }
    if (scheduler_awaits_time(s, code)) {
        return ORDERSCHED_BUSY;
    }
    if (s->disk == SCHEDULER_DISK_FULL || (s->disk == SCHEDULER_DISK_LOW && grows)) {
        return ORDERSCHED_NO_SPACE;
    }
    if (is_full_for(s, in, item, actor)) {
        return ORDERSCHED_FULL;
    }
    return is_greedy(s, in, item, greed, actor) ? ORDERSCHED_BUSY : ORDERSCHED_OK;
}

static const uint8_t *request_id_of(const struct inbound *in, const struct inbound_item *item)
{
    return in->message + item->offset + item->request_id_at;
}

/* Item `i` is to be watched soon. */
static void scheduler_will_watch(const struct scheduler *s, const struct inbound *in, uint32_t i)
{
    if (i < in->n_items && in->items[i].error == ORDERSCHED_OK &&
        operation_is_logged(in->items[i].code)) {
        request_watch_prefetch(&s->request_watch, request_id_of(in, &in->items[i]));
    }
}

/* The same request id for something else? Its client would take the answer for the first one's. */
static int scheduler_watch_request(struct scheduler *s, const struct inbound *in,
                                   const struct inbound_item *item, const struct actor *actor)
{
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.request_id = request_id_of(in, item)};

    if (!operation_is_logged(item->code)) {
        return ORDERSCHED_OK;
    }
    machine_mark_request(actor, &op, id);
    if (request_watch_note(&s->request_watch, op.request_id, item->target)) {
        return ORDERSCHED_OK;
    }
    return ORDERSCHED_REQUEST_ID_USED;
}

/* Is there anything to do, or to be looked at once more when the message's turn in the log comes? */
static bool inbound_has_work(const struct inbound *in)
{
    for (uint32_t i = 0; i < in->n_items; i++) {
        int error = in->items[i].error;
        if (error == ORDERSCHED_OK || error == ORDERSCHED_DENIED || error == ORDERSCHED_QUOTA) {
            return true;
        }
    }
    return false;
}

/* Why this item goes no further, or OK. */
static int scheduler_judge(struct scheduler *s, const struct inbound *in,
                           const struct inbound_item *item, struct greed greed,
                           const struct actor *actor)
{
    if (scheduler_denies(s, actor, in, item)) {
        return ORDERSCHED_DENIED;
    }
    if (scheduler_is_over_quota(s, actor, in, item)) {
        return ORDERSCHED_QUOTA;
    }
    int error = scheduler_admit(s, in, item, greed, actor);
    error = error != ORDERSCHED_OK ? error : scheduler_watch_request(s, in, item, actor);
    if (error == ORDERSCHED_OK) {
        scheduler_charge(s, actor, in, item);
    }
    return error;
}

/* The deliberate bug: no entry of the message's own shows whether there is another leader by now. */
static bool scheduler_trusts_itself(const struct scheduler *s, const struct inbound *in)
{
    return MUTANT(READ_WITHOUT_QUORUM) && s->state == SCHEDULER_LEADING && in->n_logged == 0 &&
           !in->administers;
}

/* Operations on orders go on until another can lead; what is asked of the leader itself does not. */
static bool is_refused_at_the_end(const struct scheduler *s, const struct inbound *in)
{
    return s->draining && (s->refuses || in->administers) && !scheduler_work_goes_on(in);
}

void scheduler_submit(struct scheduler *s, struct inbound *in)
{
    s->again = true;
    if (s->closing || is_refused_at_the_end(s, in)) {
        scheduler_refuse(s, in, ORDERSCHED_SHUTTING_DOWN, NULL);
        return;
    }
    if (in->n_items == 0 || (in->flags & PROTOCOL_LOCAL) != 0 || scheduler_trusts_itself(s, in)) {
        scheduler_answer(s, in, NULL);
        return;
    }
    if (s->state == SCHEDULER_FOLLOWING) {
        scheduler_refuse(s, in, ORDERSCHED_NOT_LEADER, NULL);
        return;
    }
    scheduler_note_use(s, &in->caller);
    struct greed greed = greed_of(s, in);
    struct actor actor = machine_actor(&s->machine, in->caller);
    for (uint32_t i = 0; i < in->n_items; i++) {
        scheduler_will_watch(s, in, i + WATCH_AHEAD);
        int error = in->items[i].error == ORDERSCHED_OK
                        ? scheduler_judge(s, in, &in->items[i], greed, &actor)
                        : ORDERSCHED_OK;
        if (error == ORDERSCHED_BUSY) {
            bool no_time = scheduler_awaits_time(s, (enum operation_code)in->items[i].code);
            metrics_note_busy(s->config.metrics, no_time ? METRICS_BUSY_TIME : METRICS_BUSY_SHARE);
        }
        if (error != ORDERSCHED_OK) {
            inbound_refuse(in, i, error);
        } else if (in->items[i].error == ORDERSCHED_OK) {
            scheduler_strip(s, in, i);
        }
    }
    if (!inbound_has_work(in)) {
        scheduler_answer(s, in, NULL);
    } else if (in->administers) {
        if (!scheduler_work(s, in)) {
            scheduler_administer(s, in);
        }
    } else if (!batcher_submit(&s->batcher, in)) {
        metrics_note_busy(s->config.metrics, METRICS_BUSY_QUEUE);
        scheduler_refuse(s, in, ORDERSCHED_BUSY, NULL);
    }
}
