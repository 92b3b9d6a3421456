/* dead.c - the log line that raises an order whose attempts are used up. Written once in
 * the cluster, by the leader whose entry it was. */
#include "../../raft/core/entry.h"
#include "internal.h"

#define DEAD_LINES_MAX 20 /* a second; a dead receiver may take a million orders with it */

static void dead_log(struct scheduler *s, const struct operation *op)
{
    const struct order *o = machine_find(&s->machine, op->id);
    uint64_t second = scheduler_monotonic_us(s) / 1000000;

    if (second != s->dead_second) {
        if (s->dead_lines > DEAD_LINES_MAX) {
            log_line(s->config.log, LOG_ERROR, "more orders are DEAD than are listed",
                     LOG_U64("in_that_second", s->dead_lines));
        }
        s->dead_second = second;
        s->dead_lines = 0;
    }
    if (o == NULL || s->dead_lines++ >= DEAD_LINES_MAX) {
        return;
    }
    log_line(s->config.log, LOG_ERROR,
             "order is DEAD: its attempts are used up; see: orderctl dead list",
             LOG_BYTES("order_id", op->id.data, op->id.len),
             LOG_STR("route", s->machine.routes[o->route].name), LOG_U64("attempts", op->attempt),
             LOG_BYTES("reason", op->reason.data, op->reason.len),
             LOG_U64("index", s->machine.applied), LOG_U64("term", s->term));
}

void scheduler_log_dead(struct scheduler *s, const struct entry *e,
                        const struct machine_results *results)
{
    size_t at = 0;
    bool any = false;

    for (uint32_t i = 0; i < results->n; i++) {
        any = any || (results->results[i].error == ORDERSCHED_OK &&
                      results->results[i].state == ORDERSCHED_DEAD);
    }
    if (!any || s->config.log == NULL) {
        return;
    }
    for (uint32_t i = 0; i < results->n; i++) {
        const struct result *result = &results->results[i];
        struct operation op;

        if (operation_decode(e->operations.data + at, e->operations.len - at, &op) !=
            ORDERSCHED_OK) {
            return;
        }
        at += op.bytes.len;
        if (op.code == OPERATION_OUTCOME && result->error == ORDERSCHED_OK &&
            result->state == ORDERSCHED_DEAD) {
            dead_log(s, &op);
        }
    }
}
