/* A cluster whose time wrong clocks have set ahead, and whose operator sets it back: real processes.
 * Runs beside others: waits 20 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cluster/clock_bed.h"
#include "../support/cluster/process.h"

#define HOUR_MS (3600ull * 1000)
#define YEAR_US (365 * DAY_US)

static void set_clocks(struct clock_bed *b, int64_t offset_us)
{
    for (unsigned i = 0; i < 3; i++) {
        b->shims[i].is->wall_us = offset_us;
    }
}

static int state_of(struct clock_bed *b, const char *id)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_GET, .id = id, .id_len = strlen(id)};
    struct ordersched_answer answer;

    assert_int_equal(ordersched_call(b->client, &op, 10000, &answer), ORDERSCHED_OK);
    return answer.state;
}

static void wait_for_state(struct clock_bed *b, const char *id, int state)
{
    uint64_t until = monotonic_ms() + 20000;

    while (state_of(b, id) != state) {
        if (monotonic_ms() >= until) {
            fail_msg("%s never got into state %d", id, state);
        }
        sleep_ms(50);
    }
}

/* All clocks were a year ahead, and a route was paused to stop the damage. */
static void a_year_ahead(void **state)
{
    struct clock_bed b;

    (void)state;
    clock_bed_init(&b, 3);
    clock_bed_start(&b);
    assert_int_equal(clock_bed_schedule(&b, "kept", HOUR_MS, 0), ORDERSCHED_OK);
    cluster_expect_orderctl(&b.cluster, "route pause shop", "paused");
    set_clocks(&b, YEAR_US);
    wait_for_state(&b, "kept", ORDERSCHED_CLOSING);
    assert_int_equal(ordersched_pay(b.client, "kept", NULL), ORDERSCHED_TOO_LATE);
    assert_int_equal(clock_bed_schedule(&b, "wrong", HOUR_MS, 0),
                     ORDERSCHED_OK); /* in a year and an hour */
    assert_int_equal(clock_bed_schedule(&b, "bought", 2 * HOUR_MS, 0), ORDERSCHED_OK);
    assert_int_equal(ordersched_pay(b.client, "bought", NULL), ORDERSCHED_OK);

    set_clocks(&b, 0);
    cluster_expect_orderctl(&b.cluster, "clock", "ahead of these clocks");
    assert_int_equal(clock_bed_schedule(&b, "at", 0, wall_ms() + HOUR_MS), ORDERSCHED_BAD_DEADLINE);
    cluster_expect_orderctl(&b.cluster, "clock set-back",
                            "1 order that is due and of which nobody was told");
    assert_int_equal(state_of(&b, "kept"), ORDERSCHED_CLOSING); /* it was only told */
    cluster_expect_orderctl(&b.cluster, "clock set-back --yes", "was set back by 36[45]d");
    cluster_expect_orderctl(&b.cluster, "clock set-back --yes", "nothing is to be set back");
    cluster_expect_log(&b.cluster, "time was set back");

    assert_int_equal(state_of(&b, "kept"), ORDERSCHED_PENDING);
    assert_int_equal(ordersched_pay(b.client, "kept", NULL), ORDERSCHED_OK);
    assert_int_equal(clock_bed_schedule(&b, "at", 0, wall_ms() + HOUR_MS), ORDERSCHED_OK);
    cluster_expect_orderctl(&b.cluster, "route resume shop", "resumed");
    clock_bed_fire(&b, "after", true, CLOCK_BED_EARLY_MS);
    assert_int_equal(state_of(&b, "wrong"), ORDERSCHED_PENDING);
    cluster_expect_equal_digests(&b.cluster, 20000);

    unsigned leader = cluster_wait_leader(&b.cluster, 20000);
    cluster_kill(&b.cluster, leader);
    clock_bed_fire(&b, "failed-over", true, CLOCK_BED_EARLY_MS);
    cluster_start(&b.cluster, leader); /* it applies all of it once more */
    cluster_expect_equal_digests(&b.cluster, 20000);
    assert_int_equal(state_of(&b, "bought"), ORDERSCHED_PAID);
    assert_int_equal(sink_find(&b.sink, "kept").deliveries, 0);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

/* In the background; what it says goes to the file "set-back" in the cluster's directory. */
static void begin_set_back(struct clock_bed *b)
{
    char program[600], command[2000];

    process_path("orderctl", program, sizeof program);
    snprintf(command, sizeof command,
             "'%s' clock set-back --yes --endpoints %s >'%s/set-back' 2>&1 &", program,
             b->cluster.endpoints, b->cluster.dir);
    assert_int_equal(system(command), 0);
}

static bool has_said(const struct clock_bed *b, const char *pattern)
{
    char command[800];

    snprintf(command, sizeof command, "grep -q '%s' '%s/set-back'", pattern, b->cluster.dir);
    return system(command) == 0;
}

/* Who is being told of an order may be carrying it out: that ends first, and the order is not
 * recalled. */
static void deliveries_under_way_end_first(void **state)
{
    struct ordersched_settled settled;
    struct ordersched_worker *worker;
    struct ordersched_jobs *jobs;
    struct clock_bed b;

    (void)state;
    clock_bed_init(&b, 3);
    clock_bed_start(&b);
    cluster_expect_orderctl(&b.cluster, "route put loan --kind worker --timeout 60s", "loan");
    assert_int_equal(ordersched_schedule(b.client, "lent", HOUR_MS, "loan", "{}", 2, NULL),
                     ORDERSCHED_OK);
    assert_int_equal(ordersched_schedule(b.client, "kept", 2 * HOUR_MS, "loan", "{}", 2, NULL),
                     ORDERSCHED_OK);
    set_clocks(&b, YEAR_US);
    assert_int_equal(ordersched_worker_open(b.client, "loan", "slow", &worker), ORDERSCHED_OK);
    assert_int_equal(ordersched_worker_reserve(worker, 1, 10000, &jobs), ORDERSCHED_OK);
    assert_int_equal(jobs->n, 1);
    assert_memory_equal(jobs->list[0].id, "lent", 4);
    set_clocks(&b, 0);
    cluster_expect_orderctl(&b.cluster, "clock", "ahead of these clocks");
    /* Clocks are told once a second: to an early question the answer is that nothing is to be set back. */
    cluster_expect_orderctl(&b.cluster, "clock set-back", "ahead of what the clocks agree on");
    begin_set_back(&b);
    sleep_ms(2000);
    assert_false(has_said(&b, "set back"));
    assert_int_equal(state_of(&b, "kept"), ORDERSCHED_CLOSING);

    struct ordersched_report report = {.token = jobs->list[0].token,
                                       .outcome = ORDERSCHED_OUTCOME_EXPIRED};
    assert_int_equal(ordersched_worker_settle(worker, &report, 1, 20000, &settled), ORDERSCHED_OK);
    assert_int_equal(settled.state, ORDERSCHED_EXPIRED);
    wait_for_state(&b, "kept", ORDERSCHED_PENDING);
    for (unsigned i = 0; !has_said(&b, "was set back by 36[45]d"); i++) {
        assert_true(i < 100);
        sleep_ms(50);
    }
    assert_true(has_said(&b, "^1 order that is due and of which nobody was told became"));
    assert_int_equal(state_of(&b, "lent"), ORDERSCHED_EXPIRED);
    ordersched_jobs_free(jobs);
    ordersched_worker_close(worker);
    clock_bed_end(&b);
}

/* A machine that booted a year ahead was let lead by it, and is right again: whoever asks for the set-back
 * vouches for its clock. */
static void a_cluster_of_one_goes_by_its_clock_again(void **state)
{
    struct clock_bed b;

    (void)state;
    clock_bed_init(&b, 1);
    b.shims[0].is->wall_us = YEAR_US;
    b.shims[0].is->kernel_error_us = -1;
    clock_bed_start(&b);
    assert_int_equal(clock_bed_schedule(&b, "wrong", HOUR_MS, 0), ORDERSCHED_OK);
    cluster_kill(&b.cluster, 0);
    b.shims[0].is->wall_us = 0;
    cluster_start(&b.cluster, 0);
    cluster_expect_orderctl(&b.cluster, "status", "behind the cluster.s time");
    cluster_expect_orderctl(&b.cluster, "clock set-back --yes", "start the node with");
    cluster_kill(&b.cluster, 0);
    b.cluster.nodes[0].args[0] = "--accept-clock";
    cluster_start(&b.cluster, 0);
    assert_int_equal(clock_bed_schedule(&b, "at", 0, wall_ms() + HOUR_MS), ORDERSCHED_BAD_DEADLINE);
    cluster_expect_orderctl(&b.cluster, "clock set-back --yes", "was set back by 36[45]d");
    clock_bed_fire(&b, "after", true, CLOCK_BED_EARLY_MS);
    cluster_kill(&b.cluster, 0);
    cluster_start(&b.cluster, 0);
    clock_bed_fire(&b, "restarted", true, CLOCK_BED_EARLY_MS);
    clock_bed_expect_all_taken(&b);
    clock_bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_year_ahead),
        cmocka_unit_test(deliveries_under_way_end_first),
        cmocka_unit_test(a_cluster_of_one_goes_by_its_clock_again),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
