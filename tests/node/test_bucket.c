/* The token bucket: bursts, rates to the last token, waits that are just long enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/dispatch/bucket.h"
#include "../support/random.h"

static void without_a_rate_there_is_no_limit(void **state)
{
    struct bucket b;

    (void)state;
    bucket_init(&b, 0, 1, 5);
    bucket_take(&b, 1000000, 5);
    assert_int_equal(bucket_tokens(&b, 5), UINT32_MAX);
    assert_int_equal(bucket_wait_us(&b, 1000000, 5), 0);
}

static void a_burst_is_there_at_once_and_comes_back_at_the_rate(void **state)
{
    struct bucket b;

    (void)state;
    bucket_init(&b, 10, 3, 1000);
    assert_int_equal(bucket_tokens(&b, 1000), 3);
    bucket_take(&b, 3, 1000);
    assert_int_equal(bucket_tokens(&b, 1000), 0);
    assert_int_equal(bucket_wait_us(&b, 1, 1000), 100000);
    assert_int_equal(bucket_wait_us(&b, 3, 1000), 300000);
    assert_int_equal(bucket_tokens(&b, 1000 + 99999), 0);
    assert_int_equal(bucket_tokens(&b, 1000 + 100000), 1);
    assert_int_equal(bucket_tokens(&b, 1000 + 100000000), 3); /* no more than the burst */
}

static void a_clock_that_steps_back_gives_nothing_and_costs_nothing(void **state)
{
    struct bucket b;

    (void)state;
    bucket_init(&b, 1, 2, 10000000);
    bucket_take(&b, 2, 10000000);
    assert_int_equal(bucket_tokens(&b, 5000000), 0);
    assert_int_equal(bucket_tokens(&b, 11000000), 1);
    bucket_init(&b, 1000000, 1000000, 0);
    bucket_take(&b, 1000000, 0);
    assert_int_equal(bucket_tokens(&b, UINT64_MAX), 1000000);
}

static void a_change_keeps_what_is_in_it_as_far_as_it_has_room(void **state)
{
    struct bucket b;

    (void)state;
    bucket_init(&b, 10, 10, 0);
    bucket_take(&b, 4, 0);
    bucket_change(&b, 100, 20, 0);
    assert_int_equal(bucket_tokens(&b, 0), 6);
    bucket_change(&b, 100, 5, 0);
    assert_int_equal(bucket_tokens(&b, 0), 5);
}

/* A taker who takes as soon as it may gets rate * time + burst, however time is cut. */
static void over_time_the_rate_is_exact(void **state)
{
    struct random rng = random_start();

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        uint32_t rate = 1 + (uint32_t)random_below(&rng, round % 2 == 0 ? 50 : 1000000);
        uint32_t burst = 1 + (uint32_t)random_below(&rng, 100);
        uint64_t now_us = random_next(&rng) >> 16, start_us = now_us, taken = 0;
        struct bucket b;
        bucket_init(&b, rate, burst, now_us);
        for (unsigned i = 0; i < 300; i++) {
            uint32_t n = 1 + (uint32_t)random_below(&rng, burst);
            uint64_t wait_us = bucket_wait_us(&b, n, now_us);
            if (wait_us > 1) {
                assert_true(bucket_tokens(&b, now_us + wait_us - 1) < n);
            }
            now_us += wait_us;
            assert_true(bucket_tokens(&b, now_us) >= n);
            bucket_take(&b, n, now_us);
            taken += n;
            assert_true((taken - (taken < burst ? taken : burst)) * 1000000 <=
                        (now_us - start_us) * rate);
        }
        uint64_t most = (now_us - start_us) * rate / 1000000 + burst;
        /* Short by what is in it, and by what each whole microsecond waited may spill. */
        uint64_t least = burst + 300 * (uint64_t)rate / 1000000 + 1;
        assert_in_range(taken, most > least ? most - least : 0, most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_there_is_no_limit),
        cmocka_unit_test(a_burst_is_there_at_once_and_comes_back_at_the_rate),
        cmocka_unit_test(a_clock_that_steps_back_gives_nothing_and_costs_nothing),
        cmocka_unit_test(a_change_keeps_what_is_in_it_as_far_as_it_has_room),
        cmocka_unit_test(over_time_the_rate_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
