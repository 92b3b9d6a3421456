/* A cluster whose time wrong clocks have set ahead, and whose operator sets it back: real processes. */
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
#include "../support/cluster/process.h"

#define SECOND_US INT64_C(1000000)
#define HOUR_MS (3600ull * 1000)
#define YEAR_US (365 * 86400 * SECOND_US)

struct ahead {
    struct cluster cluster;
    struct clock_shim shims[3];
    struct sink sink;
    ordersched_client *client;
    const char *route;
};

static void ahead_set_clocks(struct ahead *w, int64_t offset_us)
{
    for (unsigned i = 0; i < 3; i++) {
        *w->shims[i].offset_us = offset_us;
    }
}

static void ahead_start(struct ahead *w)
{
    static const uint32_t retries_ms[] = {200, 300, 500, 1000};

    memset(w, 0, sizeof *w);
    cluster_init(&w->cluster, 3);
    sink_start(&w->sink, w->cluster.dir, NULL);
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "clock-%u", i + 1);
        clock_shim_make(&w->shims[i], &w->cluster, name);
        clock_shim_give(&w->shims[i], &w->cluster, i);
    }
    cluster_start_all(&w->cluster);
    (void)cluster_wait_leader(&w->cluster, 20000);
    w->client = cluster_client(&w->cluster);
    w->route = "shop";
    assert_int_equal(cluster_route_put(w->client, "shop", w->sink.url, SINK_SECRET, retries_ms, 4),
                     ORDERSCHED_OK);
}

static void ahead_end(struct ahead *w)
{
    ordersched_close(w->client);
    sink_stop(&w->sink);
    cluster_close(&w->cluster, false);
}

static int schedule(struct ahead *w, const char *id, uint64_t delay_ms, uint64_t deadline_ms)
{
    struct ordersched_operation op = {
        .kind = ORDERSCHED_SCHEDULE,
        .id = id,
        .id_len = strlen(id),
        .route = w->route,
    };

    op.relative = delay_ms != 0;
    op.time_ms = delay_ms != 0 ? delay_ms : deadline_ms;
    return ordersched_call(w->client, &op, 10000, NULL);
}

static int state_of(struct ahead *w, const char *id)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_GET, .id = id, .id_len = strlen(id)};
    struct ordersched_answer answer;

    assert_int_equal(ordersched_call(w->client, &op, 10000, &answer), ORDERSCHED_OK);
    return answer.state;
}

static void wait_for_state(struct ahead *w, const char *id, int state)
{
    uint64_t until = monotonic_ms() + 20000;

    while (state_of(w, id) != state) {
        if (monotonic_ms() >= until) {
            fail_msg("%s never got into state %d", id, state);
        }
        sleep_ms(50);
    }
}

/* By this machine's clock. */
static void expect_on_time(struct ahead *w, const char *id, uint64_t delay_ms)
{
    uint64_t from_ms = wall_ms();
    struct sink_order seen;

    assert_int_equal(schedule(w, id, delay_ms, 0), ORDERSCHED_OK);
    uint64_t until = monotonic_ms() + delay_ms + 15000;
    while ((seen = sink_find(&w->sink, id)).deliveries == 0) {
        if (monotonic_ms() >= until) {
            fail_msg("%s was never delivered", id);
        }
        sleep_ms(20);
    }
    assert_in_range(seen.first_ms, from_ms + delay_ms - 10, from_ms + delay_ms + 1500);
}

/* All clocks were a year ahead, and a route was paused to stop the damage. */
static void a_year_ahead(void **state)
{
    struct ahead w;

    (void)state;
    ahead_start(&w);
    assert_int_equal(schedule(&w, "kept", HOUR_MS, 0), ORDERSCHED_OK);
    cluster_expect_orderctl(&w.cluster, "route pause shop", "paused");
    ahead_set_clocks(&w, YEAR_US);
    wait_for_state(&w, "kept", ORDERSCHED_CLOSING);
    assert_int_equal(ordersched_pay(w.client, "kept", NULL), ORDERSCHED_TOO_LATE);
    assert_int_equal(schedule(&w, "wrong", HOUR_MS, 0), ORDERSCHED_OK); /* in a year and an hour */
    assert_int_equal(schedule(&w, "bought", 2 * HOUR_MS, 0), ORDERSCHED_OK);
    assert_int_equal(ordersched_pay(w.client, "bought", NULL), ORDERSCHED_OK);

    ahead_set_clocks(&w, 0);
    cluster_expect_orderctl(&w.cluster, "clock", "ahead of these clocks");
    assert_int_equal(schedule(&w, "at", 0, wall_ms() + HOUR_MS), ORDERSCHED_BAD_DEADLINE);
    cluster_expect_orderctl(&w.cluster, "clock set-back",
                            "1 order that is due and of which nobody was told");
    assert_int_equal(state_of(&w, "kept"), ORDERSCHED_CLOSING); /* it was only told */
    cluster_expect_orderctl(&w.cluster, "clock set-back --yes", "was set back by 36[45]d");
    cluster_expect_orderctl(&w.cluster, "clock set-back --yes", "nothing is to be set back");
    cluster_expect_log(&w.cluster, "time was set back");

    assert_int_equal(state_of(&w, "kept"), ORDERSCHED_PENDING);
    assert_int_equal(ordersched_pay(w.client, "kept", NULL), ORDERSCHED_OK);
    assert_int_equal(schedule(&w, "at", 0, wall_ms() + HOUR_MS), ORDERSCHED_OK);
    cluster_expect_orderctl(&w.cluster, "route resume shop", "resumed");
    expect_on_time(&w, "after", 2000);
    assert_int_equal(state_of(&w, "wrong"), ORDERSCHED_PENDING);
    cluster_expect_equal_digests(&w.cluster, 10000);

    unsigned leader = cluster_wait_leader(&w.cluster, 20000);
    cluster_kill(&w.cluster, leader);
    expect_on_time(&w, "failed-over", 3000);
    cluster_start(&w.cluster, leader); /* it applies all of it once more */
    cluster_expect_equal_digests(&w.cluster, 20000);
    assert_int_equal(state_of(&w, "bought"), ORDERSCHED_PAID);
    assert_int_equal(sink_find(&w.sink, "kept").deliveries, 0);
    ahead_end(&w);
}

/* In the background; what it says goes to the file "set-back" in the cluster's directory. */
static void begin_set_back(struct ahead *w)
{
    char program[600], command[2000];

    process_path("orderctl", program, sizeof program);
    snprintf(command, sizeof command,
             "'%s' clock set-back --yes --endpoints %s >'%s/set-back' 2>&1 &", program,
             w->cluster.endpoints, w->cluster.dir);
    assert_int_equal(system(command), 0);
}

static bool has_said(const struct ahead *w, const char *pattern)
{
    char command[800];

    snprintf(command, sizeof command, "grep -q '%s' '%s/set-back'", pattern, w->cluster.dir);
    return system(command) == 0;
}

/* Who is being told of an order may be carrying it out: that ends first, and the order is not
 * recalled. */
static void deliveries_under_way_end_first(void **state)
{
    struct ordersched_settled settled;
    struct ordersched_worker *worker;
    struct ordersched_jobs *jobs;
    struct ahead w;

    (void)state;
    ahead_start(&w);
    cluster_expect_orderctl(&w.cluster, "route put loan --kind worker --timeout 60s", "loan");
    w.route = "loan";
    assert_int_equal(schedule(&w, "lent", HOUR_MS, 0), ORDERSCHED_OK);
    assert_int_equal(schedule(&w, "kept", 2 * HOUR_MS, 0), ORDERSCHED_OK);
    ahead_set_clocks(&w, YEAR_US);
    assert_int_equal(ordersched_worker_open(w.client, w.route, "slow", &worker), ORDERSCHED_OK);
    assert_int_equal(ordersched_worker_reserve(worker, 1, 10000, &jobs), ORDERSCHED_OK);
    assert_int_equal(jobs->n, 1);
    assert_memory_equal(jobs->list[0].id, "lent", 4);
    ahead_set_clocks(&w, 0);
    cluster_expect_orderctl(&w.cluster, "clock", "ahead of these clocks");
    begin_set_back(&w);
    sleep_ms(2000);
    assert_false(has_said(&w, "set back"));
    assert_int_equal(state_of(&w, "kept"), ORDERSCHED_CLOSING);

    struct ordersched_report report = {.token = jobs->list[0].token,
                                       .outcome = ORDERSCHED_OUTCOME_EXPIRED};
    assert_int_equal(ordersched_worker_settle(worker, &report, 1, 20000, &settled), ORDERSCHED_OK);
    assert_int_equal(settled.state, ORDERSCHED_EXPIRED);
    wait_for_state(&w, "kept", ORDERSCHED_PENDING);
    for (unsigned i = 0; !has_said(&w, "was set back by 36[45]d"); i++) {
        assert_true(i < 100);
        sleep_ms(50);
    }
    assert_true(has_said(&w, "^1 order that is due and of which nobody was told became"));
    assert_int_equal(state_of(&w, "lent"), ORDERSCHED_EXPIRED);
    ordersched_jobs_free(jobs);
    ordersched_worker_close(worker);
    ahead_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_year_ahead),
        cmocka_unit_test(deliveries_under_way_end_first),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
