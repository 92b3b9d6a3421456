/* How often something may happen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../node/front/spacing.h"

#define START_US UINT64_C(5000000)

static const struct spacing ten_a_second = {.interval_us = 100000, .at_once = 3};

static void some_go_at_once_and_the_rest_at_an_even_pace(void **state)
{
    uint64_t s = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(spacing_next_us(&ten_a_second, &s, 1000, START_US), START_US);
    }
    for (unsigned i = 1; i <= 100; i++) {
        assert_int_equal(spacing_next_us(&ten_a_second, &s, 1000, START_US), START_US + i * 100000);
    }
}

static void who_keeps_the_pace_never_waits(void **state)
{
    uint64_t s = 0, now_us = START_US;

    (void)state;
    for (unsigned i = 0; i < 1000; i++, now_us += 100000) {
        assert_int_equal(spacing_next_us(&ten_a_second, &s, 1000, now_us), now_us);
    }
}

/* However long it was. */
static void a_rest_gives_no_more_than_some_at_once(void **state)
{
    uint64_t s = 0, now_us = START_US;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        (void)spacing_next_us(&ten_a_second, &s, 1000, now_us);
    }
    now_us += 3600 * UINT64_C(1000000);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(spacing_next_us(&ten_a_second, &s, 1000, now_us), now_us);
    }
    assert_int_equal(spacing_next_us(&ten_a_second, &s, 1000, now_us), now_us + 100000);
}

/* As many a second, whoever waits for how long. */
static void a_crowd_has_its_rate(void **state)
{
    uint64_t s = 0;
    unsigned within = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        within += spacing_next_us(&ten_a_second, &s, 1000, START_US + i) < START_US + 10000000;
    }
    assert_in_range(within, 102, 103);
}

/* However many have come and gone: who stays has a turn behind so many others. */
static void those_who_went_hold_up_nobody_for_long(void **state)
{
    uint64_t s = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t due_us = spacing_next_us(&ten_a_second, &s, 5, START_US + i);
        assert_true(due_us >= START_US + i && due_us <= START_US + i + 500000);
    }
    assert_int_equal(spacing_next_us(&ten_a_second, &s, 5, START_US + 100000), START_US + 600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_go_at_once_and_the_rest_at_an_even_pace),
        cmocka_unit_test(who_keeps_the_pace_never_waits),
        cmocka_unit_test(a_rest_gives_no_more_than_some_at_once),
        cmocka_unit_test(a_crowd_has_its_rate),
        cmocka_unit_test(those_who_went_hold_up_nobody_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
