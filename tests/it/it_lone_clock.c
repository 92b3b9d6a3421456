/* The clock of a cluster of one: a real process, whose machine is paused, boots with a wrong clock, is put
 * right. Its receiver's clock is right, and is what early and late are judged by.
 * Runs beside others: waits 105 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../support/cluster/clock_bed.h"

#define SYNCHRONIZED_US 20000 /* the kernel's word, and its error */
#define UNSYNCHRONIZED (-1)

static void prepare(struct clock_bed *b, int64_t wall_us, int64_t kernel_error_us)
{
    clock_bed_init(b, 1);
    b->shims[0].is->wall_us = wall_us;
    b->shims[0].is->kernel_error_us = kernel_error_us;
}

static void start(struct clock_bed *b, int64_t wall_us, int64_t kernel_error_us)
{
    prepare(b, wall_us, kernel_error_us);
    clock_bed_start(b);
}

/* The machine has just been booted. */
static void boot(struct clock_bed *b)
{
    b->shims[0].is->boot_us = 5 * SECOND_US - (int64_t)clocks_boot_us();
}

/* Killed, and started with a wall clock that is off by so much, and, maybe, another flag. */
static void restart(struct clock_bed *b, int64_t wall_us, const char *flag)
{
    cluster_kill(&b->cluster, 0);
    b->shims[0].is->wall_us = wall_us;
    b->cluster.nodes[0].args[0] = flag;
    cluster_start(&b->cluster, 0);
    (void)cluster_wait_leader(&b->cluster, 20000);
}

static void expect_not_delivered(const struct clock_bed *b, const char *id)
{
    if (sink_find(&b->sink, id).deliveries > 0) {
        fail_msg("%s was delivered early", id);
    }
}

/* What was due in the hour is fired at once, and nothing else. */
static void a_pause_of_an_hour_passes(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, -HOUR_US, UNSYNCHRONIZED);
    assert_int_equal(clock_bed_schedule(&b, "in-it", 1800000, 0), ORDERSCHED_OK);
    assert_int_equal(clock_bed_schedule(&b, "at-its-end", 3598000, 0), ORDERSCHED_OK);
    assert_int_equal(clock_bed_schedule(&b, "by-day", 0, wall_ms() - 600000), ORDERSCHED_OK);
    assert_int_equal(clock_bed_schedule(&b, "behind-it", 3615000, 0), ORDERSCHED_OK);
    uint64_t from_ms = wall_ms();
    expect_not_delivered(&b, "in-it");
    assert_int_equal(kill(b.cluster.nodes[0].pid, SIGSTOP), 0);
    b.shims[0].is->wall_us = 0;
    b.shims[0].is->boot_us = HOUR_US;
    assert_int_equal(kill(b.cluster.nodes[0].pid, SIGCONT), 0);
    uint64_t to_ms = wall_ms() + 1000; /* the loop looks once a second */
    clock_bed_expect(&b, "in-it", from_ms, to_ms);
    clock_bed_expect(&b, "at-its-end", from_ms, to_ms);
    clock_bed_expect(&b, "by-day", from_ms, to_ms);
    clock_bed_fire(&b, "then", true, 0);
    expect_not_delivered(&b, "behind-it");
    clock_bed_expect(&b, "behind-it", from_ms + 14000, from_ms + 15000);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

static void a_step_of_a_synchronized_clock_is_followed(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, -HOUR_US, UNSYNCHRONIZED);
    assert_int_equal(clock_bed_schedule(&b, "in-it", 1800000, 0), ORDERSCHED_OK);
    b.shims[0].is->wall_us = 0;
    sleep_ms(2500);
    expect_not_delivered(&b, "in-it"); /* whoever stepped it, the kernel does not vouch for it */
    cluster_expect_log(&b.cluster, "wall clock stepped, and the kernel does not say");
    uint64_t from_ms = wall_ms();
    b.shims[0].is->kernel_error_us = SYNCHRONIZED_US;
    clock_bed_expect(&b, "in-it", from_ms, from_ms + 1000);
    clock_bed_fire(&b, "then", true, 0);
    b.shims[0].is->wall_us = -5 * SECOND_US; /* back: it waits until that has come */
    from_ms = wall_ms();
    assert_int_equal(clock_bed_schedule(&b, "waits", 1000, 0), ORDERSCHED_OK);
    clock_bed_expect(&b, "waits", from_ms + 5900, from_ms + 6000);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

/* Its clock is ten minutes ahead until NTP has put it right: it waits for that, also when it is restarted. */
static void ten_minutes_ahead_after_a_boot_are_waited_for(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 0, UNSYNCHRONIZED);
    assert_int_equal(clock_bed_schedule(&b, "paid", 300000, 0), ORDERSCHED_OK);
    for (unsigned i = 0; i < 2; i++) {
        boot(&b);
        restart(&b, 600 * SECOND_US, "--clock-wait=60s");
        cluster_expect_orderctl(&b.cluster, "status", "was booted a moment ago");
    }
    assert_int_equal(ordersched_pay(b.client, "paid", NULL), ORDERSCHED_OK);
    cluster_expect_orderctl(&b.cluster, "schedule early --in 60s --route shop --timeout 1s",
                            "If it stays so, see: orderctl status");
    b.shims[0].is->wall_us = 0;
    b.shims[0].is->kernel_error_us = SYNCHRONIZED_US;
    clock_bed_fire(&b, "then", true, 0);
    cluster_expect_log(&b.cluster, "the kernel says that the clock is synchronized");
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

/* Nobody puts it right in time: it goes by that, and its deliveries are taken once it is put right. */
static void ten_minutes_ahead_are_taken_after_the_wait(void **state)
{
    struct clock_bed b;

    (void)state;
    prepare(&b, 600 * SECOND_US, UNSYNCHRONIZED);
    boot(&b);
    b.cluster.nodes[0].args[0] = "--clock-wait=2s";
    uint64_t from_ms = wall_ms();
    clock_bed_start(&b);
    assert_int_equal(clock_bed_schedule(&b, "first", CLOCK_BED_DUE_MS, 0), ORDERSCHED_OK);
    assert_true(wall_ms() - from_ms >= 2000);
    cluster_expect_log(&b.cluster, "the kernel does not say that this machine.s clock is sync");
    sleep_ms(CLOCK_BED_DUE_MS + 500);
    expect_not_delivered(&b, "first"); /* refused: its timestamp is ten minutes off */
    from_ms = wall_ms();
    b.shims[0].is->wall_us = 0;
    clock_bed_expect(&b, "first", from_ms, from_ms + 1500);
    clock_bed_fire(&b, "by-hand", false,
                   CLOCK_BED_PHASE_MS); /* it is slowed by a tenth: these are not late yet */
    b.shims[0].is->kernel_error_us = SYNCHRONIZED_US;
    cluster_expect_orderctl(&b.cluster, "status", "the cluster.s time is .* ahead of its wall");
    clock_bed_fire(&b, "by-ntp", false, CLOCK_BED_PHASE_MS);
    clock_bed_end(&b);
}

/* Nothing fires, and payments go on, until it is put right. */
static void a_year_ahead_is_not_taken(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 0, UNSYNCHRONIZED);
    assert_int_equal(clock_bed_schedule(&b, "paid", 5000, 0), ORDERSCHED_OK);
    assert_int_equal(clock_bed_schedule(&b, "later", 3600000, 0), ORDERSCHED_OK);
    for (unsigned i = 0; i < 2; i++) { /* it stays so */
        restart(&b, 365 * DAY_US, NULL);
        assert_int_equal(clock_bed_schedule(&b, "early", 60000, 0), ORDERSCHED_BUSY);
    }
    cluster_expect_orderctl(&b.cluster, "status",
                            "its wall clock is .* ahead of the cluster.s last entry.*accept-clock");
    cluster_expect_log(&b.cluster, "ahead of the cluster.s last entry by more than");
    assert_int_equal(ordersched_pay(b.client, "paid", NULL), ORDERSCHED_OK);
    b.shims[0].is->wall_us = 0;
    clock_bed_fire(&b, "then", true, 0);
    cluster_expect_log(&b.cluster, "the wall clock is followed again");
    b.shims[0].is->wall_us = 365 * DAY_US; /* it runs: that is not followed either */
    clock_bed_fire(&b, "jumped", true, 0);
    cluster_expect_orderctl(&b.cluster, "status", "ahead of the cluster.s time.*not followed");
    expect_not_delivered(&b, "later");
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

/* It was down for eight days, as it were; then an hour passes at once, which is no jump. */
static void a_jump_is_accepted_once(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, -8 * DAY_US, UNSYNCHRONIZED);
    assert_int_equal(clock_bed_schedule(&b, "due", 3600000, 0), ORDERSCHED_OK);
    restart(&b, 0, NULL);
    cluster_expect_orderctl(&b.cluster, "status", "start the node once with --accept-clock");
    expect_not_delivered(&b, "due");
    uint64_t from_ms = wall_ms();
    restart(&b, 0, "--accept-clock");
    clock_bed_expect(&b, "due", from_ms, wall_ms() + 1000);
    clock_bed_fire(&b, "then", true, 0);
    restart(&b, 0, NULL);
    clock_bed_fire(&b, "without", true, 0);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

/* It has nothing to write, but the time. */
static void an_idle_node_writes_down_what_it_accepted(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, -8 * DAY_US, UNSYNCHRONIZED);
    b.cluster.nodes[0].args[1] = "--canary=off"; /* nor that */
    restart(&b, 0, "--accept-clock");
    for (uint64_t until_ms = monotonic_ms() + 10000;
         cluster_status(&b.cluster, 0).now_ms + DAY_US / 1000 < wall_ms();) {
        assert_true(monotonic_ms() < until_ms);
        sleep_ms(20);
    }
    restart(&b, 0, NULL);
    clock_bed_fire(&b, "without", true, 0);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

/* The machine's clock was an hour back when it booted, and nobody puts it right for a while: time goes on, and
 * receivers take what is sent. */
static void an_hour_back_at_a_restart_is_not_taken(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 0, UNSYNCHRONIZED);
    clock_bed_fire(&b, "before", true, 0);
    restart(&b, -HOUR_US, NULL);
    clock_bed_fire(&b, "back", false, CLOCK_BED_PHASE_MS);
    cluster_expect_orderctl(&b.cluster, "status", "behind the cluster.s time, which goes on");
    cluster_expect_log(&b.cluster, "wall clock is behind the cluster.s time");
    restart(&b, -HOUR_US, NULL);
    clock_bed_fire(&b, "again", false, CLOCK_BED_PHASE_MS);
    b.shims[0].is->wall_us = 0; /* by hand: what is behind catches up at once */
    clock_bed_fire(&b, "right", true, 0);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

/* The machine's clock was an hour ahead, and NTP has put it right: receivers take what is sent. */
static void an_hour_back_at_a_restart_is_right_if_it_is_synchronized(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, HOUR_US, UNSYNCHRONIZED);
    assert_int_equal(clock_bed_schedule(&b, "due", 1000, 0), ORDERSCHED_OK);
    b.shims[0].is->kernel_error_us = SYNCHRONIZED_US;
    restart(&b, 0, NULL);
    clock_bed_fire(&b, "then", false, CLOCK_BED_PHASE_MS);
    cluster_expect_orderctl(&b.cluster, "status", "which is right, and is held back");
    assert_int_equal(sink_find(&b.sink, "due").deliveries, 1);
    clock_bed_expect_all_taken(&b);
    b.shims[0].is->kernel_error_us = UNSYNCHRONIZED;
    restart(&b, 0, "--accept-clock"); /* somebody says so in its place */
    clock_bed_fire(&b, "accepted", false, CLOCK_BED_PHASE_MS);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_of_an_hour_passes),
        cmocka_unit_test(a_step_of_a_synchronized_clock_is_followed),
        cmocka_unit_test(ten_minutes_ahead_after_a_boot_are_waited_for),
        cmocka_unit_test(ten_minutes_ahead_are_taken_after_the_wait),
        cmocka_unit_test(a_year_ahead_is_not_taken),
        cmocka_unit_test(a_jump_is_accepted_once),
        cmocka_unit_test(an_idle_node_writes_down_what_it_accepted),
        cmocka_unit_test(an_hour_back_at_a_restart_is_not_taken),
        cmocka_unit_test(an_hour_back_at_a_restart_is_right_if_it_is_synchronized),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
