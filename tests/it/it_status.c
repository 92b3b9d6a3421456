/* What orderctl status says of a cluster of which not all is well.
 * Runs beside others: waits 15 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../support/cluster/clock_shim.h"
#include "../support/cluster/cluster.h"

/* orderctl status ends so, and prints this pattern, soon. */
static void expect_status(const struct cluster *c, int code, const char *pattern)
{
    uint64_t until = monotonic_ms() + 20000;
    char program[600], command[2400];

    process_path("orderctl", program, sizeof program);
    snprintf(command, sizeof command,
             "t=$('%s' status --endpoints %s 2>&1); [ $? = %d ] && echo \"$t\" | "
             "grep -q -- '%s'",
             program, c->endpoints, code, pattern);
    while (system(command) != 0) {
        if (monotonic_ms() > until) {
            fail_msg("no %d and \"%s\": %s", code, pattern, command);
        }
        sleep_ms(100);
    }
}

static void a_cluster_without_a_leader_is_no_success(void **state)
{
    struct cluster c;

    (void)state;
    cluster_init(&c, 3);
    cluster_start_all(&c);
    (void)cluster_wait_leader(&c, 20000);
    expect_status(&c, 0, "3 of 3 members up");
    cluster_kill(&c, 0);
    cluster_kill(&c, 1);
    expect_status(&c, 3, "no node leads");
    cluster_close(&c, false);
}

static void a_member_that_is_shut_out_is_not_counted_as_up(void **state)
{
    struct cluster c;
    char line[96];

    (void)state;
    cluster_init(&c, 3);
    cluster_start_all(&c);
    unsigned out = (cluster_wait_leader(&c, 20000) + 1) % 3;
    sleep_ms(4000); /* each has seen each */
    cluster_kill(&c, out);
    cluster_wipe(&c, out);
    c.nodes[out].joins = true;
    cluster_start(&c, out);
    snprintf(line, sizeof line, "node %u: it answers, but hears no leader", out + 1);
    expect_status(&c, 0, line);
    expect_status(&c, 0, "2 of 3 members up");
    cluster_close(&c, false);
}

/* Whether it leads or follows. */
static void a_node_whose_clock_is_wrong_is_named(void **state)
{
    struct cluster c;
    struct clock_shim shim;
    struct ordersched_answer answer;

    (void)state;
    cluster_init(&c, 3);
    clock_shim_make(&shim, &c, "clock-offset");
    clock_shim_give(&shim, &c, 0);
    shim.is->wall_us = 3600 * 1000000ll;
    cluster_start_all(&c);
    unsigned leader = cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    assert_int_equal(ordersched_get(client, "nothing", &answer), ORDERSCHED_NOT_FOUND);
    for (unsigned i = 0; i < 2; i++) {
        expect_status(&c, 0, "node 1: its wall clock is .* ahead of what a majority");
        unsigned next = leader == 0 ? 1 : 0;
        if (i == 0) {
            assert_int_equal(cluster_transfer(client, c.nodes[next].id), 0);
        }
    }
    shim.is->wall_us = -86400 * 1000000ll;
    expect_status(&c, 0, "node 1: its wall clock is .* behind what a majority");
    cluster_expect_log(&c, "member=1 ahead_ms=-86");
    shim.is->wall_us = 0;
    cluster_expect_log(&c, "agrees with a majority again");
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_without_a_leader_is_no_success),
        cmocka_unit_test(a_node_whose_clock_is_wrong_is_named),
        cmocka_unit_test(a_member_that_is_shut_out_is_not_counted_as_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
