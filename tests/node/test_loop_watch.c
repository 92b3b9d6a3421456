/* How long the rounds of a loop last: the window of seconds, and a loop that really stalls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "../../node/host/loop_watch.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static uint32_t longest(struct loop_watch *w, uint64_t now_ns, unsigned seconds)
{
    uint32_t us[LOOP_WATCH_SECONDS], processor_us[LOOP_WATCH_SECONDS];
    uint32_t most = 0;

    loop_watch_read_at(w, now_ns, us, processor_us, seconds);
    for (unsigned i = 0; i < seconds; i++) {
        most = us[i] > most ? us[i] : most;
    }
    return most;
}

static void the_longest_round_of_a_second_counts(void **state)
{
    struct loop_watch w = {.second = 500};
    uint32_t us[3], processor_us[3];

    (void)state;
    loop_watch_note(&w, 500 * S, 2 * MS, 2 * MS);
    loop_watch_note(&w, 500 * S + 900 * MS, 7 * MS, 1 * MS); /* the processor was elsewhere */
    loop_watch_note(&w, 500 * S + 999 * MS, 3 * MS, 0);
    loop_watch_note(&w, 502 * S, 999, 0); /* less than a microsecond */
    loop_watch_note(&w, 502 * S, 5 * MS, 0);
    loop_watch_read_at(&w, 502 * S + 1, us, processor_us, 3);
    assert_int_equal(us[0], 5000);
    assert_int_equal(us[1], 0);
    assert_int_equal(us[2], 7000);
    assert_int_equal(processor_us[0], 0);
    assert_int_equal(processor_us[2], 2000);
}

static void a_round_is_forgotten_when_its_second_leaves_the_window(void **state)
{
    struct loop_watch w = {.second = 500};
    uint64_t last_ns = (500 + LOOP_WATCH_SECONDS) * S - 1;

    (void)state;
    loop_watch_note(&w, 500 * S, 8 * MS, 0);
    assert_int_equal(longest(&w, last_ns, LOOP_WATCH_SECONDS), 8000);
    assert_int_equal(longest(&w, last_ns, LOOP_WATCH_SECONDS - 1), 0);
    assert_int_equal(longest(&w, last_ns + 1, LOOP_WATCH_SECONDS), 0);
}

static void after_a_long_silence_nothing_old_is_left(void **state)
{
    struct loop_watch w = {.second = 3}; /* a machine that has just started */

    (void)state;
    for (uint64_t second = 3; second < 100; second++) {
        loop_watch_note(&w, second * S, (second + 1) * MS, 0);
    }
    assert_int_equal(longest(&w, 99 * S, 2), 100000);
    loop_watch_note(&w, 5000 * S, 1 * MS, 0);
    assert_int_equal(longest(&w, 5000 * S, LOOP_WATCH_SECONDS), 1000);
}

static void in_the_first_minute_what_was_before_is_empty(void **state)
{
    struct loop_watch w = {.second = 2};

    (void)state;
    loop_watch_note(&w, 2 * S, 4 * MS, 0);
    assert_int_equal(longest(&w, 2 * S, LOOP_WATCH_SECONDS), 4000);
}

static void more_than_an_hour_is_the_most_that_is_told(void **state)
{
    struct loop_watch w = {.second = 9000};

    (void)state;
    loop_watch_note(&w, 9000 * S, 5000 * S, 0);
    assert_int_equal(longest(&w, 9000 * S, 1), UINT32_MAX);
}

/* --- a real loop --- */

#define IDLE_MS 700
#define BUSY_MS 40

static void stall_cb(uv_timer_t *timer)
{
    usleep(BUSY_MS * 1000);
    uv_close((uv_handle_t *)timer, NULL);
}

static void a_callback_that_blocks_is_a_long_round_and_sleep_is_none(void **state)
{
    uv_loop_t loop;
    uv_timer_t timer;
    struct loop_watch w;
    uint32_t us[LOOP_WATCH_SECONDS], processor_us[LOOP_WATCH_SECONDS];
    uint32_t most = 0, most_processor = 0;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    loop_watch_start(&w, &loop, NULL);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, stall_cb, IDLE_MS, 0);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends: the watch does not keep the loop alive */
    uv_run(&loop, UV_RUN_NOWAIT);  /* the next round notes the one before */
    loop_watch_read(&w, us, processor_us, LOOP_WATCH_SECONDS);
    for (unsigned i = 0; i < LOOP_WATCH_SECONDS; i++) {
        most = us[i] > most ? us[i] : most;
        most_processor = processor_us[i] > most_processor ? processor_us[i] : most_processor;
    }
    assert_in_range(most, BUSY_MS * 1000, IDLE_MS * 1000 - 1);
    assert_in_range(most_processor, 1, BUSY_MS * 1000 - 1); /* it slept */
    loop_watch_close(&w);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_round_of_a_second_counts),
        cmocka_unit_test(a_round_is_forgotten_when_its_second_leaves_the_window),
        cmocka_unit_test(after_a_long_silence_nothing_old_is_left),
        cmocka_unit_test(in_the_first_minute_what_was_before_is_empty),
        cmocka_unit_test(more_than_an_hour_is_the_most_that_is_told),
        cmocka_unit_test(a_callback_that_blocks_is_a_long_round_and_sleep_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
