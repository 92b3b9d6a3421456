/* Members come and go: a cluster of one grown to three, a lost disk replaced under a new id through
 * a snapshot, a clock that steps.
 * Runs beside others: waits 30 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/cluster/clock_shim.h"
#include "../support/cluster/cluster.h"
#include "../support/cluster/load.h"

static const uint32_t retries_ms[] = {200, 500, 1000, 2000, 5000};

static void stop_all(struct cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->nodes[i].pid != 0) {
            int status = cluster_stop(c, i);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    }
}

static void a_cluster_of_one_grows_to_three_and_survives_its_founder(void **state)
{
    struct cluster c;
    struct sink sink = {0};
    struct load load;

    (void)state;
    cluster_init(&c, 1);
    sink_start(&sink, c.dir, NULL);
    cluster_start(&c, 0);
    (void)cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    assert_int_equal(cluster_route_put(client, "shop", sink.url, SINK_SECRET, retries_ms, 5), 0);
    unsigned second = cluster_grow(&c, 2), third = cluster_grow(&c, 3);
    cluster_start(&c, second);
    cluster_start(&c, third);
    load_start(&load, &c, "shop", random_start().state, 100, 3000, 500, 3000);
    assert_int_equal(cluster_member_add(client, 2, c.nodes[second].port), 0);
    assert_int_equal(cluster_member_add(client, 3, c.nodes[third].port), 0);
    /* Once more: refused, or answered again while the promotion is still settling. */
    int again = cluster_member_add(client, 3, c.nodes[third].port);
    assert_true(again == ORDERSCHED_MEMBER_CHANGE || again == ORDERSCHED_OK);
    sleep_ms(500);
    cluster_kill(&c, 0);
    sleep_ms(2000);
    cluster_start(&c, 0);
    load_finish(&load, 60000);
    struct load_report r = load_judge(&load, &sink);
    assert_int_equal(r.violations, 0);
    assert_true(r.expired > 10 && r.paid > 10);
    cluster_expect_equal_digests(&c, 20000);
    load_free(&load);
    ordersched_close(client);
    stop_all(&c);
    sink_stop(&sink);
    cluster_close(&c, false);
}

/* A node that was never long enough in the cluster to take one itself got it from the leader. */
static bool has_snapshot(const struct cluster_node *node)
{
    char pattern[400];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/raft/snapshot-*", node->data);
    bool any = glob(pattern, 0, NULL, &found) == 0;
    globfree(&found);
    return any;
}

static void a_lost_disk_is_replaced_under_a_new_id_through_a_snapshot(void **state)
{
    struct cluster c;
    struct sink sink = {0};
    struct load load;

    (void)state;
    cluster_init(&c, 3);
    for (unsigned i = 0; i < 3; i++) { /* snapshots soon, and little log kept behind them */
        static const char *const flags[] = {"--snapshot-threshold", "300", "--snapshot-trailing",
                                            "1024", NULL};
        memcpy(c.nodes[i].args, flags, sizeof flags);
    }
    sink_start(&sink, c.dir, NULL);
    cluster_start_all(&c);
    (void)cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    assert_int_equal(cluster_route_put(client, "shop", sink.url, SINK_SECRET, retries_ms, 5), 0);
    load_start(&load, &c, "shop", random_start().state, 400, 100000, 500, 4000);
    uint64_t until = monotonic_ms() + 120000;
    /* Well past what is kept of the log. On a busy machine entries have many operations, and so are few. */
    while (cluster_status(&c, 0).applied < 2500) {
        assert_true(monotonic_ms() < until);
        sleep_ms(50);
    }
    unsigned victim = (cluster_wait_leader(&c, 20000) + 1) % 3;
    cluster_kill(&c, victim);
    cluster_wipe(&c, victim);
    uint64_t old_id = c.nodes[victim].id;
    assert_int_equal(cluster_member_remove(client, old_id), 0);
    unsigned fresh = cluster_grow(&c, 4);
    cluster_start(&c, fresh);
    assert_int_equal(cluster_member_add(client, 4, c.nodes[fresh].port), 0);
    assert_true(has_snapshot(&c.nodes[fresh]));
    cluster_kill(&c, cluster_wait_leader(&c, 20000));
    (void)cluster_wait_leader(&c, 20000);
    for (unsigned i = 0; i < 3; i++) {
        if (c.nodes[i].pid == 0 && i != victim) {
            cluster_start(&c, i);
        }
    }
    load_finish(&load, 60000);
    struct load_report r = load_judge(&load, &sink);
    assert_int_equal(r.violations, 0);
    cluster_expect_equal_digests(&c, 20000);
    load_free(&load);
    ordersched_close(client);
    stop_all(&c);
    sink_stop(&sink);
    cluster_close(&c, false);
}

static void leadership_is_handed_over_on_request_and_on_sigterm(void **state)
{
    struct cluster c;
    struct ordersched_answer answer;

    (void)state;
    cluster_init(&c, 3);
    cluster_start_all(&c);
    unsigned leader = cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    unsigned next = (leader + 1) % 3;
    assert_int_equal(cluster_transfer(client, c.nodes[next].id), 0);
    uint64_t until = monotonic_ms() + 5000;
    while (!cluster_status(&c, next).leader) {
        assert_true(monotonic_ms() < until);
        sleep_ms(20);
    }
    uint64_t start = monotonic_ms();
    int status = cluster_stop(&c, next);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)ordersched_get(client, "nothing", &answer);
    assert_int_equal(answer.error, ORDERSCHED_NOT_FOUND);
    printf("SIGTERM of the leader to the next linearizable read: %llu ms\n",
           (unsigned long long)(monotonic_ms() - start));
    ordersched_close(client);
    stop_all(&c);
    cluster_close(&c, false);
}

static void all_nodes_told_to_stop_at_once_all_stop(void **state)
{
    struct cluster c;

    (void)state;
    cluster_init(&c, 3);
    cluster_start_all(&c);
    (void)cluster_wait_leader(&c, 20000);
    uint64_t start = monotonic_ms();
    for (unsigned i = 0; i < 3; i++) {
        kill(c.nodes[i].pid, SIGTERM);
    }
    for (unsigned i = 0; i < 3; i++) {
        int status = process_wait(c.nodes[i].pid);
        c.nodes[i].pid = 0;
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_true(monotonic_ms() - start < 15000);
    cluster_close(&c, false);
}

static void a_leaders_clock_that_steps_fires_nothing_early_and_nothing_late(void **state)
{
    /* Within the five minutes for which a receiver takes a signature: its time is the wall clock of
     * the node that sends. */
    static const int64_t steps_s[] = {280, -280, 30, -30};
    struct cluster c;
    struct sink sink = {0};
    struct clock_shim shim;
    struct load load;

    (void)state;
    cluster_init(&c, 3);
    clock_shim_make(&shim, &c, "clock-offset");
    clock_shim_give(&shim, &c, 0);
    sink_start(&sink, c.dir, NULL);
    cluster_start_all(&c);
    unsigned leader = cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    if (leader != 0) {
        assert_int_equal(cluster_transfer(client, 1), 0);
    }
    assert_int_equal(cluster_route_put(client, "shop", sink.url, SINK_SECRET, retries_ms, 5), 0);
    load_start(&load, &c, "shop", random_start().state, 100, 5000, 300, 2000);
    /* While a step is on, the leader's clock follows it by a tenth of the time: 100 ms in the
     * second each one lasts, and a little for a second that lasts longer. */
    load.early_ms = 200;
    for (unsigned i = 0; i < sizeof steps_s / sizeof *steps_s; i++) {
        sleep_ms(1000);
        shim.is->wall_us = steps_s[i] * 1000000;
        sleep_ms(1000);
        shim.is->wall_us = 0;
    }
    load_finish(&load, 60000);
    struct load_report r = load_judge(&load, &sink);
    assert_int_equal(r.violations, 0);
    assert_true(r.lateness_max_ms < 1500);
    assert_true(r.expired > 10 && r.paid > 10);
    cluster_expect_equal_digests(&c, 20000);
    load_free(&load);
    ordersched_close(client);
    stop_all(&c);
    sink_stop(&sink);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_of_one_grows_to_three_and_survives_its_founder),
        cmocka_unit_test(a_lost_disk_is_replaced_under_a_new_id_through_a_snapshot),
        cmocka_unit_test(leadership_is_handed_over_on_request_and_on_sigterm),
        cmocka_unit_test(all_nodes_told_to_stop_at_once_all_stop),
        cmocka_unit_test(a_leaders_clock_that_steps_fires_nothing_early_and_nothing_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
