/* test_client_tls.c - the client library over TLS, against small servers (support/fleet) behind OpenSSL
 * (support/tls_front): who is let through, who is refused, and with which sentence. test_client_tls_renew has
 * files that are replaced.
 * Runs beside others: waits 35 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/cluster/process.h"
#include "../support/tls_bed.h"

/* ---------------------------------------------------------------- good ones */

static void calls_are_answered_over_tls(void **state)
{
    struct tls_bed *b = *state;
    struct ordersched_answer answer;

    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, NULL, NULL);
    assert_int_equal(ordersched_schedule(client, "order-1", 1800000, "shop", "{}", 2, &answer),
                     ORDERSCHED_OK);
    assert_int_equal(answer.deadline_ms, 1800000);
    assert_int_equal(ordersched_pay(client, "order-1", &answer), ORDERSCHED_OK);
    assert_int_equal(answer.state, ORDERSCHED_PAID);
    assert_int_equal(fleet_requests(b->fleet), 2);
    assert_int_equal(b->front.accepted, 1); /* one connection, and no look beside it */
    assert_int_equal(b->front.shaken, 1);
    assert_int_equal(b->front.with_cert, 0);
    ordersched_close(client);
}

static void nodes_certificates_of_each_kind_are_taken(void **state)
{
    static const char *const keys[] = {"P-256", "P-384", "RSA"};
    struct tls_bed *b = *state;

    tls_front_start(&b->front);
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct certificates_wish node = {.node = 1, .key = keys[i]};
        struct certificates_wish own = {.client = "till-7", .key = keys[i]};
        certificates_issue(b->authority, &node, b->node_cert, b->node_key);
        certificates_issue(b->authority, &own, b->cert, b->key);
        struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, b->cert, b->key);
        assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
        ordersched_close(client);
    }
}

static void a_node_with_an_ed25519_key_and_tls_13_alone_is_taken(void **state)
{
    struct tls_bed *b = *state;
    struct certificates_wish node = {.node = 1, .key = "ED25519"};

    certificates_issue(b->authority, &node, b->node_cert, b->node_key);
    b->front.only_tls13 = true;
    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, NULL, NULL);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    ordersched_close(client);
}

/* nng hands it over in three pieces. */
static void a_message_is_one_record_as_long_as_it_fits(void **state)
{
    enum { CALLS = 20 };
    static const char payload[ORDERSCHED_PAYLOAD_MAX];
    struct tls_bed *b = *state;

    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, NULL, NULL);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    unsigned before = b->front.records;
    for (unsigned i = 0; i < CALLS; i++) {
        assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    }
    assert_int_equal(b->front.records - before, CALLS);
    before = b->front.records;
    assert_int_equal(ordersched_schedule(client, "order-1", 1000, "shop", payload, sizeof payload,
                                         NULL),
                     ORDERSCHED_OK);
    assert_int_equal(b->front.records - before, 1 + sizeof payload / (16 * 1024));
    ordersched_close(client);
}

static void a_client_with_a_certificate_is_let_in_where_one_is_asked_for(void **state)
{
    struct tls_bed *b = *state;

    b->front.client_ca = b->ca;
    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, b->cert, b->key);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_int_equal(b->front.with_cert, 1);
    ordersched_close(client);
}

/* The address in a redirect is dialled with TLS, and checked by the cluster's name, too. */
static void a_redirect_keeps_tls(void **state)
{
    struct tls_bed *b = *state;
    struct tls_front second = {.cert = b->node_cert, .key = b->node_key};

    b->server->id = 99;
    struct server *follower = fleet_start(b->fleet, 1, 1, 0, FOLLOWS);
    tls_front_start(&b->front);
    follower->leader = b->front.port;
    second.port_behind = follower->port;
    tls_front_start(&second);
    struct ordersched_client *client = tls_bed_open(second.address, b->ca, NULL, NULL);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_int_equal(fleet_requests(b->fleet), 1);
    assert_int_equal(b->front.shaken, 1);
    assert_int_equal(second.shaken, 1);
    ordersched_close(client);
    tls_front_end(&second);
}

/* ---------------------------------------------------------------- refused ones */

static void expect_node_refused(struct tls_bed *b, const char *ca, const char *const *words)
{
    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, ca, NULL, NULL);

    tls_bed_expect_refused(b, client, b->front.address, words);
    assert_true(b->front.accepted > 0);
    ordersched_close(client);
}

static void a_node_of_another_ca_is_refused(void **state)
{
    static const char *const words[] = {"not signed by a CA in", "other.pem", "CN=the cluster's CA",
                                        "CN=another CA", NULL};
    struct tls_bed *b = *state;
    struct certificates_ca *other = certificates_ca_new("another CA");
    char path[TLS_BED_PATH];

    tls_bed_path(b, path, "other.pem");
    certificates_write_ca(other, path);
    expect_node_refused(b, path, words);
    certificates_ca_free(other);
}

static void a_certificate_without_the_clusters_name_is_refused(void **state)
{
    static const char *const words[] = {"must carry the DNS name orderschedd.orderschedd",
                                        "localhost, other.orderschedd", "--cluster", NULL};
    struct tls_bed *b = *state;
    struct certificates_wish node = {.cluster = "other", .node = 1};

    certificates_issue(b->authority, &node, b->node_cert, b->node_key);
    expect_node_refused(b, b->ca, words);
}

/* Even one for the very address that is dialled. */
static void a_certificate_for_the_address_alone_is_refused(void **state)
{
    static const char *const words[] = {"must carry the DNS name orderschedd.orderschedd",
                                        "no DNS name", NULL};
    struct tls_bed *b = *state;
    struct certificates_wish node = {.names = "IP:127.0.0.1"};

    certificates_issue(b->authority, &node, b->node_cert, b->node_key);
    expect_node_refused(b, b->ca, words);
}

static void an_expired_certificate_is_refused(void **state)
{
    static const char *const words[] = {"has expired", "renew", NULL};
    struct tls_bed *b = *state;
    struct certificates_wish node = {.node = 1, .from_s = -7200, .until_s = -60};

    certificates_issue(b->authority, &node, b->node_cert, b->node_key);
    expect_node_refused(b, b->ca, words);
}

static void a_certificate_of_tomorrow_is_refused(void **state)
{
    static const char *const words[] = {"not valid yet", "clock", NULL};
    struct tls_bed *b = *state;
    struct certificates_wish node = {.node = 1, .from_s = 86400, .until_s = 2 * 86400};

    certificates_issue(b->authority, &node, b->node_cert, b->node_key);
    expect_node_refused(b, b->ca, words);
}

static void a_clients_certificate_makes_no_node(void **state)
{
    static const char *const words[] = {"DNS name", NULL};
    struct tls_bed *b = *state;

    b->front.cert = b->cert;
    b->front.key = b->key;
    expect_node_refused(b, b->ca, words);
}

static void a_client_without_a_certificate_is_told_to_give_one(void **state)
{
    static const char *const words[] = {"wants a client's certificate", "--tls-cert", NULL};
    struct tls_bed *b = *state;

    b->front.client_ca = b->ca;
    expect_node_refused(b, b->ca, words);
    assert_int_equal(b->front.shaken, 0);
}

static void a_client_of_another_ca_is_told_that_it_is_not_trusted(void **state)
{
    static const char *const words[] = {"refuses this client's certificate", "client.pem",
                                        "not signed by a CA that the node trusts", NULL};
    struct tls_bed *b = *state;
    struct certificates_ca *other = certificates_ca_new("another CA");
    struct certificates_wish client = {.client = "till-7"};

    certificates_issue(other, &client, b->cert, b->key);
    b->front.client_ca = b->ca;
    tls_front_start(&b->front);
    struct ordersched_client *c = tls_bed_open(b->front.address, b->ca, b->cert, b->key);
    tls_bed_expect_refused(b, c, b->front.address, words);
    assert_int_equal(b->front.shaken, 0);
    ordersched_close(c);
    certificates_ca_free(other);
}

static void a_plain_client_is_told_of_tls(void **state)
{
    static const char *const words[] = {"speaks TLS", "--tls-ca", NULL};
    struct tls_bed *b = *state;

    tls_front_start(&b->front);
    struct ordersched_client *client = fleet_client(b->front.address, 10000);
    tls_bed_expect_refused(b, client, b->front.address, words);
    ordersched_close(client);
}

static void a_tls_client_is_told_of_a_plain_node(void **state)
{
    static const char *const words[] = {"speaks plain TCP", "leave the client's CA away", NULL};
    struct tls_bed *b = *state;

    struct ordersched_client *client = tls_bed_open(b->server->address, b->ca, NULL, NULL);
    tls_bed_expect_refused(b, client, b->server->address, words);
    assert_int_equal(b->server->received, 0); /* of messages */
    ordersched_close(client);
}

static void where_nobody_listens_the_system_says_so(void **state)
{
    static const char *const words[] = {"Connection refused", NULL};
    struct tls_bed *b = *state;
    char nobody[32];

    address_of_nobody(nobody);
    struct ordersched_client *client = tls_bed_open(nobody, b->ca, NULL, NULL);
    tls_bed_expect_refused(b, client, nobody, words);
    ordersched_close(client);
}

static void a_node_that_says_nothing_is_told_of(void **state)
{
    static const char *const words[] = {"does not answer", NULL};
    struct tls_bed *b = *state;
    unsigned port;
    int fd = listen_somewhere(&port); /* the kernel connects, and nobody reads */
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    struct ordersched_client *client = tls_bed_open(address, b->ca, NULL, NULL);
    tls_bed_expect_refused(b, client, address, words);
    ordersched_close(client);
    close(fd);
}

/* What was found is not said of calls that fail after the node has been repaired. */
static void a_repaired_node_is_used_without_a_new_client(void **state)
{
    struct tls_bed *b = *state;
    struct certificates_wish wrong = {.cluster = "other", .node = 1}, right = {.node = 1};

    certificates_issue(b->authority, &wrong, b->node_cert, b->node_key);
    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, NULL, NULL);
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct ordersched_answer answer;
    assert_int_equal(ordersched_call(client, &op, 1000, &answer), ORDERSCHED_UNREACHABLE);
    certificates_issue(b->authority, &right, b->node_cert, b->node_key);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    ordersched_close(client);
}

/* ---------------------------------------------------------------- files */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_open_refused(const char *ca, const char *cert, const char *key,
                                const char *cluster, const char *says, const char *file)
{
    char why[512] = "";
    struct ordersched_config config = {.cluster = cluster,
                                       .tls_ca = ca,
                                       .tls_cert = cert,
                                       .tls_key = key,
                                       .why = why,
                                       .why_size = sizeof why};
    struct ordersched_client *client = NULL;

    assert_int_equal(ordersched_open(&config, &client), ORDERSCHED_TLS_FILES);
    assert_null(client);
    if (strstr(why, says) == NULL || strstr(why, file) == NULL) {
        fail_msg("\"%s\" does not say \"%s\" of \"%s\"", why, says, file);
    }
}

static void files_that_do_not_do_are_named_when_the_client_opens(void **state)
{
    struct tls_bed *b = *state;
    struct certificates_wish old = {.client = "till-7", .from_s = -7200, .until_s = -60};
    struct certificates_wish ed = {.client = "till-7", .key = "ED25519"};
    char other[TLS_BED_PATH], other_key[TLS_BED_PATH];

    tls_bed_path(b, other, "other.pem");
    tls_bed_path(b, other_key, "other.key");
    expect_open_refused(NULL, b->cert, b->key, NULL, "tls_ca is missing", "");
    expect_open_refused(b->ca, b->cert, NULL, NULL, "tls_key is missing", "");
    expect_open_refused(b->ca, NULL, b->key, NULL, "tls_cert is missing", "");
    expect_open_refused(b->ca, b->cert, "", NULL, "tls_key is missing", "");
    expect_open_refused(other, NULL, NULL, NULL, "No such file", other);
    expect_open_refused(b->dir, NULL, NULL, NULL, "is not a file", b->dir);
    expect_open_refused("/dev/zero", NULL, NULL, NULL, "is not a file", "/dev/zero");
    expect_open_refused(b->node_key, NULL, NULL, NULL, "no PEM certificate", b->node_key);
    expect_open_refused(b->ca, b->key, b->key, NULL, "no PEM certificate", b->key);
    expect_open_refused(b->ca, b->cert, b->cert, NULL, "no PEM private key", b->cert);
    expect_open_refused(b->ca, b->cert, b->node_key, NULL, "is not that of the certificate",
                        b->node_key);
    expect_open_refused(b->ca, NULL, NULL, "a cluster", "in its name", "");
    write_file(other, "");
    expect_open_refused(other, NULL, NULL, NULL, "no PEM certificate", other);
    write_file(other, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect_open_refused(other, NULL, NULL, NULL, "damaged", other);
    write_file(other_key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    expect_open_refused(b->ca, b->cert, other_key, NULL, "damaged", other_key);
    certificates_issue(b->authority, &old, other, other_key);
    expect_open_refused(b->ca, other, other_key, NULL, "expired at", other);
    certificates_issue(b->authority, &ed, other, other_key);
    expect_open_refused(b->ca, other, other_key, NULL, "P-256, P-384 or RSA", other);
}

int main(int argc, char **argv)
{
    fleet_main(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, tls_bed_setup, tls_bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(calls_are_answered_over_tls),
        TEST(nodes_certificates_of_each_kind_are_taken),
        TEST(a_node_with_an_ed25519_key_and_tls_13_alone_is_taken),
        TEST(a_message_is_one_record_as_long_as_it_fits),
        TEST(a_client_with_a_certificate_is_let_in_where_one_is_asked_for),
        TEST(a_redirect_keeps_tls),
        TEST(a_node_of_another_ca_is_refused),
        TEST(a_certificate_without_the_clusters_name_is_refused),
        TEST(a_certificate_for_the_address_alone_is_refused),
        TEST(an_expired_certificate_is_refused),
        TEST(a_certificate_of_tomorrow_is_refused),
        TEST(a_clients_certificate_makes_no_node),
        TEST(a_client_without_a_certificate_is_told_to_give_one),
        TEST(a_client_of_another_ca_is_told_that_it_is_not_trusted),
        TEST(a_plain_client_is_told_of_tls),
        TEST(a_tls_client_is_told_of_a_plain_node),
        TEST(where_nobody_listens_the_system_says_so),
        TEST(a_node_that_says_nothing_is_told_of),
        TEST(a_repaired_node_is_used_without_a_new_client),
        TEST(files_that_do_not_do_are_named_when_the_client_opens),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
