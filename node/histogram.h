/* histogram.h - how often which duration: log-linear counts of bounded size and error.
 *
 * Values below 64 are counted exactly; above, each power of two is divided into 64 parts, so that
 * a quantile is off by less than a sixty-fourth of itself (as Gil Tene's HdrHistogram with two
 * digits). The largest value is kept exactly. Values from HISTOGRAM_VALUE_MAX on count as that. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_PARTS_BITS 6
#define HISTOGRAM_VALUE_BITS 37 /* of microseconds: 38 hours */
#define HISTOGRAM_VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)
#define HISTOGRAM_COUNTS \
    ((HISTOGRAM_VALUE_BITS - HISTOGRAM_PARTS_BITS + 1) << HISTOGRAM_PARTS_BITS)

struct histogram { /* zero it to start */
    uint64_t n;
    uint64_t max;
    uint32_t counts[HISTOGRAM_COUNTS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* Fill out[i] with the value that per_million[i] millionths of the values do not exceed (ascending;
 * 0 when there are none), in one walk. Never below the true one, never above the largest. */
void histogram_quantiles(const struct histogram *h, const uint32_t *per_million, unsigned n,
                         uint64_t *out);

#endif
