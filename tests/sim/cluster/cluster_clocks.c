/* cluster_clocks.c - the extra "wrong-clocks": a strict minority of the voters has wrong wall clocks. The
 * nodes tell each other what their clocks show, in words that are lost and late like messages. Which time
 * follows from it: cluster_time.c.
 *
 * Where members come and go, none of the configurations that there may be has half of its voters with wrong
 * clocks: there are always more nodes that are right and certainly vote than wrong ones that may vote.
 * Certain is who founded the cluster, or of whose addition the operator has heard, and whom nobody ever asked
 * to be removed.
 *
 * With "two-clocks" one of two voters is wrong, which is no minority. */
#include <assert.h>

#include "cluster_internal.h"

#define CLOCKS_EVERY_US 1000000
#define CLOCKS_SECOND_US 1000000
#define CLOCKS_DAY_US (INT64_C(86400) * CLOCKS_SECOND_US)
#define CLOCKS_WRONG_MAX_US (3652 * CLOCKS_DAY_US)
/* The rest of CLOCKS_RIGHT_MAX_US is for the drift: of 250 ppm in 90 s. */
#define CLOCKS_OFFSET_MAX_US 175000
/* What a node showed is believed for half a minute of the believer's clock. */
#define CLOCKS_BELIEVED_US (CLOCK_AGE_MAX_US + CLOCK_AGE_MAX_US / 1000)
#define CLOCKS_ADDED_WRONG_PER_MILLE 500
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

/* It showed this until now, and may be believed to show it still. */
static void keep_shown(struct sim_node *n)
{
    uint64_t now_us = n->cluster->loop->now_us;
    bool believed = now_us < n->shown_until_us;

    n->shown_low_us = believed && n->shown_low_us < n->offset_us ? n->shown_low_us : n->offset_us;
    n->shown_high_us = believed && n->shown_high_us > n->offset_us ? n->shown_high_us
                                                                   : n->offset_us;
    n->shown_until_us = now_us + CLOCKS_BELIEVED_US;
}

void clocks_believed(const struct sim_node *n, uint64_t *low_us, uint64_t *high_us)
{
    int64_t low = n->offset_us, high = n->offset_us;

    if (n->cluster->loop->now_us < n->shown_until_us) {
        low = n->shown_low_us < low ? n->shown_low_us : low;
        high = n->shown_high_us > high ? n->shown_high_us : high;
    }
    *low_us = node_wall_us(n) - (uint64_t)(n->offset_us - low);
    *high_us = node_wall_us(n) + (uint64_t)(high - n->offset_us);
}

/* Those that are wrong may be so by the same, as by a time zone, and agree; and now and then one is right. */
static void set_clock(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    uint64_t kind = loop_below(c->loop, 10);

    keep_shown(n);
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
    assert(c->options.two_clocks || 2 * c->options.clocks_wrong < c->options.nodes);
    c->clocks_wrong_us = draw_wrong(c);
    for (unsigned left = c->options.clocks_wrong; left > 0;) {
        struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.nodes)];
        left -= !n->clock_wrong;
        n->clock_wrong = true;
    }
    for (unsigned i = 0; i < c->options.nodes; i++) {
        c->nodes[i].surely_votes = true;
    }
}

/* --- of whom there may be --- */

static unsigned count_wrong(const struct sim_cluster *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->options.slots; i++) {
        n += c->nodes[i].used && c->nodes[i].clock_wrong;
    }
    return n;
}

static unsigned count_surely_right(const struct sim_cluster *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->options.slots; i++) {
        n += c->nodes[i].surely_votes && !c->nodes[i].clock_wrong;
    }
    return n;
}

bool clocks_may_leave(const struct sim_cluster *c, unsigned node)
{
    const struct sim_node *n = &c->nodes[node];

    return !c->options.wrong_clocks || n->clock_wrong || !n->surely_votes || count_wrong(c) == 0 ||
           count_wrong(c) + 1 < count_surely_right(c);
}

void clocks_draw_new(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;

    if (c->options.wrong_clocks && c->options.restore_every_ms == 0 &&
        count_wrong(c) + 1 < count_surely_right(c) &&
        loop_random_bool(c->loop, CLOCKS_ADDED_WRONG_PER_MILLE)) {
        n->clock_wrong = true;
        c->counters.wrong_added++;
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
