/* test_cert.c - certificates made and read: hosts, names, what is judged; and ones with bytes changed at
 * random, which must be read without harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/cert/cert_facts.h"
#include "../../client/cert/cert_make.h"
#include "../../client/cert/cert_names.h"
#include "../../client/cert/cert_authority.h"
#include "../../client/cert/cert_read.h"
#include "../support/random.h"

#define NOW_MS 1800000000000ull
#define DAY_MS (24ull * 3600 * 1000)

struct made {
    X509 *cert;
    EVP_PKEY *key;
};

static void made_free(struct made *m)
{
    X509_free(m->cert);
    EVP_PKEY_free(m->key);
}

static struct made make(enum cert_use use, const char *hosts, const struct made *ca)
{
    struct cert_plan plan = {.use = use, .from_ms = NOW_MS, .until_ms = NOW_MS + 90 * DAY_MS};
    struct cert_error error;
    struct made m = {.key = cert_make_key(&error)};

    assert_non_null(m.key);
    strcpy(plan.name.cluster, "shop");
    if (use != CERT_USE_CA) {
        plan.name.kind = use == CERT_USE_NODE ? CERTIFICATE_NODE : CERTIFICATE_CLIENT;
        plan.name.node = use == CERT_USE_NODE ? 7 : 0;
        strcpy(plan.name.client, use == CERT_USE_CLIENT ? "till" : "");
    }
    if (hosts != NULL) {
        assert_true(cert_names_add_hosts(&plan.hosts, hosts, &error));
    }
    m.cert = cert_make(&plan, m.key, ca != NULL ? ca->cert : NULL, ca != NULL ? ca->key : m.key,
                       &error);
    assert_non_null(m.cert);
    cert_names_free(&plan.hosts);
    return m;
}

static void hosts_are_names_and_addresses(void **state)
{
    struct cert_names names = {0};
    struct cert_error error;

    (void)state;
    assert_true(cert_names_add_hosts(&names,
                                     "Node_1.Example,10.0.0.1,0:0::1,node_1.example,::1,1a.2b",
                                     &error));
    assert_int_equal(names.n, 4);
    assert_string_equal(names.at[0].text, "node_1.example");
    assert_int_equal(names.at[0].type, CERT_NAME_DNS);
    assert_string_equal(names.at[1].text, "10.0.0.1");
    assert_int_equal(names.at[1].type, CERT_NAME_IP);
    assert_string_equal(names.at[2].text, "::1");
    assert_string_equal(names.at[3].text, "1a.2b");
    cert_names_free(&names);
    assert_int_equal(names.n, 0);
}

static void the_longest_host_fits_and_no_longer_one(void **state)
{
    struct cert_names names = {0};
    struct cert_error error;
    char host[255];

    (void)state;
    for (size_t i = 0; i < 254; i++) {
        host[i] = i % 2 == 0 ? 'a' : '.';
    }
    host[253] = 0; /* ends with a letter */
    assert_true(cert_names_add_hosts(&names, host, &error));
    assert_int_equal(names.at[0].len, 253);
    host[253] = 'b';
    host[254] = 0;
    assert_false(cert_names_add_hosts(&names, host, &error));
    assert_int_equal(error.code, CERT_BAD_HOST);
    cert_names_free(&names);
}

static void a_node_says_what_it_was_made_with(void **state)
{
    static const char *const texts[] = {"spiffe://shop/node/7", "shop.orderschedd", "a.example",
                                        "10.0.0.1", "fd00::7"};
    struct made ca = make(CERT_USE_CA, NULL, NULL);
    struct made node = make(CERT_USE_NODE, "a.example,10.0.0.1,shop.orderschedd,fd00::7", &ca);
    struct cert_facts facts;
    struct cert_flaw flaws[CERT_FLAWS_MAX];

    (void)state;
    cert_facts_read(&facts, node.cert);
    assert_int_equal(facts.use, CERT_USE_NODE);
    assert_int_equal(facts.n_ours, 1);
    assert_string_equal(facts.name.cluster, "shop");
    assert_true(facts.name.node == 7);
    assert_true(facts.from_ms == NOW_MS && facts.until_ms == NOW_MS + 90 * DAY_MS);
    assert_int_equal(facts.names.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(facts.names.at[i].text, texts[i]);
    }
    assert_true(facts.server && facts.client && facts.signs_handshakes && !facts.any_use);
    assert_false(facts.may_sign || facts.self_signed);
    assert_string_equal(facts.key, "ECDSA P-256");
    assert_int_equal(cert_facts_judge(&facts, node.cert, NOW_MS, flaws), 0);
    assert_true(cert_signed_by(node.cert, ca.cert));
    assert_false(cert_signed_by(ca.cert, node.cert));
    assert_true(cert_key_fits(node.cert, node.key));
    assert_false(cert_key_fits(node.cert, ca.key));
    cert_facts_free(&facts);
    made_free(&node);
    made_free(&ca);
}

static const char *worst(const struct made *m, const struct cert_facts *facts, uint64_t now_ms)
{
    struct cert_flaw flaws[CERT_FLAWS_MAX];

    return cert_facts_judge(facts, m->cert, now_ms, flaws) > 0 ? flaws[0].code : "none";
}

static void its_time_is_judged_to_the_millisecond(void **state)
{
    struct made ca = make(CERT_USE_CA, NULL, NULL);
    uint64_t until_ms = NOW_MS + 90 * DAY_MS;
    struct cert_facts facts;

    (void)state;
    cert_facts_read(&facts, ca.cert);
    assert_string_equal(worst(&ca, &facts, NOW_MS - 1), "NOT_YET_VALID");
    assert_string_equal(worst(&ca, &facts, NOW_MS), "none");
    assert_string_equal(worst(&ca, &facts, until_ms - CERT_SOON_MS), "none");
    assert_string_equal(worst(&ca, &facts, until_ms - CERT_SOON_MS + 1), "EXPIRES_SOON");
    assert_string_equal(worst(&ca, &facts, until_ms), "EXPIRES_SOON");
    assert_string_equal(worst(&ca, &facts, until_ms + 1), "EXPIRED");
    cert_facts_free(&facts);
    made_free(&ca);
}

/* Whatever was changed: it is read, its texts end, and it is judged. */
static void a_certificate_with_changed_bytes_does_no_harm(void **state)
{
    struct random r = random_start();
    struct made ca = make(CERT_USE_CA, NULL, NULL);
    struct made node = make(CERT_USE_NODE, "a.example,10.0.0.1,fd00::7", &ca);
    unsigned char *der = NULL;
    int len = i2d_X509(node.cert, &der);
    unsigned n_read = 0, n_flawed = 0;

    (void)state;
    assert_true(len > 0);
    for (unsigned round = 0; round < 5000; round++) {
        unsigned char changed[2048];
        const unsigned char *at = changed;
        memcpy(changed, der, (size_t)len);
        for (uint64_t i = 1 + random_below(&r, 3); i > 0; i--) {
            changed[random_below(&r, (uint64_t)len)] = (unsigned char)random_next(&r);
        }
        X509 *cert = d2i_X509(NULL, &at, len);
        if (cert == NULL) {
            continue;
        }
        struct cert_facts facts;
        struct cert_flaw flaws[CERT_FLAWS_MAX];
        cert_facts_read(&facts, cert);
        unsigned n = cert_facts_judge(&facts, cert, NOW_MS, flaws);
        assert_true(n <= CERT_FLAWS_MAX && strlen(facts.key) < sizeof facts.key);
        (void)cert_signed_by(cert, ca.cert);
        n_read++;
        n_flawed += n > 0;
        cert_facts_free(&facts);
        X509_free(cert);
    }
    assert_true(n_read > 500 && n_flawed > 50); /* of most nothing but the signature is wrong */
    OPENSSL_free(der);
    made_free(&node);
    made_free(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_names_and_addresses),
        cmocka_unit_test(the_longest_host_fits_and_no_longer_one),
        cmocka_unit_test(a_node_says_what_it_was_made_with),
        cmocka_unit_test(its_time_is_judged_to_the_millisecond),
        cmocka_unit_test(a_certificate_with_changed_bytes_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
