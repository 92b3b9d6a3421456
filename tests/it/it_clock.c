/* Clocks that are wrong when a node starts: real processes, whose orders are fired neither early nor
 * late by this machine's own clock.
 * Runs beside others: waits 220 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cluster/clock_bed.h"

/* With wall clocks that are off by so much. */
static void start(struct clock_bed *b, unsigned nodes, const int64_t *offset_us)
{
    clock_bed_init(b, nodes);
    for (unsigned i = 0; i < nodes; i++) {
        b->shims[i].is->wall_us = offset_us[i];
    }
    clock_bed_start(b);
}

/* The node that leads was wrong when it started; it is named, and gives the leadership away. Then it is put
 * right, and leads again. */
static void leads_with(int64_t offset_us)
{
    struct clock_bed b;

    start(&b, 3, (const int64_t[]){offset_us, 0, 0});
    (void)cluster_transfer(b.client, 1); /* it may be the leader, and it may be one no more */
    clock_bed_fire(&b, "at-first", true, CLOCK_BED_EARLY_MS);
    cluster_expect_orderctl(&b.cluster, "status",
                            offset_us > 0 ? "node 1: its wall clock is .* ahead of"
                                          : "node 1: its wall clock is .* behind");
    cluster_expect_orderctl(&b.cluster, "clock",
                            offset_us > 0 ? "node 1: its wall clock is .* ahead of"
                                          : "node 1: its wall clock is .* behind");
    cluster_expect_orderctl(&b.cluster, "clock", "^1 .* outvoted");
    cluster_expect_orderctl(&b.cluster, "clock", "and goes on");
    cluster_expect_orderctl(&b.cluster, "clock -w json", "\"clocks\": \"outvoted\"");
    cluster_expect_log(&b.cluster, "wall clock is wrong: the leadership is transferred");
    clock_bed_fire(&b, "under-another", true, CLOCK_BED_EARLY_MS);
    b.shims[0].is->wall_us = 0;
    cluster_expect_log(&b.cluster, "agrees with a majority again");
    assert_int_equal(cluster_transfer(b.client, 1), 0);
    clock_bed_fire(&b, "put-right", true, CLOCK_BED_EARLY_MS);
    clock_bed_expect_all_taken(&b);
    cluster_expect_equal_digests(&b.cluster, 20000);
    clock_bed_end(&b);
}

static void ten_minutes_ahead(void **state)
{
    (void)state;
    leads_with(600 * SECOND_US);
}

static void a_year_ahead(void **state)
{
    (void)state;
    leads_with(365 * DAY_US);
}

static void an_hour_behind(void **state)
{
    (void)state;
    leads_with(-HOUR_US);
}

static void ten_years_ahead(void **state)
{
    (void)state;
    leads_with(3652 * DAY_US);
}

static void in_1970(void **state)
{
    (void)state;
    leads_with(DAY_US - (int64_t)wall_ms() * 1000);
}

/* All were an hour ahead, and are put right while they are down: time is held back, and relative
 * deadlines with it, by a tenth. */
static void all_an_hour_back_at_a_restart_of_all(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 3, (const int64_t[]){HOUR_US, HOUR_US, HOUR_US});
    assert_int_equal(clock_bed_schedule(&b, "due", 2000, 0), ORDERSCHED_OK);
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&b.cluster, i);
        b.shims[i].is->wall_us = 0;
    }
    cluster_start_all(&b.cluster);
    (void)cluster_wait_leader(&b.cluster, 20000);
    clock_bed_fire(&b, "back", false, CLOCK_BED_EARLY_MS);
    assert_int_equal(sink_find(&b.sink, "due").deliveries, 1);
    clock_bed_expect_all_taken(&b);
    cluster_expect_equal_digests(&b.cluster, 20000);
    clock_bed_end(&b);
}

/* No two agree: nothing fires and nothing is promised, but payments go on, until one is put right. */
static void nothing_fires_while_no_majority_agrees(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 3, (const int64_t[]){0, 0, 0});
    assert_int_equal(clock_bed_schedule(&b, "paid", 1000, 0), ORDERSCHED_OK);
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&b.cluster, i);
        b.shims[i].is->wall_us = ((int64_t)i - 1) * 3600 * SECOND_US;
    }
    cluster_start_all(&b.cluster);
    assert_int_equal(clock_bed_schedule(&b, "early", 60000, 0), ORDERSCHED_BUSY);
    cluster_expect_orderctl(&b.cluster, "schedule early --in 60s --route shop --timeout 1s",
                            "If it stays so, see: orderctl status");
    sleep_ms(1500); /* its deadline is over, but nobody knows */
    assert_int_equal(ordersched_pay(b.client, "paid", NULL), ORDERSCHED_OK);
    cluster_expect_orderctl(&b.cluster, "status", "does not know what time it is");
    cluster_expect_orderctl(&b.cluster, "clock", "no majority of the 3 voters");
    cluster_expect_orderctl(&b.cluster, "clock", "^  node 3: .* from node");
    cluster_expect_orderctl(&b.cluster, "clock", "and stands");
    cluster_expect_log(&b.cluster, "what time it is is not known");
    b.shims[0].is->wall_us = 0;
    assert_int_equal(clock_bed_schedule(&b, "late", 1000, 0), ORDERSCHED_OK);
    clock_bed_fire(&b, "agreed", true, CLOCK_BED_EARLY_MS);
    cluster_expect_orderctl(&b.cluster, "clock", "put it right");
    cluster_expect_log(&b.cluster, "time goes on: orders fire again");
    clock_bed_end(&b);
}

/* Nor did any ever agree: who asks hears why nothing is done, and not that nobody answers. */
static void a_cluster_that_never_knew_the_time_says_so(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 3, (const int64_t[]){-3600 * SECOND_US, 0, 3600 * SECOND_US});
    cluster_expect_orderctl(&b.cluster, "schedule early --in 60s --route shop --timeout 1s",
                            "what time it is is not known");
    cluster_expect_orderctl(&b.cluster, "extend early --in 60s --timeout 1s",
                            "what time it is is not known");
    assert_int_equal(clock_bed_schedule(&b, "early", 60000, 0), ORDERSCHED_BUSY);
    assert_int_equal(ordersched_pay(b.client, "early", NULL), ORDERSCHED_NOT_FOUND);
    assert_int_equal(ordersched_cancel(b.client, "early", NULL), ORDERSCHED_NOT_FOUND);
    b.shims[0].is->wall_us = 0;
    clock_bed_fire(&b, "agreed", true, CLOCK_BED_EARLY_MS);
    cluster_expect_equal_digests(&b.cluster, 20000);
    clock_bed_end(&b);
}

/* An operator knows whose clock is right: orders fire by it, whoever leads, until nobody is trusted. */
static void a_trusted_clock_counts_where_no_majority_agrees(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 3, (const int64_t[]){0, 0, 0});
    cluster_expect_orderctl(&b.cluster, "clock trust 4", "node 4 is not a voter; the voters are");
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&b.cluster, i);
        b.shims[i].is->wall_us = ((int64_t)i - 1) * 3600 * SECOND_US;
    }
    cluster_start_all(&b.cluster);
    assert_int_equal(clock_bed_schedule(&b, "too-early", 60000, 0), ORDERSCHED_BUSY);
    cluster_expect_orderctl(&b.cluster, "clock", "whose clock is right: orderctl clock trust ID");
    cluster_expect_orderctl(&b.cluster, "clock trust 2", "2.s wall clock is trusted");
    clock_bed_fire(&b, "trusted", true,
                   CLOCK_BED_PHASE_MS); /* node 2's is this machine's own; another may lead */
    cluster_expect_orderctl(&b.cluster, "clock", "^2 .* trusted ");
    cluster_expect_orderctl(&b.cluster, "status", "orders fire by node 2.s wall clock");
    cluster_expect_log(&b.cluster, "orders fire by the wall clock of one member.* member=2");
    for (unsigned i = 0; i < 2; i++) {
        unsigned leader = cluster_wait_leader(&b.cluster, 20000);
        unsigned next = leader == 2 ? 0 : 2; /* one whose own clock is wrong */
        (void)cluster_transfer(b.client, b.cluster.nodes[next].id);
        char prefix[32];
        snprintf(prefix, sizeof prefix, "under-node-%u", next + 1);
        clock_bed_fire(&b, prefix, true, CLOCK_BED_PHASE_MS);
    }
    cluster_expect_orderctl(&b.cluster, "clock trust none", "clock is trusted any more");
    for (unsigned i = 0; i < 3; i++) { /* whoever has led knows a time, and would go on with it */
        cluster_kill(&b.cluster, i);
    }
    cluster_start_all(&b.cluster);
    cluster_expect_orderctl(&b.cluster, "clock", "does not know what time it is");
    assert_int_equal(clock_bed_schedule(&b, "too-late", 60000, 0), ORDERSCHED_BUSY);
    for (unsigned i = 0; i < 3; i++) {
        b.shims[i].is->wall_us = 0;
    }
    clock_bed_fire(&b, "agreed", true, CLOCK_BED_EARLY_MS);
    cluster_expect_equal_digests(&b.cluster, 20000);
    clock_bed_end(&b);
}

/* It has never had a time: not even a request id can be made as usual. */
static void a_cluster_whose_clocks_never_agreed_can_be_given_one_to_trust(void **state)
{
    struct cluster c;
    struct clock_shim shims[3];

    (void)state;
    cluster_init(&c, 3);
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "clock-%u", i + 1);
        clock_shim_make(&shims[i], &c, name);
        clock_shim_give(&shims[i], &c, i);
        shims[i].is->wall_us = ((int64_t)i - 1) * 3600 * SECOND_US;
    }
    cluster_start_all(&c);
    (void)cluster_wait_leader(&c, 20000);
    cluster_expect_orderctl(&c, "clock", "time has not begun");
    cluster_expect_orderctl(&c, "clock trust", "no majority of the 3 voters");
    cluster_expect_orderctl(&c, "clock trust 2", "2.s wall clock is trusted");
    cluster_expect_orderctl(&c, "clock", "and goes on");
    cluster_close(&c, false);
}

/* All that follow the leader are restarted with a wrong clock each: what was agreed goes on. */
static void a_time_that_was_agreed_on_goes_on(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 3, (const int64_t[]){0, 0, 0});
    clock_bed_fire(&b, "agreed", true, CLOCK_BED_EARLY_MS);
    unsigned leader = cluster_wait_leader(&b.cluster, 20000);
    b.shims[(leader + 1) % 3].is->wall_us = 7200 * SECOND_US;
    b.shims[(leader + 2) % 3].is->wall_us = -7200 * SECOND_US;
    cluster_expect_orderctl(&b.cluster, "status", "no majority of the voters");
    clock_bed_fire(&b, "alone", true, CLOCK_BED_EARLY_MS);
    b.shims[leader].is->wall_us = 3600 * SECOND_US; /* its own goes wrong, too */
    clock_bed_fire(&b, "stepped", true, CLOCK_BED_EARLY_MS);
    clock_bed_end(&b);
}

/* This node leads, whoever did. False: a transfer was refused before, which is noted in the log, and the note tells
 * the time. */
static bool make_leader(struct clock_bed *b, unsigned node)
{
    uint64_t until = monotonic_ms() + 20000;
    bool refused = false;

    while (cluster_wait_leader(&b->cluster, 20000) != node) {
        assert_true(monotonic_ms() < until);
        refused = cluster_transfer(b->client, node + 1) != ORDERSCHED_OK || refused;
    }
    return !refused;
}

/* Of three voters one is down and one has a wrong clock, and has had it since it started. When the one with
 * the right clock has gone, it leads. False: this machine was so busy that it had been told the time later than right
 * clocks may differ, and rightly waits. */
static bool goes_on_as_told(void)
{
    struct clock_bed b;

    start(&b, 3, (const int64_t[]){0, 3600 * SECOND_US, 0});
    (void)make_leader(&b, 0);
    cluster_kill(&b.cluster, 1); /* it may have led, and heard the others */
    cluster_start(&b.cluster, 1);
    cluster_expect_equal_digests(&b.cluster, 20000);
    cluster_kill(&b.cluster, 2);
    (void)make_leader(&b, 0);
    clock_bed_fire(&b, "agreed", true, CLOCK_BED_EARLY_MS);
    uint64_t from_ms = wall_ms() + 10000;
    assert_int_equal(clock_bed_schedule(&b, "meanwhile", 10000, 0), ORDERSCHED_OK);
    uint64_t to_ms = wall_ms() + 10000;
    cluster_kill(&b.cluster, 0);
    cluster_start(&b.cluster, 0);
    (void)make_leader(&b, 1);
    int error = clock_bed_schedule(&b, "later", 60000, 0);
    if (error == ORDERSCHED_BUSY) {
        cluster_expect_log(&b.cluster, "or no clock confirms what it told");
    } else {
        assert_int_equal(error, ORDERSCHED_OK);
        clock_bed_fire(&b, "as-told", true, CLOCK_BED_EARLY_MS);
        clock_bed_expect(&b, "meanwhile", from_ms - CLOCK_BED_EARLY_MS, to_ms);
        cluster_expect_log(&b.cluster, "goes on from what the leader before this one said");
        cluster_expect_orderctl(&b.cluster, "status", "no majority of the voters");
    }
    clock_bed_end(&b);
    return error == ORDERSCHED_OK;
}

/* As the right clock confirms it. */
static void a_new_leader_whom_nobody_confirms_goes_on_from_what_it_was_told(void **state)
{
    (void)state;
    for (unsigned tries = 1; !goes_on_as_told(); tries++) {
        assert_true(tries < 4);
    }
}

/* It was away when the last entries were written, and has got them since: with them it was told a time that is
 * long past. What is set by that would fire early, as soon as a majority agrees. False: this machine was so busy that
 * somebody wrote meanwhile, or the leadership changed more often than that; then who has it was told in time. */
static bool goes_not_on_as_told_late(void)
{
    static const char *const canary_off[] = {"--canary", "off", NULL};
    struct clock_bed b;

    clock_bed_init(&b, 3);
    for (unsigned i = 0; i < 3; i++) { /* a canary tells the time, too */
        memcpy(b.cluster.nodes[i].args, canary_off, sizeof canary_off);
    }
    clock_bed_start(&b);
    (void)make_leader(&b, 0);
    cluster_kill(&b.cluster, 2);
    b.shims[2].is->wall_us = -3600 * SECOND_US;
    cluster_start(&b.cluster, 2);
    cluster_expect_equal_digests(&b.cluster, 20000);
    cluster_kill(&b.cluster, 1);
    b.shims[1].is->wall_us = 3600 * SECOND_US;
    clock_bed_fire(&b, "agreed", true, CLOCK_BED_EARLY_MS);
    sleep_ms(4000); /* nothing is written */
    uint64_t term = cluster_status(&b.cluster, 0).term;
    cluster_start(&b.cluster, 1);
    cluster_expect_equal_digests(&b.cluster, 20000);
    bool late = make_leader(&b, 1);
    int error = clock_bed_schedule(&b, "meanwhile", 60000, 0);
    late = late && cluster_status(&b.cluster, 1).term == term + 1;
    if (late) {
        assert_int_equal(error, ORDERSCHED_BUSY);
        cluster_expect_orderctl(&b.cluster, "clock", "does not know what time it is");
        cluster_expect_log(&b.cluster, "or no clock confirms what it told");
        b.shims[2].is->wall_us = 0;
        clock_bed_fire(&b, "agreed-again", true, CLOCK_BED_EARLY_MS);
    }
    clock_bed_end(&b);
    return late;
}

static void a_new_leader_does_not_go_on_from_what_it_was_told_late(void **state)
{
    (void)state;
    for (unsigned tries = 1; !goes_not_on_as_told_late(); tries++) {
        assert_true(tries < 4);
    }
}

/* Neither is wrong, although neither is where the other one's error ends. */
static void two_clocks_within_the_error_do_not_push_each_other_out(void **state)
{
    struct clock_bed b;
    char command[500];

    (void)state;
    start(&b, 3, (const int64_t[]){-150000, 150000, 0});
    cluster_expect_orderctl(&b.cluster, "clock", "all 3 voters. wall clocks agree");
    cluster_kill(&b.cluster, 2);
    clock_bed_fire(&b, "first", true, 300);
    sleep_ms(8000); /* the patience with a wrong clock is over */
    clock_bed_fire(&b, "second", true, 300);
    snprintf(command, sizeof command, "cat '%s'/*.log | grep -q -- 'clock is wrong'",
             b.cluster.dir);
    assert_true(system(command) != 0);
    clock_bed_end(&b);
}

/* Of five voters a follower hears its leader alone: it has a time as soon as it leads. */
static void a_new_leader_of_five_has_a_time_at_once(void **state)
{
    struct clock_bed b;

    (void)state;
    start(&b, 5, (const int64_t[]){0, 0, 0, 0, 3600 * SECOND_US});
    clock_bed_fire(&b, "first", true, CLOCK_BED_EARLY_MS);
    for (unsigned i = 0; i < 2; i++) {
        char id[32];
        unsigned leader = cluster_wait_leader(&b.cluster, 20000);
        cluster_kill(&b.cluster, leader);
        uint64_t from_ms = monotonic_ms();
        snprintf(id, sizeof id, "after-%u", i);
        assert_int_equal(clock_bed_schedule(&b, id, 60000, 0), ORDERSCHED_OK);
        assert_true(monotonic_ms() - from_ms < 5000);
        cluster_start(&b.cluster, leader);
    }
    clock_bed_fire(&b, "second", true, CLOCK_BED_EARLY_MS);
    clock_bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_minutes_ahead),
        cmocka_unit_test(a_year_ahead),
        cmocka_unit_test(an_hour_behind),
        cmocka_unit_test(ten_years_ahead),
        cmocka_unit_test(in_1970),
        cmocka_unit_test(all_an_hour_back_at_a_restart_of_all),
        cmocka_unit_test(nothing_fires_while_no_majority_agrees),
        cmocka_unit_test(a_cluster_that_never_knew_the_time_says_so),
        cmocka_unit_test(a_trusted_clock_counts_where_no_majority_agrees),
        cmocka_unit_test(a_cluster_whose_clocks_never_agreed_can_be_given_one_to_trust),
        cmocka_unit_test(a_time_that_was_agreed_on_goes_on),
        cmocka_unit_test(a_new_leader_whom_nobody_confirms_goes_on_from_what_it_was_told),
        cmocka_unit_test(a_new_leader_does_not_go_on_from_what_it_was_told_late),
        cmocka_unit_test(two_clocks_within_the_error_do_not_push_each_other_out),
        cmocka_unit_test(a_new_leader_of_five_has_a_time_at_once),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
