/* What a voter that is alone takes of its wall clock: each row of lone_clock.h, and what the clock makes
 * of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/host/lone_clock.h"

#define START_US 1764000000000000ll
#define SECOND_US 1000000ll
#define HOUR_US (3600 * SECOND_US)
#define DAY_US (24 * HOUR_US)

/* A machine, and the clock of the node on it. */
struct bed {
    struct lone_clock lone;
    struct clock clock;
    int64_t true_us; /* since START_US */
    int64_t wall_off_us;
    uint64_t booted_us; /* the monotonic clock is true time since */
    bool synchronized, applied;
    uint64_t entry_ms; /* the replicated time */
};

static const struct lone_clock_rules rules = {10 * SECOND_US, 7 * DAY_US, false};
static const struct lone_clock_rules accepting = {10 * SECOND_US, 7 * DAY_US, true};

/* A process that starts when the machine has run for so long; its last entry was written so long ago, or
 * never (0). It has applied its log. */
static void begin(struct bed *b, const struct lone_clock_rules *r, int64_t up_us,
                  int64_t entry_ago_us)
{
    *b = (struct bed){.booted_us = (uint64_t)up_us, .applied = true};
    b->entry_ms = entry_ago_us != 0 ? (uint64_t)(START_US - entry_ago_us) / 1000 : 0;
    clock_init(&b->clock, b->booted_us);
    lone_clock_init(&b->lone, r, b->booted_us);
    clock_raise(&b->clock, b->entry_ms);
}

static uint64_t read_at(struct bed *b, int64_t true_us)
{
    uint64_t monotonic_us = b->booted_us + (uint64_t)true_us;
    uint64_t wall_us = (uint64_t)(START_US + true_us + b->wall_off_us);
    bool is_set = clock_is_set(&b->clock);
    struct lone_clock_facts facts = {
        .wall_us = wall_us,
        .monotonic_us = monotonic_us,
        .synchronized = b->synchronized,
        .log_applied = b->applied,
        .is_set = is_set,
        .now_us = is_set ? clock_value_us(&b->clock, monotonic_us) : b->entry_ms * 1000,
    };
    struct clock_guide guide = lone_clock_guide(&b->lone, &facts);

    b->true_us = true_us;
    return clock_read(&b->clock, wall_us, monotonic_us, &guide);
}

/* The cluster's time, in microseconds off true time, and whether orders fire. */
static void expect(struct bed *b, int64_t true_us, enum lone_clock_standing standing, bool goes,
                   int64_t off_us)
{
    uint64_t now_ms = read_at(b, true_us);

    assert_int_equal(b->lone.standing, standing);
    assert_int_equal(clock_goes(&b->clock), goes);
    assert_int_equal((int64_t)now_ms, (START_US + true_us + off_us) / 1000);
}

/* It is read every second until then. */
static void pass(struct bed *b, int64_t true_us)
{
    while (b->true_us + SECOND_US < true_us) {
        (void)read_at(b, b->true_us + SECOND_US);
    }
}

/* What deliveries are stamped with, in microseconds off true time. */
static void expect_stamp(const struct bed *b, int64_t off_us)
{
    uint64_t ms = clock_true_ms(&b->clock, b->booted_us + (uint64_t)b->true_us);

    assert_int_equal((int64_t)ms, (START_US + b->true_us + off_us) / 1000);
}

/* --- a start --- */

static void before_the_log_is_applied_there_is_no_time(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, HOUR_US, SECOND_US);
    b.applied = false;
    b.synchronized = true;
    expect(&b, 0, LONE_CLOCK_UNUSED, false, -SECOND_US);
    b.applied = true;
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
}

static void after_a_boot_the_kernels_word_is_awaited(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, 30 * SECOND_US, HOUR_US);
    b.wall_off_us = 600 * SECOND_US; /* the RTC is ahead */
    expect(&b, 0, LONE_CLOCK_AWAITED, false, -HOUR_US);
    expect(&b, 9 * SECOND_US, LONE_CLOCK_AWAITED, false, -HOUR_US - 9 * SECOND_US);
    b.synchronized = true; /* NTP put it right */
    b.wall_off_us = 0;
    expect(&b, 9500000, LONE_CLOCK_FOLLOWED, true, 0);
}

static void it_is_awaited_for_a_while_at_most(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, 30 * SECOND_US, HOUR_US);
    expect(&b, 10 * SECOND_US - 1, LONE_CLOCK_AWAITED, false, -HOUR_US - 10 * SECOND_US + 1);
    expect(&b, 10 * SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
}

static void it_is_not_awaited_where_it_is_given_or_nobody_wants_to_wait(void **state)
{
    struct lone_clock_rules none = {0, 7 * DAY_US, false};
    struct bed b;

    (void)state;
    begin(&b, &rules, 5 * SECOND_US, HOUR_US);
    b.synchronized = true;
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
    begin(&b, &none, 5 * SECOND_US, HOUR_US);
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
    begin(&b, &accepting, 5 * SECOND_US, HOUR_US);
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
}

static void a_process_that_starts_later_waits_for_nothing(void **state)
{
    struct lone_clock_rules longer = {300 * SECOND_US, 7 * DAY_US, false};
    struct bed b;

    (void)state;
    begin(&b, &rules, LONE_CLOCK_BOOT_US, HOUR_US);
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
    begin(&b, &longer, 200 * SECOND_US, HOUR_US); /* a longer wait makes the boot longer */
    expect(&b, 0, LONE_CLOCK_AWAITED, false, -HOUR_US);
    begin(&b, &longer, 300 * SECOND_US, HOUR_US);
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
}

static void a_process_that_is_restarted_in_the_wait_waits_anew(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, 20 * SECOND_US, HOUR_US);
    expect(&b, 5 * SECOND_US, LONE_CLOCK_AWAITED, false, -HOUR_US - 5 * SECOND_US);
    begin(&b, &rules, 25 * SECOND_US, HOUR_US);
    expect(&b, 0, LONE_CLOCK_AWAITED, false, -HOUR_US);
    expect(&b, 10 * SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
}

static void a_clock_that_is_ahead_within_the_limit_is_taken(void **state)
{
    struct bed b;

    (void)state;
    for (int synchronized = 0; synchronized < 2; synchronized++) {
        begin(&b, &rules, HOUR_US, 6 * DAY_US);
        b.synchronized = synchronized;
        b.wall_off_us = DAY_US;
        expect(&b, 0, LONE_CLOCK_FOLLOWED, true, DAY_US);
    }
}

static void a_clock_that_is_further_ahead_waits_for_somebody(void **state)
{
    struct bed b;

    (void)state;
    for (int synchronized = 0; synchronized < 2; synchronized++) {
        begin(&b, &rules, HOUR_US, SECOND_US);
        b.synchronized = synchronized;
        b.wall_off_us = 365 * DAY_US;
        expect(&b, 0, LONE_CLOCK_AHEAD, false, -SECOND_US);
        expect(&b, 60 * SECOND_US, LONE_CLOCK_AHEAD, false, -61 * SECOND_US);
        assert_int_equal(b.lone.ahead_us, 365 * DAY_US + 61 * SECOND_US);
        b.wall_off_us = 0; /* put right */
        expect(&b, 61 * SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
    }
}

static void an_operator_can_accept_it_for_one_start(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &accepting, HOUR_US, 30 * DAY_US);
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
    b.wall_off_us = 30 * DAY_US; /* that is another one */
    expect(&b, SECOND_US, LONE_CLOCK_AHEAD, true, 0);
    begin(&b, &rules, HOUR_US, SECOND_US); /* an entry has been written since */
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
}

static void a_cluster_without_an_entry_takes_any_clock(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, HOUR_US, 0);
    b.wall_off_us = -20000 * DAY_US;
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, -20000 * DAY_US);
    begin(&b, &rules, HOUR_US, 0);
    b.wall_off_us = 365 * DAY_US;
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 365 * DAY_US);
}

static void without_a_clock_that_is_behind_time_goes_on_at_its_pace(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, HOUR_US, SECOND_US);
    b.wall_off_us = -HOUR_US;
    for (int64_t s = 0; s < 7200; s += 60) {
        expect(&b, s * SECOND_US, LONE_CLOCK_BEHIND, true, -SECOND_US);
        expect_stamp(&b, -SECOND_US); /* receivers know what time it is */
    }
    assert_int_equal(b.lone.ahead_us, -HOUR_US + SECOND_US);
    b.wall_off_us = 0; /* put right: it catches up at once */
    expect(&b, 7200 * SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
}

static void a_clock_that_is_behind_by_little_is_followed(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, HOUR_US, 0);
    b.entry_ms = (uint64_t)(START_US + SECOND_US / 2) / 1000;
    clock_raise(&b.clock, b.entry_ms);
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, SECOND_US / 2);
    for (int64_t us = 0; us < 6 * SECOND_US; us += 1000) {
        (void)read_at(&b, us);
    }
    expect(&b, 6 * SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
}

static void a_right_clock_that_is_behind_holds_time_back(void **state)
{
    struct bed b;

    (void)state;
    for (int accepts = 0; accepts < 2; accepts++) {
        begin(&b, accepts ? &accepting : &rules, HOUR_US, 0);
        b.synchronized = !accepts;
        b.entry_ms = (uint64_t)(START_US + HOUR_US) / 1000; /* the clock was ahead before */
        clock_raise(&b.clock, b.entry_ms);
        expect(&b, 0, LONE_CLOCK_SLOWED, true, HOUR_US);
        for (int64_t us = 0; us <= 100 * SECOND_US; us += SECOND_US / 10) {
            (void)read_at(&b, us);
            expect_stamp(&b, 0);
        }
        expect(&b, 100 * SECOND_US, LONE_CLOCK_SLOWED, true, HOUR_US - 10 * SECOND_US);
        b.synchronized = false; /* the kernel may cease to say so for a while */
        expect(&b, 100 * SECOND_US, LONE_CLOCK_SLOWED, true, HOUR_US - 10 * SECOND_US);
        expect_stamp(&b, 0);
    }
}

static void
a_clock_that_is_behind_holds_time_back_once_the_kernel_says_that_it_is_right(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, HOUR_US, 0);
    b.entry_ms = (uint64_t)(START_US + 30 * SECOND_US) / 1000;
    clock_raise(&b.clock, b.entry_ms);
    expect(&b, 0, LONE_CLOCK_BEHIND, true, 30 * SECOND_US);
    expect(&b, SECOND_US, LONE_CLOCK_BEHIND, true, 30 * SECOND_US);
    b.synchronized = true;
    for (int64_t s = 2; s <= 29; s++) {
        expect(&b, s * SECOND_US, LONE_CLOCK_SLOWED, true, (31 - s) * SECOND_US);
    }
    pass(&b, 40 * SECOND_US);
    expect(&b, 40 * SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
}

/* --- while it runs --- */

static void a_synchronized_step_is_followed_at_once(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, HOUR_US, 2 * HOUR_US);
    b.wall_off_us = -HOUR_US;
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, -HOUR_US);
    b.synchronized = true;
    b.wall_off_us = 0;
    expect(&b, SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
    b.wall_off_us = -20 * SECOND_US; /* back: it stands until that has come */
    expect(&b, 2 * SECOND_US, LONE_CLOCK_SLOWED, true, -SECOND_US);
    expect(&b, 10 * SECOND_US, LONE_CLOCK_SLOWED, true, -9 * SECOND_US);
    assert_int_equal(clock_stands_us(&b.clock), 11 * SECOND_US);
    pass(&b, 22 * SECOND_US);
    expect(&b, 22 * SECOND_US, LONE_CLOCK_FOLLOWED, true, -20 * SECOND_US);
}

static void a_step_that_the_kernel_does_not_vouch_for_is_followed_slowly(void **state)
{
    static const int64_t steps_us[] = {HOUR_US, -HOUR_US};
    struct bed b;

    (void)state;
    for (int i = 0; i < 2; i++) {
        int64_t tenth_us = steps_us[i] > 0 ? SECOND_US : -SECOND_US;
        begin(&b, &rules, HOUR_US, SECOND_US);
        expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
        b.wall_off_us = steps_us[i];
        expect(&b, 10 * SECOND_US, LONE_CLOCK_FOLLOWED, true, tenth_us);
        expect_stamp(&b, steps_us[i]); /* who puts it right has it right at once */
    }
    b.wall_off_us = HOUR_US;
    b.synchronized = true; /* NTP has looked since */
    expect(&b, 11 * SECOND_US, LONE_CLOCK_FOLLOWED, true, HOUR_US);
}

static void a_suspend_passes(void **state)
{
    struct bed b;

    (void)state;
    begin(&b, &rules, HOUR_US, SECOND_US);
    expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
    expect(&b, HOUR_US, LONE_CLOCK_FOLLOWED, true, 0);
    expect(&b, 30 * DAY_US, LONE_CLOCK_FOLLOWED, true, 0); /* that is no jump */
}

static void a_jump_while_it_runs_is_not_followed(void **state)
{
    struct bed b;

    (void)state;
    for (int synchronized = 0; synchronized < 2; synchronized++) {
        begin(&b, &rules, HOUR_US, SECOND_US);
        b.synchronized = synchronized;
        expect(&b, 0, LONE_CLOCK_FOLLOWED, true, 0);
        b.wall_off_us = 8 * DAY_US;
        for (int64_t s = 1; s < 100; s++) {
            expect(&b, s * SECOND_US, LONE_CLOCK_AHEAD, true, 0);
            expect_stamp(&b, 0);
        }
        b.wall_off_us = 0;
        expect(&b, 100 * SECOND_US, LONE_CLOCK_FOLLOWED, true, 0);
    }
}

static void it_never_goes_back_whatever_the_clock_and_the_kernel_do(void **state)
{
    struct bed b;
    uint64_t last_ms = 0, draw = 1;

    (void)state;
    begin(&b, &rules, HOUR_US, SECOND_US);
    for (int64_t us = 0; us < 10000 * SECOND_US; us += 777777) {
        draw = draw * 6364136223846793005u + 1442695040888963407u;
        if (draw >> 60 == 0) {
            b.wall_off_us = (int64_t)(draw >> 20 & 0xffffffff) * 400 - 800000 * SECOND_US;
        }
        b.synchronized = draw >> 59 & 1;
        uint64_t now_ms = read_at(&b, us);
        assert_true(now_ms >= last_ms);
        last_ms = now_ms;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_log_is_applied_there_is_no_time),
        cmocka_unit_test(after_a_boot_the_kernels_word_is_awaited),
        cmocka_unit_test(it_is_awaited_for_a_while_at_most),
        cmocka_unit_test(it_is_not_awaited_where_it_is_given_or_nobody_wants_to_wait),
        cmocka_unit_test(a_process_that_starts_later_waits_for_nothing),
        cmocka_unit_test(a_process_that_is_restarted_in_the_wait_waits_anew),
        cmocka_unit_test(a_clock_that_is_ahead_within_the_limit_is_taken),
        cmocka_unit_test(a_clock_that_is_further_ahead_waits_for_somebody),
        cmocka_unit_test(an_operator_can_accept_it_for_one_start),
        cmocka_unit_test(a_cluster_without_an_entry_takes_any_clock),
        cmocka_unit_test(without_a_clock_that_is_behind_time_goes_on_at_its_pace),
        cmocka_unit_test(a_clock_that_is_behind_by_little_is_followed),
        cmocka_unit_test(a_right_clock_that_is_behind_holds_time_back),
        cmocka_unit_test(
            a_clock_that_is_behind_holds_time_back_once_the_kernel_says_that_it_is_right),
        cmocka_unit_test(a_synchronized_step_is_followed_at_once),
        cmocka_unit_test(a_step_that_the_kernel_does_not_vouch_for_is_followed_slowly),
        cmocka_unit_test(a_suspend_passes),
        cmocka_unit_test(a_jump_while_it_runs_is_not_followed),
        cmocka_unit_test(it_never_goes_back_whatever_the_clock_and_the_kernel_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
