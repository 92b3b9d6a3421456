/* machine_canary.c - the canary: something due every few seconds, by which a cluster notices that it has
 * silently stopped.
 *
 *   OPERATION_CANARY ──► in the wheel ── now >= its time ──► due ──► in flight ── OPERATION_CANARY,
 *   (the leader's)                                           the dispatcher         settled ──► gone
 *
 * It goes the way of an order, by the log, the time, the wheel and the dispatcher, but it is none: no
 * state depends on it, and it stands in no count, list, digest or snapshot. Each replica has the newest
 * one that its log told of since its last restore; one that a snapshot has left out is missed by
 * nobody, as the leader that sent it restores none. */
#include <assert.h>
#include <stdlib.h>

#include "machine_parts.h"
#include "../../client/base/must.h"

static_assert(PROTOCOL_TIME_MAX_MS == ENTRY_TIME_MAX_MS && ENTRY_TIME_MAX_MS <= ORDER_FIELD_MAX,
              "its time fits into a record");

static void canary_remove(struct machine *m)
{
    struct machine_canary *c = &m->canary;

    if (c->phase == CANARY_WAITS) {
        wheel_remove(&m->wheel, c->order);
    }
    c->phase = CANARY_NONE;
}

void machine_apply_canary(struct machine *m, const struct operation *op, struct result *result)
{
    struct machine_canary *c = &m->canary;

    result->error = ORDERSCHED_OK;
    if (op->on) {
        if (op->time_ms == c->deadline_ms) {
            canary_remove(m);
        }
        c->settled++;
        c->settled_deadline_ms = op->time_ms;
        c->lateness_ms = m->now_ms > op->time_ms ? m->now_ms - op->time_ms : 0;
        return;
    }
    canary_remove(m);
    if (c->order == NULL) {
        c->order = must_have(calloc(1, sizeof *c->order));
        c->order->state = ORDERSCHED_PENDING;
        c->order->route = ORDER_ROUTE_NONE;
    }
    c->deadline_ms = op->time_ms;
    c->order->deadline_ms = op->time_ms;
    c->phase = CANARY_WAITS;
    wheel_insert(&m->wheel, c->order);
}

bool machine_canary_is_out(const struct machine *m)
{
    return m->canary.phase != CANARY_NONE;
}

bool machine_take_canary(struct machine *m, uint64_t *deadline_ms)
{
    if (m->canary.phase != CANARY_DUE) {
        return false;
    }
    assert(m->canary.deadline_ms <= m->now_ms); /* never early */
    m->canary.phase = CANARY_IN_FLIGHT;
    *deadline_ms = m->canary.deadline_ms;
    return true;
}

void machine_canary_put_back(struct machine *m)
{
    if (m->canary.phase == CANARY_IN_FLIGHT) {
        m->canary.phase = CANARY_DUE;
    }
}

void machine_canary_forget(struct machine *m)
{
    m->canary.phase = CANARY_NONE;
    if (m->canary.order != NULL) {
        m->canary.order->link = (struct link){0};
    }
}

void machine_canary_close(struct machine *m)
{
    free(m->canary.order);
}
