/* test_callback_tls.c - deliveries over TLS: whom a route trusts, and HTTP/2. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/bench/callback_bench.h"
#include "../../support/certificate.h"
#include "../../support/foreign/http_site.h"
#include "../../support/cluster/process.h"

#define DAY_S 86400L

struct identity {
    char dir[256];
    char cert_path[300];
    char key_path[300];
    char *cert; /* PEM */
    char *key;
};

static void identity_make(struct identity *i, const char *names, long from_s, long until_s)
{
    scratch_make(i->dir, sizeof i->dir);
    snprintf(i->cert_path, sizeof i->cert_path, "%s/cert.pem", i->dir);
    snprintf(i->key_path, sizeof i->key_path, "%s/key.pem", i->dir);
    certificate_make(i->cert_path, i->key_path, names, from_s, until_s);
    i->cert = certificate_read(i->cert_path);
    i->key = certificate_read(i->key_path);
}

static void identity_free(struct identity *i)
{
    scratch_remove(i->dir);
    free(i->cert);
    free(i->key);
}

/* One delivery by HTTPS to the site; "" trusts whom the system trusts. */
static struct parcel send_trusting(const struct site *s, const char *host, const char *ca)
{
    struct bench b;
    struct parcel p;
    char url[64];

    bench_open(&b);
    snprintf(url, sizeof url, "https://%s:%u/hook", host, s->port);
    parcel_fill(&p, &b, url);
    p.copy.settings.ca_pem = parcel_text(ca);
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    assert_int_equal(p.done, 1);
    return p;
}

static void assert_not_trusted(const struct parcel *p, const char *words)
{
    assert_failed(*p, words);
    assert_true(p->d.overloaded); /* no connection */
}

static void a_receiver_whose_certificate_the_route_trusts_is_told(void **state)
{
    struct identity own;
    struct site s;

    (void)state;
    identity_make(&own, "IP:127.0.0.1,DNS:localhost", -DAY_S, DAY_S);
    site_open_tls(&s, own.cert, own.key);
    assert_int_equal(send_trusting(&s, "127.0.0.1", own.cert).d.outcome, OUTCOME_EXPIRED);
    assert_int_equal(send_trusting(&s, "localhost", own.cert).d.outcome, OUTCOME_EXPIRED);
    site_stop(&s);
    assert_int_equal(s.requests, 2);
    site_close(&s);
    identity_free(&own);
}

static void one_that_nobody_vouches_for_is_not(void **state)
{
    struct identity own, other;
    struct site s;
    struct parcel p;

    (void)state;
    identity_make(&own, "IP:127.0.0.1", -DAY_S, DAY_S);
    identity_make(&other, "IP:127.0.0.1", -DAY_S, DAY_S);
    site_open_tls(&s, own.cert, own.key);
    p = send_trusting(&s, "127.0.0.1", ""); /* the system does not know it */
    assert_not_trusted(&p, "certificate");
    p = send_trusting(&s, "127.0.0.1", other.cert); /* the route trusts another */
    assert_not_trusted(&p, "certificate");
    site_stop(&s);
    assert_int_equal(s.requests, 0);
    site_close(&s);
    identity_free(&own);
    identity_free(&other);
}

static void an_expired_or_future_certificate_is_refused(void **state)
{
    static const long times[][2] = {{-2 * DAY_S, -DAY_S}, {DAY_S, 2 * DAY_S}};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct identity own;
        struct site s;
        identity_make(&own, "IP:127.0.0.1", times[i][0], times[i][1]);
        site_open_tls(&s, own.cert, own.key);
        struct parcel p = send_trusting(&s, "127.0.0.1", own.cert);
        assert_not_trusted(&p, i == 0 ? "expired" : "not yet valid");
        site_stop(&s);
        assert_int_equal(s.requests, 0);
        site_close(&s);
        identity_free(&own);
    }
}

static void a_certificate_of_another_name_is_refused(void **state)
{
    struct identity own;
    struct site s;

    (void)state;
    identity_make(&own, "DNS:shop.example,IP:127.0.0.2", -DAY_S, DAY_S);
    site_open_tls(&s, own.cert, own.key);
    struct parcel p = send_trusting(&s, "127.0.0.1", own.cert);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    assert_not_trusted(&p, "name");
    p = send_trusting(&s, "localhost", own.cert);
    assert_not_trusted(&p, "name");
    site_stop(&s);
    assert_int_equal(s.requests, 0);
    site_close(&s);
    identity_free(&own);
}

/* Two routes to one receiver, of which one does not trust it: no connection of the other's may be
 * used for it. */
static void trust_is_not_borrowed_from_another_route(void **state)
{
    struct identity own, other;
    struct site s;
    struct bench b;
    struct parcel p;
    char url[64];

    (void)state;
    identity_make(&own, "IP:127.0.0.1", -DAY_S, DAY_S);
    identity_make(&other, "IP:127.0.0.1", -DAY_S, DAY_S);
    site_open_tls(&s, own.cert, own.key);
    bench_open(&b);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", s.port);
    for (unsigned i = 0; i < 6; i++) {
        parcel_fill(&p, &b, url);
        p.copy.settings.ca_pem = parcel_text(i % 2 == 0 ? own.cert : other.cert);
        bench_start(&b, &p);
        bench_wait(&b);
        assert_int_equal(p.d.outcome, i % 2 == 0 ? OUTCOME_EXPIRED : OUTCOME_FAILED);
    }
    bench_close(&b);
    site_stop(&s);
    assert_int_equal(s.requests, 3);
    site_close(&s);
    identity_free(&own);
    identity_free(&other);
}

static void a_receiver_that_speaks_no_tls_is_a_failure(void **state)
{
    struct site s;

    (void)state;
    site_open(&s);
    struct parcel p = send_trusting(&s, "127.0.0.1", "");
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    assert_true(p.d.overloaded);
    site_close(&s);
}

static void what_is_no_certificate_trusts_nobody(void **state)
{
    struct identity own;
    struct site s;

    (void)state;
    identity_make(&own, "IP:127.0.0.1", -DAY_S, DAY_S);
    site_open_tls(&s, own.cert, own.key);
    struct parcel p = send_trusting(&s, "127.0.0.1", "-----BEGIN NOTHING-----\n");
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    site_stop(&s);
    assert_int_equal(s.requests, 0);
    site_close(&s);
    identity_free(&own);
}

/* --- HTTP/2: nghttpd speaks nothing else, and tells what it sees --- */

struct h2 {
    struct identity identity;
    char root[300], log[300];
    unsigned port;
    pid_t pid;
};

static void h2_open(struct h2 *h)
{
    char port[16], file[320];

    identity_make(&h->identity, "IP:127.0.0.1", -DAY_S, DAY_S);
    snprintf(h->root, sizeof h->root, "%s", h->identity.dir);
    snprintf(h->log, sizeof h->log, "%s/log", h->identity.dir);
    snprintf(file, sizeof file, "%s/hook", h->root);
    fclose(fopen(file, "w")); /* empty: 200 without a body */
    h->port = ports_free(1);
    snprintf(port, sizeof port, "%u", h->port);
    h->pid = process_start((char *[]){"/usr/sbin/nghttpd", "-v", "-a", "127.0.0.1", "-d", h->root,
                                      port, h->identity.key_path, h->identity.cert_path, NULL},
                           h->log, NULL, NULL);
    for (unsigned i = 0; port_is_free(h->port); i++) {
        assert_true(i < 500 && process_alive(h->pid));
        sleep_ms(10);
    }
}

static void h2_close(struct h2 *h)
{
    process_end(h->pid, SIGTERM);
    identity_free(&h->identity);
}

static unsigned count_in(const char *path, const char *words)
{
    char line[4096];
    FILE *in = fopen(path, "r");
    unsigned n = 0;

    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        n += strstr(line, words) != NULL;
    }
    fclose(in);
    return n;
}

static void many_deliveries_at_once_are_streams_of_one_http_2_connection(void **state)
{
    enum { N = 50 };
    struct h2 h;
    struct bench b;
    struct parcel *p = calloc(N, sizeof *p);
    char url[64];

    (void)state;
    h2_open(&h);
    bench_open(&b);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/hook", h.port);
    for (unsigned i = 0; i < N; i++) {
        parcel_fill(&p[i], &b, url);
        p[i].copy.settings.ca_pem = parcel_text(h.identity.cert);
        bench_start(&b, &p[i]);
    }
    bench_wait(&b);
    bench_close(&b);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(p[i].d.outcome, OUTCOME_EXPIRED);
    }
    assert_int_equal(count_in(h.log, ":method: POST"), N);
    assert_int_equal(count_in(h.log, "webhook-signature: v1,"), N);
    assert_int_equal(count_in(h.log, "The negotiated protocol: h2"), 1);
    h2_close(&h);
    free(p);
}

static void http_2_is_not_offered_where_the_route_has_it_off(void **state)
{
    struct h2 h;
    struct bench b;
    struct parcel p;
    char url[64];

    (void)state;
    h2_open(&h);
    bench_open(&b);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/hook", h.port);
    parcel_fill(&p, &b, url);
    p.copy.settings.ca_pem = parcel_text(h.identity.cert);
    p.copy.settings.http1_only = true;
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED); /* this receiver has nothing else */
    assert_int_equal(count_in(h.log, "The negotiated protocol: h2"), 0);
    h2_close(&h);
}

static void a_receiver_without_http_2_gets_http_1(void **state)
{
    struct identity own;
    struct site s;

    (void)state;
    identity_make(&own, "IP:127.0.0.1", -DAY_S, DAY_S);
    site_open_tls(&s, own.cert, own.key);
    assert_int_equal(send_trusting(&s, "127.0.0.1", own.cert).d.outcome, OUTCOME_EXPIRED);
    site_close(&s);
    identity_free(&own);
}

/* Waiting for a connection that may become one of many streams must not be waiting for its first
 * answer. */
static void a_slow_first_answer_of_http_1_holds_up_nobody(void **state)
{
    enum { N = 8 };
    struct identity own;
    struct site s;
    struct bench b;
    struct parcel p[N];
    char url[64];

    (void)state;
    identity_make(&own, "IP:127.0.0.1", -DAY_S, DAY_S);
    site_open_tls(&s, own.cert, own.key);
    s.slow_ms = 2000;
    bench_open(&b);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", s.port);
    uint64_t begin_ms = monotonic_ms();
    for (unsigned i = 0; i < N; i++) {
        parcel_fill(&p[i], &b, url);
        p[i].copy.settings.ca_pem = parcel_text(own.cert);
        bench_start(&b, &p[i]);
    }
    while (b.done < N - 1) {
        uv_run(&b.loop, UV_RUN_ONCE);
    }
    assert_in_range(monotonic_ms() - begin_ms, 0, 1900);
    bench_wait(&b);
    bench_close(&b);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(p[i].d.outcome, OUTCOME_EXPIRED);
    }
    site_close(&s);
    identity_free(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receiver_whose_certificate_the_route_trusts_is_told),
        cmocka_unit_test(one_that_nobody_vouches_for_is_not),
        cmocka_unit_test(an_expired_or_future_certificate_is_refused),
        cmocka_unit_test(a_certificate_of_another_name_is_refused),
        cmocka_unit_test(trust_is_not_borrowed_from_another_route),
        cmocka_unit_test(a_receiver_that_speaks_no_tls_is_a_failure),
        cmocka_unit_test(what_is_no_certificate_trusts_nobody),
        cmocka_unit_test(many_deliveries_at_once_are_streams_of_one_http_2_connection),
        cmocka_unit_test(http_2_is_not_offered_where_the_route_has_it_off),
        cmocka_unit_test(a_receiver_without_http_2_gets_http_1),
        cmocka_unit_test(a_slow_first_answer_of_http_1_holds_up_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
