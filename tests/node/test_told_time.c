/* What entries of the log tell a node of the cluster's time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/host/clock.h"
#include "../../node/host/told_time.h"

#define START_MS 1764000000000ull

static void before_anything_was_told_it_is_not_known(void **state)
{
    struct told_time t = {0};

    (void)state;
    assert_true(told_time_ms(&t, 5000000) == 0);
    assert_false(told_time_is_trusted(&t, 5000000));
    told_time_hear(&t, 0, 5000000, TOLD_BY_LEADER); /* entries of before anybody had a time */
    assert_true(told_time_ms(&t, 6000000) == 0);
    assert_false(told_time_is_trusted(&t, 6000000));
}

static void it_goes_on_with_the_monotonic_clock_from_the_last_entry(void **state)
{
    struct told_time t = {0};

    (void)state;
    told_time_hear(&t, START_MS, 1000000, TOLD_BY_LEADER);
    assert_true(told_time_ms(&t, 1000000) == START_MS);
    assert_true(told_time_ms(&t, 3500000) == START_MS + 2500);
    told_time_hear(&t, START_MS + 2400, 3500000,
                   TOLD_BY_LEADER); /* this machine's clock runs fast */
    assert_true(told_time_ms(&t, 3500000) == START_MS + 2400);
    assert_true(told_time_ms(&t, 3400000) == START_MS + 2400);
}

static void an_entry_that_does_not_move_the_time_tells_nothing(void **state)
{
    struct told_time t = {0};

    (void)state;
    told_time_hear(&t, START_MS, 0, TOLD_BY_DISK);
    told_time_hear(&t, START_MS, 1000000, TOLD_BY_LEADER); /* of a leader that has no time either */
    assert_false(told_time_is_trusted(&t, 1000000));
    assert_true(told_time_ms(&t, 1000000) == START_MS + 1000);
    told_time_hear(&t, START_MS + 500, 1000000, TOLD_BY_LEADER);
    assert_true(told_time_is_trusted(&t, 1000000));
}

static void what_a_leader_told_is_trusted_for_a_while(void **state)
{
    struct told_time t = {0};

    (void)state;
    told_time_hear(&t, START_MS, 0, TOLD_BY_DISK); /* from this node's own disk: not at all */
    assert_false(told_time_is_trusted(&t, 0));
    told_time_hear(&t, START_MS + 1, 0, TOLD_BY_LEADER);
    assert_true(told_time_is_trusted(&t, CLOCK_DRIFT_US));
    assert_false(told_time_is_trusted(&t, CLOCK_DRIFT_US + 1));
    assert_true(told_time_ms(&t, CLOCK_DRIFT_US + 1) == START_MS + 1 + CLOCK_DRIFT_US / 1000);
    told_time_hear(&t, START_MS + 2, CLOCK_DRIFT_US, TOLD_BY_LEADER);
    assert_true(told_time_is_trusted(&t, 2 * CLOCK_DRIFT_US));
}

static void what_a_leader_left_under_way_does_not_make_the_next_one_late(void **state)
{
    struct told_time t = {0};

    (void)state;
    told_time_hear(&t, START_MS, 0, TOLD_BY_PAST); /* nobody has told anything else */
    assert_true(told_time_is_trusted(&t, 0));
    told_time_hear(&t, START_MS + 1000, 1000000, TOLD_BY_LEADER);
    told_time_hear(&t, START_MS + 1010, 1900000, TOLD_BY_PAST); /* the leader fell in between */
    assert_true(told_time_ms(&t, 1900000) == START_MS + 1900);
    told_time_hear(&t, START_MS + 2500, 2000000,
                   TOLD_BY_PAST); /* cannot be but by another clock's haste */
    assert_true(told_time_ms(&t, 2000000) == START_MS + 2500);
    told_time_hear(&t, START_MS + 2510, 2600000, TOLD_BY_LEADER);
    assert_true(told_time_ms(&t, 2600000) == START_MS + 2510);
}

static void a_clock_that_differs_by_no_more_than_right_ones_do_bears_it_out(void **state)
{
    uint64_t told_us = START_MS * 1000;
    int64_t shown_us = (int64_t)told_us;

    (void)state;
    assert_true(told_time_is_borne_out(told_us, shown_us, 0));
    assert_true(told_time_is_borne_out(told_us, shown_us + 500000, 500000));
    assert_true(told_time_is_borne_out(told_us, shown_us - 500000, 500000));
    assert_false(told_time_is_borne_out(told_us, shown_us + 500001, 500000));
    assert_false(told_time_is_borne_out(told_us, shown_us - 500001, 500000));
    assert_false(told_time_is_borne_out(told_us, -shown_us, 500000)); /* of before the epoch */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_anything_was_told_it_is_not_known),
        cmocka_unit_test(it_goes_on_with_the_monotonic_clock_from_the_last_entry),
        cmocka_unit_test(an_entry_that_does_not_move_the_time_tells_nothing),
        cmocka_unit_test(what_a_leader_told_is_trusted_for_a_while),
        cmocka_unit_test(what_a_leader_left_under_way_does_not_make_the_next_one_late),
        cmocka_unit_test(a_clock_that_differs_by_no_more_than_right_ones_do_bears_it_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
