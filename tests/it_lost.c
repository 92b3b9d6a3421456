/* Members that lost what they had confirmed: an older copy of a directory is put back, a
 * directory is wiped and its node started with the same flags, a directory is cloned and
 * started elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/cluster.h"

static const uint32_t retries_ms[] = {200, 500, 1000, 2000, 5000};

/* Three nodes with a route. */
static ordersched_client *open_three(struct cluster *c)
{
    cluster_init(c, 3);
    cluster_start_all(c);
    (void)cluster_wait_leader(c, 10000);
    ordersched_client *client = cluster_client(c);
    assert_int_equal(cluster_route_put(client, "shop", "http://127.0.0.1:9/", SINK_SECRET,
                                       retries_ms, 5), 0);
    return client;
}

/* Orders that stay: one entry each, or nearly. */
static void schedule(ordersched_client *client, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char id[32];
        snprintf(id, sizeof id, "order-%u", i);
        assert_int_equal(ordersched_schedule(client, id, 3600000, "shop", NULL, 0, NULL),
                         ORDERSCHED_OK);
    }
}

static void copy_directory(const char *from, const char *to)
{
    char command[1024];

    snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    assert_int_equal(system(command), 0);
}

/* Wait for a line in the log of any node. */
static void expect_line(const struct cluster *c, const char *text, unsigned timeout_ms)
{
    uint64_t until = monotonic_ms() + timeout_ms;
    char command[1024];

    snprintf(command, sizeof command, "grep -qs -- '%s' '%s'/*.log", text, c->dir);
    while (system(command) != 0) {
        if (monotonic_ms() > until) {
            fail_msg("no log has \"%s\"", text);
        }
        sleep_ms(50);
    }
}

static unsigned a_follower(const struct cluster *c)
{
    return (cluster_wait_leader(c, 10000) + 1) % 3;
}

/* With the other follower dead, leader and victim are the majority: does it commit? */
static void expect_a_majority_without_the_third(struct cluster *c, ordersched_client *client,
                                                unsigned victim)
{
    unsigned leader = cluster_wait_leader(c, 10000);
    unsigned third = 3 - leader - victim;

    if (leader == victim) {
        third = (victim + 1) % 3;
    }
    cluster_kill(c, third);
    schedule(client, 1000, 1010);
    cluster_start(c, third);
    cluster_expect_equal_digests(c, 20000);
}

static void an_older_copy_of_a_directory_is_noticed_and_made_good(void **state)
{
    struct cluster c;
    char copy[400];

    (void)state;
    ordersched_client *client = open_three(&c);
    schedule(client, 0, 20);
    unsigned victim = a_follower(&c);
    (void)cluster_stop(&c, victim);
    snprintf(copy, sizeof copy, "%s.copy", c.nodes[victim].data);
    copy_directory(c.nodes[victim].data, copy);
    cluster_start(&c, victim);
    cluster_expect_equal_digests(&c, 20000);
    schedule(client, 20, 200);
    cluster_expect_equal_digests(&c, 20000);
    cluster_kill(&c, victim);
    copy_directory(copy, c.nodes[victim].data);
    cluster_start(&c, victim);
    expect_line(&c, "has lost what it had confirmed", 20000);
    cluster_expect_equal_digests(&c, 20000);
    expect_line(&c, "has again what it had lost", 20000);
    expect_a_majority_without_the_third(&c, client, victim);
    ordersched_close(client);
    cluster_close(&c, false);
}

static void a_wiped_directory_is_noticed_and_made_good(void **state)
{
    struct cluster c;

    (void)state;
    ordersched_client *client = open_three(&c);
    schedule(client, 0, 100);
    cluster_expect_equal_digests(&c, 20000);
    unsigned victim = a_follower(&c);
    cluster_kill(&c, victim);
    cluster_wipe(&c, victim);
    cluster_start(&c, victim); /* with the same flags */
    expect_line(&c, "has lost what it had confirmed", 20000);
    cluster_expect_equal_digests(&c, 20000);
    expect_a_majority_without_the_third(&c, client, victim);
    ordersched_close(client);
    cluster_close(&c, false);
}

static void a_clone_elsewhere_is_named_and_harms_nobody(void **state)
{
    struct cluster c;

    (void)state;
    ordersched_client *client = open_three(&c);
    schedule(client, 0, 50);
    cluster_expect_equal_digests(&c, 20000);
    unsigned victim = a_follower(&c);
    (void)cluster_stop(&c, victim);
    unsigned clone = cluster_grow(&c, 4);
    copy_directory(c.nodes[victim].data, c.nodes[clone].data);
    c.nodes[clone].id = c.nodes[victim].id;
    cluster_start(&c, victim);
    cluster_expect_equal_digests(&c, 20000);
    cluster_start(&c, clone); /* the same id, at another address */
    expect_line(&c, "the members know it at\\|two nodes run under id", 20000);
    schedule(client, 50, 100);
    sleep_ms(3000);
    schedule(client, 100, 150);
    cluster_kill(&c, clone);
    cluster_expect_equal_digests(&c, 20000);
    expect_a_majority_without_the_third(&c, client, victim);
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_copy_of_a_directory_is_noticed_and_made_good),
        cmocka_unit_test(a_wiped_directory_is_noticed_and_made_good),
        cmocka_unit_test(a_clone_elsewhere_is_named_and_harms_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
