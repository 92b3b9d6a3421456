/* test_client_tls_renew.c - CAs, certificates and keys are replaced while a client calls, and connections
 * die over it.
 *
 * nng may lose a message of ours with a connection: see lsan-nng-lost.supp.
 * Runs beside others: waits 4 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "../support/cluster/process.h"
#include "../support/tls_bed.h"

/* Connections are lost while four threads pay, and come again by the files as they are then. */
static void cut_under_load(struct tls_bed *b, struct ordersched_client *client)
{
    struct payer payers[4];
    unsigned before = b->front.shaken;

    payers_start(payers, 4, 400, client);
    sleep_ms(20);
    tls_front_cut(&b->front);
    assert_int_equal(payers_join(payers, 4), 0);
    assert_true(b->front.shaken > before);
}

/* All that belongs to the first CA is replaced, a step at a time. */
static void ca_certificates_and_keys_are_replaced_under_load(void **state)
{
    struct tls_bed *b = *state;
    struct certificates_ca *second = certificates_ca_new("the cluster's CA");
    struct certificates_wish node = {.node = 1}, own = {.client = "till-7"};

    b->front.client_ca = b->ca;
    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, b->cert, b->key);
    cut_under_load(b, client);
    certificates_write_cas(b->authority, second, b->ca);
    cut_under_load(b, client);
    certificates_issue(second, &node, b->node_cert, b->node_key);
    cut_under_load(b, client);
    certificates_issue(second, &own, b->cert, b->key);
    cut_under_load(b, client);
    certificates_write_ca(second, b->ca); /* from here on the first one is worth nothing */
    cut_under_load(b, client);
    assert_int_equal(b->front.with_cert, b->front.shaken);
    assert_true(fleet_requests(b->fleet) >= 5 * 4 * 400); /* the ids of each step are new */
    ordersched_close(client);
    certificates_ca_free(second);
}

/* The CA changes at one stroke: what nng keeps dialling with the old one is given up. */
static void a_ca_that_was_replaced_is_used_without_a_new_client(void **state)
{
    struct tls_bed *b = *state;
    struct certificates_ca *second = certificates_ca_new("second");
    struct certificates_wish node = {.node = 1};

    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, NULL, NULL);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    certificates_issue(second, &node, b->node_cert, b->node_key);
    tls_front_cut(&b->front);
    sleep_ms(600); /* nng has failed by now */
    certificates_write_ca(second, b->ca);
    assert_int_equal(ordersched_pay(client, "b", NULL), ORDERSCHED_OK);
    ordersched_close(client);
    certificates_ca_free(second);
}

/* A file that does not fit leaves the old ones in force, and what is wrong is said once it matters. */
static void a_file_that_does_not_fit_changes_nothing(void **state)
{
    static const char *const words[] = {"client.key", "is not that of the certificate in",
                                        "client.pem", "still used", NULL};
    struct tls_bed *b = *state;
    struct certificates_wish own = {.client = "till-7"};
    char other_key[TLS_BED_PATH];

    b->front.client_ca = b->ca;
    tls_front_start(&b->front);
    struct ordersched_client *client = tls_bed_open(b->front.address, b->ca, b->cert, b->key);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    tls_bed_path(b, other_key, "other.key");
    certificates_issue(b->authority, &own, b->cert, other_key); /* the key stays the old one */
    tls_front_cut(&b->front);
    assert_int_equal(ordersched_pay(client, "b", NULL), ORDERSCHED_OK);
    assert_int_equal(b->front.with_cert, 2);
    b->fleet->n_ids = 0;
    fleet_kill(b->server);
    b->front.cert = b->cert; /* no connection comes any more */
    unsigned accepted = b->front.accepted;
    tls_front_cut(&b->front);
    /* What is sent before the client has noticed is lost, and nobody knows whether it was done. */
    for (unsigned i = 0; i < 15000 && b->front.accepted == accepted; i++) {
        sleep_ms(1);
    }
    tls_bed_expect_refused(b, client, b->front.address, words);
    ordersched_close(client);
}

int main(int argc, char **argv)
{
    fleet_main(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, tls_bed_setup, tls_bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(ca_certificates_and_keys_are_replaced_under_load),
        TEST(a_ca_that_was_replaced_is_used_without_a_new_client),
        TEST(a_file_that_does_not_fit_changes_nothing),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
