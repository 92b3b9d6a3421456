/* drain.c - the end of a node that was asked to stop: what is under way ends, and then another one
 * leads. Clients are refused from the moment when only their own entries are left to be applied: until then
 * nobody else could take them. */
#include <assert.h>

#include "internal.h"

#define SCHEDULER_TRANSFER_US 2000000 /* for another to take the leadership when draining */

static void scheduler_drained(void *arg, int error, const char *text)
{
    struct scheduler *s = arg;

    if (error != ORDERSCHED_OK && s->config.log != NULL) {
        log_line(s->config.log, LOG_INFO, "leadership was not transferred",
                 LOG_STR("reason", text != NULL ? text : ordersched_error_text(error)));
    }
    if (s->drain_cb != NULL) {
        void (*cb)(void *) = s->drain_cb;
        s->drain_cb = NULL;
        cb(s->drain_arg);
    }
}

void scheduler_drain_step(struct scheduler *s, uint64_t now_us)
{
    if (s->drain_cb == NULL) {
        return;
    }
    bool delivered = s->dispatch.inflight.used == 0 && s->administering == 0;
    s->refuses = s->refuses || delivered || now_us >= s->drain_until_us;
    bool quiet = s->refuses && delivered && batcher_idle(&s->batcher) && s->reader.n == 0;
    if (s->transfer_tried) { /* libraft goes on waiting where no new leader can be elected */
        if (now_us >= s->drain_until_us) {
            scheduler_drained(s, ORDERSCHED_UNKNOWN_OUTCOME, "no new leader in time");
        }
        return;
    }
    if (!quiet && now_us < s->drain_until_us) {
        return;
    }
    s->transfer_tried = true;
    s->drain_until_us = now_us + SCHEDULER_TRANSFER_US;
    if (s->role != REPLICA_LEADER) {
        scheduler_drained(s, ORDERSCHED_OK, NULL);
        return;
    }
    replica_transfer(s->replica, scheduler_successor(s), scheduler_drained, s);
}

void scheduler_drain(struct scheduler *s, unsigned timeout_ms, void (*cb)(void *arg), void *arg)
{
    assert(!s->draining);
    s->draining = true;
    callback_worker_stop(&s->worker, ORDERSCHED_SHUTTING_DOWN);
    s->drain_until_us = scheduler_monotonic_us(s) + (uint64_t)timeout_ms * 1000;
    s->drain_cb = cb;
    s->drain_arg = arg;
    s->again = true;
}
