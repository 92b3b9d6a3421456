/* The histogram, against exact quantiles; and the parts of the lateness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../node/dispatch/lateness.h"
#include "../support/random.h"

static const uint32_t wanted[] = {1, 500000, 900000, 990000, 999000, 1000000};
#define WANTED (sizeof wanted / sizeof *wanted)

static struct histogram *histogram_make(void)
{
    struct histogram *h = calloc(1, sizeof *h);

    assert_non_null(h);
    return h;
}

static void an_empty_one_says_zero(void **state)
{
    struct histogram *h = histogram_make();
    uint64_t out[WANTED];

    (void)state;
    histogram_quantiles(h, wanted, WANTED, out);
    for (unsigned i = 0; i < WANTED; i++) {
        assert_int_equal(out[i], 0);
    }
    free(h);
}

static void one_value_is_every_quantile_exactly(void **state)
{
    static const uint64_t values[] = {0,
                                      1,
                                      63,
                                      64,
                                      65,
                                      127,
                                      128,
                                      129,
                                      1000000,
                                      123456789,
                                      HISTOGRAM_VALUE_MAX - 1,
                                      HISTOGRAM_VALUE_MAX};
    uint64_t out[WANTED];

    (void)state;
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        struct histogram *h = histogram_make();
        histogram_add(h, values[i]);
        histogram_quantiles(h, wanted, WANTED, out);
        for (unsigned k = 0; k < WANTED; k++) {
            assert_int_equal(out[k], values[i]);
        }
        free(h);
    }
}

static void what_is_too_large_counts_as_the_largest(void **state)
{
    struct histogram *h = histogram_make();
    uint64_t out[WANTED];

    (void)state;
    histogram_add(h, UINT64_MAX);
    histogram_quantiles(h, wanted, WANTED, out);
    assert_int_equal(out[0], HISTOGRAM_VALUE_MAX);
    assert_int_equal(h->max, HISTOGRAM_VALUE_MAX);
    free(h);
}

static void a_count_that_is_full_stays_full(void **state)
{
    struct histogram *h = histogram_make();
    uint64_t out[WANTED];

    (void)state;
    histogram_add(h, 5);
    h->counts[5] = UINT32_MAX;
    h->n = UINT32_MAX;
    histogram_add(h, 5);
    assert_int_equal(h->n, UINT32_MAX);
    histogram_quantiles(h, wanted, WANTED, out);
    assert_int_equal(out[WANTED - 1], 5);
    free(h);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void quantiles_are_off_by_less_than_a_sixty_fourth(void **state)
{
    struct random rng = random_start();
    enum { MOST = 20000 };
    uint64_t *values = calloc(MOST, sizeof *values);

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct histogram *h = histogram_make();
        unsigned n = 1 + (unsigned)random_below(&rng, round % 3 == 0 ? 30 : MOST);
        unsigned bits = 1 + (unsigned)random_below(&rng, HISTOGRAM_VALUE_BITS);
        for (unsigned i = 0; i < n; i++) {
            values[i] = random_below(&rng, UINT64_C(1) << (1 + random_below(&rng, bits)));
            values[i] = values[i] < HISTOGRAM_VALUE_MAX ? values[i] : HISTOGRAM_VALUE_MAX;
            histogram_add(h, values[i]);
        }
        qsort(values, n, sizeof *values, compare);
        uint64_t out[WANTED];
        histogram_quantiles(h, wanted, WANTED, out);
        for (unsigned i = 0; i < WANTED; i++) {
            uint64_t rank = ((uint64_t)n * wanted[i] + 999999) / 1000000;
            uint64_t exact = values[rank > 0 ? rank - 1 : 0];
            assert_in_range(out[i], exact, exact + exact / 64);
        }
        assert_int_equal(out[WANTED - 1], values[n - 1]);
        free(h);
    }
    free(values);
}

static uint64_t only(const struct lateness *l, enum lateness_part part)
{
    assert_int_equal(l->parts[part].n, 1);
    return l->parts[part].max;
}

static void the_parts_of_a_delivery_add_up(void **state)
{
    struct lateness *l = calloc(1, sizeof *l);
    struct lateness_times t = {1000, 1003, 1010, 1100, 5100};

    (void)state;
    lateness_add(l, &t, true);
    assert_int_equal(only(l, LATENESS_TIMER), 3);
    assert_int_equal(only(l, LATENESS_COMMIT), 7);
    assert_int_equal(only(l, LATENESS_QUEUE), 90);
    assert_int_equal(only(l, LATENESS_CALLBACK), 4000);
    assert_int_equal(only(l, LATENESS_TOTAL), 4100);
    lateness_add(l, &t, false); /* a retry: only its own time */
    assert_int_equal(l->parts[LATENESS_CALLBACK].n, 2);
    assert_int_equal(l->parts[LATENESS_TOTAL].n, 1);
    free(l);
}

static void a_clock_that_went_back_counts_as_no_time(void **state)
{
    struct lateness *l = calloc(1, sizeof *l);
    struct lateness_times t = {1000, 900, 800, 700, 600};

    (void)state;
    lateness_add(l, &t, true);
    for (unsigned i = 0; i < LATENESS_PARTS; i++) {
        assert_int_equal(only(l, (enum lateness_part)i), 0);
    }
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_says_zero),
        cmocka_unit_test(one_value_is_every_quantile_exactly),
        cmocka_unit_test(what_is_too_large_counts_as_the_largest),
        cmocka_unit_test(a_count_that_is_full_stays_full),
        cmocka_unit_test(quantiles_are_off_by_less_than_a_sixty_fourth),
        cmocka_unit_test(the_parts_of_a_delivery_add_up),
        cmocka_unit_test(a_clock_that_went_back_counts_as_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
