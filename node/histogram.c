/* histogram.c - see histogram.h. */
#include "histogram.h"

#define PARTS (1u << HISTOGRAM_PARTS_BITS)

static unsigned histogram_index(uint64_t value)
{
    if (value < PARTS) {
        return (unsigned)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_PARTS_BITS;
    return (shift << HISTOGRAM_PARTS_BITS) + (unsigned)(value >> shift);
}

/* The largest value that is counted there. */
static uint64_t histogram_top(unsigned index)
{
    if (index < 2 * PARTS) {
        return index;
    }
    unsigned shift = (index >> HISTOGRAM_PARTS_BITS) - 1;
    uint64_t low = (uint64_t)(index - (shift << HISTOGRAM_PARTS_BITS)) << shift;
    return low + (UINT64_C(1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    value = value < HISTOGRAM_VALUE_MAX ? value : HISTOGRAM_VALUE_MAX;
    uint32_t *count = &h->counts[histogram_index(value)];
    if (*count == UINT32_MAX) {
        return; /* it says "almost always" as it is */
    }
    ++*count;
    h->n++;
    h->max = value > h->max ? value : h->max;
}

void histogram_quantiles(const struct histogram *h, const uint32_t *per_million, unsigned n,
                         uint64_t *out)
{
    uint64_t seen = 0;
    unsigned index = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t rank = (h->n / 1000000) * per_million[i] +
                        ((h->n % 1000000) * per_million[i] + 999999) / 1000000;
        rank = rank > 0 ? rank : 1;
        while (index < HISTOGRAM_COUNTS && seen + h->counts[index] < rank) {
            seen += h->counts[index++];
        }
        uint64_t top = histogram_top(index);
        out[i] = index == HISTOGRAM_COUNTS || top > h->max ? h->max : top;
    }
}
