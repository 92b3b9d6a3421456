/* Clocks that are wrong when a node starts: real processes, whose orders are fired neither early nor
 * late by this machine's own clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cluster/clock_shim.h"
#include "../support/cluster/cluster.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define ORDERS 20
#define DUE_MS 3000
#define EARLY_MS 10 /* what is agreed on is a little wider than the clocks are apart */
#define LATE_MS 1000

struct wrong {
    struct cluster cluster;
    struct clock_shim shims[5];
    struct sink sink;
    ordersched_client *client;
};

static void wrong_start(struct wrong *w, unsigned nodes, const int64_t *offset_us)
{
    static const uint32_t retries_ms[] = {200, 300, 500, 1000};

    memset(w, 0, sizeof *w);
    cluster_init(&w->cluster, nodes);
    sink_start(&w->sink, w->cluster.dir, NULL);
    for (unsigned i = 0; i < nodes; i++) {
        char name[16];
        snprintf(name, sizeof name, "clock-%u", i + 1);
        clock_shim_make(&w->shims[i], &w->cluster, name);
        clock_shim_give(&w->shims[i], &w->cluster, i);
        *w->shims[i].offset_us = offset_us[i];
    }
    cluster_start_all(&w->cluster);
    (void)cluster_wait_leader(&w->cluster, 20000);
    w->client = cluster_client(&w->cluster);
    assert_int_equal(cluster_route_put(w->client, "shop", w->sink.url, SINK_SECRET, retries_ms, 4),
                     ORDERSCHED_OK);
}

static void wrong_end(struct wrong *w)
{
    ordersched_close(w->client);
    sink_stop(&w->sink);
    cluster_close(&w->cluster, false);
}

static int schedule(struct wrong *w, const char *id, uint64_t delay_ms, uint64_t deadline_ms)
{
    struct ordersched_operation op = {
        .kind = ORDERSCHED_SCHEDULE,
        .id = id,
        .id_len = strlen(id),
        .route = "shop",
    };

    op.relative = delay_ms != 0;
    op.time_ms = delay_ms != 0 ? delay_ms : deadline_ms;
    return ordersched_call(w->client, &op, 10000, NULL);
}

/* This order was first delivered between these, as the receiver's clock says. */
static void expect_on_time(const struct wrong *w, const char *id, uint64_t from_ms, uint64_t to_ms)
{
    uint64_t until = monotonic_ms() + DUE_MS + 15000;
    struct sink_order seen;

    while ((seen = sink_find(&w->sink, id)).deliveries == 0) {
        if (monotonic_ms() >= until) {
            fail_msg("%s was never delivered", id);
        }
        sleep_ms(50);
    }
    if (seen.first_ms < from_ms || seen.first_ms > to_ms + LATE_MS) {
        fail_msg("%s was to come between %llu and %llu, and came at %llu", id,
                 (unsigned long long)from_ms, (unsigned long long)to_ms,
                 (unsigned long long)seen.first_ms);
    }
}

/* Half of them by a delay, half by a time of day. None is so early, or a second late. */
static void fire_some(struct wrong *w, const char *prefix, unsigned early_ms)
{
    uint64_t from_ms[ORDERS], to_ms[ORDERS];
    char id[40];

    for (unsigned i = 0; i < ORDERS; i++) {
        snprintf(id, sizeof id, "%s-%u", prefix, i);
        from_ms[i] = wall_ms() + DUE_MS;
        assert_int_equal(schedule(w, id, i % 2 == 0 ? DUE_MS : 0, from_ms[i]), ORDERSCHED_OK);
        to_ms[i] = i % 2 == 0 ? wall_ms() + DUE_MS : from_ms[i];
    }
    for (unsigned i = 0; i < ORDERS; i++) {
        snprintf(id, sizeof id, "%s-%u", prefix, i);
        expect_on_time(w, id, from_ms[i] - early_ms, to_ms[i]);
    }
}

/* The node that leads was wrong when it started; it is named, and gives the leadership away. */
static void leads_with(int64_t offset_us)
{
    struct wrong w;

    wrong_start(&w, 3, (const int64_t[]){offset_us, 0, 0});
    (void)cluster_transfer(w.client, 1); /* it may be the leader, and it may be one no more */
    fire_some(&w, "at-first", EARLY_MS);
    cluster_expect_orderctl(&w.cluster, "status",
                            offset_us > 0 ? "node 1: its wall clock is .* ahead of"
                                          : "node 1: its wall clock is .* behind");
    cluster_expect_orderctl(&w.cluster, "clock",
                            offset_us > 0 ? "node 1: its wall clock is .* ahead of"
                                          : "node 1: its wall clock is .* behind");
    cluster_expect_orderctl(&w.cluster, "clock", "^1 .* outvoted");
    cluster_expect_orderctl(&w.cluster, "clock", "and goes on");
    cluster_expect_orderctl(&w.cluster, "clock -w json", "\"clocks\": \"outvoted\"");
    cluster_expect_log(&w.cluster, "wall clock is wrong: the leadership is transferred");
    fire_some(&w, "under-another", EARLY_MS);
    cluster_expect_equal_digests(&w.cluster, 10000);
    wrong_end(&w);
}

static void an_hour_ahead(void **state)
{
    (void)state;
    leads_with(3600 * SECOND_US);
}

static void an_hour_behind(void **state)
{
    (void)state;
    leads_with(-3600 * SECOND_US);
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

/* No two agree: nothing fires and nothing is promised, but payments go on, until one is put right. */
static void nothing_fires_while_no_majority_agrees(void **state)
{
    struct wrong w;

    (void)state;
    wrong_start(&w, 3, (const int64_t[]){0, 0, 0});
    assert_int_equal(schedule(&w, "paid", 1000, 0), ORDERSCHED_OK);
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&w.cluster, i);
        *w.shims[i].offset_us = ((int64_t)i - 1) * 3600 * SECOND_US;
    }
    cluster_start_all(&w.cluster);
    assert_int_equal(schedule(&w, "early", 60000, 0), ORDERSCHED_BUSY);
    cluster_expect_orderctl(&w.cluster, "schedule early --in 60s --route shop --timeout 1s",
                            "If it stays so, see: orderctl status");
    sleep_ms(1500); /* its deadline is over, but nobody knows */
    assert_int_equal(ordersched_pay(w.client, "paid", NULL), ORDERSCHED_OK);
    cluster_expect_orderctl(&w.cluster, "status", "does not know what time it is");
    cluster_expect_orderctl(&w.cluster, "clock", "no majority of the 3 voters");
    cluster_expect_orderctl(&w.cluster, "clock", "^  node 3: .* from node");
    cluster_expect_orderctl(&w.cluster, "clock", "and stands");
    cluster_expect_log(&w.cluster, "what time it is is not known");
    *w.shims[0].offset_us = 0;
    assert_int_equal(schedule(&w, "late", 1000, 0), ORDERSCHED_OK);
    fire_some(&w, "agreed", EARLY_MS);
    cluster_expect_orderctl(&w.cluster, "clock", "put it right");
    cluster_expect_log(&w.cluster, "time goes on: orders fire again");
    wrong_end(&w);
}

/* An operator knows whose clock is right: orders fire by it, whoever leads, until nobody is trusted. */
static void a_trusted_clock_counts_where_no_majority_agrees(void **state)
{
    struct wrong w;

    (void)state;
    wrong_start(&w, 3, (const int64_t[]){0, 0, 0});
    cluster_expect_orderctl(&w.cluster, "clock trust 4", "node 4 is not a voter; the voters are");
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&w.cluster, i);
        *w.shims[i].offset_us = ((int64_t)i - 1) * 3600 * SECOND_US;
    }
    cluster_start_all(&w.cluster);
    assert_int_equal(schedule(&w, "too-early", 60000, 0), ORDERSCHED_BUSY);
    cluster_expect_orderctl(&w.cluster, "clock", "whose clock is right: orderctl clock trust ID");
    cluster_expect_orderctl(&w.cluster, "clock trust 2", "2.s wall clock is trusted");
    fire_some(&w, "trusted", 0); /* node 2's is this machine's own */
    cluster_expect_orderctl(&w.cluster, "clock", "^2 .* trusted ");
    cluster_expect_orderctl(&w.cluster, "status", "orders fire by node 2.s wall clock");
    cluster_expect_log(&w.cluster, "orders fire by the wall clock of one member.* member=2");
    for (unsigned i = 0; i < 2; i++) {
        unsigned leader = cluster_wait_leader(&w.cluster, 20000);
        unsigned next = leader == 2 ? 0 : 2; /* one whose own clock is wrong */
        (void)cluster_transfer(w.client, w.cluster.nodes[next].id);
        char prefix[32];
        snprintf(prefix, sizeof prefix, "under-node-%u", next + 1);
        fire_some(&w, prefix, 0);
    }
    cluster_expect_orderctl(&w.cluster, "clock trust none", "clock is trusted any more");
    for (unsigned i = 0; i < 3; i++) { /* whoever has led knows a time, and would go on with it */
        cluster_kill(&w.cluster, i);
    }
    cluster_start_all(&w.cluster);
    cluster_expect_orderctl(&w.cluster, "clock", "does not know what time it is");
    assert_int_equal(schedule(&w, "too-late", 60000, 0), ORDERSCHED_BUSY);
    for (unsigned i = 0; i < 3; i++) {
        *w.shims[i].offset_us = 0;
    }
    fire_some(&w, "agreed", EARLY_MS);
    cluster_expect_equal_digests(&w.cluster, 10000);
    wrong_end(&w);
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
        *shims[i].offset_us = ((int64_t)i - 1) * 3600 * SECOND_US;
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
    struct wrong w;

    (void)state;
    wrong_start(&w, 3, (const int64_t[]){0, 0, 0});
    fire_some(&w, "agreed", EARLY_MS);
    unsigned leader = cluster_wait_leader(&w.cluster, 10000);
    *w.shims[(leader + 1) % 3].offset_us = 7200 * SECOND_US;
    *w.shims[(leader + 2) % 3].offset_us = -7200 * SECOND_US;
    cluster_expect_orderctl(&w.cluster, "status", "no majority of the voters");
    fire_some(&w, "alone", EARLY_MS);
    *w.shims[leader].offset_us = 3600 * SECOND_US; /* its own goes wrong, too */
    fire_some(&w, "stepped", EARLY_MS);
    wrong_end(&w);
}

/* Neither is wrong, although neither is where the other one's error ends. */
static void two_clocks_within_the_error_do_not_push_each_other_out(void **state)
{
    struct wrong w;
    char command[500];

    (void)state;
    wrong_start(&w, 3, (const int64_t[]){-150000, 150000, 0});
    cluster_expect_orderctl(&w.cluster, "clock", "all 3 voters. wall clocks agree");
    cluster_kill(&w.cluster, 2);
    fire_some(&w, "first", 300);
    sleep_ms(8000); /* the patience with a wrong clock is over */
    fire_some(&w, "second", 300);
    snprintf(command, sizeof command, "cat '%s'/*.log | grep -q -- 'clock is wrong'",
             w.cluster.dir);
    assert_true(system(command) != 0);
    wrong_end(&w);
}

/* Of five voters a follower hears its leader alone: it has a time as soon as it leads. */
static void a_new_leader_of_five_has_a_time_at_once(void **state)
{
    struct wrong w;

    (void)state;
    wrong_start(&w, 5, (const int64_t[]){0, 0, 0, 0, 3600 * SECOND_US});
    fire_some(&w, "first", EARLY_MS);
    for (unsigned i = 0; i < 2; i++) {
        char id[32];
        unsigned leader = cluster_wait_leader(&w.cluster, 20000);
        cluster_kill(&w.cluster, leader);
        uint64_t from_ms = monotonic_ms();
        snprintf(id, sizeof id, "after-%u", i);
        assert_int_equal(schedule(&w, id, 60000, 0), ORDERSCHED_OK);
        assert_true(monotonic_ms() - from_ms < 5000);
        cluster_start(&w.cluster, leader);
    }
    fire_some(&w, "second", EARLY_MS);
    wrong_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_ahead),
        cmocka_unit_test(an_hour_behind),
        cmocka_unit_test(ten_years_ahead),
        cmocka_unit_test(in_1970),
        cmocka_unit_test(nothing_fires_while_no_majority_agrees),
        cmocka_unit_test(a_trusted_clock_counts_where_no_majority_agrees),
        cmocka_unit_test(a_cluster_whose_clocks_never_agreed_can_be_given_one_to_trust),
        cmocka_unit_test(a_time_that_was_agreed_on_goes_on),
        cmocka_unit_test(two_clocks_within_the_error_do_not_push_each_other_out),
        cmocka_unit_test(a_new_leader_of_five_has_a_time_at_once),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
