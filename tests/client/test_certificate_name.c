/* test_certificate_name.c - which names a certificate may carry, and that no other text is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../client/wire/certificate_name.h"

static bool reads(const char *uri, struct certificate_name *name)
{
    return certificate_name_read(uri, strlen(uri), name);
}

static void a_node_is_named_by_cluster_and_number(void **state)
{
    struct certificate_name name;
    char uri[CERTIFICATE_URI_MAX + 1];

    (void)state;
    assert_true(reads("spiffe://shop.eu-1_A/node/18446744073709551615", &name));
    assert_int_equal(name.kind, CERTIFICATE_NODE);
    assert_string_equal(name.cluster, "shop.eu-1_A");
    assert_true(name.node == UINT64_MAX);
    certificate_name_write(&name, uri);
    assert_string_equal(uri, "spiffe://shop.eu-1_A/node/18446744073709551615");
}

static void a_client_is_named_by_cluster_and_name(void **state)
{
    struct certificate_name name;
    char uri[CERTIFICATE_URI_MAX + 1];

    (void)state;
    assert_true(reads("spiffe://c/client/till-7", &name));
    assert_int_equal(name.kind, CERTIFICATE_CLIENT);
    assert_string_equal(name.cluster, "c");
    assert_string_equal(name.client, "till-7");
    certificate_name_write(&name, uri);
    assert_string_equal(uri, "spiffe://c/client/till-7");
}

static void the_longest_names_fit(void **state)
{
    struct certificate_name name = {.kind = CERTIFICATE_CLIENT};
    struct certificate_name read;
    char uri[CERTIFICATE_URI_MAX + 1];
    char dns[CERTIFICATE_DNS_MAX + 1];

    (void)state;
    memset(name.cluster, 'c', PROTOCOL_CLUSTER_MAX);
    memset(name.client, 'n', CERTIFICATE_CLIENT_MAX);
    certificate_name_write(&name, uri);
    assert_true(reads(uri, &read));
    assert_string_equal(read.cluster, name.cluster);
    assert_string_equal(read.client, name.client);
    certificate_dns_write(name.cluster, dns);
    assert_int_equal(strlen(dns), CERTIFICATE_DNS_MAX);
}

static void nothing_else_is_a_name(void **state)
{
    static const char *const bad[] = {
        "",
        "spiffe://",
        "spiffe://c",
        "spiffe://c/",
        "spiffe:///node/1",
        "spiffe://c/node/",
        "spiffe://c/node/0",
        "spiffe://c/node/01",
        "spiffe://c/node/+1",
        "spiffe://c/node/1 ",
        "spiffe://c/node/1/",
        "spiffe://c/node/1?x",
        "spiffe://c/node/18446744073709551616",
        "spiffe://c/node/99999999999999999999",
        "spiffe://c/node/184467440737095516150",
        "spiffe://c/Node/1",
        "spiffe://c/client/",
        "spiffe://c/client/a/b",
        "spiffe://c/client/a%20b",
        "spiffe://c/client/a\nb",
        "spiffe://c/client/\xc3\xa4",
        "spiffe://c d/client/a",
        "spiffe://u@c/client/a",
        "spiffe://c:1/client/a",
        "SPIFFE://c/client/a",
        "https://c/client/a",
    };
    struct certificate_name name;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (reads(bad[i], &name)) {
            fail_msg("\"%s\" was taken for a name", bad[i]);
        }
    }
    assert_false(
        certificate_name_read("spiffe://c/client/a\0b", 21, &name)); /* nor a zero inside */
    char longer[CERTIFICATE_URI_MAX + 2] = "spiffe://c/client/";
    memset(longer + 18, 'n', CERTIFICATE_CLIENT_MAX + 1);
    assert_false(reads(longer, &name));
}

static void each_cluster_has_one_dns_name(void **state)
{
    char dns[CERTIFICATE_DNS_MAX + 1];

    (void)state;
    certificate_dns_write("shop", dns);
    assert_string_equal(dns, "shop.orderschedd");
}

static void a_ca_is_named_by_its_cluster_alone(void **state)
{
    static const char *const none[] = {"",          "spiffe://", "spiffe://a/", "spiffe://a/node/1",
                                       "spiffe:/a", "https://a", "spiffe://a b"};
    char cluster[PROTOCOL_CLUSTER_MAX + 1], uri[CERTIFICATE_URI_MAX + 1];
    struct certificate_name name;

    (void)state;
    certificate_authority_write("shop.eu-1_A", uri);
    assert_string_equal(uri, "spiffe://shop.eu-1_A");
    assert_true(certificate_authority_read(uri, strlen(uri), cluster));
    assert_string_equal(cluster, "shop.eu-1_A");
    assert_false(reads(uri, &name)); /* so it is no node and no client */
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(certificate_authority_read(none[i], strlen(none[i]), cluster));
    }
    assert_false(certificate_authority_read("spiffe://a\0b", 12, cluster));
    char longer[PROTOCOL_CLUSTER_MAX + 11] = "spiffe://";
    memset(longer + 9, 'n', PROTOCOL_CLUSTER_MAX + 1);
    assert_false(certificate_authority_read(longer, strlen(longer), cluster));
    longer[9 + PROTOCOL_CLUSTER_MAX] = 0;
    assert_true(certificate_authority_read(longer, strlen(longer), cluster));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_named_by_cluster_and_number),
        cmocka_unit_test(a_client_is_named_by_cluster_and_name),
        cmocka_unit_test(the_longest_names_fit),
        cmocka_unit_test(nothing_else_is_a_name),
        cmocka_unit_test(each_cluster_has_one_dns_name),
        cmocka_unit_test(a_ca_is_named_by_its_cluster_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
