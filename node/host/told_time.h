/* told_time.h - what entries of the log told a node of the cluster's time, and what has passed since.
 *
 * Whoever led stamped them, with a time that a majority of the voters' clocks agreed on, and that is in the
 * past when they are applied. So the time told, and what the monotonic clock has advanced since, is never
 * ahead of the cluster's time by more than two monotonic clocks may run apart; it is behind by as much as
 * the entry was late: by hours, where this node was away, and got old entries alone since. So who begins to
 * lead goes on from it only if a clock bears it out that has nothing to do with it: this node's own, or another
 * voter's. Else what is set meanwhile for so long from now would all fire early, once time catches up.
 *
 * The last entry counts, not the one that says most: else who runs fast would get further ahead all the
 * time. But one that was still under way when its leader fell is applied under the next, and so is late by the
 * time between the two: it says nothing to whoever was told before. An entry that does not move the time says nothing of
 * it: it comes from a leader that stands still, or that has no time of its own.
 *
 * What was on this machine's disk when the process began may be days old. It is as good as nothing for
 * who begins to lead; clients may be told of it, until a leader's entry comes. Pure. */
#ifndef TOLD_TIME_H
#define TOLD_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Zero: nothing was told. */
struct told_time {
    uint64_t now_ms; /* 0: nothing was told */
    uint64_t at_us;  /* when it was that, by this machine's monotonic clock */
    bool by_leader;  /* since the process began; else from its own disk */
};

enum told_by {
    TOLD_BY_DISK,   /* from before the process began, or by this node itself */
    TOLD_BY_PAST,   /* by who led when the entry was written, and does no more */
    TOLD_BY_LEADER, /* by who leads */
};

/* An entry was applied, and the replicated time is `now_ms` since. */
void told_time_hear(struct told_time *t, uint64_t now_ms, uint64_t monotonic_us, enum told_by by);
/* Milliseconds since the epoch; 0: not known. */
uint64_t told_time_ms(const struct told_time *t, uint64_t monotonic_us);
/* May who begins to lead go on from it, if it is borne out? A leader told it, no longer ago than
 * CLOCK_DRIFT_US. */
bool told_time_is_trusted(const struct told_time *t, uint64_t monotonic_us);
/* Does a wall clock that shows `wall_us` bear out that it is `told_us`? Right clocks may differ by
 * error_max_us. All in microseconds, since the epoch. */
bool told_time_is_borne_out(uint64_t told_us, int64_t wall_us, int64_t error_max_us);

#endif
