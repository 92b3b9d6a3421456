/* test_cert_nng.c - what is made here is taken by the TLS of Debian's nng: mbedTLS, on both
 * sides, with a client's certificate and the cluster's name checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../client/cert/cert_make.h"

#define HOUR_MS (3600ull * 1000)
#define WAIT_MS 5000
#define REFUSED_MS 500 /* a handshake takes a few */

struct made {
    X509 *cert;
    EVP_PKEY *key;
    char crt[4096], pem_key[4096];
};

static void text_of(BIO *bio, char out[4096])
{
    int n = BIO_read(bio, out, 4095);

    assert_true(n > 0 && n < 4095);
    out[n] = 0;
    BIO_free(bio);
}

static void make(struct made *m, enum cert_use use, const char *cluster, const struct made *ca)
{
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    struct cert_plan plan = {.use = use, .from_ms = now_ms - HOUR_MS, .until_ms = now_ms + HOUR_MS};
    struct cert_error error;

    strcpy(plan.name.cluster, cluster);
    plan.name.kind = use == CERT_USE_NODE ? CERTIFICATE_NODE : CERTIFICATE_CLIENT;
    plan.name.node = 1;
    strcpy(plan.name.client, "till");
    m->key = cert_make_key(&error);
    assert_non_null(m->key);
    m->cert = cert_make(&plan, m->key, ca != NULL ? ca->cert : NULL, ca != NULL ? ca->key : m->key,
                        &error);
    assert_non_null(m->cert);
    BIO *crt = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(crt, m->cert), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(key, m->key, NULL, NULL, 0, NULL, NULL), 1);
    text_of(crt, m->crt);
    text_of(key, m->pem_key);
}

static void made_free(struct made *m)
{
    X509_free(m->cert);
    EVP_PKEY_free(m->key);
}

static nng_tls_config *configure(nng_tls_mode mode, const struct made *own, const struct made *ca,
                                 const char *server)
{
    nng_tls_config *config;

    assert_int_equal(nng_tls_config_alloc(&config, mode), 0);
    assert_int_equal(nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED), 0);
    assert_int_equal(nng_tls_config_ca_chain(config, ca->crt, NULL), 0);
    assert_int_equal(nng_tls_config_own_cert(config, own->crt, own->pem_key, NULL), 0);
    if (server != NULL) {
        assert_int_equal(nng_tls_config_server_name(config, server), 0);
    }
    return config;
}

/* One message from a client to a node, over TLS: does it arrive? */
static bool arrives(const struct made *node, const struct made *client,
                    const struct made *ca_of_node, const struct made *ca_of_client,
                    const char *server, int wait_ms)
{
    nng_tls_config *listens = configure(NNG_TLS_MODE_SERVER, node, ca_of_node, NULL);
    nng_tls_config *dials = configure(NNG_TLS_MODE_CLIENT, client, ca_of_client, server);
    nng_socket rep, req;
    nng_listener listener;
    nng_dialer dialer;
    char url[64], got[8] = "";
    size_t len = sizeof got;
    int port = 0;

    assert_int_equal(nng_rep0_open(&rep), 0);
    assert_int_equal(nng_req0_open(&req), 0);
    assert_int_equal(nng_listener_create(&listener, rep, "tls+tcp://127.0.0.1:0"), 0);
    assert_int_equal(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, listens), 0);
    assert_int_equal(nng_listener_start(listener, 0), 0);
    assert_int_equal(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), 0);
    snprintf(url, sizeof url, "tls+tcp://127.0.0.1:%d", port);
    assert_int_equal(nng_dialer_create(&dialer, req, url), 0);
    assert_int_equal(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, dials), 0);
    assert_int_equal(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK), 0);
    assert_int_equal(nng_socket_set_ms(rep, NNG_OPT_RECVTIMEO, wait_ms), 0);
    assert_int_equal(nng_socket_set_ms(req, NNG_OPT_SENDTIMEO, wait_ms), 0);
    bool good = nng_send(req, "hello", 6, 0) == 0 && nng_recv(rep, got, &len, 0) == 0 &&
                strcmp(got, "hello") == 0;
    nng_close(req);
    nng_close(rep);
    nng_tls_config_free(dials);
    nng_tls_config_free(listens);
    return good;
}

static void the_c_client_takes_what_is_made_here_and_nothing_of_another(void **state)
{
    struct made ca, other, node, client, stranger;

    (void)state;
    make(&ca, CERT_USE_CA, "shop", NULL);
    make(&other, CERT_USE_CA, "shop", NULL);
    make(&node, CERT_USE_NODE, "shop", &ca);
    make(&client, CERT_USE_CLIENT, "shop", &ca);
    make(&stranger, CERT_USE_CLIENT, "shop", &other);
    assert_true(arrives(&node, &client, &ca, &ca, "shop.orderschedd", WAIT_MS));
    assert_true(arrives(&node, &node, &ca, &ca, "shop.orderschedd", WAIT_MS));
    assert_false(arrives(&node, &client, &ca, &ca, "bank.orderschedd", REFUSED_MS));
    assert_false(arrives(&node, &stranger, &ca, &ca, "shop.orderschedd", REFUSED_MS));
    assert_false(arrives(&node, &client, &ca, &other, "shop.orderschedd", REFUSED_MS));
    assert_false(arrives(&client, &node, &ca, &ca, "shop.orderschedd", REFUSED_MS));
    /* While one CA takes the other's place both are in the files. */
    struct made both = ca;
    strcpy(both.crt, other.crt);
    strcat(both.crt, ca.crt);
    assert_true(arrives(&node, &stranger, &both, &both, "shop.orderschedd", WAIT_MS));
    assert_true(arrives(&node, &client, &both, &both, "shop.orderschedd", WAIT_MS));
    made_free(&stranger);
    made_free(&client);
    made_free(&node);
    made_free(&other);
    made_free(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_c_client_takes_what_is_made_here_and_nothing_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
