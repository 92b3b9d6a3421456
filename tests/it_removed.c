/* Members that were removed: the node is told, and its id is used up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cluster.h"

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

/* What orderctl prints to these words has this pattern, soon. */
static void expect_orderctl(const struct cluster *c, const char *words, const char *pattern)
{
    char program[600], command[2400];

    process_path("orderctl", program, sizeof program);
    snprintf(command, sizeof command, "'%s' %s --endpoints %s 2>&1 | grep -q -- '%s'", program,
             words, c->endpoints, pattern);
    expect_command(command);
}

/* Three nodes, with a leader; the position of one that follows. */
static unsigned open_three(struct cluster *c)
{
    cluster_init(c, 3);
    cluster_start_all(c);
    return (cluster_wait_leader(c, 10000) + 1) % 3;
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
    expect_orderctl(&c, add, "MEMBER_CHANGE.*was a member once");
    ordersched_close(client);
    cluster_close(&c, false);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_that_was_a_members_is_not_added_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
