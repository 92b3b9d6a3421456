/* Members whose data disks are short of room: who leads is who can take a payment.
 * Runs beside others: waits 8 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cluster/cluster.h"

static const char *const full[] = {"--min-free", "1000000GiB", NULL};
static const uint32_t retries_ms[] = {200, 500};

static void full_members_lead_only_while_no_other_can(void **state)
{
    struct cluster c;

    (void)state;
    cluster_init(&c, 3);
    memcpy(c.nodes[0].args, full, sizeof full);
    memcpy(c.nodes[1].args, full, sizeof full);
    cluster_start(&c, 0);
    cluster_start(&c, 1);
    unsigned leader = cluster_wait_leader(&c, 20000);
    char names_it[64];
    snprintf(names_it, sizeof names_it, "NO_SPACE.*node %u", leader + 1);
    ordersched_client *client = cluster_client(&c);
    cluster_expect_orderctl(&c, "--timeout 1s pay nothing", names_it);
    uint64_t term = cluster_status(&c, leader).term;
    sleep_ms(2000);
    assert_int_equal(cluster_status(&c, leader).term, term); /* it stays where all are as full */
    cluster_start(&c, 2);
    uint64_t until = monotonic_ms() + 20000;
    while (!cluster_status(&c, 2).leader) {
        assert_true(monotonic_ms() < until);
        sleep_ms(100);
    }
    assert_int_equal(cluster_route_put(client, "shop", "http://127.0.0.1:9/", SINK_SECRET,
                                       retries_ms, 2),
                     0);
    assert_int_equal(ordersched_schedule(client, "order-1", 3600000, "shop", NULL, 0, NULL),
                     ORDERSCHED_OK);
    assert_int_equal(ordersched_pay(client, "order-1", NULL), ORDERSCHED_OK);
    cluster_expect_orderctl(&c, "leader transfer 1", "MEMBER_CHANGE.*short of room");
    cluster_expect_orderctl(&c, "status", "node 1: its data disk is full");
    assert_true(cluster_status(&c, 2).leader);
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_members_lead_only_while_no_other_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
