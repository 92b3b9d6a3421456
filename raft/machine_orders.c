/* machine_orders.c - the operations on orders: schedule, pay, cancel, extend, and of dead letters
 * redrive and drop, by the table of docs/semantics.md, "Orders". */
#include <assert.h>
#include <string.h>

#include "machine_parts.h"

/* The table for a known order: what an operation answers in each state as seen at now. Only the
 * OK of a PENDING order changes something; the others repeat what was decided. */
static const uint8_t answers[][ORDERSCHED_DEAD + 1] = {
    [OPERATION_SCHEDULE] = {
        [ORDERSCHED_PENDING] = ORDERSCHED_EXISTS,
        [ORDERSCHED_CLOSING] = ORDERSCHED_EXISTS,
        [ORDERSCHED_PAID] = ORDERSCHED_EXISTS,
        [ORDERSCHED_CANCELLED] = ORDERSCHED_EXISTS,
        [ORDERSCHED_EXPIRED] = ORDERSCHED_EXISTS,
        [ORDERSCHED_DEAD] = ORDERSCHED_EXISTS,
    },
    [OPERATION_PAY] = {
        [ORDERSCHED_PENDING] = ORDERSCHED_OK,
        [ORDERSCHED_CLOSING] = ORDERSCHED_TOO_LATE,
        [ORDERSCHED_PAID] = ORDERSCHED_OK,
        [ORDERSCHED_CANCELLED] = ORDERSCHED_DECIDED,
        [ORDERSCHED_EXPIRED] = ORDERSCHED_TOO_LATE,
        [ORDERSCHED_DEAD] = ORDERSCHED_TOO_LATE,
    },
    [OPERATION_CANCEL] = {
        [ORDERSCHED_PENDING] = ORDERSCHED_OK,
        [ORDERSCHED_CLOSING] = ORDERSCHED_TOO_LATE,
        [ORDERSCHED_PAID] = ORDERSCHED_DECIDED,
        [ORDERSCHED_CANCELLED] = ORDERSCHED_OK,
        [ORDERSCHED_EXPIRED] = ORDERSCHED_TOO_LATE,
        [ORDERSCHED_DEAD] = ORDERSCHED_TOO_LATE,
    },
    [OPERATION_EXTEND] = {
        [ORDERSCHED_PENDING] = ORDERSCHED_OK,
        [ORDERSCHED_CLOSING] = ORDERSCHED_TOO_LATE,
        [ORDERSCHED_PAID] = ORDERSCHED_DECIDED,
        [ORDERSCHED_CANCELLED] = ORDERSCHED_DECIDED,
        [ORDERSCHED_EXPIRED] = ORDERSCHED_TOO_LATE,
        [ORDERSCHED_DEAD] = ORDERSCHED_TOO_LATE,
    },
};

/* "Time": a relative deadline counts from the entry's now. */
static uint64_t deadline_of(const struct machine *m, const struct operation *op)
{
    return op->relative ? machine_add_ms(m->now_ms, op->time_ms) : op->time_ms;
}

static bool deadline_is_near(const struct machine *m, uint64_t deadline_ms)
{
    return deadline_ms <= machine_add_ms(m->now_ms, ORDERSCHED_DEADLINE_MAX_MS);
}

/* A schedule of an unknown id: the order, or NULL and the error. */
static struct order *schedule(struct machine *m, const struct operation *op, int *error)
{
    struct route *route = machine_find_route(m, op->route);
    uint64_t deadline_ms = deadline_of(m, op);
    struct order *o;

    if (!route) {
        *error = ORDERSCHED_UNKNOWN_ROUTE;
        return NULL;
    }
    if (deadline_ms <= m->now_ms || !deadline_is_near(m, deadline_ms)) {
        *error = ORDERSCHED_BAD_DEADLINE;
        return NULL;
    }
    o = machine_must_have(order_new(&m->slab, op->id, op->payload));
    o->deadline_ms = deadline_ms;
    o->schedule_index = m->applied;
    memcpy(o->schedule_request, op->request_id, sizeof o->schedule_request);
    o->version = 1;
    o->route = (uint16_t)(route - m->routes);
    machine_index_add(m, o);
    *error = ORDERSCHED_OK;
    return o;
}

static int extend(struct machine *m, struct order *o, const struct operation *op)
{
    uint64_t deadline_ms = deadline_of(m, op);

    if (deadline_ms < o->deadline_ms || !deadline_is_near(m, deadline_ms)) {
        return ORDERSCHED_BAD_DEADLINE;
    }
    machine_extra(m, o); /* remembers the first deadline, while it is still known */
    machine_index_detach(m, o);
    o->deadline_ms = deadline_ms;
    o->version++;
    wheel_insert(&m->wheel, o);
    machine_note(m, o, &(struct history_event){.kind = HISTORY_EXTENDED, .value = deadline_ms});
    return ORDERSCHED_OK;
}

/* Back to CLOSING with all attempts before it. Its place among the closing orders is that of now,
 * which the wheel finds, as it gives orders out in order of time. */
static void redrive(struct machine *m, struct order *o)
{
    machine_index_revive(m, o);
    machine_note(m, o, &(struct history_event){.kind = HISTORY_REDRIVEN});
}

static void drop(struct machine *m, struct order *o)
{
    static const char reason[] = "dropped by operator";

    machine_index_settle(m, o, ORDERSCHED_CANCELLED);
    machine_set_reason(m, o, (struct slice){(const uint8_t *)reason, sizeof reason - 1});
}

static void decide(struct machine *m, struct order *o, enum ordersched_state state)
{
    machine_index_detach(m, o);
    machine_index_settle(m, o, state);
}

static bool is_for_dead_letters(enum operation_code code)
{
    return code == OPERATION_DEAD_REDRIVE || code == OPERATION_DEAD_DROP;
}

static int carry_out_dead(struct machine *m, struct order *o, const struct operation *op)
{
    if (o->state != ORDERSCHED_DEAD) {
        return ORDERSCHED_NOT_DEAD;
    }
    if (op->code == OPERATION_DEAD_REDRIVE) {
        redrive(m, o);
    } else {
        drop(m, o);
    }
    return ORDERSCHED_OK;
}

/* Carry out an operation on a known order. Returns its error. */
static int carry_out(struct machine *m, struct order *o, const struct operation *op)
{
    if (is_for_dead_letters(op->code)) {
        return carry_out_dead(m, o, op);
    }
    int state = order_state(o, m->now_ms);
    int error = answers[op->code][state];

    if (error != ORDERSCHED_OK || state != ORDERSCHED_PENDING) {
        return error;
    }
    switch (op->code) {
        case OPERATION_PAY:
            decide(m, o, ORDERSCHED_PAID);
            break;
        case OPERATION_CANCEL:
            decide(m, o, ORDERSCHED_CANCELLED);
            break;
        case OPERATION_EXTEND:
            error = extend(m, o, op);
            break;
        default:
            assert(false); /* a schedule of a known id is never OK */
    }
    return error;
}

static bool is_exhausted(const struct order *o)
{
    return !order_is_terminal(o) && o->extra && o->extra->n_requests >= ORDER_REQUESTS_MAX;
}

static void apply_to_unknown(struct machine *m, const struct operation *op,
                             struct result *result)
{
    int error = ORDERSCHED_NOT_FOUND;
    struct order *o = op->code == OPERATION_SCHEDULE ? schedule(m, op, &error) : NULL;

    machine_describe(m, o, error, result);
    if (!o) { /* else its schedule request is part of the order */
        machine_record_recent(m, op->request_id, result);
    }
}

static void apply_to_known(struct machine *m, struct order *o, const struct operation *op,
                           struct result *result)
{
    /* An operator can always act on a dead letter: else it could never leave. */
    if (is_exhausted(o) && !is_for_dead_letters(op->code)) {
        machine_describe(m, o, ORDERSCHED_EXHAUSTED, result);
        machine_record_recent(m, op->request_id, result);
        return;
    }
    machine_describe(m, o, carry_out(m, o, op), result);
    if (result->error == ORDERSCHED_EXISTS) {
        machine_record_recent(m, op->request_id, result);
    } else {
        machine_record(m, o, op->request_id, result);
    }
}

void machine_apply_order(struct machine *m, const struct operation *op, struct result *result)
{
    struct order *o = store_find(&m->store, op->id);

    if (o && machine_is_forgotten(m, o)) {
        if (op->code == OPERATION_SCHEDULE) {
            machine_purge(m, o);
        }
        o = NULL;
    }
    if (machine_answer_early(m, o, op->request_id, result)) {
        return;
    }
    if (o) {
        apply_to_known(m, o, op, result);
    } else {
        apply_to_unknown(m, op, result);
    }
}
