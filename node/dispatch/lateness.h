/* lateness.h - where the time between a deadline and the receiver's answer went.
 *
 *   deadline --timer--> entry proposed --commit--> applied --queue--> started --callback--> answer
 *   '------------------------------------- total --------------------------------------------'
 *
 * Measured for an order's first delivery; the callback's time for every one. In microseconds; the
 * timer's and the commit's share are as exact as entries tell the time, which is to the millisecond.
 * The time for which an order waits for a new leader is queue time. */
#ifndef LATENESS_H
#define LATENESS_H

#include <stdbool.h>

#include "../../client/base/histogram.h"
#include "../../client/wire/protocol.h"
#include "../metrics/metrics.h"

struct lateness { /* zero it to start; about 90 KiB */
    struct histogram parts[LATENESS_PARTS];
};

/* The leader's clock in microseconds at each step of one delivery. */
struct lateness_times {
    uint64_t deadline_us;
    uint64_t proposed_us; /* the time of the entry that made the order due */
    uint64_t applied_us;  /* when that entry was applied here */
    uint64_t started_us;
    uint64_t ended_us;
};

/* A delivery ended. `first`: of its order. */
void lateness_add(struct lateness *l, const struct lateness_times *t, bool first);
/* The same in the fixed buckets that are scraped. */
void lateness_measure(struct metrics_histogram parts[LATENESS_PARTS],
                      const struct lateness_times *t, bool first);

#endif
