/* What orderctl status says of a cluster of which not all is well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

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
    (void)cluster_wait_leader(&c, 10000);
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
    unsigned out = (cluster_wait_leader(&c, 10000) + 1) % 3;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_without_a_leader_is_no_success),
        cmocka_unit_test(a_member_that_is_shut_out_is_not_counted_as_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
