/* The leader's clock: follows the wall clock, but not its steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/host/clock.h"

#define START_US 1764000000000000ull

static void a_steady_wall_clock_is_followed_exactly(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, START_US, 500);
    for (uint64_t us = 0; us < 10000000; us += 777) {
        assert_true(clock_read(&c, START_US + us, 500 + us) == (START_US + us) / 1000);
    }
}

static void a_step_of_an_hour_forwards_moves_it_by_a_tenth_of_the_elapsed_time(void **state)
{
    struct clock c;
    uint64_t hour_us = 3600000000ull;

    (void)state;
    clock_init(&c, START_US, 0);
    uint64_t at_step = clock_read(&c, START_US + hour_us, 1);
    assert_true(at_step <= START_US / 1000 + 1);
    uint64_t later = clock_read(&c, START_US + hour_us + 10000000, 10000001);
    assert_in_range(later - START_US / 1000, 10900, 11100);
    assert_true(clock_offset_ms(&c) > 3500000);
}

static void a_step_backwards_slows_it_but_never_stops_or_turns_it(void **state)
{
    struct clock c;
    uint64_t last = 0;

    (void)state;
    clock_init(&c, START_US, 0);
    for (uint64_t us = 0; us < 20000000; us += 1000) {
        uint64_t wall = us < 5000000 ? START_US + us : START_US + us - 3600000000ull;
        uint64_t now = clock_read(&c, wall, us);
        assert_true(now >= last);
        last = now;
    }
    assert_in_range(last - START_US / 1000, 18400, 18600);
}

static void readings_closer_than_the_slew_can_divide_still_slew(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, START_US, 0);
    for (uint64_t us = 0; us < 1000000; us += 3) {
        (void)clock_read(&c, START_US + us + 1000000, us);
    }
    assert_in_range(clock_offset_ms(&c), 880, 920);
}

static void raising_it_is_followed_back_to_the_wall_clock(void **state)
{
    struct clock c;
    uint64_t us;

    (void)state;
    clock_init(&c, START_US, 0);
    clock_raise(&c, START_US / 1000 + 1000);
    uint64_t before = clock_read(&c, START_US, 0);
    assert_true(before == START_US / 1000 + 1000);
    for (us = 0; us <= 11000000; us += 1000) {
        (void)clock_read(&c, START_US + us, us);
    }
    assert_true(clock_offset_ms(&c) == 0);
    clock_raise(&c, 5); /* lower: no effect */
    assert_true(clock_offset_ms(&c) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_wall_clock_is_followed_exactly),
        cmocka_unit_test(a_step_of_an_hour_forwards_moves_it_by_a_tenth_of_the_elapsed_time),
        cmocka_unit_test(a_step_backwards_slows_it_but_never_stops_or_turns_it),
        cmocka_unit_test(readings_closer_than_the_slew_can_divide_still_slew),
        cmocka_unit_test(raising_it_is_followed_back_to_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
