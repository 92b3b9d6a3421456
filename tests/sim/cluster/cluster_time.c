/* cluster_time.c - which time follows from what the nodes tell each other of their clocks
 * (cluster_clocks.c), by the production code, and how far from true time it may be.
 *
 * How far ahead of true time can a leader's clock be? What a majority agrees on ends where the bounds of a
 * majority overlap, each widened by half of CLOCKS_ERROR_US. Any majority has one whose clock is right:
 * that shows at most true time and CLOCKS_RIGHT_MAX_US, and what is known of it from messages ends at most
 * as far behind it as the bounds are wide (they begin before what it shows). Hence
 *
 *     true time + CLOCKS_RIGHT_MAX_US + CLOCKS_ERROR_US / 2 + the widest bounds of a right one's clock
 *
 * and from there on, until the next reading, with the clock of the node. It is behind by as much at most,
 * for the same reason, as soon as it has been read. The clocks that are right stay so with their drift:
 * see CLOCKS_OFFSET_MAX_US. Who was told the time by leaders before it goes on within the bound of those, and
 * is behind by no more than TIME_TOLD_US where a right clock bears it out: that may be so far ahead. The
 * same holds for a node's clock that is trusted: operators here trust right ones alone.
 *
 * Two voters that disagree have the time of the earlier, as it showed it at the last word that is believed;
 * so their time is behind, and may stand, while the wrong clock is behind. */
#include "../../../node/clock_view.h"
#include "../../../node/scheduler/internal.h"
#include "cluster_internal.h"

#define TIME_DRIFT_US 60000
#define TIME_WIDEST_US (CLOCKS_ERROR_US / 2) /* bounds that are wider are not counted */
#define TIME_TOLD_US (CLOCKS_RIGHT_MAX_US + CLOCKS_ERROR_US + TIME_WIDEST_US / 2 + TIME_DRIFT_US)
#define TIME_UNSTEADY_MS 1000  /* as in node/host/clock.c */
#define TIME_STOOD_US 12000000 /* what was begun meanwhile may be waiting still */

static bool is_earlier_of_two(const struct sim_node *n, const struct clock_guide *guide)
{
    return guide->guidance == CLOCK_NOT_BEYOND && !n->scheduler->clock.is_set;
}

static enum clocks_seen see(const struct sim_node *n, const struct clock_view *view,
                            const struct clock_guide *guide)
{
    const struct clock *clock = &n->scheduler->clock;

    if (view->agreement.standing == CLOCK_ALONE) {
        return CLOCKS_AGREED;
    }
    if (clock_view_is_agreed(view)) {
        return view->agreement.standing == CLOCK_OUTVOTED ? CLOCKS_OUTVOTED : CLOCKS_AGREED;
    }
    if (clock_goes_by_trusted(clock, node_monotonic_us(n))) {
        return CLOCKS_BY_TRUSTED;
    }
    if (is_earlier_of_two(n, guide)) {
        return CLOCKS_EARLIER_OF_TWO;
    }
    return clock->is_set ? CLOCKS_UNGUIDED : clock->is_told ? CLOCKS_TOLD : CLOCKS_WITHOUT_TIME;
}

/* Coverage: what a leader's time goes by, whenever that is another thing. */
static void count(struct sim_node *n, const struct clock_view *view,
                  const struct clock_guide *guide)
{
    struct sim_counters *counters = &n->cluster->counters;

    if (n->foreign != 0 || n->scheduler->state != SCHEDULER_LEADING) {
        n->clocks_seen = CLOCKS_NOT_LED;
        return;
    }
    enum clocks_seen seen = see(n, view, guide);
    if (seen != n->clocks_seen) {
        counters->leaders_outvoted += seen == CLOCKS_OUTVOTED;
        counters->leaders_unguided += seen == CLOCKS_UNGUIDED;
        counters->leaders_as_told += seen == CLOCKS_TOLD;
        counters->leaders_by_trusted += seen == CLOCKS_BY_TRUSTED;
        counters->leaders_of_two += seen == CLOCKS_EARLIER_OF_TWO;
        counters->leaders_without_time += seen == CLOCKS_WITHOUT_TIME;
        counters->times_found += clock_view_is_agreed(view) &&
                                 n->clocks_seen == CLOCKS_WITHOUT_TIME;
        loop_trace(n->cluster->loop, "n%u, which leads: clocks %s, %u heard", n->number + 1,
                   clock_standing_name(view->agreement.standing), view->n);
    }
    n->clocks_seen = seen;
}

/* How wide are the widest bounds of what this node knows of a right clock? */
static uint64_t widest_us(const struct sim_node *n, uint64_t wall_us, uint64_t monotonic_us)
{
    const struct sim_cluster *c = n->cluster;
    uint64_t widest = 0;

    for (unsigned i = 0; i < c->options.slots; i++) {
        int64_t low_us, high_us;
        if (i != n->number && !c->nodes[i].clock_wrong &&
            clock_samples_look(&n->clocks, c->nodes[i].id, monotonic_us, wall_us, &low_us,
                               &high_us) &&
            (uint64_t)(high_us - low_us) > widest) {
            widest = (uint64_t)(high_us - low_us);
        }
    }
    return widest;
}

/* How far from true time may the time be that follows from this? */
static uint64_t error_us(const struct sim_node *n, const struct clock_view *view, uint64_t wall_us,
                         uint64_t monotonic_us)
{
    if (view->agreement.standing == CLOCK_ALONE) {
        return CLOCKS_RIGHT_MAX_US;
    }
    return CLOCKS_RIGHT_MAX_US + CLOCKS_ERROR_US / 2 + widest_us(n, wall_us, monotonic_us);
}

/* The same where nothing is late but by the network's latency: bounds are as wide as two messages take, and
 * their drift; and what goes on unguided for a minute drifts further. */
uint64_t clocks_calm_error_us(const struct sim_cluster *c)
{
    return CLOCKS_RIGHT_MAX_US + CLOCKS_ERROR_US / 2 + 2 * c->options.latency_max_us +
           TIME_DRIFT_US;
}

static void view_clocks(const struct sim_node *n, uint64_t wall_us, uint64_t monotonic_us,
                        struct clock_view *view)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned n_members = replica_list_members(scheduler_replica(n->scheduler), members);

    clock_view_make(view, &n->clocks, members, n_members, scheduler_clock_trusted(n->scheduler),
                    CLOCKS_ERROR_US, wall_us, monotonic_us);
}

void clocks_report(void *arg, struct scheduler_clock *out)
{
    struct sim_node *n = arg;
    struct clock_view view;

    view_clocks(n, node_wall_us(n), node_monotonic_us(n), &view);
    clock_view_report(&view, out);
    out->error_max_ms = CLOCKS_ERROR_US / 1000;
}

/* Between what the earlier of this node's clock and the other voter's may show. */
static void bound_by_earlier(struct sim_node *n, const struct clock_view *view, uint64_t wall_us)
{
    uint64_t low_us, high_us;

    clocks_believed(&n->cluster->nodes[view->voters[0].id - 1], &low_us, &high_us);
    low_us = low_us < wall_us ? low_us : wall_us;
    node_raise_bound(n, high_us < wall_us ? high_us : wall_us);
    n->clock_low_us = low_us > TIME_WIDEST_US ? low_us - TIME_WIDEST_US : 0;
}

/* What leaders told has to be borne out by a clock, and that may be a wrong one: then what came late, or from
 * whoever went by that very clock, is behind by as much as it is. */
static uint64_t told_low_us(const struct sim_node *n)
{
    const struct sim_cluster *c = n->cluster;
    uint64_t value_us = (uint64_t)n->scheduler->clock.value_us;
    uint64_t least_us = clocks_true_us(c) - TIME_TOLD_US;

    for (unsigned i = 0; i < c->options.slots; i++) {
        uint64_t low_us, high_us;
        if (!c->nodes[i].used || !c->nodes[i].clock_wrong) {
            continue;
        }
        clocks_believed(&c->nodes[i], &low_us, &high_us);
        low_us = low_us > TIME_TOLD_US ? low_us - TIME_TOLD_US : 0;
        if (low_us <= value_us && value_us <= high_us + TIME_TOLD_US && low_us < least_us) {
            least_us = low_us;
        }
    }
    return least_us;
}

static void bound_by_true_time(struct sim_node *n, const struct clock_view *view, uint64_t wall_us,
                               uint64_t monotonic_us)
{
    uint64_t true_us = clocks_true_us(n->cluster);
    uint64_t off_us = error_us(n, view, wall_us, monotonic_us);
    bool guided = view->agreement.standing == CLOCK_ALONE || clock_view_is_agreed(view) ||
                  view->goes_by != 0;

    node_raise_bound(n, guided ? true_us + off_us : 0);
    n->clock_low_us = 0;
    if (clock_view_is_agreed(view)) {
        n->clock_low_us = true_us - off_us;
    } else if (n->scheduler->clock.is_told) {
        n->clock_low_us = told_low_us(n);
    }
}

void clocks_guide(void *impl, uint64_t wall_us, uint64_t monotonic_us, struct clock_guide *guide)
{
    struct sim_node *n = impl;
    struct clock_view view;

    if (n->scheduler == NULL) { /* it is being made */
        *guide = (struct clock_guide){.guidance = CLOCK_UNGUIDED};
        return;
    }
    view_clocks(n, wall_us, monotonic_us, &view);
    *guide = clock_view_guide(&view, wall_us);
    if (is_earlier_of_two(n, guide)) {
        bound_by_earlier(n, &view, wall_us);
    } else {
        bound_by_true_time(n, &view, wall_us, monotonic_us);
    }
    count(n, &view, guide);
}

/* The earlier of two clocks is behind the cluster's time, so that stands. */
static bool stands_rightly(const struct sim_node *n)
{
    const struct sim_cluster *c = n->cluster;
    uint64_t earliest_us = UINT64_MAX;

    for (unsigned i = 0; i < c->options.nodes; i++) {
        uint64_t low_us, high_us;
        clocks_believed(&c->nodes[i], &low_us, &high_us);
        earliest_us = low_us < earliest_us ? low_us : earliest_us;
    }
    return c->options.two_clocks && !clock_goes(&n->scheduler->clock) &&
           earliest_us / 1000 + TIME_UNSTEADY_MS <
               n->scheduler->machine.now_ms + TIME_WIDEST_US / 1000;
}

void clocks_watch(struct sim_node *n)
{
    const struct sim_cluster_hooks *hooks = &n->cluster->hooks;
    const struct clock *clock = &n->scheduler->clock;

    if (n->leads && (clock->is_set || n->clock_low_us != 0) && n->cluster->options.wrong_clocks &&
        hooks->read_clock != NULL) {
        hooks->read_clock(hooks->arg, n->number, (uint64_t)clock->value_us, n->clock_low_us);
    }
    if (n->leads && stands_rightly(n)) {
        n->cluster->stood_us = n->cluster->loop->now_us;
    }
}

/* A leader that has just tried to transfer the leadership is patient with its clock until a later time. */
void clocks_lost(struct sim_node *n)
{
    n->cluster->counters.outvoted_transfers += n->scheduler->outvoted_since_us >
                                               node_monotonic_us(n);
}

bool cluster_time_is_promised(const struct sim_cluster *c)
{
    for (unsigned i = 0; i < c->options.nodes; i++) {
        if (c->options.two_clocks &&
            node_wall_us(&c->nodes[i]) + CLOCKS_RIGHT_MAX_US < clocks_true_us(c)) {
            return false;
        }
    }
    return true;
}

bool cluster_time_stood(const struct sim_cluster *c)
{
    return c->stood_us != 0 && c->loop->now_us - c->stood_us < TIME_STOOD_US;
}
