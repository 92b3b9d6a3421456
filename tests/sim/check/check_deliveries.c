/* check_deliveries.c - deliveries and effects: not before the deadline (I6), not for a deadline
 * that was moved (I8), nor past their route's window or pause (ROUTE), fenced and keyed (I9), with
 * one effect for whoever expired and none for who did not (I5). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../../node/scheduler/internal.h"
#include "check_internal.h"

/* By which time may be behind when a deadline is set (what was told is confirmed by a clock that is off, and
 * differs by as much as right ones may), and ahead when it is over. */
#define DELAY_SLACK_MS 2000

/* Which order a delivery is about: its number, or -1. */
static int delivery_id(const struct check *c, const struct delivery *d)
{
    for (unsigned id = 0; id < c->n_ids; id++) {
        char name[16];
        size_t len = check_order_name(c, id, name);
        if (len == d->id_len && memcmp(name, d->id, len) == 0) {
            return (int)id;
        }
    }
    return -1;
}

/* --- fences and keys --- */

static bool fence_is_lower(uint64_t epoch, uint64_t index, uint64_t than_epoch, uint64_t than_index)
{
    return epoch != than_epoch ? epoch < than_epoch : index < than_index;
}

static void check_fence(struct check *c, const struct life *life, const struct sent *now)
{
    for (const struct sent *s = life->sent; s != NULL; s = s->next) {
        /* A deposed leader that does not know it yet may start one after its successor did: the
         * leaderships are ordered by their terms. */
        bool older_leadership = now->term < s->term;
        bool lower = fence_is_lower(now->fence_epoch, now->fence_index, s->fence_epoch,
                                    s->fence_index);
        bool higher = fence_is_lower(s->fence_epoch, s->fence_index, now->fence_epoch,
                                     now->fence_index);
        if (older_leadership ? !lower : (lower || (now->term > s->term && !higher))) {
            check_fail(c, "I9", (int)life->id,
                       "the fence does not grow:\n"
                       "  node %u, leadership of term %" PRIu64 ": fence %" PRIu64 ".%" PRIu64 "\n"
                       "  node %u, leadership of term %" PRIu64 ": fence %" PRIu64 ".%" PRIu64,
                       s->node + 1, s->term, s->fence_epoch, s->fence_index, now->node + 1,
                       now->term, now->fence_epoch, now->fence_index);
        }
        if ((strcmp(s->key, now->key) == 0) != (s->version == now->version)) {
            check_fail(c, "I9", (int)life->id,
                       "keys and deadline versions do not agree:\n"
                       "  version %" PRIu32 ": %s\n  version %" PRIu32 ": %s",
                       s->version, s->key, now->version, now->key);
        }
    }
}

/* A leadership fires only behind an entry of its own. */
static void check_leadership(struct check *c, const struct life *life, const struct sent *now)
{
    for (size_t i = 0; i < c->n_terms; i++) {
        if (c->terms[i].term == now->term && c->terms[i].index < c->epoch_index) {
            return;
        }
    }
    check_fail(c, "I9", (int)life->id,
               "node %u fires without an entry of its own:\n"
               "  its leadership: term %" PRIu64 "\n  the epoch %" PRIu64
               " is from log index %" PRIu64 ", before it was elected",
               now->node + 1, now->term, c->epoch, c->epoch_index);
}

/* No two leaderships share an epoch: else the fence could not tell them apart. */
static void check_epoch(struct check *c, const struct life *life, const struct sent *now)
{
    for (size_t i = 0; i < c->n_epochs; i++) {
        if (c->epochs[i].epoch == now->fence_epoch) {
            if (c->epochs[i].term != now->term) {
                check_fail(c, "I9", (int)life->id,
                           "two leaderships fire with the epoch %" PRIu64 ":\n"
                           "  the leadership of term %" PRIu64
                           "\n  the leadership of term %" PRIu64,
                           now->fence_epoch, c->epochs[i].term, now->term);
            }
            return;
        }
    }
    c->epochs = check_grow(c->epochs, c->n_epochs, &c->cap_epochs, sizeof *c->epochs);
    c->epochs[c->n_epochs].epoch = now->fence_epoch;
    c->epochs[c->n_epochs++].term = now->term;
}

/* --- time --- */

/* What was asked for in so long has so long, by true time, whatever the clocks of a few say. Where the time is
 * that of the earlier of two clocks, it may be behind; and it is where it was set back. */
static void check_delay(struct check *c, unsigned node, const struct life *life,
                        const struct delivery *d)
{
    const struct request_record *r = check_request(c, life->request);
    uint64_t true_ms = cluster_true_ms(c->cluster);

    if (!c->options->wrong_clocks || c->options->two_clocks || c->set_back_index != 0 ||
        r == NULL || r->delay_ms == 0 || d->version != 1) {
        return;
    }
    if (true_ms + DELAY_SLACK_MS < r->asked_ms + r->delay_ms) {
        check_fail(c, "I6", (int)life->id,
                   "a delivery starts before its delay has passed, on node %u:\n"
                   "  asked for at %" PRIu64 " of true time, in %" PRIu64 " ms\n"
                   "  true time: %" PRIu64,
                   node + 1, r->asked_ms, r->delay_ms, true_ms);
    }
}

static void check_time(struct check *c, unsigned node, const struct life *life,
                       const struct machine *m, const struct delivery *d)
{
    /* A leader that was deposed may not have heard of a set-back. */
    bool same_era = m->era == c->era;

    if (d->deadline_ms > m->now_ms || d->deadline_ms > (same_era ? c->now_ms : c->now_max_ms)) {
        check_fail(c, "I6", (int)life->id,
                   "a delivery starts early, on node %u:\n"
                   "  deadline: %" PRIu64 "\n  committed time: %" PRIu64 ", on that node %" PRIu64,
                   node + 1, d->deadline_ms, c->now_ms, m->now_ms);
    }
    if (d->version != life->version || (same_era && d->deadline_ms != life->deadline_ms)) {
        check_fail(c, "I8", (int)life->id,
                   "a delivery for a deadline that was moved, on node %u:\n"
                   "  its deadline: %" PRIu64 ", version %" PRIu32 "\n"
                   "  the order's: %" PRIu64 ", version %" PRIu32,
                   node + 1, d->deadline_ms, d->version, life->deadline_ms, life->version);
    }
}

/* --- the route --- */

static void check_route(struct check *c, unsigned node, const struct life *life,
                        const struct machine *m, const struct delivery *d)
{
    const struct route *r = &m->routes[d->route_slot];
    unsigned inflight = cluster_route_inflight(c->cluster, node, d->route_slot);

    if (r->paused) {
        check_fail(c, "ROUTE", (int)life->id,
                   "a delivery starts although its route is paused, on "
                   "node %u:\n  the route: %s\n  paused as of log index %" PRIu64,
                   node + 1, r->name, r->revision);
    }
    if (inflight > r->settings.window) {
        check_fail(c, "ROUTE", (int)life->id,
                   "more deliveries are under way than the route's "
                   "window, on node %u:\n  the route: %s, window %" PRIu32 "\n  under way: %u",
                   node + 1, r->name, r->settings.window, inflight);
    }
}

uint64_t check_delivery(struct check *c, unsigned node, uint64_t token, const struct delivery *d,
                        unsigned *id)
{
    const struct scheduler *s = cluster_scheduler(c->cluster, node);
    int number = delivery_id(c, d);
    const struct order *o = machine_find(&s->machine, (struct slice){d->id, d->id_len});

    if (!check_is_alive(c)) {
        return 0;
    }
    struct life *life = number < 0 || o == NULL
                            ? NULL
                            : check_life_scheduled(c, (unsigned)number, o->schedule_index);
    if (life == NULL) {
        check_fail(c, "I4", number, "node %u delivers %.*s\n  no such order was ever asked for",
                   node + 1, (int)d->id_len, (const char *)d->id);
        return 0;
    }
    struct sent *sent = calloc(1, sizeof *sent);
    if (sent == NULL) {
        abort();
    }
    *sent = (struct sent){
        .next = life->sent,
        .node = node,
        .token = token,
        .term = s->term,
        .fence_epoch = d->fence_epoch,
        .fence_index = d->fence_index,
        .version = d->version,
        .attempt = d->attempt,
    };
    memcpy(sent->key, d->key, sizeof sent->key);
    check_time(c, node, life, &s->machine, d);
    check_delay(c, node, life, d);
    check_route(c, node, life, &s->machine, d);
    check_trace_sent(c, node, life, d);
    check_fence(c, life, sent);
    check_leadership(c, life, sent);
    check_epoch(c, life, sent);
    c->coverage->deliveries++;
    for (const struct sent *before = life->sent; before != NULL; before = before->next) {
        if (before->attempt == sent->attempt) {
            c->coverage->redelivered++;
            break;
        }
    }
    life->sent = sent;
    *id = (unsigned)number;
    return check_is_alive(c) ? life->scheduled : 0;
}

void check_delivery_done(struct check *c, unsigned node, uint64_t token, enum outcome outcome)
{
    for (unsigned id = 0; id < c->n_ids; id++) {
        for (struct life *life = c->histories[id].life; life != NULL; life = life->older) {
            for (struct sent *s = life->sent; s != NULL; s = s->next) {
                if (s->node == node && s->token == token) {
                    s->answered = true;
                    s->outcome = outcome;
                    return;
                }
            }
        }
    }
}

void check_reported(struct check *c, unsigned id, uint64_t scheduled, int state, uint64_t index)
{
    const struct life *life = check_life_scheduled(c, id, scheduled);
    bool settled = state == ORDERSCHED_EXPIRED || state == ORDERSCHED_PAID;

    if (life != NULL && settled && (life->state != state || life->decision != index)) {
        check_fail(c, "ACKED", (int)id,
                   "a worker was told of an outcome that is not in the log:\n"
                   "  told: %s, decided at %" PRIu64 "\n  the log: %s, decided at %" PRIu64,
                   ordersched_state_name(state), index, ordersched_state_name(life->state),
                   life->decision);
    }
}

/* --- effects --- */

void check_effect(struct check *c, unsigned id, uint64_t scheduled, const char *key)
{
    struct life *life = check_life_scheduled(c, id, scheduled);

    c->coverage->effects++;
    life->effects++;
    if (life->effects > 1) {
        check_fail(c, "I5", (int)id, "two effects:\n  under key %s\n  under key %s",
                   life->effect_key, key);
    }
    memcpy(life->effect_key, key, sizeof life->effect_key);
    if (life->state == ORDERSCHED_PAID || (life->state == ORDERSCHED_CANCELLED && !life->dropped)) {
        check_fail(c, "I5", (int)id,
                   "an effect for an order that did not expire:\n"
                   "  the log has it %s, decided at %" PRIu64
                   "\n  its receiver cancelled it, key %s",
                   ordersched_state_name(life->state), life->decision, key);
    }
}
