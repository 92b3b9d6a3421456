/* orderbench_histogram.c - see orderbench_histogram.h.
 *
 * A value with s bits more than HALF_BITS + 1 is shifted right by s, which leaves a number from
 * HALF to 2 * HALF - 1; its bucket is s * HALF + that number, so buckets follow without a gap. */
#include "orderbench_histogram.h"

#include <math.h>

#define HALF_BITS 7
#define HALF (1u << HALF_BITS)

static unsigned bucket_of(uint64_t us)
{
    unsigned bits = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);
    unsigned shift = bits > HALF_BITS + 1 ? bits - HALF_BITS - 1 : 0;
    uint64_t bucket = (uint64_t)shift * HALF + (us >> shift);

    return bucket < HISTOGRAM_BUCKETS ? (unsigned)bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t bucket_top_us(unsigned bucket)
{
    unsigned shift = bucket < 2 * HALF ? 0 : bucket / HALF - 1;
    uint64_t within = bucket - (uint64_t)shift * HALF;

    return ((within + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
    h->min_us = h->n == 0 || us < h->min_us ? us : h->min_us;
    h->max_us = us > h->max_us ? us : h->max_us;
    h->n++;
    h->counts[bucket_of(us)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->n == 0) {
        return;
    }
    into->min_us = into->n == 0 || from->min_us < into->min_us ? from->min_us : into->min_us;
    into->max_us = from->max_us > into->max_us ? from->max_us : into->max_us;
    into->n += from->n;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
}

uint64_t histogram_quantile_us(const struct histogram *h, double q)
{
    uint64_t wanted = (uint64_t)ceil(q * (double)h->n);
    uint64_t seen = 0;

    wanted = wanted > 0 ? wanted : 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted) {
            uint64_t top_us = bucket_top_us(i);
            return top_us < h->max_us ? top_us : h->max_us;
        }
    }
    return h->max_us;
}
