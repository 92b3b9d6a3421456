/* past.c - see past.h. */
#include "past.h"

#include <string.h>

double past_rate(const struct look *before, const struct look *now, uint64_t count_before,
                 uint64_t count_now)
{
    if (before == NULL || before->leader == NULL || now->leader == NULL ||
        now->at_ms <= before->at_ms || before->leader->id != now->leader->id ||
        count_now < count_before) {
        return 0;
    }
    return (double)(count_now - count_before) * 1000 / (double)(now->at_ms - before->at_ms);
}

void past_keep(struct past *past, const struct look *before, const struct look *now)
{
    if (now->leader == NULL || before == NULL || before->leader == NULL) {
        return;
    }
    if (past->n == PAST_LOOKS_MAX) {
        memmove(past->points, past->points + 1, --past->n * sizeof *past->points);
    }
    const struct lateness_figures *total = &now->all.parts[LATENESS_TOTAL];
    past->points[past->n++] = (struct past_point){
        .entries_per_s = past_rate(before, now, before->leader->status.commit,
                                   now->leader->status.commit),
        .fired_per_s = past_rate(before, now, before->all.parts[LATENESS_TOTAL].count,
                                 total->count),
        .late_ms = (double)total->p90 / 1e3};
}
