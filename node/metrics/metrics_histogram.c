/* metrics_histogram.c - see metrics_histogram.h. */
#include "metrics_histogram.h"

#define MS 1000ull
#define S (1000 * MS)

const struct metrics_scale metrics_scale_fine = {{100, 250, 500, 1 * MS, 2500, 5 * MS, 10 * MS,
                                                  25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS,
                                                  1 * S, 2500 * MS, 5 * S, 10 * S}};
const struct metrics_scale metrics_scale_coarse = {{1 * MS, 2500, 5 * MS, 10 * MS, 25 * MS, 50 * MS,
                                                    100 * MS, 250 * MS, 500 * MS, 1 * S, 2500 * MS,
                                                    5 * S, 10 * S, 30 * S, 60 * S, 600 * S}};

void metrics_histogram_add(struct metrics_histogram *h, const struct metrics_scale *scale,
                           uint64_t us)
{
    unsigned i = 0;

    while (i < METRICS_BOUNDS && us > scale->bounds_us[i]) {
        i++;
    }
    metrics_count(&h->counts[i], 1);
    metrics_count(&h->sum_us, us);
}

void metrics_histogram_read(const struct metrics_histogram *h, struct metrics_counts *out)
{
    for (unsigned i = 0; i <= METRICS_BOUNDS; i++) {
        out->counts[i] = atomic_load_explicit(&h->counts[i], memory_order_relaxed);
    }
    out->sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
}
