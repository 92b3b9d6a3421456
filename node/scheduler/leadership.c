/* leadership.c - how a node that was elected begins to decide, and how it stops. */
#include <assert.h>
#include <string.h>

#include "../../raft/mutant.h"
#include "internal.h"

#define SCHEDULER_LEAD_RETRY_US 50000 /* after a refused proposal, while still the leader */

void scheduler_gain_leadership(struct scheduler *s)
{
    assert(s->state == SCHEDULER_TAKING_OVER && s->role == REPLICA_LEADER);
    assert(s->machine.epoch == s->term || MUTANT(FENCE_RESET_ON_RESTORE));
    s->state = SCHEDULER_LEADING;
    scheduler_catch_up_time(s); /* entries of the last leader came since */
    dispatch_open(&s->dispatch);
    hurry_begin_leadership(&s->hurry, &s->machine);
    callback_worker_open(&s->worker, s->machine.epoch);
    if (s->config.log != NULL) {
        log_line(s->config.log, LOG_INFO, "leadership gained: this node decides and fires",
                 LOG_U64("term", s->term), LOG_U64("index", s->machine.applied));
    }
}

/* The first entry of a leadership. An identity and a secret are in it where the cluster has none,
 * as far as this node has applied: the machine keeps the first. */
static void scheduler_submit_epoch(struct scheduler *s)
{
    uint8_t random[PROTOCOL_IDENTITY_SIZE + PROTOCOL_CLUSTER_SECRET_SIZE];
    struct operation op = {
        .code = OPERATION_EPOCH,
        .seed = s->environment->random(s->environment->impl) | 1,
        .retention_ms = s->config.retention_ms,
    };

    if (s->machine.secret_index == 0) {
        s->environment->secret(s->environment->impl, random, sizeof random);
        op.identity = (struct slice){random, PROTOCOL_IDENTITY_SIZE};
        op.secret = (struct slice){random + PROTOCOL_IDENTITY_SIZE, PROTOCOL_CLUSTER_SECRET_SIZE};
    }
    batcher_submit_internal(&s->batcher, &op);
    explicit_bzero(random, sizeof random);
}

void scheduler_take_over(struct scheduler *s)
{
    assert(s->state == SCHEDULER_FOLLOWING && !s->transfer_tried);
    scheduler_begin_time(s);
    batcher_open(&s->batcher);
    scheduler_open_gates(s);
    s->state = SCHEDULER_TAKING_OVER;
    /* Leading from our own entry on: what was proposed before it, under a leadership of the same
     * term that a transfer interrupted, is applied by then, and can decide no order behind the back
     * of a delivery. (The operation in it is void in that case.) */
    s->leadership_sequence = s->batcher.sequence + 1;
    scheduler_submit_epoch(s);
    if (MUTANT(FIRE_WITHOUT_EPOCH)) {
        s->state = SCHEDULER_LEADING;
        dispatch_open(&s->dispatch);
        hurry_begin_leadership(&s->hurry, &s->machine);
        callback_worker_open(&s->worker, s->machine.epoch);
    }
}

void scheduler_lose_leadership(struct scheduler *s, int error)
{
    if (s->state == SCHEDULER_FOLLOWING) {
        return;
    }
    s->state = SCHEDULER_FOLLOWING;
    s->retry_lead_us = scheduler_monotonic_us(s) + SCHEDULER_LEAD_RETRY_US;
    dispatch_end_leadership(&s->dispatch);
    callback_worker_leave(&s->worker, error);
    scheduler_set_back_end(s, error);
    batcher_end_leadership(&s->batcher, error, NULL);
    s->notes.n = 0;
    s->canary_ticket = 0;
    scheduler_administer_end(s);
    if (s->config.log != NULL) {
        log_line(s->config.log, LOG_INFO, "leadership lost", LOG_U64("term", s->term));
    }
}
