/* histogram.c - see histogram.h.
 *
 * A value with s bits more than HISTOGRAM_PARTS_BITS + 1 is shifted right by s, which leaves a number
 * from PARTS to 2 * PARTS - 1; its count is at s * PARTS + that number, so counts follow without a
 * gap. */
#include "histogram.h"

#include <assert.h>

#define PARTS (1u << HISTOGRAM_PARTS_BITS)

static unsigned histogram_index(uint64_t value)
{
    if (value < PARTS) {
        return (unsigned)value;
    }
    value = value < HISTOGRAM_VALUE_MAX ? value : HISTOGRAM_VALUE_MAX;
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
    unsigned index = histogram_index(value);
    assert(index < HISTOGRAM_COUNTS && histogram_top(index) >= value);
    uint32_t *count = &h->counts[index];
    if (*count == UINT32_MAX) {
        return; /* it says "almost always" as it is */
    }
    ++*count;
    h->min = h->n == 0 || value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
    h->n++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->n == 0) {
        return;
    }
    into->min = into->n == 0 || from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    for (unsigned i = 0; i < HISTOGRAM_COUNTS; i++) {
        uint32_t room = UINT32_MAX - into->counts[i];
        uint32_t more = from->counts[i] < room ? from->counts[i] : room;
        into->counts[i] += more;
        into->n += more;
    }
}

void histogram_quantiles(const struct histogram *h, const uint32_t *per_million, unsigned n,
                         uint64_t *out)
{
    uint64_t seen = 0;
    unsigned index = 0;

    for (unsigned i = 0; i < n; i++) {
        assert(i == 0 || per_million[i] >= per_million[i - 1]); /* the walk goes on, not back */
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

uint64_t histogram_quantile(const struct histogram *h, double share)
{
    const uint32_t per_million = (uint32_t)(share * 1e6 + 0.5);
    uint64_t out;

    histogram_quantiles(h, &per_million, 1, &out);
    return out;
}
