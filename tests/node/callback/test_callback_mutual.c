/* test_callback_mutual.c - deliveries to receivers that want a client's certificate: what a route shows, and
 * to whom; and which certificates and keys a route is not given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "../../../client/callback/route_keys.h"
#include "../../support/bench/callback_bench.h"
#include "../../support/certificate.h"
#include "../../support/certificates.h"
#include "../../support/cluster/process.h"
#include "../../support/foreign/http_site.h"
#include "../../support/tls_front.h"

/* A receiver behind TLS that wants a certificate of its CA, and certificates to try. */
struct scene {
    char dir[128];
    struct certificates_ca *ca, *other_ca;
    struct site site;
    struct tls_front front;
    char paths[10][192];
    char *server_ca;
    char *cert, *key;            /* of a client, by the CA that the receiver trusts */
    char *foreign, *foreign_key; /* of another one */
    char *second, *second_key;   /* the same CA's, for somebody else */
};

static char *path_of(struct scene *s, unsigned i, const char *name)
{
    snprintf(s->paths[i], sizeof s->paths[i], "%s/%s", s->dir, name);
    return s->paths[i];
}

static void issue(struct scene *s, const struct certificates_ca *ca, const char *name, char **cert,
                  char **key)
{
    struct certificates_wish wish = {.client = name};
    char cert_path[192], key_path[192];

    snprintf(cert_path, sizeof cert_path, "%s/%s.crt", s->dir, name);
    snprintf(key_path, sizeof key_path, "%s/%s.key", s->dir, name);
    certificates_issue(ca, &wish, cert_path, key_path);
    *cert = certificate_read(cert_path);
    *key = certificate_read(key_path);
}

static int open_scene(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    struct certificates_wish server = {0};

    scratch_make(s->dir, sizeof s->dir);
    s->ca = certificates_ca_new("receivers");
    s->other_ca = certificates_ca_new("others");
    certificates_write_ca(s->ca, path_of(s, 0, "ca.crt"));
    certificates_issue(s->ca, &server, path_of(s, 1, "server.crt"), path_of(s, 2, "server.key"));
    s->server_ca = certificate_read(s->paths[0]);
    issue(s, s->ca, "shop", &s->cert, &s->key);
    issue(s, s->ca, "second", &s->second, &s->second_key);
    issue(s, s->other_ca, "foreign", &s->foreign, &s->foreign_key);
    site_open(&s->site);
    s->front.cert = s->paths[1];
    s->front.key = s->paths[2];
    s->front.client_ca = s->paths[0];
    s->front.port_behind = (int)s->site.port;
    tls_front_start(&s->front);
    *state = s;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *s = *state;

    tls_front_end(&s->front);
    site_close(&s->site);
    certificates_ca_free(s->ca);
    certificates_ca_free(s->other_ca);
    scratch_remove(s->dir);
    free(s->server_ca);
    free(s->cert);
    free(s->key);
    free(s->second);
    free(s->second_key);
    free(s->foreign);
    free(s->foreign_key);
    free(s);
    return 0;
}

/* A delivery that shows this, or nothing. */
static void fill(struct scene *s, struct bench *b, struct parcel *p, const char *cert,
                 const char *key)
{
    char url[64];

    snprintf(url, sizeof url, "https://127.0.0.1:%d/hook", s->front.port);
    parcel_fill(p, b, url);
    p->copy.settings.ca_pem = parcel_text(s->server_ca);
    p->copy.settings.client_cert_pem = parcel_text(cert);
    p->copy.settings.client_key_pem = parcel_text(key);
}

static struct parcel deliver(struct scene *s, const char *cert, const char *key)
{
    struct bench b;
    struct parcel p;

    bench_open(&b);
    fill(s, &b, &p, cert, key);
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    assert_int_equal(p.done, 1);
    return p;
}

/* ---- deliveries ---- */

static void a_receiver_that_wants_a_certificate_is_shown_the_routes(void **state)
{
    struct scene *s = *state;

    assert_int_equal(deliver(s, s->cert, s->key).d.outcome, OUTCOME_EXPIRED);
    assert_int_equal(s->front.with_cert, 1);
    site_stop(&s->site);
    assert_int_equal(s->site.requests, 1);
}

static void without_one_or_with_another_cas_there_is_no_delivery(void **state)
{
    struct scene *s = *state;

    assert_int_equal(deliver(s, "", "").d.outcome, OUTCOME_FAILED);
    assert_int_equal(deliver(s, s->foreign, s->foreign_key).d.outcome, OUTCOME_FAILED);
    assert_int_equal(s->front.with_cert, 0);
    site_stop(&s->site);
    assert_int_equal(s->site.requests, 0);
}

/* Nothing of a key reaches a reason: reasons stand in histories and logs. */
static void a_key_of_another_certificate_delivers_nothing_and_is_not_told(void **state)
{
    struct scene *s = *state;
    struct parcel p = deliver(s, s->cert, s->second_key);
    char of_key[17] = "";

    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    memcpy(of_key, strchr(s->second_key, '\n') + 30, 16);
    assert_null(strstr(p.d.reason, of_key));
    assert_null(strstr(p.d.reason, "BEGIN"));
    site_stop(&s->site);
    assert_int_equal(s->site.requests, 0);
}

/* Routes to one receiver: no connection of one that shows a certificate is used for another that does not,
 * or that shows another. */
static void an_identity_is_not_borrowed_from_another_route(void **state)
{
    struct scene *s = *state;
    struct bench b;
    struct parcel p;

    bench_open(&b);
    for (unsigned i = 0; i < 9; i++) {
        fill(s, &b, &p,
             i % 3 == 0   ? s->cert
             : i % 3 == 1 ? s->second
                          : "",
             i % 3 == 0   ? s->key
             : i % 3 == 1 ? s->second_key
                          : "");
        bench_start(&b, &p);
        bench_wait(&b);
        assert_int_equal(p.d.outcome, i % 3 < 2 ? OUTCOME_EXPIRED : OUTCOME_FAILED);
    }
    bench_close(&b);
    assert_true(s->front.with_cert >= 2); /* two at least that are not one */
    site_stop(&s->site);
    assert_int_equal(s->site.requests, 6);
}

/* ---- what a route is not given ---- */

static enum route_keys_flaw flaw_of(const char *cert, const char *key)
{
    struct operation op = {.code = OPERATION_ROUTE_SET};

    op.settings.client_cert_pem = parcel_text(cert);
    op.settings.client_key_pem = parcel_text(key);
    return operation_keys_flaw(&op);
}

/* The same key, under a passphrase. */
static char *locked(const char *key)
{
    BIO *in = BIO_new_mem_buf(key, -1);
    BIO *out = BIO_new(BIO_s_mem());
    EVP_PKEY *pair = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    char *data, *text;

    assert_int_equal(PEM_write_bio_PrivateKey(out, pair, EVP_aes_128_cbc(),
                                              (const unsigned char *)"word", 4, NULL, NULL),
                     1);
    long len = BIO_get_mem_data(out, &data);
    text = strndup(data, (size_t)len);
    EVP_PKEY_free(pair);
    BIO_free(in);
    BIO_free(out);
    return text;
}

static void certificates_and_keys_that_do_not_work_are_named(void **state)
{
    struct scene *s = *state;
    char *under_passphrase = locked(s->key);
    char *chain;

    assert_true(asprintf(&chain, "%s%s", s->cert, s->server_ca) > 0);
    assert_int_equal(flaw_of(s->cert, s->key), ROUTE_KEYS_FIT);
    assert_int_equal(flaw_of(chain, s->key), ROUTE_KEYS_FIT);
    assert_int_equal(flaw_of("", ""), ROUTE_KEYS_FIT);
    assert_int_equal(flaw_of(s->cert, s->second_key), ROUTE_KEYS_MISFIT);
    assert_int_equal(flaw_of(s->server_ca, s->key), ROUTE_KEYS_MISFIT);
    assert_int_equal(flaw_of(s->cert, under_passphrase), ROUTE_KEYS_KEY);
    assert_int_equal(flaw_of(s->cert, s->cert), ROUTE_KEYS_KEY);
    assert_int_equal(flaw_of(s->cert, "word"), ROUTE_KEYS_KEY);
    assert_int_equal(flaw_of("word", s->key), ROUTE_KEYS_CERT);
    assert_int_equal(flaw_of(s->key, s->key), ROUTE_KEYS_CERT);
    assert_memory_equal(route_keys_problem(ROUTE_KEYS_CERT).key.data, "client_cert_pem", 15);
    assert_memory_equal(route_keys_problem(ROUTE_KEYS_KEY).key.data, "client_key_pem", 14);
    assert_memory_equal(route_keys_problem(ROUTE_KEYS_MISFIT).key.data, "client_key_pem", 14);
    free(under_passphrase);
    free(chain);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        TEST(a_receiver_that_wants_a_certificate_is_shown_the_routes),
        TEST(without_one_or_with_another_cas_there_is_no_delivery),
        TEST(a_key_of_another_certificate_delivers_nothing_and_is_not_told),
        TEST(an_identity_is_not_borrowed_from_another_route),
        TEST(certificates_and_keys_that_do_not_work_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
