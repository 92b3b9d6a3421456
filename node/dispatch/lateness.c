/* lateness.c - see lateness.h. */
#include "lateness.h"

/* Clocks are raised and slewed: a step back counts as no time. */
static uint64_t between(uint64_t from_us, uint64_t to_us)
{
    return to_us > from_us ? to_us - from_us : 0;
}

void lateness_add(struct lateness *l, const struct lateness_times *t, bool first)
{
    histogram_add(&l->parts[LATENESS_CALLBACK], between(t->started_us, t->ended_us));
    if (!first) {
        return;
    }
    histogram_add(&l->parts[LATENESS_TIMER], between(t->deadline_us, t->proposed_us));
    histogram_add(&l->parts[LATENESS_COMMIT], between(t->proposed_us, t->applied_us));
    histogram_add(&l->parts[LATENESS_QUEUE], between(t->applied_us, t->started_us));
    histogram_add(&l->parts[LATENESS_TOTAL], between(t->deadline_us, t->ended_us));
}
