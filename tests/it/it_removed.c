/* Members that were removed: the node is told, and its id is used up.
 * Runs beside others: waits 10 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cluster/cluster.h"

/* This command says 0, soon. */
static void expect_command(const char *command)
{
    uint64_t until = monotonic_ms() + 20000;

    while (system(command) != 0) {
        if (monotonic_ms() > until) {
            fail_msg("in vain: %s", command);
        }
        sleep_ms(100);
    }
}

static void expect_error(const struct cluster *c, unsigned i, const char *text)
{
    char command[1024];

    snprintf(command, sizeof command, "grep -s 'level=error' '%s' | grep -q -- '%s'",
             c->nodes[i].log, text);
    expect_command(command);
}

/* Three nodes, with a leader; the position of one that follows. */
static unsigned open_three(struct cluster *c)
{
    cluster_init(c, 3);
    cluster_start_all(c);
    return (cluster_wait_leader(c, 20000) + 1) % 3;
}

static void an_id_that_was_a_members_is_not_added_again(void **state)
{
    struct cluster c;
    char add[64];

    (void)state;
    unsigned removed = open_three(&c);
    ordersched_client *client = cluster_client(&c);
    sleep_ms(4000); /* each has seen each */
    assert_int_equal(cluster_member_remove(client, removed + 1), 0);
    cluster_kill(&c, removed);
    cluster_wipe(&c, removed);
    snprintf(add, sizeof add, "member add %u 127.0.0.1:%u", removed + 1, c.nodes[removed].port);
    cluster_expect_orderctl(&c, add, "MEMBER_CHANGE.*was a member once");
    ordersched_close(client);
    cluster_close(&c, false);
}
static void a_node_that_was_removed_while_it_was_down_says_so(void **state)
{
    struct cluster c;
    char role[64];

    (void)state;
    unsigned removed = open_three(&c);
    ordersched_client *client = cluster_client(&c);
    cluster_kill(&c, removed);
    assert_int_equal(cluster_member_remove(client, removed + 1), 0);
    cluster_start(&c, removed);
    expect_error(&c, removed, "it was removed");
    snprintf(role, sizeof role, "^%u .* removed ", removed + 1);
    cluster_expect_orderctl(&c, "status", role);
    cluster_expect_orderctl(&c, "status", "2 of 2 members up");
    /* started again it says it again; a node that waits to be added is not told */
    cluster_kill(&c, removed);
    remove(c.nodes[removed].log);
    cluster_start(&c, removed);
    expect_error(&c, removed, "it was removed");
    unsigned fresh = cluster_grow(&c, 4);
    cluster_start(&c, fresh);
    sleep_ms(1000);
    assert_int_equal(cluster_member_add(client, 4, c.nodes[fresh].port), 0);
    sleep_ms(3000);
    for (unsigned i = 0; i < c.n; i++) {
        char command[512];
        snprintf(command, sizeof command, "grep -qs 'it was removed' '%s'", c.nodes[i].log);
        assert_true((system(command) == 0) == (i == removed));
    }
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_was_removed_while_it_was_down_says_so),
        cmocka_unit_test(an_id_that_was_a_members_is_not_added_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
