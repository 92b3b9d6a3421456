/* The adaptive window: halves on overload, grows back, never leaves 1 .. configured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/dispatch/pace.h"
#include "../support/random.h"

#define MS UINT64_C(1000)

static void it_starts_open_at_the_configured_window(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 64);
    assert_int_equal(pace_window(&p), 64);
    assert_int_equal(pace_closed_until_us(&p, 0), 0);
    for (unsigned i = 0; i < 1000; i++) {
        pace_answered(&p);
    }
    assert_int_equal(pace_window(&p), 64);
}

static void overload_halves_it_down_to_one(void **state)
{
    static const uint32_t expected[] = {32, 16, 8, 4, 2, 1, 1};
    struct pace p;

    (void)state;
    pace_init(&p, 64);
    for (unsigned i = 0; i < 7; i++) {
        uint64_t now_us = (i + 1) * 1000 * MS;
        pace_overloaded(&p, now_us - 1, now_us, 0);
        assert_int_equal(pace_window(&p), expected[i]);
    }
}

static void one_bad_moment_costs_one_half(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 64);
    for (unsigned i = 0; i < 64; i++) { /* all were started before the first of them failed */
        pace_overloaded(&p, 10 * MS, (20 + i) * MS, 0);
    }
    assert_int_equal(pace_window(&p), 32);
    pace_overloaded(&p, 20 * MS + 1, 90 * MS, 0); /* started with the half: that was too much too */
    assert_int_equal(pace_window(&p), 16);
}

static void it_grows_by_a_step_for_each_window_of_answers(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 64);
    pace_overloaded(&p, 1, 2, 0);
    for (uint32_t window = 32; window < 64; window++) {
        assert_int_equal(pace_window(&p), window);
        for (uint32_t i = 0; i <= window; i++) { /* one more makes good what division drops */
            pace_answered(&p);
        }
    }
    assert_int_equal(pace_window(&p), 64);
    pace_init(&p, 65536);
    pace_overloaded(&p, 1, 2, 0);
    for (uint32_t i = 0; i < 32768; i++) {
        pace_answered(&p);
    }
    assert_in_range(pace_window(&p), 33700, 33800); /* a sixty-fourth, not 1 */
}

static void at_one_it_pauses_longer_and_longer_until_an_answer(void **state)
{
    static const uint64_t pause_ms[] = {100, 200, 400, 800, 1600, 2000, 2000};
    struct pace p;
    uint64_t now_us = 1000 * MS;

    (void)state;
    pace_init(&p, 1);
    for (unsigned i = 0; i < 7; i++) {
        pace_overloaded(&p, now_us, now_us + MS, 0);
        now_us += MS;
        assert_int_equal(pace_closed_until_us(&p, now_us), now_us + pause_ms[i] * MS);
        assert_int_equal(pace_closed_until_us(&p, now_us + pause_ms[i] * MS), 0);
        now_us += pause_ms[i] * MS;
    }
    pace_answered(&p);
    pace_overloaded(&p, now_us + 1, now_us + MS, 0);
    assert_int_equal(pace_closed_until_us(&p, now_us + MS), now_us + MS + 100 * MS);
}

static void silence_asked_for_is_kept_and_never_shortened(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 8);
    pace_overloaded(&p, 1 * MS, 2 * MS, 30000);
    assert_int_equal(pace_closed_until_us(&p, 2 * MS), 30002 * MS);
    pace_overloaded(&p, 1 * MS, 3 * MS, 10); /* an older flight that asks for less */
    assert_int_equal(pace_closed_until_us(&p, 3 * MS), 30002 * MS);
    pace_answered(&p);
    assert_int_equal(pace_closed_until_us(&p, 4 * MS), 30002 * MS);
    assert_int_equal(pace_window(&p), 4);
    pace_overloaded(&p, 1 * MS, 5 * MS, UINT64_MAX);
    assert_int_equal(pace_closed_until_us(&p, 5 * MS), 5 * MS + PACE_SILENCE_MAX_MS * MS);
}

static void a_new_configured_window_is_followed_when_open_and_a_cut_when_not(void **state)
{
    struct pace p;

    (void)state;
    pace_init(&p, 10);
    pace_set_max(&p, 20);
    assert_int_equal(pace_window(&p), 20);
    pace_overloaded(&p, 1, 2, 0);
    pace_set_max(&p, 40);
    assert_int_equal(pace_window(&p), 10);
    pace_set_max(&p, 3);
    assert_int_equal(pace_window(&p), 3);
}

static void whatever_happens_it_stays_between_one_and_the_configured(void **state)
{
    struct random rng = random_start();
    struct pace p;
    uint64_t now_us = 1;
    uint32_t max = 7;

    (void)state;
    pace_init(&p, max);
    for (unsigned i = 0; i < 200000; i++) {
        now_us += random_below(&rng, 5000);
        switch (random_below(&rng, 20)) {
            case 0:
                max = 1 + (uint32_t)random_below(&rng, 1u << random_below(&rng, 17));
                max = max < 65536 ? max : 65536;
                pace_set_max(&p, max);
                break;
            case 1:
                pace_overloaded(&p, now_us - random_below(&rng, now_us), now_us,
                                random_below(&rng, 3) == 0 ? random_below(&rng, 100) : 0);
                break;
            default: pace_answered(&p); break;
        }
        assert_in_range(pace_window(&p), 1, max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_open_at_the_configured_window),
        cmocka_unit_test(overload_halves_it_down_to_one),
        cmocka_unit_test(one_bad_moment_costs_one_half),
        cmocka_unit_test(it_grows_by_a_step_for_each_window_of_answers),
        cmocka_unit_test(at_one_it_pauses_longer_and_longer_until_an_answer),
        cmocka_unit_test(silence_asked_for_is_kept_and_never_shortened),
        cmocka_unit_test(a_new_configured_window_is_followed_when_open_and_a_cut_when_not),
        cmocka_unit_test(whatever_happens_it_stays_between_one_and_the_configured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
