/* One cluster is one cluster: nodes of two are started as if they were of one, in each way in which
 * that has happened, and no acknowledged order is lost.
 * Runs beside others: waits 20 s. */
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

#define ORDERS 10
#define SETTLED_MS 2500 /* several elections: what could go wrong has had its time */

static const uint32_t retries_ms[] = {1000};

/* --- what the tests are made of --- */

/* A client of this node and no other. */
static ordersched_client *client_of(const struct cluster *c, unsigned i)
{
    char endpoint[64];
    struct ordersched_config config = {.endpoints = endpoint, .timeout_ms = 5000};
    ordersched_client *client;

    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", c->nodes[i].port + 1);
    assert_int_equal(ordersched_open(&config, &client), ORDERSCHED_OK);
    return client;
}

static void make_orders(ordersched_client *client, const char *prefix)
{
    struct ordersched_answer answer;

    assert_int_equal(cluster_route_put(client, "shop", "http://127.0.0.1:9/", SINK_SECRET,
                                       retries_ms, 1),
                     0);
    for (int i = 0; i < ORDERS; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s-%d", prefix, i);
        assert_int_equal(ordersched_schedule(client, id, 3600000, "shop", "{}", 2, &answer), 0);
    }
}

/* How many of them there are, for this client. */
static int count_orders(ordersched_client *client, const char *prefix)
{
    struct ordersched_answer answer;
    int found = 0;

    for (int i = 0; i < ORDERS; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s-%d", prefix, i);
        int error = ordersched_get(client, id, &answer);
        assert_true(error == ORDERSCHED_OK || error == ORDERSCHED_NOT_FOUND);
        found += error == ORDERSCHED_OK;
    }
    return found;
}

static int orders_at(const struct cluster *c, unsigned i, const char *prefix)
{
    ordersched_client *client = client_of(c, i);
    int found = count_orders(client, prefix);

    ordersched_close(client);
    return found;
}

/* Is there such a text in the node's log? */
static bool has_logged(const struct cluster *c, unsigned i, const char *level, const char *text)
{
    FILE *log = fopen(c->nodes[i].log, "r");
    char line[4096];
    bool found = false;

    assert_non_null(log);
    while (!found && fgets(line, sizeof line, log) != NULL) {
        found = strstr(line, level) != NULL && strstr(line, text) != NULL;
    }
    fclose(log);
    return found;
}

static void wait_logged(const struct cluster *c, unsigned i, const char *level, const char *text)
{
    uint64_t until = monotonic_ms() + 15000;

    while (!has_logged(c, i, level, text)) {
        if (monotonic_ms() > until) {
            fail_msg("node %u never said \"%s\": see %s", i + 1, text, c->nodes[i].log);
        }
        sleep_ms(20);
    }
}

static void wait_leads(const struct cluster *c, unsigned i)
{
    uint64_t until = monotonic_ms() + 15000;

    while (!cluster_status(c, i).leader) {
        assert_true(monotonic_ms() < until);
        sleep_ms(20);
    }
}

static void peers_of(const struct cluster *c, char *out, size_t len, unsigned n,
                     const unsigned *which)
{
    out[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        size_t used = strlen(out);
        snprintf(out + used, len - used, "%s%llu=127.0.0.1:%u", i > 0 ? "," : "",
                 (unsigned long long)c->nodes[which[i]].id, c->nodes[which[i]].port);
    }
}

/* The node gives up its start and says why. */
static void expect_refused_start(struct cluster *c, unsigned i, const char *why)
{
    int status = process_wait(c->nodes[i].pid);

    c->nodes[i].pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        fail_msg("node %u ended with %d, see %s", i + 1, status, c->nodes[i].log);
    }
    wait_logged(c, i, "level=error", why);
}

/* This command of orderctl (its words, then NULL), asked of all of them, fails and says why. */
static void expect_orderctl_tells(const struct cluster *c, const char *const *words,
                                  const char *text)
{
    char program[600], output[400], line[4096];
    char *argv[12] = {program};
    bool found = false;
    unsigned n = 1;

    process_path("orderctl", program, sizeof program);
    snprintf(output, sizeof output, "%s/orderctl", c->dir);
    while (*words != NULL) {
        argv[n++] = (char *)*words++;
    }
    argv[n++] = (char *)"--endpoints";
    argv[n] = (char *)c->endpoints;
    int status = process_wait(process_start(argv, output, NULL, NULL));
    FILE *f = fopen(output, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        found = found || strstr(line, text) != NULL;
    }
    fclose(f);
    if (!found || !WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        fail_msg("%s ended with %d and does not say \"%s\": see %s", argv[1], status, text, output);
    }
}

static void expect_status_tells(const struct cluster *c, const char *text)
{
    static const char *const words[] = {"status", NULL};

    expect_orderctl_tells(c, words, text);
}

/* --- 1: a node that founded a cluster of its own is added to another one --- */

static void a_node_that_founded_for_itself_is_not_added_and_nothing_is_lost(void **state)
{
    struct cluster c;
    char alone[64], address[64];
    const char *const add[] = {"member", "add", "2", address, NULL};

    (void)state;
    cluster_init(&c, 1);
    cluster_start(&c, 0);
    wait_leads(&c, 0);
    unsigned second = cluster_grow(&c, 2), third = cluster_grow(&c, 3);
    c.nodes[second].joins = false;
    peers_of(&c, alone, sizeof alone, 1, &second);
    c.nodes[second].peers = alone;
    cluster_start(&c, second);
    wait_leads(&c, second);
    ordersched_client *client = client_of(&c, 0);
    make_orders(client, "first");

    assert_int_equal(cluster_member_add(client, 2, c.nodes[second].port), ORDERSCHED_MEMBER_CHANGE);
    wait_logged(&c, second, "level=error", "is a member of another cluster");
    snprintf(address, sizeof address, "127.0.0.1:%u", c.nodes[second].port);
    expect_orderctl_tells(&c, add, "let an empty node --join under a new id");
    assert_int_equal(count_orders(client, "first"), ORDERS);
    assert_true(cluster_status(&c, 0).leader && cluster_status(&c, second).leader);
    assert_string_not_equal(cluster_status(&c, 0).identity, cluster_status(&c, second).identity);
    expect_status_tells(&c, "WRONG_CLUSTER: these nodes are of two clusters with one name");

    /* as the sentence says: empty, and told to join */
    cluster_kill(&c, second);
    cluster_wipe(&c, second);
    c.nodes[second].joins = true;
    cluster_start(&c, second);
    cluster_start(&c, third);
    assert_int_equal(cluster_member_add(client, 2, c.nodes[second].port), 0);
    assert_int_equal(cluster_member_add(client, 3, c.nodes[third].port), 0);
    assert_int_equal(cluster_transfer(client, 2), 0);
    wait_leads(&c, second);
    assert_int_equal(orders_at(&c, second, "first"), ORDERS);
    cluster_expect_equal_digests(&c, 20000);
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(cluster_status(&c, i).identity, cluster_status(&c, 0).identity);
        assert_int_equal(strlen(cluster_status(&c, i).identity), 32);
    }
    ordersched_close(client);
    cluster_close(&c, false);
}

static void a_node_that_was_told_to_join_another_cluster_first_stays_there(void **state)
{
    struct cluster c, other;
    char address[64];

    (void)state;
    cluster_init(&c, 1);
    cluster_start(&c, 0);
    cluster_init(&other, 1);
    while (other.nodes[0].port - c.nodes[0].port + 100 < 200) { /* room for the second */
        cluster_close(&other, false);
        cluster_init(&other, 1);
    }
    cluster_start(&other, 0);
    wait_leads(&c, 0);
    wait_leads(&other, 0);
    unsigned second = cluster_grow(&c, 2);
    cluster_start(&c, second);
    ordersched_client *client = client_of(&c, 0), *foreign = client_of(&other, 0);
    assert_int_equal(cluster_member_add(client, 2, c.nodes[second].port), 0);
    assert_int_equal(cluster_member_add(foreign, 2, c.nodes[second].port),
                     ORDERSCHED_MEMBER_CHANGE);
    snprintf(address, sizeof address, "127.0.0.1:%u", other.nodes[0].port);
    wait_logged(&c, second, "level=error", address);
    assert_true(cluster_status(&other, 0).leader);
    make_orders(foreign, "other");
    make_orders(client, "first");
    assert_int_equal(count_orders(foreign, "other"), ORDERS);
    assert_int_equal(count_orders(client, "first"), ORDERS);
    ordersched_close(client);
    ordersched_close(foreign);
    cluster_close(&c, false);
    cluster_close(&other, false);
}

/* --- 2: empty nodes would found a cluster around one that is there --- */

static void open_one_of_three(struct cluster *c, char *alone, size_t len, char *all, size_t all_len)
{
    static const unsigned which[] = {0, 1, 2};

    cluster_init(c, 3);
    peers_of(c, alone, len, 1, which);
    peers_of(c, all, all_len, 3, which);
    c->nodes[0].peers = alone;
    cluster_start(c, 0);
    wait_leads(c, 0);
    ordersched_client *client = client_of(c, 0);
    make_orders(client, "first");
    ordersched_close(client);
}

static void founders_beside_a_cluster_that_is_there_found_nothing(void **state)
{
    struct cluster c;
    char alone[64], all[256];

    (void)state;
    open_one_of_three(&c, alone, sizeof alone, all, sizeof all);
    cluster_start(&c, 1);
    cluster_start(&c, 2);
    expect_refused_start(&c, 1, "is a member of one already");
    expect_refused_start(&c, 2, "under an id that no member of it ever had, then orderctl member");
    wait_logged(&c, 0, "level=error", "would found a cluster");
    /* the first, told to be one of three, stays what it is and says so */
    cluster_kill(&c, 0);
    c.nodes[0].peers = NULL;
    cluster_start(&c, 0);
    wait_leads(&c, 0);
    wait_logged(&c, 0, "level=warn", "--peers is neither");
    assert_int_equal(orders_at(&c, 0, "first"), ORDERS);
    cluster_close(&c, false);
}

static void what_was_founded_while_the_first_was_down_never_mixes_with_it(void **state)
{
    struct cluster c;
    char alone[64], all[256];

    (void)state;
    open_one_of_three(&c, alone, sizeof alone, all, sizeof all);
    cluster_kill(&c, 0);
    cluster_start(&c, 1);
    cluster_start(&c, 2);
    unsigned leader = cluster_wait_leader(&c, 15000);
    ordersched_client *client = client_of(&c, leader);
    make_orders(client, "second");
    ordersched_close(client);
    c.nodes[0].peers = NULL;
    cluster_start(&c, 0);
    wait_leads(&c, 0);
    wait_logged(&c, 0, "level=error", "is a member of another cluster");
    wait_logged(&c, leader, "level=error", "is a member of another cluster");
    sleep_ms(SETTLED_MS);
    assert_int_equal(orders_at(&c, 0, "first"), ORDERS);
    assert_int_equal(orders_at(&c, 0, "second"), 0);
    leader = cluster_status(&c, 1).leader ? 1 : 2;
    assert_int_equal(orders_at(&c, leader, "second"), ORDERS);
    assert_int_equal(orders_at(&c, leader, "first"), 0);
    assert_string_equal(cluster_status(&c, 1).identity, cluster_status(&c, 2).identity);
    assert_string_not_equal(cluster_status(&c, 0).identity, cluster_status(&c, 1).identity);
    expect_status_tells(&c, "WRONG_CLUSTER: these nodes are of two clusters with one name");
    cluster_close(&c, false);
}

/* --- 3: a directory of staging is started as the same node of production --- */

static void a_directory_of_staging_is_no_node_of_production(void **state)
{
    struct cluster c, staging;

    (void)state;
    cluster_init(&c, 3);
    staging = c;
    for (unsigned i = 0; i < 3; i++) { /* the same name, ids and addresses; its own directories */
        size_t len = strlen(staging.nodes[i].data);
        snprintf(staging.nodes[i].data + len, sizeof staging.nodes[i].data - len, "-staging");
    }
    cluster_start_all(&staging);
    (void)cluster_wait_leader(&staging, 15000);
    ordersched_client *client = cluster_client(&staging);
    make_orders(client, "staging");
    ordersched_close(client);
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&staging, i);
    }
    cluster_start_all(&c);
    (void)cluster_wait_leader(&c, 15000);
    client = cluster_client(&c);
    make_orders(client, "production");
    cluster_kill(&c, 2);
    memcpy(c.nodes[2].data, staging.nodes[2].data, sizeof c.nodes[2].data);
    cluster_start(&c, 2);
    wait_logged(&c, 2, "level=error", "is a member of another cluster");
    wait_logged(&c, 0, "level=error", "is a member of another cluster");
    sleep_ms(SETTLED_MS);
    assert_int_equal(count_orders(client, "production"), ORDERS);
    assert_int_equal(count_orders(client, "staging"), 0);
    /* it is not a voter either: with one of the two others dead there is no majority */
    unsigned leader = cluster_wait_leader(&c, 20000);
    assert_true(leader < 2);
    cluster_kill(&c, leader);
    sleep_ms(SETTLED_MS);
    assert_false(cluster_status(&c, 1 - leader).leader);
    assert_false(cluster_status(&c, 2).leader);
    ordersched_close(client);
    cluster_close(&c, false);
}

/* --- 4: lists that differ --- */

static void lists_that_differ_at_the_founding_are_told_on_both_sides(void **state)
{
    struct cluster c;
    char all[256], wrong[256];
    static const unsigned which[] = {0, 1, 2};

    (void)state;
    cluster_init(&c, 3);
    peers_of(&c, all, sizeof all, 3, which);
    snprintf(wrong, sizeof wrong, "1=127.0.0.1:%u,2=127.0.0.1:%u,3=127.0.0.1:%u", c.nodes[0].port,
             c.nodes[1].port + 400, c.nodes[2].port);
    c.nodes[2].peers = wrong;
    cluster_start(&c, 0);
    cluster_stop(&c, 0); /* it has begun to found, and is in no cluster */
    cluster_start(&c, 0);
    while (port_is_free(c.nodes[0].port + 1)) {
        sleep_ms(5);
    }
    cluster_start(&c, 2);
    expect_refused_start(&c, 2, "node 2 is at 127.0.0.1:");
    wait_logged(&c, 0, "level=error", "its --peers differ");
    /* with the right list it is one of them */
    c.nodes[2].peers = NULL;
    cluster_start(&c, 2);
    cluster_start(&c, 1);
    (void)cluster_wait_leader(&c, 15000);
    cluster_expect_equal_digests(&c, 20000);
    /* founded long ago, another list is only a mistake in the flags */
    cluster_kill(&c, 2);
    c.nodes[2].peers = wrong;
    cluster_start(&c, 2);
    wait_logged(&c, 2, "level=warn", "--peers is neither");
    cluster_expect_equal_digests(&c, 20000);
    cluster_close(&c, false);
}

/* --- 5: an address that is not the recorded one --- */

/* Start the node, a member, at another address, then at its own again: only the first is told. */
static void expect_other_address_told(struct cluster *c, unsigned i, unsigned other,
                                      const char *peers)
{
    unsigned port = c->nodes[i].port;
    char told[128];

    assert_false(has_logged(c, i, "level=warn", "this node's address is not the one"));
    cluster_kill(c, i);
    c->nodes[i].port = c->nodes[other].port;
    c->nodes[i].peers = peers;
    cluster_start(c, i);
    wait_logged(c, i, "level=warn", "this node's address is not the one");
    snprintf(told, sizeof told, "recorded=127.0.0.1:%u given=127.0.0.1:%u", port,
             c->nodes[other].port);
    assert_true(has_logged(c, i, "level=warn", told));
    cluster_kill(c, i);
    assert_int_equal(unlink(c->nodes[i].log), 0);
    c->nodes[i].port = port;
    c->nodes[i].peers = NULL;
    cluster_start(c, i);
    cluster_expect_equal_digests(c, 15000);
    assert_false(has_logged(c, i, "level=warn", "this node's address is not the one"));
}

static void an_address_that_is_not_the_recorded_one_is_told_with_both(void **state)
{
    struct cluster c;
    char moved[256];

    (void)state;
    cluster_init(&c, 3);
    cluster_start_all(&c);
    ordersched_client *client = client_of(&c, cluster_wait_leader(&c, 15000));
    unsigned joined = cluster_grow(&c, 4);
    cluster_start(&c, joined);
    assert_int_equal(cluster_member_add(client, 4, c.nodes[joined].port), 0);
    ordersched_close(client);
    unsigned other = cluster_grow(&c, 5); /* a place that no node has */
    c.n--;
    snprintf(moved, sizeof moved, "1=127.0.0.1:%u,2=127.0.0.1:%u,3=127.0.0.1:%u", c.nodes[0].port,
             c.nodes[1].port, c.nodes[other].port);
    expect_other_address_told(&c, 2, other, moved);     /* a founder */
    expect_other_address_told(&c, joined, other, NULL); /* one that was added */
    cluster_close(&c, false);
}

static void one_that_is_alone_is_told_of_another_address_too(void **state)
{
    struct cluster c;
    char moved[64];

    (void)state;
    cluster_init(&c, 1);
    cluster_start(&c, 0);
    wait_leads(&c, 0);
    ordersched_client *client = client_of(&c, 0);
    make_orders(client, "first"); /* so it is founded, and has not only begun to be */
    ordersched_close(client);
    unsigned other = cluster_grow(&c, 2);
    c.n--;
    snprintf(moved, sizeof moved, "1=127.0.0.1:%u", c.nodes[other].port);
    expect_other_address_told(&c, 0, other, moved);
    wait_leads(&c, 0);
    cluster_close(&c, false);
}

static void a_list_that_was_wrong_when_the_founding_began_is_told_with_the_way_out(void **state)
{
    struct cluster c;
    char wrong[256];

    (void)state;
    cluster_init(&c, 3);
    snprintf(wrong, sizeof wrong, "1=127.0.0.1:%u,2=127.0.0.1:%u,3=127.0.0.1:%u", c.nodes[0].port,
             c.nodes[1].port + 400, c.nodes[2].port);
    c.nodes[0].peers = wrong;
    cluster_start(&c, 0);
    (void)cluster_stop(&c, 0);
    c.nodes[0].peers = NULL;
    cluster_start(&c, 0);
    expect_refused_start(&c, 0, "began to found a cluster with other flags");
    assert_true(has_logged(&c, 0, "level=error", "node 2 is at 127.0.0.1:"));
    cluster_wipe(&c, 0);
    cluster_start_all(&c);
    (void)cluster_wait_leader(&c, 15000);
    cluster_expect_equal_digests(&c, 20000);
    cluster_close(&c, false);
}

static void a_founder_that_comes_late_is_one_of_its_cluster(void **state)
{
    struct cluster c;

    (void)state;
    cluster_init(&c, 3);
    cluster_start(&c, 0);
    cluster_start(&c, 1);
    unsigned leader = cluster_wait_leader(&c, 15000);
    ordersched_client *client = client_of(&c, leader);
    make_orders(client, "first");
    cluster_start(&c, 2);
    cluster_expect_equal_digests(&c, 20000);
    assert_string_equal(cluster_status(&c, 2).identity, cluster_status(&c, 0).identity);
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_founded_for_itself_is_not_added_and_nothing_is_lost),
        cmocka_unit_test(a_node_that_was_told_to_join_another_cluster_first_stays_there),
        cmocka_unit_test(founders_beside_a_cluster_that_is_there_found_nothing),
        cmocka_unit_test(what_was_founded_while_the_first_was_down_never_mixes_with_it),
        cmocka_unit_test(a_directory_of_staging_is_no_node_of_production),
        cmocka_unit_test(lists_that_differ_at_the_founding_are_told_on_both_sides),
        cmocka_unit_test(a_list_that_was_wrong_when_the_founding_began_is_told_with_the_way_out),
        cmocka_unit_test(a_founder_that_comes_late_is_one_of_its_cluster),
        cmocka_unit_test(an_address_that_is_not_the_recorded_one_is_told_with_both),
        cmocka_unit_test(one_that_is_alone_is_told_of_another_address_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
