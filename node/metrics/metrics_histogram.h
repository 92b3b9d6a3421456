/* metrics_histogram.h - how often which duration, in fixed buckets, as a metric tells it.
 *
 * For what is scraped: sums over nodes and over time are right, which they are not of quantiles
 * (client/base/histogram.h has those, finer, for STATUS). One thread writes, any may read: counts are
 * relaxed atomics, so that a reader may see a value counted and not yet in the sum. */
#ifndef METRICS_HISTOGRAM_H
#define METRICS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define METRICS_BOUNDS 16 /* buckets with a bound; one more is for what is above the last */

/* Upper bounds, inclusive, ascending, in microseconds. */
struct metrics_scale {
    uint64_t bounds_us[METRICS_BOUNDS];
};
/* 100 us to 10 s: for what a machine or a network does. */
extern const struct metrics_scale metrics_scale_fine;
/* 1 ms to 10 min: for lateness and snapshots. */
extern const struct metrics_scale metrics_scale_coarse;

struct metrics_histogram { /* zero it to start */
    atomic_ullong counts[METRICS_BOUNDS + 1];
    atomic_ullong sum_us;
};

/* What a reader has of it: not cumulative. */
struct metrics_counts {
    uint64_t counts[METRICS_BOUNDS + 1];
    uint64_t sum_us;
};

/* The writer's thread. */
void metrics_histogram_add(struct metrics_histogram *h, const struct metrics_scale *scale,
                           uint64_t us);
/* Any thread. */
void metrics_histogram_read(const struct metrics_histogram *h, struct metrics_counts *out);

/* One more, of a number that one thread alone writes; any may read it. */
static inline void metrics_count(atomic_ullong *n, uint64_t by)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

#endif
