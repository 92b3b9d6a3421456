/* lateness.c - see lateness.h. */
#include "lateness.h"

#include <assert.h>

static_assert(LATENESS_PARTS == METRICS_LATENESS_PARTS, "metrics has as many");

/* Clocks are raised and slewed: a step back counts as no time. */
static uint64_t between(uint64_t from_us, uint64_t to_us)
{
    return to_us > from_us ? to_us - from_us : 0;
}

static void divide(const struct lateness_times *t, uint64_t us[LATENESS_PARTS])
{
    us[LATENESS_TIMER] = between(t->deadline_us, t->proposed_us);
    us[LATENESS_COMMIT] = between(t->proposed_us, t->applied_us);
    us[LATENESS_QUEUE] = between(t->applied_us, t->started_us);
    us[LATENESS_CALLBACK] = between(t->started_us, t->ended_us);
    us[LATENESS_TOTAL] = between(t->deadline_us, t->ended_us);
}

void lateness_add(struct lateness *l, const struct lateness_times *t, bool first)
{
    uint64_t us[LATENESS_PARTS];

    divide(t, us);
    for (unsigned i = 0; i < LATENESS_PARTS; i++) {
        if (first || i == LATENESS_CALLBACK) {
            histogram_add(&l->parts[i], us[i]);
        }
    }
}

void lateness_measure(struct metrics_histogram parts[LATENESS_PARTS],
                      const struct lateness_times *t, bool first)
{
    uint64_t us[LATENESS_PARTS];

    divide(t, us);
    for (unsigned i = 0; i < LATENESS_PARTS; i++) {
        if (first || i == LATENESS_CALLBACK) {
            metrics_histogram_add(&parts[i], &metrics_scale_coarse, us[i]);
        }
    }
}
