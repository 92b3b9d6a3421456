/* machine_outcomes.c - what a callback's answer does to an order (docs/semantics.md,
 * "Outcomes"). */
#include <assert.h>

#include "machine_parts.h"
#include "../mutant.h"

#define LATER_MIN_MS 1000u
#define FAILED_DELAY_MAX_MS (24ull * 3600 * 1000)
#define JITTER_MAX_MS (3600u * 1000)

static uint64_t at_most(uint64_t value, uint64_t max)
{
    return value < max ? value : max;
}

static uint64_t at_least(uint64_t value, uint64_t min)
{
    return value > min ? value : min;
}

/* Is this the outcome that the order waits for? Anything else is a late or repeated report. */
static bool counts(const struct machine *m, const struct order *o, const struct operation *op)
{
    uint64_t ended = o->extra ? o->extra->attempts : 0;

    bool in_power = op->epoch == m->epoch || MUTANT(OLD_EPOCH_OUTCOME);

    return order_state(o, m->now_ms) == ORDERSCHED_CLOSING && in_power &&
           op->version == o->version &&
           (op->attempt == ended + 1 || MUTANT(OUTCOME_OF_ANY_ATTEMPT));
}

static void settle(struct machine *m, struct order *o, enum ordersched_state state)
{
    o->extra->next_ms = 0;
    machine_index_settle(m, o, state);
}

static void wait_until(struct machine *m, struct order *o, uint64_t next_ms)
{
    assert(o->due && o->extra->order == o); /* only a closing order waits for an attempt */
    o->extra->next_ms = next_ms;
    wheel_insert(&m->wheel, o);
}

static void take_later(struct machine *m, struct order *o, uint64_t delay_ms)
{
    delay_ms = at_most(at_least(delay_ms, LATER_MIN_MS), ORDERSCHED_DEADLINE_MAX_MS);
    o->extra->failures = 0;
    wait_until(m, o, machine_add_ms(m->now_ms, delay_ms));
}

static void take_failure(struct machine *m, struct order *o, const struct operation *op)
{
    const struct route_settings *route = &m->routes[o->route].settings;
    uint64_t delay_ms = at_most(op->delay_ms, FAILED_DELAY_MAX_MS);
    uint32_t retry;

    assert(o->extra->failures < PROTOCOL_ATTEMPTS_MAX); /* no route has patience for more */
    o->extra->failures++;
    if (o->extra->failures >= route_settings_attempts(route)) {
        settle(m, o, ORDERSCHED_DEAD);
        return;
    }
    retry = o->extra->failures < route->n_retries ? o->extra->failures : route->n_retries;
    assert(retry > 0 && retry <= PROTOCOL_RETRIES_MAX); /* no settings are without a schedule */
    delay_ms = at_least(delay_ms, route->retries_ms[retry - 1]);
    delay_ms += at_most(op->jitter_ms, JITTER_MAX_MS);
    wait_until(m, o, machine_add_ms(m->now_ms, delay_ms));
}

/* It says nothing about this order: its patience is as it was. The leader chose the delay. */
static void take_batch_failure(struct machine *m, struct order *o, const struct operation *op)
{
    uint64_t delay_ms = at_most(op->delay_ms, FAILED_DELAY_MAX_MS);

    delay_ms += at_most(op->jitter_ms, JITTER_MAX_MS);
    wait_until(m, o, machine_add_ms(m->now_ms, delay_ms));
}

/* What it was, and what came of it. */
static void note_attempt(struct machine *m, struct order *o, const struct operation *op)
{
    struct history_event event = {
        .kind = HISTORY_ATTEMPT,
        .node = op->node_id,
        .attempt = op->attempt,
        .outcome = (uint8_t)op->outcome,
        .value = o->extra->next_ms,
        .reason = op->reason,
    };
    bool settled = op->outcome == OUTCOME_EXPIRED || op->outcome == OUTCOME_PAID;

    machine_note(m, o, &event);
    machine_set_reason(m, o, settled ? (struct slice){NULL, 0} : op->reason);
}

bool machine_is_waiting(const struct machine *m, const struct order *o)
{
    return order_state(o, m->now_ms) == ORDERSCHED_CLOSING && o->extra != NULL &&
           o->extra->next_ms > m->now_ms;
}

void machine_apply_hurry(struct machine *m, const struct operation *op, struct result *result)
{
    struct order *o = machine_find(m, op->id);

    if (!o || !machine_is_waiting(m, o) || op->epoch != m->epoch || op->version != o->version ||
        op->attempt != o->extra->attempts) {
        machine_describe(m, o, o ? ORDERSCHED_DECIDED : ORDERSCHED_NOT_FOUND, result);
        return;
    }
    machine_index_make_due(m, o);
    machine_index_detach(m, o);
    wait_until(m, o, m->now_ms);
    machine_describe(m, o, ORDERSCHED_OK, result);
}

void machine_apply_outcome(struct machine *m, const struct operation *op, struct result *result)
{
    struct order *o = machine_find(m, op->id);

    if (!o || !counts(m, o, op)) {
        machine_describe(m, o, o ? ORDERSCHED_DECIDED : ORDERSCHED_NOT_FOUND, result);
        return;
    }
    machine_index_make_due(m, o);
    machine_index_detach(m, o);
    assert(o->extra->failures <= o->extra->attempts);
    o->extra->attempts++;
    switch (op->outcome) {
        case OUTCOME_EXPIRED: settle(m, o, ORDERSCHED_EXPIRED); break;
        case OUTCOME_PAID: settle(m, o, ORDERSCHED_PAID); break;
        case OUTCOME_LATER: take_later(m, o, op->delay_ms); break;
        case OUTCOME_FAILED: take_failure(m, o, op); break;
        case OUTCOME_BATCH_FAILED: take_batch_failure(m, o, op); break;
    }
    note_attempt(m, o, op);
    machine_describe(m, o, ORDERSCHED_OK, result);
}
