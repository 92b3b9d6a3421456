/* orderbench_histogram.h - a histogram of durations in µs: exact below 256 µs, to 0.8 % above, with
 * exact extremes. Buckets are linear within each power of two. Pure; nobody else may touch it
 * meanwhile. */
#ifndef ORDERBENCH_HISTOGRAM_H
#define ORDERBENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 4608 /* up to 2^42 µs; what is longer counts as that */

struct histogram {
    uint64_t n;
    uint64_t min_us; /* 0 when there is none */
    uint64_t max_us;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* All zeroes is an empty one. */
void histogram_add(struct histogram *h, uint64_t us);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The least duration that at least the share q (0..1) of all is not above: an upper bound within
 * the resolution, never above the maximum. 0 when it is empty. */
uint64_t histogram_quantile_us(const struct histogram *h, double q);

#endif
