/* cluster_clocks.c - the extra "wrong-clocks": a strict minority of the voters has wrong wall clocks. The
 * nodes tell each other what their clocks show, in words that are lost and late like messages, and a
 * leader's time follows from them, by the production code.
 *
 * How far ahead of true time can a leader's clock be? What a majority agrees on ends where the bounds of a
 * majority overlap, each widened by half of CLOCKS_ERROR_US. Any majority has one whose clock is right:
 * that shows at most true time and CLOCKS_RIGHT_MAX_US, and what is known of it from messages ends at most
 * as far behind it as the bounds are wide (they begin before what it shows). Hence
 *
 *     true time + CLOCKS_RIGHT_MAX_US + CLOCKS_ERROR_US / 2 + the widest bounds of a right one's clock
 *
 * (which holds also for a node's clock that is trusted: operators here trust right ones alone)
 *
 * and from there on, until the next reading, with the clock of the node. It is behind by as much at most,
 * for the same reason, as soon as it has been read. The clocks that are right stay so with their drift:
 * see CLOCKS_OFFSET_MAX_US. */
#include <assert.h>

#include "../../../node/clock_view.h"
#include "../../../node/scheduler/internal.h"
#include "cluster_internal.h"

#define CLOCKS_EVERY_US 1000000
#define CLOCKS_SECOND_US 1000000
#define CLOCKS_DAY_US (INT64_C(86400) * CLOCKS_SECOND_US)
#define CLOCKS_WRONG_MAX_US (3652 * CLOCKS_DAY_US)
/* The rest of CLOCKS_RIGHT_MAX_US is for the drift: of 250 ppm in 90 s. */
#define CLOCKS_OFFSET_MAX_US 175000
#define CLOCKS_DRIFT_US 60000
#define CLOCKS_SILENCE_AFTER_US 4000000 /* of healing: somebody leads by then, and has its time */

static int64_t between(struct sim_loop *l, int64_t low, int64_t high)
{
    return low + (int64_t)loop_below(l, (uint64_t)(high - low) + 1);
}

/* --- what the wall clocks show --- */

uint64_t clocks_true_us(const struct sim_cluster *c)
{
    return c->options.epoch_ms * 1000 + c->loop->now_us;
}

/* From a second to ten years, as often around one as around the other, in both directions; or, as of a
 * machine that has lost its battery, to the first day of 1970. Never before it. */
static int64_t draw_wrong(struct sim_cluster *c)
{
    struct sim_loop *l = c->loop;
    int64_t most_us = CLOCKS_SECOND_US;
    int64_t epoch_us = (int64_t)c->options.epoch_ms * 1000;

    if (loop_random_bool(l, 100)) {
        return between(l, CLOCKS_SECOND_US, CLOCKS_DAY_US) - epoch_us;
    }
    most_us <<= loop_below(l, 29);
    most_us = most_us < CLOCKS_WRONG_MAX_US / 2 ? 2 * most_us : CLOCKS_WRONG_MAX_US;
    int64_t offset_us = between(l, CLOCKS_SECOND_US, most_us);
    return loop_random_bool(l, 500) ? offset_us : -offset_us;
}

/* Those that are wrong may be so by the same, as by a time zone, and agree; and now and then one is right. */
static void set_clock(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    uint64_t kind = loop_below(c->loop, 10);

    if (!n->clock_wrong || kind == 0) {
        n->offset_us = between(c->loop, -CLOCKS_OFFSET_MAX_US, CLOCKS_OFFSET_MAX_US);
    } else if (kind < 6) {
        n->offset_us = c->clocks_wrong_us + between(c->loop, -CLOCKS_OFFSET_MAX_US, 0);
    } else {
        n->offset_us = draw_wrong(c);
    }
    loop_trace(c->loop, "n%u clock is off by %lld us", n->number + 1, (long long)n->offset_us);
}

void clocks_init(struct sim_cluster *c)
{
    if (!c->options.wrong_clocks) {
        return;
    }
    assert(2 * c->options.clocks_wrong < c->options.nodes);
    c->clocks_wrong_us = draw_wrong(c);
    for (unsigned left = c->options.clocks_wrong; left > 0;) {
        struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.nodes)];
        left -= !n->clock_wrong;
        n->clock_wrong = true;
    }
}

uint64_t cluster_draw_trusted(struct sim_cluster *c)
{
    const struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.slots)];

    return n->clock_wrong || loop_random_bool(c->loop, 300) ? 0 : n->id;
}

void clocks_step(struct sim_cluster *c)
{
    struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.slots)];

    if (n->clock_wrong) {
        c->counters.clock_steps++;
        c->clocks_wrong_us = loop_random_bool(c->loop, 200) ? draw_wrong(c) : c->clocks_wrong_us;
        set_clock(n);
    }
}

/* --- what is told of them --- */

/* In some runs no word comes through any more, late in the phase without faults; until another one leads,
 * which may not have had the time to hear of any clock. */
static bool is_silent(const struct sim_cluster *c)
{
    return c->options.clock_silence && c->healed &&
           c->loop->now_us > c->healed_us + CLOCKS_SILENCE_AFTER_US &&
           c->counters.elections == c->clocks_elections;
}

static void tell(struct sim_node *n, unsigned to)
{
    struct sim_cluster *c = n->cluster;
    uint8_t told[CLOCK_TOLD_SIZE];

    c->counters.clock_words++;
    if (is_silent(c) ||
        (!c->healed && loop_random_bool(c->loop, c->options.clock_lost_per_mille))) {
        c->counters.clock_words_lost++;
        return;
    }
    clock_samples_tell(&n->clocks, c->nodes[to].id, node_monotonic_us(n), node_wall_us(n), told);
    network_send_clock(c->network, n->number, to, told);
}

static void tell_all_cb(void *arg);

static void tell_all(void *arg)
{
    struct sim_node *n = arg;
    struct sim_cluster *c = n->cluster;

    if (c->healed && c->loop->now_us <= c->healed_us + CLOCKS_SILENCE_AFTER_US) {
        c->clocks_elections = c->counters.elections;
    }
    for (unsigned to = 0; to < c->options.slots; to++) {
        if ((n->clocks_told >> to & 1) != 0) {
            tell(n, to);
        }
    }
    n->clocks_tell = loop_after(c->loop, node_real_us(n, CLOCKS_EVERY_US), tell_all_cb, n);
}

static void tell_all_cb(void *arg)
{
    struct sim_node *n = arg;

    n->clocks_tell = NULL;
    node_enter(n, tell_all, n);
}

void clocks_sent(struct sim_node *n, unsigned to)
{
    if (n->cluster->options.wrong_clocks && (n->clocks_told >> to & 1) == 0) {
        n->clocks_told |= UINT32_C(1) << to;
        tell(n, to);
    }
}

void clocks_hear(struct sim_node *n, unsigned from, const uint8_t told[CLOCK_TOLD_SIZE])
{
    if (n->scheduler != NULL &&
        clock_samples_take(&n->clocks, n->cluster->nodes[from].id, node_monotonic_us(n), told) &&
        (n->clocks_told >> from & 1) != 0) {
        tell(n, from);
    }
}

void clocks_start(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;

    if (!c->options.wrong_clocks) {
        return;
    }
    n->clocks = (struct clock_samples){0};
    n->clocks_told = 0;
    n->clocks_seen = CLOCKS_NOT_LED;
    n->clock_low_us = 0;
    set_clock(n);
    n->clocks_tell = loop_after(c->loop, loop_below(c->loop, CLOCKS_EVERY_US), tell_all_cb, n);
}

void clocks_end(struct sim_node *n)
{
    if (n->clocks_tell != NULL) {
        loop_cancel(n->cluster->loop, n->clocks_tell);
        n->clocks_tell = NULL;
    }
}

/* --- what follows from them --- */

/* Coverage: what a leader's time goes by, whenever that is another thing. */
static void count(struct sim_node *n, const struct clock_view *view)
{
    struct sim_counters *counters = &n->cluster->counters;
    enum clocks_seen seen = CLOCKS_WITHOUT_TIME;

    if (n->foreign != 0 || replica_role(scheduler_replica(n->scheduler)) != REPLICA_LEADER) {
        n->clocks_seen = CLOCKS_NOT_LED;
        return;
    }
    if (view->agreement.standing == CLOCK_ALONE) {
        seen = CLOCKS_AGREED;
    } else if (clock_view_is_agreed(view)) {
        seen = view->agreement.standing == CLOCK_OUTVOTED ? CLOCKS_OUTVOTED : CLOCKS_AGREED;
    } else if (clock_goes_by_trusted(&n->scheduler->clock, node_monotonic_us(n))) {
        seen = CLOCKS_BY_TRUSTED;
    } else if (n->scheduler->clock.is_set) {
        seen = CLOCKS_UNGUIDED;
    }
    if (seen != n->clocks_seen) {
        counters->leaders_outvoted += seen == CLOCKS_OUTVOTED;
        counters->leaders_by_trusted += seen == CLOCKS_BY_TRUSTED;
        counters->leaders_unguided += seen == CLOCKS_UNGUIDED;
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
           CLOCKS_DRIFT_US;
}

void clocks_guide(void *impl, uint64_t wall_us, uint64_t monotonic_us, struct clock_guide *guide)
{
    struct sim_node *n = impl;
    struct replica_member members[REPLICA_MEMBERS_MAX];
    struct clock_view view;
    unsigned n_members;

    if (n->scheduler == NULL) { /* it is being made */
        *guide = (struct clock_guide){.guidance = CLOCK_UNGUIDED};
        return;
    }
    n_members = replica_list_members(scheduler_replica(n->scheduler), members);
    clock_view_make(&view, &n->clocks, members, n_members, scheduler_clock_trusted(n->scheduler),
                    CLOCKS_ERROR_US, wall_us, monotonic_us);
    *guide = clock_view_guide(&view, wall_us);
    uint64_t true_us = clocks_true_us(n->cluster);
    uint64_t off_us = error_us(n, &view, wall_us, monotonic_us);
    bool guided = view.agreement.standing == CLOCK_ALONE || clock_view_is_agreed(&view) ||
                  view.goes_by != 0;
    node_raise_bound(n, guided ? true_us + off_us : 0);
    n->clock_low_us = clock_view_is_agreed(&view) ? true_us - off_us : 0;
    count(n, &view);
}

void clocks_watch(struct sim_node *n)
{
    const struct sim_cluster_hooks *hooks = &n->cluster->hooks;
    const struct clock *clock = &n->scheduler->clock;

    if (n->leads && clock->is_set && n->cluster->options.wrong_clocks &&
        hooks->read_clock != NULL) {
        hooks->read_clock(hooks->arg, n->number, (uint64_t)clock->value_us, n->clock_low_us);
    }
}
