/* machine_orders.c - the operations on orders: schedule, pay, cancel, extend, and of dead letters
 * redrive and drop, by the table of docs/semantics.md, "Orders". */
#include <assert.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../mutant.h"
#include "machine_parts.h"

/* The table for a known order: what an operation answers in each state as seen at now. Only the
 * OK of a PENDING order changes something; the others repeat what was decided. */
static const uint8_t answers[][ORDERSCHED_DEAD + 1] = {
    [OPERATION_SCHEDULE] =
        {
            [ORDERSCHED_PENDING] = ORDERSCHED_EXISTS,
            [ORDERSCHED_CLOSING] = ORDERSCHED_EXISTS,
            [ORDERSCHED_PAID] = ORDERSCHED_EXISTS,
            [ORDERSCHED_CANCELLED] = ORDERSCHED_EXISTS,
            [ORDERSCHED_EXPIRED] = ORDERSCHED_EXISTS,
            [ORDERSCHED_DEAD] = ORDERSCHED_EXISTS,
        },
    [OPERATION_PAY] =
        {
            [ORDERSCHED_PENDING] = ORDERSCHED_OK,
            [ORDERSCHED_CLOSING] = ORDERSCHED_TOO_LATE,
            [ORDERSCHED_PAID] = ORDERSCHED_OK,
            [ORDERSCHED_CANCELLED] = ORDERSCHED_DECIDED,
            [ORDERSCHED_EXPIRED] = ORDERSCHED_TOO_LATE,
            [ORDERSCHED_DEAD] = ORDERSCHED_TOO_LATE,
        },
    [OPERATION_CANCEL] =
        {
            [ORDERSCHED_PENDING] = ORDERSCHED_OK,
            [ORDERSCHED_CLOSING] = ORDERSCHED_TOO_LATE,
            [ORDERSCHED_PAID] = ORDERSCHED_DECIDED,
            [ORDERSCHED_CANCELLED] = ORDERSCHED_OK,
            [ORDERSCHED_EXPIRED] = ORDERSCHED_TOO_LATE,
            [ORDERSCHED_DEAD] = ORDERSCHED_TOO_LATE,
        },
    [OPERATION_EXTEND] =
        {
            [ORDERSCHED_PENDING] = ORDERSCHED_OK,
            [ORDERSCHED_CLOSING] = ORDERSCHED_TOO_LATE,
            [ORDERSCHED_PAID] = ORDERSCHED_DECIDED,
            [ORDERSCHED_CANCELLED] = ORDERSCHED_DECIDED,
            [ORDERSCHED_EXPIRED] = ORDERSCHED_TOO_LATE,
            [ORDERSCHED_DEAD] = ORDERSCHED_TOO_LATE,
        },
};

#define ANSWERS_ROWS (sizeof answers / sizeof *answers)

static_assert(ENTRY_TIME_MAX_MS + ORDERSCHED_DEADLINE_MAX_MS < UINT64_C(1) << ORDER_BITS,
              "a deadline fits an order's record");

/* "Time": a relative deadline counts from the entry's now. */
static uint64_t deadline_of(const struct machine *m, const struct operation *op)
{
    return op->relative ? machine_add_ms(m->now_ms, op->time_ms) : op->time_ms;
}

static bool deadline_is_near(const struct machine *m, uint64_t deadline_ms)
{
    return deadline_ms <= machine_add_ms(m->now_ms, ORDERSCHED_DEADLINE_MAX_MS);
}

static int judge_schedule(const struct machine *m, const struct operation *op)
{
    uint64_t deadline_ms = deadline_of(m, op);

    if (!machine_find_route(m, op->route)) {
        return ORDERSCHED_UNKNOWN_ROUTE;
    }
    return deadline_ms <= m->now_ms || !deadline_is_near(m, deadline_ms) ? ORDERSCHED_BAD_DEADLINE
                                                                         : ORDERSCHED_OK;
}

/* The deliberate bug: the order is another's by now. */
static void mutant_leave_traceparent(struct machine *m, struct order *o, const struct operation *op)
{
    if (MUTANT(LATER_TRACEPARENT_COUNTS) && op->traceparent.len > 0 && o->traced) {
        machine_touch(m, o);
        memcpy(o->bytes + o->id_len + o->payload_len, op->traceparent.data, op->traceparent.len);
    }
}

static struct order *orders_schedule(struct machine *m, const struct operation *op,
                                     struct store_place place)
{
    struct route *route = machine_find_route(m, op->route);
    bool takes = !MUTANT(TRACEPARENT_OR_SNAPSHOT) || m->observer == NULL;
    struct slice traceparent = takes ? op->traceparent : (struct slice){0};
    struct order *o = must_have(order_new(&m->slab, op->id, op->payload, traceparent));

    m->traced = m->traced || o->traced;
    o->deadline_ms = deadline_of(m, op);
    o->schedule_index = m->applied;
    machine_keep_request(m, op->request_id, o->schedule_request);
    o->version = 1;
    o->route = (uint16_t)(route - m->routes);
    machine_index_add(m, o, place);
    return o;
}

static void orders_extend(struct machine *m, struct order *o, uint64_t deadline_ms)
{
    assert(deadline_ms >= o->deadline_ms);
    machine_extra(m, o); /* remembers the first deadline, while it is still known */
    machine_index_detach(m, o);
    o->deadline_ms = deadline_ms;
    o->version++;
    machine_index_await(m, o);
    machine_note(m, o, &(struct history_event){.kind = HISTORY_EXTENDED, .value = deadline_ms});
}

/* Back to CLOSING with all attempts before it. Its place among the closing orders is that of now,
 * which the wheel finds, as it gives orders out in order of time. */
static void orders_redrive(struct machine *m, struct order *o)
{
    machine_index_revive(m, o);
    if (!MUTANT(HISTORY_FORGETS_REDRIVE)) {
        machine_note(m, o, &(struct history_event){.kind = HISTORY_REDRIVEN});
    }
}

static void orders_drop(struct machine *m, struct order *o)
{
    static const char reason[] = "dropped by operator";

    machine_index_settle(m, o, ORDERSCHED_CANCELLED);
    machine_set_reason(m, o, (struct slice){(const uint8_t *)reason, sizeof reason - 1});
}

static void orders_decide(struct machine *m, struct order *o, enum ordersched_state state)
{
    machine_index_detach(m, o);
    machine_index_settle(m, o, state);
}

static bool is_for_dead_letters(enum operation_code code)
{
    return code == OPERATION_DEAD_REDRIVE || code == OPERATION_DEAD_DROP;
}

/* --- a known order --- */

/* What an operation is to do: nothing has been changed yet. */
struct verdict {
    int error;
    enum order_change change; /* NONE unless the error is OK */
};

static struct verdict judge_extend(const struct machine *m, const struct order *o,
                                   const struct operation *op)
{
    uint64_t deadline_ms = deadline_of(m, op);

    if (op->version != 0 && op->version != o->version) {
        return (struct verdict){.error = ORDERSCHED_VERSION_CHANGED};
    }
    if (!machine_keeps_old_rules(m) && !order_has_room(o, ORDER_CHANGE_EXTEND)) {
        return (struct verdict){.error = ORDERSCHED_EXHAUSTED};
    }
    if (deadline_ms < o->deadline_ms || !deadline_is_near(m, deadline_ms)) {
        return (struct verdict){.error = ORDERSCHED_BAD_DEADLINE};
    }
    return (struct verdict){ORDERSCHED_OK, ORDER_CHANGE_EXTEND};
}

static struct verdict orders_judge(const struct machine *m, const struct order *o,
                                   const struct operation *op)
{
    if (is_for_dead_letters(op->code)) {
        if (o->state != ORDERSCHED_DEAD) {
            return (struct verdict){.error = ORDERSCHED_NOT_DEAD};
        }
        return (struct verdict){ORDERSCHED_OK, op->code == OPERATION_DEAD_REDRIVE
                                                   ? ORDER_CHANGE_REDRIVE
                                                   : ORDER_CHANGE_END};
    }
    /* Once, an order whose record was full could not even be paid. */
    if (machine_keeps_old_rules(m) && !order_is_terminal(o) && o->extra &&
        o->extra->n_requests >= ORDER_REQUESTS_MAX_ONCE) {
        return (struct verdict){.error = ORDERSCHED_EXHAUSTED};
    }
    int state = order_state(o, m->now_ms);
    assert(op->code < ANSWERS_ROWS && state != ORDERSCHED_STATE_NONE);
    int error = answers[op->code][state];

    if (error != ORDERSCHED_OK || state != ORDERSCHED_PENDING) {
        return (struct verdict){.error = error};
    }
    return op->code == OPERATION_EXTEND ? judge_extend(m, o, op)
                                        : (struct verdict){ORDERSCHED_OK, ORDER_CHANGE_END};
}

static void orders_carry_out(struct machine *m, struct order *o, const struct operation *op)
{
    switch (op->code) {
        case OPERATION_PAY: orders_decide(m, o, ORDERSCHED_PAID); break;
        case OPERATION_CANCEL: orders_decide(m, o, ORDERSCHED_CANCELLED); break;
        case OPERATION_EXTEND: orders_extend(m, o, deadline_of(m, op)); break;
        case OPERATION_DEAD_REDRIVE: orders_redrive(m, o); break;
        case OPERATION_DEAD_DROP: orders_drop(m, o); break;
        default: assert(false); /* a schedule of a known id changes nothing */
    }
}

/* Is the answer kept with the order, or among the recent requests? */
static bool belongs_to_order(const struct machine *m, const struct order *o, struct verdict verdict)
{
    if (verdict.error == ORDERSCHED_EXISTS || verdict.error == ORDERSCHED_EXHAUSTED) {
        return false;
    }
    if (machine_keeps_old_rules(m)) {
        return !o->extra || o->extra->n_requests < ORDER_REQUESTS_MAX_ONCE;
    }
    return order_has_room(o, verdict.change);
}

static void apply_to_known(struct machine *m, struct order *o, const struct operation *op,
                           struct result *result)
{
    struct verdict verdict = orders_judge(m, o, op);
    bool with_order = belongs_to_order(m, o, verdict);

    mutant_leave_traceparent(m, o, op);
    if (!with_order && !machine_recent_has_room(m, verdict.change != ORDER_CHANGE_NONE)) {
        machine_describe(m, o, ORDERSCHED_BUSY, result);
        return;
    }
    if (verdict.change != ORDER_CHANGE_NONE) {
        orders_carry_out(m, o, op);
    }
    machine_describe(m, o, verdict.error, result);
    if (with_order) {
        machine_record(m, o, op->request_id, result);
    } else {
        machine_record_recent(m, op, verdict.change != ORDER_CHANGE_NONE, result);
    }
}

/* --- an unknown one --- */

static void apply_to_unknown(struct machine *m, const struct operation *op,
                             struct store_place place, struct result *result)
{
    int error = op->code == OPERATION_SCHEDULE ? judge_schedule(m, op) : ORDERSCHED_NOT_FOUND;

    if (error == ORDERSCHED_OK) { /* the request is part of the order */
        machine_describe(m, orders_schedule(m, op, place), error, result);
    } else if (!machine_recent_has_room(m, false)) {
        machine_describe(m, NULL, ORDERSCHED_BUSY, result);
    } else {
        machine_describe(m, NULL, error, result);
        machine_record_recent(m, op, false, result);
    }
}

bool machine_order_is_in_vain(const struct machine *m, const struct operation *op)
{
    const struct order *o = machine_find(m, op->id);

    if (!o) {
        return op->code != OPERATION_SCHEDULE || judge_schedule(m, op) != ORDERSCHED_OK;
    }
    struct verdict verdict = orders_judge(m, o, op);
    return verdict.change == ORDER_CHANGE_NONE && !belongs_to_order(m, o, verdict);
}

/* An order that its caller may not see. Its id is taken all the same. */
static void apply_to_hidden(struct machine *m, const struct operation *op, struct result *result)
{
    int error = op->code == OPERATION_SCHEDULE ? ORDERSCHED_EXISTS : ORDERSCHED_NOT_FOUND;

    if (!machine_recent_has_room(m, false)) {
        machine_describe(m, NULL, ORDERSCHED_BUSY, result);
        return;
    }
    machine_describe(m, NULL, error, result);
    machine_record_recent(m, op, false, result);
}

/* A copy of the caller's own request gets the first answer, whatever it may see now. */
static bool answer_early(const struct machine *m, const struct order *o, bool hidden,
                         const struct operation *op, struct result *result)
{
    bool early = machine_answer_early(m, o, op, result);

    if (early && hidden &&
        (result->error == ORDERSCHED_STALE_REQUEST || result->error == ORDERSCHED_EARLY_REQUEST)) {
        machine_describe(m, NULL, result->error, result);
    }
    return early;
}

/* Of an order that is forgotten, but was not purged, nothing is known but its requests. */
void machine_apply_order(struct machine *m, const struct actor *actor, const struct operation *op,
                         struct store_place place, struct result *result)
{
    struct order *o = store_find_at(&m->store, op->id, place);
    bool forgotten = o && machine_is_forgotten(m, o);

    if (forgotten && machine_keeps_old_rules(m)) { /* not even these, once */
        if (op->code == OPERATION_SCHEDULE) {
            bool done = machine_purge_for_another(m, o);
            assert(done);
        }
        o = NULL;
        forgotten = false;
    }
    bool hidden = o && !forgotten && machine_hides(m, actor, op->code, o);
    if (answer_early(m, o, hidden, op, result)) {
        /* Nothing on an order is OK without a state: a route's operation had this id. Its answer,
         * taken for a payment's, would be a payment that is not there. */
        if (result->error == ORDERSCHED_OK && result->state == ORDERSCHED_STATE_NONE &&
            !machine_keeps_old_rules(m)) {
            result->error = ORDERSCHED_REQUEST_ID_USED;
            result->body = (struct slice){NULL, 0};
        }
        return;
    }
    if (hidden) {
        apply_to_hidden(m, op, result);
    } else if (o && !forgotten) {
        apply_to_known(m, o, op, result);
    } else if (forgotten && op->code == OPERATION_SCHEDULE && !machine_purge_for_another(m, o)) {
        machine_describe(m, NULL, ORDERSCHED_BUSY, result);
    } else {
        apply_to_unknown(m, op, place, result);
    }
}
