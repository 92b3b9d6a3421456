/* check_end.c - after healing: the nodes agree (I11), there is a leader, everything due is settled,
 * every call is decided (LIVENESS), and each order has the effects it should have (I5). */
#include <inttypes.h>

#include "../../../node/scheduler/internal.h"
#include "check_internal.h"

#define OVERDUE_MS 5000 /* an order may be due so long at the end and not yet be settled */

void check_healed(struct check *c)
{
    c->healed = true;
    c->healed_us = c->loop->now_us;
}

/* TIMEOUT: the answer to the last attempt came too late. */
static bool waits_for_time(int error)
{
    return error == ORDERSCHED_BUSY || error == ORDERSCHED_EARLY_REQUEST ||
           error == ORDERSCHED_TIMEOUT;
}

void check_probe(struct check *c, const struct check_call *call, const struct ordersched_answer *a)
{
    if (a->error < ORDERSCHED_INVALID || a->error == ORDERSCHED_FULL || !check_is_alive(c)) {
        return;
    }
    if (c->options->max_recent > 0 && call->code != OPERATION_GET) {
        return; /* where so few refused requests are remembered, one may be BUSY to the end */
    }
    if (waits_for_time(a->error) && cluster_time_stood(c->cluster)) {
        return; /* nobody can tell when it will go on */
    }
    bool of_order = call->code == OPERATION_GET || check_changes_order(call->code);
    check_fail(c, "LIVENESS", of_order ? (int)call->id : -1,
               "a call fails although the faults ended at %" PRIu64 " ms:\n"
               "  %s: %s",
               c->healed_us / 1000, check_code_name(call->code), ordersched_error_name(a->error));
}

/* Every node that was not stopped for good runs, and one of them leads. Returns it, or -1. */
static int check_leading(struct check *c)
{
    int leading = -1;

    for (unsigned node = 0; node < cluster_size(c->cluster); node++) {
        if (!cluster_is_used(c->cluster, node)) {
            continue;
        }
        if (!cluster_is_serving(c->cluster, node)) {
            check_fail(c, "LIVENESS", -1, "node %u does not run at the end", node + 1);
            return -1;
        }
        if (scheduler_leads(cluster_scheduler(c->cluster, node))) {
            leading = (int)node;
        }
    }
    if (leading < 0) {
        check_fail(c, "LIVENESS", -1, "nobody leads at the end");
    }
    return leading;
}

/* Who leads, or -1. */
static int find_leading(const struct check *c)
{
    for (unsigned node = 0; node < cluster_size(c->cluster); node++) {
        const struct scheduler *s = cluster_scheduler(c->cluster, node);
        if (s != NULL && scheduler_leads(s)) {
            return (int)node;
        }
    }
    return -1;
}

/* Only voters are sure to be sent the log. */
bool check_is_converged(const struct check *c)
{
    int leading = find_leading(c);

    for (unsigned node = 0; leading >= 0 && node < cluster_size(c->cluster); node++) {
        const struct scheduler *s = cluster_scheduler(c->cluster, node);
        const struct scheduler *leader = cluster_scheduler(c->cluster, (unsigned)leading);
        if (cluster_is_voter(c->cluster, (unsigned)leading, node) &&
            !(s != NULL && cluster_is_shut_out(c->cluster, (unsigned)leading, node)) &&
            (s == NULL || scheduler_machine(s)->applied != scheduler_machine(leader)->applied)) {
            return false;
        }
    }
    return leading >= 0;
}

static void check_converged(struct check *c, unsigned leading)
{
    const struct machine *leader = scheduler_machine(cluster_scheduler(c->cluster, leading));

    for (unsigned node = 0; node < cluster_size(c->cluster); node++) {
        if (!cluster_is_voter(c->cluster, leading, node)) {
            continue;
        }
        if (!cluster_is_up(c->cluster, node)) {
            check_fail(c, "LIVENESS", -1, "node %u is a voter at the end, and does not run",
                       node + 1);
            return;
        }
        if (cluster_is_shut_out(c->cluster, leading, node)) {
            continue; /* until an operator removes it */
        }
        const struct machine *m = scheduler_machine(cluster_scheduler(c->cluster, node));
        if (m->applied != leader->applied) {
            check_fail(c, "LIVENESS", -1,
                       "the nodes do not converge:\n"
                       "  node %u, which leads: applied %" PRIu64 "\n  node %u: applied %" PRIu64,
                       leading + 1, leader->applied, node + 1, m->applied);
        } else if (check_state_hash(m) != check_state_hash(leader)) {
            check_fail(c, "I11", -1,
                       "states differ at the end, field by field, log index %" PRIu64
                       ":\n  on node %u\n  on node %u",
                       m->applied, leading + 1, node + 1);
        } else if (machine_digest(m) != machine_digest(leader)) {
            check_fail(c, "I11", -1,
                       "digests differ at the end, log index %" PRIu64 ":\n"
                       "  node %u: %016" PRIx64 "\n  node %u: %016" PRIx64,
                       m->applied, leading + 1, machine_digest(leader), node + 1,
                       machine_digest(m));
        }
    }
}

/* A request to pause that was very late may have come behind all that resumed the route. */
static bool waits_for_its_route(const struct life *life, const struct order *o,
                                const struct machine *m)
{
    return o != NULL && o->schedule_index == life->scheduled && m->routes[o->route].paused;
}

static void check_settled(struct check *c, const struct life *life, bool waits, uint64_t now_ms)
{
    uint64_t due_ms = life->next_ms > life->deadline_ms ? life->next_ms : life->deadline_ms;
    due_ms = life->redriven_ms > due_ms ? life->redriven_ms : due_ms;

    if (life->gone == 0 && life->state == ORDERSCHED_PENDING && !waits &&
        due_ms + OVERDUE_MS <= now_ms) {
        check_fail(c, "LIVENESS", (int)life->id,
                   "an order is not settled at the end:\n"
                   "  due (deadline or next attempt): %" PRIu64 ", attempts %" PRIu32 "\n"
                   "  now: %" PRIu64,
                   due_ms, life->attempts, now_ms);
    }
    bool one = life->state == ORDERSCHED_EXPIRED;
    bool none = life->state == ORDERSCHED_PAID || life->state == ORDERSCHED_CANCELLED;
    /* Its deliveries failed for whoever sent them; one of them may yet have had its effect. */
    unsigned most = life->dropped ? 1 : 0;
    if ((one && life->effects != 1) || (none && life->effects > most)) {
        check_fail(c, "I5", (int)life->id,
                   "effects at the end:\n  the order is %s\n"
                   "  its receivers cancelled it %u times",
                   ordersched_state_name(life->state), life->effects);
    }
    c->coverage->dead_then_expired += one && life->redriven_ms != 0;
    c->coverage->dead_dropped_with_effect += life->dropped && life->effects > 0;
}

/* Most of the clocks are right, and all have been heard: the leader knows what time it is. */
static void check_time(struct check *c, unsigned leading, uint64_t clock_ms)
{
    uint64_t true_ms = cluster_true_ms(c->cluster);

    if (!c->options->wrong_clocks || cluster_time_stood(c->cluster)) {
        return;
    }
    if (!scheduler_time_goes(cluster_scheduler(c->cluster, leading))) {
        check_fail(c, "LIVENESS", -1, "node %u, which leads, has no time at the end", leading + 1);
    } else if ((cluster_time_is_promised(c->cluster) &&
                clock_ms + cluster_time_error_ms(c->cluster) < true_ms) ||
               clock_ms > cluster_leaders_clock_max_ms(c->cluster) + 1) {
        check_fail(c, "CLOCK", -1,
                   "node %u, which leads, has another time at the end than most of the clocks:\n"
                   "  its: %" PRIu64 "\n  true time: %" PRIu64,
                   leading + 1, clock_ms, true_ms);
    }
}

void check_end(struct check *c)
{
    int leading = check_leading(c);
    const struct machine *m = NULL;

    uint64_t now_ms = c->now_ms;
    bool stands = cluster_time_stood(c->cluster); /* then nothing is fired, whatever is due */

    if (leading >= 0) {
        /* By the leader's clock: the replicated time goes on only with entries. */
        uint64_t clock_ms = scheduler_now_ms(cluster_scheduler(c->cluster, (unsigned)leading));
        now_ms = clock_ms > now_ms ? clock_ms : now_ms;
        check_time(c, (unsigned)leading, clock_ms);
        m = scheduler_machine(cluster_scheduler(c->cluster, (unsigned)leading));
        check_converged(c, (unsigned)leading);
        check_state_digest(c, (unsigned)leading, m);
    }
    for (unsigned id = 0; id < c->n_ids; id++) {
        char name[16];
        size_t len = check_order_name(c, id, name);
        const struct order *o = m != NULL ? store_find(&m->store,
                                                       (struct slice){(const uint8_t *)name, len})
                                          : NULL;
        for (const struct life *life = c->histories[id].life; life != NULL; life = life->older) {
            check_settled(c, life, stands || waits_for_its_route(life, o, m), now_ms);
        }
    }
}
