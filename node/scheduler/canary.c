/* canary.c - the leader sends a canary through log, wheel and dispatcher every few seconds, and each node
 * notes when one was settled: a cluster that silently stops is noticed by its own metrics. See
 * raft/core/machine_canary.c. */
#include "internal.h"

#define CANARY_AHEAD_MS 1000 /* so far ahead it is due: it waits in the wheel for a while */

void scheduler_canary_step(struct scheduler *s, uint64_t now_us)
{
    if (s->config.canary_ms == 0 || s->state != SCHEDULER_LEADING || s->draining ||
        now_us < s->canary_next_us || s->canary_ticket != 0 || machine_canary_is_out(&s->machine) ||
        !scheduler_time_goes(s) || scheduler_is_setting_back(s)) {
        return;
    }
    uint64_t now_ms = scheduler_now_ms(s);
    struct operation op = {.code = OPERATION_CANARY, .time_ms = now_ms + CANARY_AHEAD_MS};
    if (now_ms > ENTRY_TIME_MAX_MS - CANARY_AHEAD_MS) { /* no node could read it */
        return;
    }
    s->canary_next_us = now_us + s->config.canary_ms * 1000;
    s->canary_ticket = batcher_submit_internal(&s->batcher, &op);
}

void scheduler_canary_ticket(struct scheduler *s, uint64_t ticket)
{
    if (ticket == s->canary_ticket) {
        s->canary_ticket = 0;
    }
}

void scheduler_canary_applied(struct scheduler *s, bool own)
{
    const struct machine_canary *c = &s->machine.canary;

    if (c->settled == s->canary_settled) {
        return;
    }
    s->canary_settled = c->settled;
    s->canary_settled_us = scheduler_monotonic_us(s);
    if (own && s->config.metrics != NULL) { /* as exactly as this leader's clock tells */
        uint64_t due_us = c->settled_deadline_ms * 1000, clock_us = scheduler_clock_us(s);
        metrics_histogram_add(&s->config.metrics->canary, &metrics_scale_coarse,
                              clock_us > due_us ? clock_us - due_us : 0);
    }
}
