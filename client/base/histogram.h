/* histogram.h - how often which duration: log-linear counts of bounded size and error.
 *
 * Values below 256 are counted exactly; above, each power of two is divided into 128 parts, so that
 * a quantile is off by less than 0.8 % of itself (as Gil Tene's HdrHistogram with two digits). The
 * extremes are kept exactly. Values from HISTOGRAM_VALUE_MAX on count as that. Pure; nobody else may
 * touch it meanwhile. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_PARTS_BITS 7
#define HISTOGRAM_VALUE_BITS 42 /* of microseconds: 50 days */
#define HISTOGRAM_VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)
#define HISTOGRAM_COUNTS ((HISTOGRAM_VALUE_BITS - HISTOGRAM_PARTS_BITS + 1) << HISTOGRAM_PARTS_BITS)

struct histogram { /* zero it to start; 18 KiB */
    uint64_t n;
    uint64_t min; /* 0 when there is none */
    uint64_t max;
    uint32_t counts[HISTOGRAM_COUNTS]; /* one that is full stays so, and n with it */
};

void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Fill out[i] with the value that per_million[i] millionths of the values do not exceed (ascending;
 * 0 when there are none), in one walk. Never below the true one, never above the largest. */
void histogram_quantiles(const struct histogram *h, const uint32_t *per_million, unsigned n,
                         uint64_t *out);
/* One of them, of a share from 0 to 1. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
