/* test_clock_agreement.c - where a majority's clocks overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../raft/peer/clock_agreement.h"
#include "../support/random.h"

#define MS 1000ll
#define ERROR (250 * MS)

static struct clock_bounds at(int64_t ms)
{
    return (struct clock_bounds){ms * MS, ms * MS + 200};
}

static void a_node_by_itself_is_alone(void **state)
{
    (void)state;
    assert_int_equal(clock_agree(NULL, 0, 1, 1, ERROR).standing, CLOCK_ALONE);
}

static void nothing_is_known_until_a_majority_was_heard(void **state)
{
    const struct clock_bounds known[] = {at(3), at(4)};

    (void)state;
    assert_int_equal(clock_agree(known, 0, 3, 1, ERROR).standing, CLOCK_UNKNOWN);
    assert_int_equal(clock_agree(known, 1, 3, 1, ERROR).standing, CLOCK_AGREED);
    assert_int_equal(clock_agree(known, 1, 5, 1, ERROR).standing, CLOCK_UNKNOWN);
    assert_int_equal(clock_agree(known, 1, 3, 0, ERROR).standing, CLOCK_UNKNOWN); /* no voter */
}

static void clocks_that_differ_by_less_than_the_error_agree(void **state)
{
    const struct clock_bounds known[] = {at(-200), at(180)};
    struct clock_agreement a = clock_agree(known, 2, 3, 1, ERROR);

    (void)state;
    assert_int_equal(a.standing, CLOCK_AGREED);
    assert_int_equal(a.n, 3);
    assert_int_equal(a.ahead_us, 0);
    assert_true(a.in.low_us <= 0 && a.in.high_us >= 0);
}

static void who_is_ahead_or_behind_is_outvoted(void **state)
{
    const struct clock_bounds behind_us[] = {at(-3600000), at(-3600010)};
    const struct clock_bounds ahead_of_us[] = {at(3600000), at(3600010)};

    (void)state;
    struct clock_agreement a = clock_agree(behind_us, 2, 3, 1, ERROR);
    assert_int_equal(a.standing, CLOCK_OUTVOTED);
    assert_int_equal(a.n, 2);
    assert_in_range(a.ahead_us, 3599980 * MS, 3600020 * MS); /* the two are 10 ms apart */
    a = clock_agree(ahead_of_us, 2, 3, 1, ERROR);
    assert_int_equal(a.standing, CLOCK_OUTVOTED);
    assert_in_range(-a.ahead_us, 3599980 * MS, 3600020 * MS);
}

static void one_wrong_clock_of_another_is_outvoted_too(void **state)
{
    const struct clock_bounds known[] = {at(86400000), at(20)};
    struct clock_agreement a = clock_agree(known, 2, 3, 1, ERROR);

    (void)state;
    assert_int_equal(a.standing, CLOCK_AGREED);
    assert_int_equal(a.n, 2);
}

static void three_times_of_three_clocks_are_none(void **state)
{
    const struct clock_bounds known[] = {at(5000), at(10000)};
    struct clock_agreement a = clock_agree(known, 2, 3, 1, ERROR);

    (void)state;
    assert_int_equal(a.standing, CLOCK_DISAGREED);
    assert_int_equal(a.in.low_us, 0);
    assert_int_equal(a.in.high_us, 0);
}

/* Two wrong clocks stand near two right ones, at the far side of what is agreed on: who is told a time
 * there is still within twice the error of the true one. */
static void where_most_agree_need_not_be_the_true_time(void **state)
{
    const struct clock_bounds known[] = {at(490), at(490), at(600), at(600)};
    struct clock_agreement a = clock_agree(known, 4, 5, 1, ERROR); /* the true time is at 245 */

    (void)state;
    assert_int_equal(a.n, 4);
    assert_int_equal(a.standing, CLOCK_AGREED); /* within the errors of both */
    assert_in_range(a.in.low_us, 230 * MS, 245 * MS);
}

/* Of two right clocks at the ends of the error neither is wrong, and both nodes go by one time. */
static void two_at_the_ends_of_the_error_agree(void **state)
{
    const struct clock_bounds ahead[] = {at(300)}, behind[] = {at(-300)};
    struct clock_agreement a = clock_agree(ahead, 1, 3, 1, ERROR);
    struct clock_agreement b = clock_agree(behind, 1, 3, 1, ERROR);

    (void)state;
    assert_int_equal(a.standing, CLOCK_AGREED);
    assert_int_equal(b.standing, CLOCK_AGREED);
    assert_true(a.in.low_us > 0 && b.in.high_us < 0);
}

/* What is known of the other one is so wide that it could agree with a clock three seconds ahead. */
static void a_clock_that_is_badly_known_moves_no_time_ahead(void **state)
{
    const struct clock_bounds known[] = {{-3000 * MS, 0}, at(-3000)};
    struct clock_agreement a = clock_agree(known, 2, 3, 1, ERROR);

    (void)state;
    assert_int_equal(a.standing, CLOCK_OUTVOTED);
    assert_in_range(a.in.high_us + 3000 * MS, 0, 2 * ERROR);
}

/* As long as a majority is right within the error; but for how badly the clocks are known. */
static void the_true_time_is_in_what_is_agreed_on(void **state)
{
    struct random rng = random_start();

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct clock_bounds known[CLOCK_VOTERS_MAX];
        unsigned voters = 3 + (unsigned)random_below(&rng, 6);
        unsigned wrong = (unsigned)random_below(&rng, (voters + 1) / 2);
        int64_t own_off = (int64_t)random_below(&rng, 2 * ERROR) - ERROR; /* this node is right */
        for (unsigned i = 0; i < voters - 1; i++) {
            int64_t range = i >= wrong ? ERROR : random_below(&rng, 2) == 0 ? 3 * ERROR : 9999 * MS;
            int64_t off = (int64_t)random_below(&rng, 2 * (uint64_t)range) - range;
            int64_t low = off - own_off - (int64_t)random_below(&rng, 3000);
            known[i] = (struct clock_bounds){low,
                                             off - own_off + (int64_t)random_below(&rng, 3000)};
        }
        struct clock_agreement a = clock_agree(known, voters - 1, voters, 1, ERROR);
        assert_true(a.n >= voters - wrong);
        assert_true(a.in.high_us - a.in.low_us <= 2 * ERROR + 6000);
        if (a.standing == CLOCK_AGREED) {
            assert_true(a.in.low_us <= -own_off && -own_off <= a.in.high_us + 6000);
        } else { /* the nearest edge of a narrower one */
            int64_t off = -a.ahead_us + own_off;
            assert_true(off < 2 * ERROR + 6000 && off > -2 * ERROR - 6000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_by_itself_is_alone),
        cmocka_unit_test(nothing_is_known_until_a_majority_was_heard),
        cmocka_unit_test(clocks_that_differ_by_less_than_the_error_agree),
        cmocka_unit_test(who_is_ahead_or_behind_is_outvoted),
        cmocka_unit_test(one_wrong_clock_of_another_is_outvoted_too),
        cmocka_unit_test(three_times_of_three_clocks_are_none),
        cmocka_unit_test(where_most_agree_need_not_be_the_true_time),
        cmocka_unit_test(two_at_the_ends_of_the_error_agree),
        cmocka_unit_test(a_clock_that_is_badly_known_moves_no_time_ahead),
        cmocka_unit_test(the_true_time_is_in_what_is_agreed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
