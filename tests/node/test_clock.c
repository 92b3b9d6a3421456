/* The leader's clock: follows the wall clock, but not its steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/host/clock.h"

#define START_US 1764000000000000ull
#define SECOND_US 1000000ull

static const struct clock_guide alone = {.guidance = CLOCK_BY_ITSELF};
static const struct clock_guide unguided = {.guidance = CLOCK_UNGUIDED};

/* The only voter's clock, read once. */
static void begin(struct clock *c, uint64_t wall_us, uint64_t monotonic_us)
{
    clock_init(c, monotonic_us);
    (void)clock_read(c, wall_us, monotonic_us, &alone);
}

/* A majority knows the time as well as that. */
static struct clock_guide around(uint64_t true_us, uint64_t error_us)
{
    return (struct clock_guide){CLOCK_WITHIN, true_us - error_us, true_us + error_us};
}

static void a_steady_wall_clock_is_followed_exactly(void **state)
{
    struct clock c;

    (void)state;
    begin(&c, START_US, 500);
    for (uint64_t us = 0; us < 10000000; us += 777) {
        assert_true(clock_read(&c, START_US + us, 500 + us, &alone) == (START_US + us) / 1000);
    }
}

static void a_step_of_an_hour_forwards_moves_it_by_a_tenth_of_the_elapsed_time(void **state)
{
    struct clock c;
    uint64_t hour_us = 3600000000ull;

    (void)state;
    begin(&c, START_US, 0);
    uint64_t at_step = clock_read(&c, START_US + hour_us, 1, &alone);
    assert_true(at_step <= START_US / 1000 + 1);
    uint64_t later = clock_read(&c, START_US + hour_us + 10000000, 10000001, &alone);
    assert_in_range(later - START_US / 1000, 10900, 11100);
    assert_true(clock_offset_ms(&c) > 3500000);
}

static void a_step_backwards_slows_it_but_never_stops_or_turns_it(void **state)
{
    struct clock c;
    uint64_t last = 0;

    (void)state;
    begin(&c, START_US, 0);
    for (uint64_t us = 0; us < 20000000; us += 1000) {
        uint64_t wall = us < 5000000 ? START_US + us : START_US + us - 3600000000ull;
        uint64_t now = clock_read(&c, wall, us, &alone);
        assert_true(now >= last);
        last = now;
    }
    assert_in_range(last - START_US / 1000, 18400, 18600);
}

static void readings_closer_than_the_slew_can_divide_still_slew(void **state)
{
    struct clock c;

    (void)state;
    begin(&c, START_US, 0);
    for (uint64_t us = 0; us < 1000000; us += 3) {
        (void)clock_read(&c, START_US + us + 1000000, us, &alone);
    }
    assert_in_range(clock_offset_ms(&c), 880, 920);
}

static void raising_it_is_followed_back_to_the_wall_clock(void **state)
{
    struct clock c;
    uint64_t us;

    (void)state;
    begin(&c, START_US, 0);
    clock_raise(&c, START_US / 1000 + 1000);
    uint64_t before = clock_read(&c, START_US, 0, &alone);
    assert_true(before == START_US / 1000 + 1000);
    for (us = 0; us <= 11000000; us += 1000) {
        (void)clock_read(&c, START_US + us, us, &alone);
    }
    assert_true(clock_offset_ms(&c) == 0);
    clock_raise(&c, 5); /* lower: no effect */
    assert_true(clock_offset_ms(&c) == 0);
}

/* --- several voters --- */

static void before_anyone_agrees_it_stands_and_nothing_goes_by_it(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    for (uint64_t us = 0; us < 10 * SECOND_US; us += SECOND_US) {
        assert_true(clock_read(&c, START_US + us, us, &unguided) == 0);
        assert_false(clock_goes(&c));
    }
    clock_raise(&c, START_US / 1000);
    assert_true(clock_read(&c, START_US + 60 * SECOND_US, 60 * SECOND_US, &unguided) ==
                START_US / 1000);
    assert_false(clock_goes(&c));
}

static void the_own_clock_counts_as_long_as_it_is_within(void **state)
{
    struct clock_guide guide = around(START_US, 250000);
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    assert_true(clock_read(&c, START_US + 200000, 0, &guide) == START_US / 1000 + 200);
    assert_true(clock_goes(&c));
    assert_true(clock_true_ms(&c, 0) == START_US / 1000 + 200);
}

static void a_clock_that_is_wrong_at_the_start_is_bound_by_the_others(void **state)
{
    static const int64_t wrong_us[] = {3600ll * 1000000, -3600ll * 1000000,
                                       10ll * 365 * 86400 * 1000000, -(int64_t)START_US};

    (void)state;
    for (size_t i = 0; i < sizeof wrong_us / sizeof *wrong_us; i++) {
        struct clock_guide guide = around(START_US, 1000);
        struct clock c;
        clock_init(&c, 0);
        uint64_t now_ms = clock_read(&c, START_US + (uint64_t)wrong_us[i], 0, &guide);
        assert_in_range(now_ms, START_US / 1000 - 1, START_US / 1000 + 1);
        assert_in_range(clock_true_ms(&c, 5000), START_US / 1000 + 4, START_US / 1000 + 6);
    }
}

static void who_is_behind_catches_up_at_once(void **state)
{
    uint64_t hour_us = 3600 * SECOND_US;
    struct clock_guide guide = around(START_US, 1000);
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    (void)clock_read(&c, START_US, 0, &guide);
    guide = around(START_US + hour_us, 1000); /* the machine was paused, and its clocks with it */
    assert_true(clock_read(&c, START_US + 1, 1, &guide) == (START_US + hour_us - 1000) / 1000);
    assert_true(clock_goes(&c));
}

static void who_is_ahead_stands_until_the_time_has_come(void **state)
{
    struct clock_guide guide = around(START_US, 1000);
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_raise(&c, START_US / 1000 + 30000); /* entries of a leader before it */
    for (uint64_t us = 0; us <= 40 * SECOND_US; us += 100000) {
        guide = around(START_US + us, 1000);
        uint64_t ms = us < 30 * SECOND_US ? 30000 : us / 1000;
        assert_true(clock_read(&c, START_US + us, us, &guide) == START_US / 1000 + ms);
    }
}

static void a_time_that_is_far_ahead_goes_on_slowly(void **state)
{
    struct clock_guide guide = around(START_US, 1000);
    uint64_t year_ms = 365ull * 86400 * 1000;
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_raise(&c, START_US / 1000 + year_ms);
    for (uint64_t us = 0; us <= 100 * SECOND_US; us += 100000) {
        guide = around(START_US + us, 1000);
        (void)clock_read(&c, START_US + us, us, &guide);
    }
    assert_in_range(clock_read(&c, START_US + 100 * SECOND_US, 100 * SECOND_US, &guide),
                    START_US / 1000 + year_ms + 89900, START_US / 1000 + year_ms + 90100);
}

static void what_was_agreed_goes_on_with_the_monotonic_clock(void **state)
{
    struct clock_guide guide = around(START_US, 1000);
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    (void)clock_read(&c, START_US, 0, &guide);
    for (uint64_t s = 1; s <= 100;
         s++) { /* its own clock is a day off by now, and nobody is heard */
        uint64_t now_ms = clock_read(&c, START_US + 86400 * SECOND_US, s * SECOND_US, &unguided);
        assert_true(now_ms == START_US / 1000 + s * 1000);
        assert_true(clock_goes(&c));
    }
    assert_true(clock_true_ms(&c, 100 * SECOND_US) == START_US / 1000 + 100000);
}

/* It was ahead when it was agreed on last: the time that it waits for is waited for still. */
static void who_stands_goes_on_standing_when_nobody_is_heard(void **state)
{
    struct clock_guide guide = around(START_US, 0);
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_raise(&c, START_US / 1000 + 30000);
    (void)clock_read(&c, START_US, 0, &guide);
    assert_true(clock_stands_us(&c) == 30 * (int64_t)SECOND_US);
    for (uint64_t s = 1; s <= 40; s++) {
        uint64_t ms = s < 30 ? 30000 : s * 1000;
        assert_true(clock_read(&c, START_US, s * SECOND_US, &unguided) == START_US / 1000 + ms);
    }
    assert_true(clock_stands_us(&c) == 0);
}

/* A follower of four others hears its leader alone for weeks. */
static void what_was_agreed_on_long_ago_is_forgotten_by_who_begins_to_lead(void **state)
{
    struct clock_guide guide = around(START_US, 0);
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    (void)clock_read(&c, START_US, 0, &guide);
    clock_forget_old(&c, CLOCK_DRIFT_US);
    (void)clock_read(&c, START_US, CLOCK_DRIFT_US, &unguided);
    assert_true(clock_goes(&c));
    clock_forget_old(&c, CLOCK_DRIFT_US + 1);
    clock_raise(&c, START_US / 1000);
    assert_true(clock_read(&c, START_US, CLOCK_DRIFT_US + 2, &unguided) == START_US / 1000);
    assert_false(clock_goes(&c));
}

/* The wall clock of the only voter stepped by an hour, and it follows slowly, when others join. */
static void a_step_is_not_taken_over_when_others_join(void **state)
{
    struct clock c;

    (void)state;
    begin(&c, START_US, 0);
    for (uint64_t s = 1; s <= 10; s++) {
        (void)clock_read(&c, START_US + (3600 + s) * SECOND_US, s * SECOND_US, &alone);
    }
    assert_true(clock_read(&c, START_US + 3611 * SECOND_US, 11 * SECOND_US, &unguided) <=
                START_US / 1000 + 12100);
}

static void it_never_goes_back_where_its_guidance_changes(void **state)
{
    uint64_t last_ms = 0, wall_us = START_US;
    struct clock c;

    (void)state;
    begin(&c, START_US, 0);
    for (uint64_t us = 0; us < 5 * SECOND_US; us += 7) { /* slews with a rest left over */
        bool itself = us / 777 % 2 == 0;
        struct clock_guide guide = around(START_US - SECOND_US + us, 0);
        wall_us = START_US + SECOND_US + us;
        uint64_t now_ms = clock_read(&c, wall_us, us, itself ? &alone : &guide);
        assert_true(now_ms >= last_ms);
        last_ms = now_ms;
    }
}

static void two_that_disagree_have_the_time_of_the_earlier(void **state)
{
    struct clock_guide guide = {CLOCK_NOT_BEYOND, 0, START_US};
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    assert_true(clock_read(&c, START_US + 60 * SECOND_US, 0, &guide) == START_US / 1000);
    assert_true(clock_goes(&c));
    clock_init(&c, 0);
    clock_raise(&c, START_US / 1000 + 30000); /* the cluster's time is past what the earlier says */
    assert_true(clock_read(&c, START_US + 60 * SECOND_US, 0, &guide) == START_US / 1000 + 30000);
    assert_false(clock_goes(&c));
}

/* --- what a new leader was told by those before it --- */

static void a_new_leader_goes_on_from_what_it_was_told(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    (void)clock_read(&c, START_US + 3600 * SECOND_US, 0, &unguided);
    assert_false(clock_goes(&c));
    assert_false(clock_awaits_witness(&c));
    clock_tell(&c, START_US / 1000, SECOND_US);
    clock_confirm(&c, SECOND_US);
    assert_false(clock_awaits_witness(&c));
    clock_raise(&c, START_US / 1000 - 20); /* the last entry is a little older */
    for (uint64_t s = 1; s <= 100; s++) {
        uint64_t now_ms = clock_read(&c, START_US + 3600 * SECOND_US, s * SECOND_US, &unguided);
        assert_true(now_ms == START_US / 1000 + (s - 1) * 1000);
        assert_true(clock_goes(&c) && clock_goes_as_told(&c));
        assert_true(clock_true_ms(&c, s * SECOND_US) == now_ms);
    }
}

static void what_no_clock_confirms_counts_for_nothing(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_tell(&c, START_US / 1000, 0);
    clock_raise(&c, START_US / 1000 - 20);
    for (uint64_t s = 1; s <= 100; s++) {
        assert_true(clock_awaits_witness(&c));
        assert_true(clock_read(&c, START_US, s * SECOND_US, &unguided) == START_US / 1000 - 20);
        assert_false(clock_goes(&c));
        assert_true(clock_told_us(&c, s * SECOND_US) == START_US + s * SECOND_US);
    }
    clock_confirm(&c, 101 * SECOND_US);
    assert_true(clock_read(&c, START_US, 102 * SECOND_US, &unguided) == START_US / 1000 + 102000);
    assert_true(clock_goes_as_told(&c));
}

static void what_is_told_later_is_to_be_confirmed_anew(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_tell(&c, START_US / 1000, 0);
    clock_confirm(&c, 0);
    clock_tell(&c, START_US / 1000 - 9000, SECOND_US);
    assert_true(clock_awaits_witness(&c));
    (void)clock_read(&c, START_US, SECOND_US, &unguided);
    assert_false(clock_goes(&c));
}

/* What the earlier of them showed is not what it was told. */
static void two_that_disagree_do_not_confirm_what_was_told(void **state)
{
    struct clock_guide guide = {CLOCK_NOT_BEYOND, 0, START_US};
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_tell(&c, START_US / 1000 - 60000, 0);
    (void)clock_read(&c, START_US, 0, &guide);
    assert_true(clock_told_us(&c, 0) == START_US - 60 * SECOND_US);
    assert_true(clock_read(&c, START_US + SECOND_US, SECOND_US, &unguided) == START_US / 1000);
    assert_false(clock_goes(&c));
}

static void what_is_agreed_on_takes_the_place_of_what_was_told(void **state)
{
    struct clock_guide guide = around(START_US, 0);
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_tell(&c, START_US / 1000 - 700, 0); /* as the last entry was late */
    clock_confirm(&c, 0);
    (void)clock_read(&c, START_US, 0, &unguided);
    assert_true(clock_read(&c, START_US, 0, &guide) == START_US / 1000);
    assert_false(clock_goes_as_told(&c));
    clock_tell(&c, START_US / 1000 + 5000, SECOND_US); /* too late: it knows better */
    assert_false(clock_awaits_witness(&c));
    assert_true(clock_read(&c, START_US, SECOND_US, &unguided) == START_US / 1000 + 1000);
    assert_false(clock_goes_as_told(&c));
}

static void two_that_disagree_are_believed_more_than_what_was_told(void **state)
{
    struct clock_guide guide = {CLOCK_NOT_BEYOND, 0, START_US};
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_tell(&c, START_US / 1000 + 60000, 0);
    clock_confirm(&c, 0);
    assert_true(clock_read(&c, START_US + 60 * SECOND_US, 0, &guide) == START_US / 1000);
    assert_true(clock_goes(&c));
    assert_false(clock_goes_as_told(&c));
}

static void what_was_told_counts_for_one_leadership(void **state)
{
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    clock_tell(&c, START_US / 1000, 0);
    clock_confirm(&c, 0);
    (void)clock_read(&c, START_US, SECOND_US, &unguided);
    assert_true(clock_goes(&c));
    clock_forget_old(&c, 2 * SECOND_US);
    clock_raise(&c, START_US / 1000);
    assert_true(clock_read(&c, START_US, 9 * SECOND_US, &unguided) == START_US / 1000);
    assert_false(clock_goes(&c));
}

/* The other one's clock was put back meanwhile, and the cluster's time has not come to that yet. */
static void what_two_that_disagree_showed_a_follower_does_not_hold_it_up_when_it_leads(void **state)
{
    struct clock_guide guide = {CLOCK_NOT_BEYOND, 0, START_US};
    struct clock c;

    (void)state;
    clock_init(&c, 0);
    (void)clock_read(&c, START_US, 0, &guide);
    clock_forget_old(&c, SECOND_US);
    clock_raise(&c, START_US / 1000 - 60000);
    guide.high_us = START_US - 30 * SECOND_US;
    assert_true(clock_read(&c, START_US + SECOND_US, SECOND_US, &guide) == START_US / 1000 - 30000);
    assert_true(clock_goes(&c));
}

/* A node whose clock is trusted says this. */
static struct clock_guide trusted_at(uint64_t us)
{
    return (struct clock_guide){CLOCK_TRUSTED, us, us};
}

static void a_trusted_clock_counts_once_it_is_sure_that_no_majority_agrees(void **state)
{
    struct clock_guide guide = trusted_at(START_US + 3600 * SECOND_US);
    struct clock_guide majority = around(START_US, 0);
    struct clock c;

    (void)state;
    clock_init(&c, 1);
    assert_true(clock_read(&c, START_US, 1, &guide) == 0);
    assert_false(clock_goes(&c));
    (void)clock_read(&c, START_US, CLOCK_UNAGREED_US, &unguided);
    assert_false(clock_goes_by_trusted(&c, CLOCK_UNAGREED_US));
    assert_true(clock_read(&c, START_US, CLOCK_UNAGREED_US + 1, &guide) ==
                START_US / 1000 + 3600000);
    assert_true(clock_goes(&c));
    assert_true(clock_goes_by_trusted(&c, CLOCK_UNAGREED_US + 1));
    /* A majority agrees for a moment: from then on all begins anew. */
    (void)clock_read(&c, START_US, CLOCK_UNAGREED_US + 2, &majority);
    (void)clock_read(&c, START_US, CLOCK_UNAGREED_US + 3, &guide);
    assert_false(clock_goes_by_trusted(&c, CLOCK_UNAGREED_US + 3));
    assert_true(clock_goes(&c)); /* by what was agreed on */
}

/* It has heard nobody yet, and its own clock, which is trusted, may be the wrong one. */
static void who_begins_to_lead_waits_before_it_goes_by_a_trusted_clock(void **state)
{
    struct clock_guide guide = trusted_at(START_US);
    struct clock c;

    (void)state;
    clock_init(&c, 1);
    (void)clock_read(&c, START_US, 1, &guide);
    clock_forget_old(&c, 2 * CLOCK_UNAGREED_US);
    assert_true(clock_read(&c, START_US, 2 * CLOCK_UNAGREED_US, &guide) == 0);
    assert_true(clock_read(&c, START_US, 3 * CLOCK_UNAGREED_US, &guide) == START_US / 1000);
}

/* It followed meanwhile, or led before, and went by a clock that is trusted, and wrong: a majority that it has
 * not heard yet may agree. */
static void who_begins_to_lead_forgets_what_a_trusted_clock_said(void **state)
{
    struct clock_guide guide = trusted_at(START_US + 3600 * SECOND_US);
    struct clock c;

    (void)state;
    clock_init(&c, 1);
    (void)clock_read(&c, START_US, 1, &guide);
    (void)clock_read(&c, START_US, 1 + CLOCK_UNAGREED_US, &guide);
    assert_true(clock_goes(&c));
    clock_forget_old(&c, 2 + CLOCK_UNAGREED_US);
    assert_true(clock_read(&c, START_US, 2 + CLOCK_UNAGREED_US, &guide) == 0);
    assert_false(clock_goes(&c));
}

static void by_a_trusted_clock_it_is_never_ahead_and_never_goes_back(void **state)
{
    struct clock_guide guide = trusted_at(START_US);
    struct clock c;

    (void)state;
    clock_init(&c, 1);
    (void)clock_read(&c, START_US, 1, &guide);
    uint64_t us = 1 + CLOCK_UNAGREED_US;
    assert_true(clock_read(&c, START_US + SECOND_US, us, &guide) == START_US / 1000);
    guide = trusted_at(START_US - SECOND_US); /* it was put right */
    assert_true(clock_read(&c, START_US + SECOND_US, us + 1000, &guide) == START_US / 1000);
    assert_true(clock_stands_us(&c) == (int64_t)SECOND_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_wall_clock_is_followed_exactly),
        cmocka_unit_test(a_step_of_an_hour_forwards_moves_it_by_a_tenth_of_the_elapsed_time),
        cmocka_unit_test(a_step_backwards_slows_it_but_never_stops_or_turns_it),
        cmocka_unit_test(readings_closer_than_the_slew_can_divide_still_slew),
        cmocka_unit_test(raising_it_is_followed_back_to_the_wall_clock),
        cmocka_unit_test(before_anyone_agrees_it_stands_and_nothing_goes_by_it),
        cmocka_unit_test(the_own_clock_counts_as_long_as_it_is_within),
        cmocka_unit_test(a_clock_that_is_wrong_at_the_start_is_bound_by_the_others),
        cmocka_unit_test(who_is_behind_catches_up_at_once),
        cmocka_unit_test(who_is_ahead_stands_until_the_time_has_come),
        cmocka_unit_test(a_time_that_is_far_ahead_goes_on_slowly),
        cmocka_unit_test(what_was_agreed_goes_on_with_the_monotonic_clock),
        cmocka_unit_test(who_stands_goes_on_standing_when_nobody_is_heard),
        cmocka_unit_test(what_was_agreed_on_long_ago_is_forgotten_by_who_begins_to_lead),
        cmocka_unit_test(a_step_is_not_taken_over_when_others_join),
        cmocka_unit_test(it_never_goes_back_where_its_guidance_changes),
        cmocka_unit_test(two_that_disagree_have_the_time_of_the_earlier),
        cmocka_unit_test(a_new_leader_goes_on_from_what_it_was_told),
        cmocka_unit_test(what_no_clock_confirms_counts_for_nothing),
        cmocka_unit_test(what_is_told_later_is_to_be_confirmed_anew),
        cmocka_unit_test(two_that_disagree_do_not_confirm_what_was_told),
        cmocka_unit_test(what_is_agreed_on_takes_the_place_of_what_was_told),
        cmocka_unit_test(two_that_disagree_are_believed_more_than_what_was_told),
        cmocka_unit_test(what_was_told_counts_for_one_leadership),
        cmocka_unit_test(
            what_two_that_disagree_showed_a_follower_does_not_hold_it_up_when_it_leads),
        cmocka_unit_test(a_trusted_clock_counts_once_it_is_sure_that_no_majority_agrees),
        cmocka_unit_test(who_begins_to_lead_waits_before_it_goes_by_a_trusted_clock),
        cmocka_unit_test(who_begins_to_lead_forgets_what_a_trusted_clock_said),
        cmocka_unit_test(by_a_trusted_clock_it_is_never_ahead_and_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
