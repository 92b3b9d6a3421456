/* generate.c - see generate.h. Integers only: floating-point libraries
 * differ in the last digit, and the same seed must give the same file everywhere. */
#include "generate.h"

#define PURCHASES_START_S 1767225600ull /* 2026-01-01T00:00:00Z */
#define PURCHASE_GAP_MAX_S 60
#define PERCENT_IN_WINDOW 57
#define PERCENT_NEVER 1

/* A distribution by its quantiles, straight between them. */
struct quantile {
    uint32_t per_mille;
    uint32_t seconds;
};

/* Most people pay at once; the last seconds before 30 min and the first after 31 stay free. */
static const struct quantile in_window[] = {
    {0, 12}, {150, 45}, {400, 110}, {600, 220}, {750, 420}, {900, 960}, {1000, 1799},
};

/* Bank slips and transfers: some within the hour, most within days. */
static const struct quantile in_tail[] = {
    {0, 1861},        {150, 3600},       {350, 4 * 3600},        {600, 24 * 3600},
    {850, 60 * 3600}, {970, 120 * 3600}, {1000, 14 * 24 * 3600},
};

/* SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, passes BigCrush. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t random_below(uint64_t *state, uint64_t n)
{
    return random_next(state) % n;
}

static uint64_t draw_delay(uint64_t *state, const struct quantile *q)
{
    uint64_t at = random_below(state, 1000000); /* millionths, for steps finer than the table's */

    while (at >= q[1].per_mille * 1000ull) {
        q++;
    }
    uint64_t from = q[0].per_mille * 1000ull;
    uint64_t width = q[1].per_mille * 1000ull - from;
    return q[0].seconds + (q[1].seconds - q[0].seconds) * (at - from) / width;
}

int bench_generate(FILE *out, uint64_t count, uint64_t seed)
{
    uint64_t state = seed;
    uint64_t purchased = PURCHASES_START_S;

    fprintf(out, "order_id,purchased_at,paid_at\n");
    for (uint64_t i = 0; i < count && !ferror(out); i++) {
        uint64_t kind = random_below(&state, 100);
        purchased += random_below(&state, PURCHASE_GAP_MAX_S + 1);
        uint64_t high = random_next(&state);
        uint64_t low = random_next(&state);
        fprintf(out, "%016llx%016llx,%llu,", (unsigned long long)high, (unsigned long long)low,
                (unsigned long long)purchased);
        if (kind < 100 - PERCENT_NEVER) {
            uint64_t delay = draw_delay(&state, kind < PERCENT_IN_WINDOW ? in_window : in_tail);
            fprintf(out, "%llu", (unsigned long long)(purchased + delay));
        }
        fputc('\n', out);
    }
    return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
