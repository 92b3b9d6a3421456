/* Members that lost what they had confirmed: an older copy of a directory is put back, a
 * directory is wiped and its node started with the same flags, a directory is cloned and
 * started elsewhere. And members that lost nothing, however often they were killed.
 * Runs beside others: waits 40 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/cluster/cluster.h"

static const uint32_t retries_ms[] = {200, 500, 1000, 2000, 5000};

/* Three nodes with a route. */
static ordersched_client *open_three(struct cluster *c)
{
    cluster_init(c, 3);
    cluster_start_all(c);
    (void)cluster_wait_leader(c, 20000);
    ordersched_client *client = cluster_client(c);
    assert_int_equal(cluster_route_put(client, "shop", "http://127.0.0.1:9/", SINK_SECRET,
                                       retries_ms, 5),
                     0);
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
    char command[2600];

    /* A node that runs may put another file in a file's place meanwhile. */
    snprintf(command, sizeof command,
             "for i in 1 2 3 4 5; do rm -rf '%s' && cp -a '%s' '%s' && exit; done; exit 1", to,
             from, to);
    assert_int_equal(system(command), 0);
}

/* Has any log this text? */
static bool is_logged(const struct cluster *c, const char *text)
{
    char command[1024];

    snprintf(command, sizeof command, "grep -qs -- '%s' '%s'/*.log", text, c->dir);
    return system(command) == 0;
}

/* Wait for a line in the log of any node. */
static void expect_line(const struct cluster *c, const char *text, unsigned timeout_ms)
{
    uint64_t until = monotonic_ms() + timeout_ms;

    while (!is_logged(c, text)) {
        if (monotonic_ms() > until) {
            fail_msg("no log has \"%s\"", text);
        }
        sleep_ms(50);
    }
}

/* Wait for a line of this level in the log of one node. */
static void expect_error(const struct cluster *c, unsigned i, const char *text, unsigned timeout_ms)
{
    uint64_t until = monotonic_ms() + timeout_ms;
    char command[1024];

    snprintf(command, sizeof command, "grep -s 'level=error' '%s' | grep -q -- '%s'",
             c->nodes[i].log, text);
    while (system(command) != 0) {
        if (monotonic_ms() > until) {
            fail_msg("%s has no error \"%s\"", c->nodes[i].log, text);
        }
        sleep_ms(50);
    }
}

static unsigned a_follower(const struct cluster *c)
{
    return (cluster_wait_leader(c, 20000) + 1) % 3;
}

/* With the other follower dead, leader and victim are the majority: does it commit? */
static void expect_a_majority_without_the_third(struct cluster *c, ordersched_client *client,
                                                unsigned victim)
{
    unsigned leader = cluster_wait_leader(c, 20000);
    unsigned third = 3 - leader - victim;

    if (leader == victim) {
        third = (victim + 1) % 3;
    }
    cluster_kill(c, third);
    schedule(client, 1000, 1010);
    cluster_start(c, third);
    cluster_expect_equal_digests(c, 20000);
}

/* Time for each node to have seen each other one: it asks one a second. */
static void let_them_meet(const struct cluster *c)
{
    sleep_ms(1000 * c->n + 500);
}

/* It no longer takes part, and says why; the two others go on, and name it. */
static void expect_refused(struct cluster *c, ordersched_client *client, unsigned victim,
                           unsigned from)
{
    char list[64];

    for (unsigned i = 0; i < 3; i++) {
        expect_error(c, i, "has lost what it had confirmed: ", 20000);
    }
    schedule(client, from, from + 10);
    snprintf(list, sizeof list, "%u .*lost-data", victim + 1);
    cluster_expect_orderctl(c, "member list", list);
}

static void an_older_copy_of_an_earlier_start_is_refused_by_name_and_the_others_go_on(void **state)
{
    struct cluster c;
    char copy[400], latest[400];

    (void)state;
    ordersched_client *client = open_three(&c);
    schedule(client, 0, 20);
    unsigned victim = a_follower(&c);
    (void)cluster_stop(&c, victim);
    snprintf(copy, sizeof copy, "%s.copy", c.nodes[victim].data);
    snprintf(latest, sizeof latest, "%s.latest", c.nodes[victim].data);
    copy_directory(c.nodes[victim].data, copy);
    cluster_start(&c, victim);
    cluster_expect_equal_digests(&c, 20000);
    schedule(client, 20, 200);
    cluster_expect_equal_digests(&c, 20000);
    let_them_meet(&c);
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&c, i); /* what they remember of each other is on disk */
    }
    assert_false(is_logged(&c, "has lost what it had confirmed"));
    copy_directory(c.nodes[victim].data, latest);
    copy_directory(copy, c.nodes[victim].data);
    cluster_start_all(&c);
    expect_refused(&c, client, victim, 200);
    for (unsigned i = 0; i < 3; i++) { /* more starts do not make it another one */
        cluster_kill(&c, victim);
        cluster_start(&c, victim);
        sleep_ms(500);
    }
    schedule(client, 210, 220);
    unsigned leader = cluster_wait_leader(&c, 20000);
    assert_true(leader != victim);
    assert_true(cluster_status(&c, victim).applied < cluster_status(&c, leader).applied);
    cluster_kill(&c, victim);
    copy_directory(latest, c.nodes[victim].data);
    cluster_start(&c, victim); /* the way out that loses nothing */
    cluster_expect_equal_digests(&c, 20000);
    expect_a_majority_without_the_third(&c, client, victim);
    ordersched_close(client);
    cluster_close(&c, false);
}

/* Its starts tell nothing: the leader notices it by what it refuses. */
static void a_copy_of_the_same_start_is_noticed_and_made_good(void **state)
{
    struct cluster c;
    char copy[400];

    (void)state;
    ordersched_client *client = open_three(&c);
    schedule(client, 0, 20);
    cluster_expect_equal_digests(&c, 20000);
    unsigned victim = a_follower(&c);
    snprintf(copy, sizeof copy, "%s.copy", c.nodes[victim].data);
    copy_directory(c.nodes[victim].data, copy); /* while it runs, and writes nothing */
    schedule(client, 20, 200);
    cluster_expect_equal_digests(&c, 20000);
    cluster_kill(&c, victim);
    copy_directory(copy, c.nodes[victim].data);
    cluster_start(&c, victim);
    expect_line(&c, "has lost what it had confirmed: its log ends", 20000);
    cluster_expect_equal_digests(&c, 20000);
    expect_line(&c, "has again what it had lost", 20000);
    expect_a_majority_without_the_third(&c, client, victim);
    ordersched_close(client);
    cluster_close(&c, false);
}

static void a_wiped_directory_with_the_same_flags_is_refused_by_name(void **state)
{
    struct cluster c;

    (void)state;
    ordersched_client *client = open_three(&c);
    schedule(client, 0, 100);
    cluster_expect_equal_digests(&c, 20000);
    let_them_meet(&c);
    unsigned victim = a_follower(&c);
    cluster_kill(&c, victim);
    cluster_wipe(&c, victim);
    cluster_start(&c, victim); /* with the same flags */
    int status = process_wait(c.nodes[victim].pid);
    c.nodes[victim].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    expect_error(&c, victim, "cannot found the cluster.*has lost what it had confirmed", 1000);
    cluster_wipe(&c, victim);
    c.nodes[victim].joins = true; /* nor in another way under this id */
    cluster_start(&c, victim);
    expect_refused(&c, client, victim, 100);
    ordersched_close(client);
    cluster_close(&c, false);
}

/* A majority is put back, and decides anew what the third has applied already. */
static void who_applied_what_a_majority_of_older_copies_decides_anew_ends(void **state)
{
    struct cluster c;
    char copies[2][400];

    (void)state;
    ordersched_client *client = open_three(&c);
    schedule(client, 0, 20);
    cluster_expect_equal_digests(&c, 20000);
    unsigned third = cluster_wait_leader(&c, 20000);
    for (unsigned i = 0; i < 2; i++) {
        const char *data = c.nodes[(third + 1 + i) % 3].data;
        snprintf(copies[i], sizeof copies[i], "%s.copy", data);
        copy_directory(data, copies[i]);
    }
    schedule(client, 20, 60);
    cluster_expect_equal_digests(&c, 20000);
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&c, i);
    }
    for (unsigned i = 0; i < 2; i++) {
        copy_directory(copies[i], c.nodes[(third + 1 + i) % 3].data);
        cluster_start(&c, (third + 1 + i) % 3);
    }
    schedule(client, 100, 110);
    cluster_start(&c, third);
    expect_error(&c, third, "contradicts entries of this node.s log that were committed", 20000);
    int status = process_wait(c.nodes[third].pid);
    c.nodes[third].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 74);
    schedule(client, 110, 120);
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
    expect_line(&c, "a copy runs elsewhere", 20000);
    schedule(client, 50, 100);
    sleep_ms(3000);
    schedule(client, 100, 150);
    cluster_kill(&c, clone);
    cluster_expect_equal_digests(&c, 20000);
    expect_a_majority_without_the_third(&c, client, victim);
    ordersched_close(client);
    cluster_close(&c, false);
}

/* SIGKILL and a start, again and again, of all of them in turn: also within what is written at a
 * start, and before the others have kept what they saw. */
static void who_lost_nothing_is_never_refused(void **state)
{
    static const unsigned up_ms[] = {900, 60, 10, 250, 30};
    struct cluster c;

    (void)state;
    ordersched_client *client = open_three(&c);
    for (unsigned i = 0; i < 20; i++) {
        schedule(client, i * 3, i * 3 + 3);
        cluster_kill(&c, i % 3);
        cluster_start(&c, i % 3);
        sleep_ms(up_ms[i % 5]);
        if (i % 4 == 3) {
            cluster_kill(&c, i % 3);
            cluster_kill(&c, (i + 1) % 3);
            cluster_start_all(&c);
        }
    }
    cluster_expect_equal_digests(&c, 20000);
    assert_false(is_logged(&c, "has lost what it had confirmed"));
    expect_a_majority_without_the_third(&c, client, a_follower(&c));
    ordersched_close(client);
    cluster_close(&c, false);
}

static void a_clone_with_the_same_address_is_told_of(void **state)
{
    static const char *const elsewhere[] = {"--bind", "127.0.0.2", NULL};
    struct cluster c;
    char data[320];

    (void)state;
    ordersched_client *client = open_three(&c);
    unsigned victim = a_follower(&c);
    sleep_ms(4000); /* each has seen each */
    unsigned clone = cluster_grow(&c, victim + 1);
    c.nodes[clone].joins = false;
    c.nodes[clone].port = c.nodes[victim].port;
    memcpy(c.nodes[clone].args, elsewhere, sizeof elsewhere);
    snprintf(data, sizeof data, "%s/clone", c.dir);
    memcpy(c.nodes[clone].data, data, sizeof data);
    snprintf(data, sizeof data, "%s/clone.log", c.dir);
    memcpy(c.nodes[clone].log, data, sizeof data);
    copy_directory(c.nodes[victim].data, c.nodes[clone].data); /* while it runs: one past */
    cluster_start(&c, clone);
    char text[64];
    snprintf(text, sizeof text, "two nodes run under id %u", victim + 1);
    expect_error(&c, (unsigned)cluster_wait_leader(&c, 20000), text, 20000);
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_copy_of_an_earlier_start_is_refused_by_name_and_the_others_go_on),
        cmocka_unit_test(a_copy_of_the_same_start_is_noticed_and_made_good),
        cmocka_unit_test(a_wiped_directory_with_the_same_flags_is_refused_by_name),
        cmocka_unit_test(who_applied_what_a_majority_of_older_copies_decides_anew_ends),
        cmocka_unit_test(a_clone_elsewhere_is_named_and_harms_nobody),
        cmocka_unit_test(a_clone_with_the_same_address_is_told_of),
        cmocka_unit_test(who_lost_nothing_is_never_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
