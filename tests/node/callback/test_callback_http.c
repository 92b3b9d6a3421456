/* test_callback_http.c - deliveries over HTTP, to receivers on the loopback that behave in every
 * way, good and bad. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../client/base/descriptors.h"
#include "../../../client/callback/webhook.h"
#include "../../support/bench/callback_bench.h"
#include "../../support/foreign/http_site.h"
#include "../../support/cluster/process.h"

#define KEY PARCEL_KEY
#define SECRET PARCEL_SECRET
#define SECRET_2 "whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldA=="
#define TIMEOUT_MS PARCEL_TIMEOUT_MS

/* One delivery, from start to done. */
static struct parcel send_one(const char *url, unsigned timeout_ms)
{
    struct bench b;
    struct parcel p;

    bench_open(&b);
    parcel_fill(&p, &b, url);
    p.copy.settings.timeout_ms = timeout_ms;
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    assert_int_equal(p.done, 1);
    return p;
}

static struct parcel send_to(unsigned port, const char *path, unsigned timeout_ms)
{
    char url[128];

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    return send_one(url, timeout_ms);
}

/* One delivery to a receiver that answers this. */
static struct parcel send_answered(unsigned status, const char *answer, const char *header,
                                   const char *value)
{
    struct site s;

    site_open(&s);
    s.status = status;
    s.answer = answer;
    s.answer_len = strlen(answer);
    s.header = header;
    s.value = value;
    struct parcel p = send_to(s.port, "/hook", TIMEOUT_MS);
    site_stop(&s);
    assert_int_equal(s.requests, 1);
    site_close(&s);
    return p;
}

static struct parcel send_rudely_answered(const char *answer, const char *endless_line)
{
    struct rude r;

    rude_open(&r, answer, endless_line);
    struct parcel p = send_to(r.port, "/", TIMEOUT_MS);
    rude_close(&r);
    return p;
}

/* ---- over the network ---- */

static const char *header_of(const struct site *s, const char *name)
{
    return json_string_value(json_object_get(s->headers, name));
}

static void the_request_carries_what_the_contract_says(void **state)
{
    struct site s;
    struct bench b;
    struct parcel p;
    char url[64];
    const char *const secrets[] = {SECRET};
    const char *const secrets_2[] = {SECRET_2};
    const char *const keys[] = {"whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="};

    (void)state;
    site_open(&s);
    bench_open(&b);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook/x", s.port);
    parcel_fill(&p, &b, url);
    p.copy.settings.n_secrets = 2;
    p.copy.settings.secrets[1] = parcel_text(SECRET_2);
    p.copy.settings.n_signing_keys = 1;
    p.copy.settings.signing_keys[0] = parcel_text(
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/"
        "tPJZAc6DuFy89qmIyWvAhpo9wdRGg==");
    p.d.payload = (uint8_t *)"{\"sku\":1}";
    p.d.payload_len = 9;
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);

    site_stop(&s);
    assert_int_equal(p.d.outcome, OUTCOME_EXPIRED);
    assert_string_equal(s.method, "POST");
    assert_string_equal(s.url, "/hook/x");
    assert_string_equal(header_of(&s, "content-type"), "application/json");
    assert_string_equal(header_of(&s, "user-agent"), "orderschedd/" ORDERSCHEDD_VERSION);
    assert_string_equal(header_of(&s, "webhook-id"), KEY);
    assert_string_equal(header_of(&s, "idempotency-key"), "\"" KEY "\"");
    assert_string_equal(header_of(&s, "orderschedd-fence"), "7.123456789012");
    assert_null(header_of(&s, "expect"));
    struct webhook w = {header_of(&s, "webhook-id"), header_of(&s, "webhook-timestamp"),
                        header_of(&s, "webhook-signature"), s.body, s.body_len};
    /* This machine's time, which the receiver compares with its own; the cluster's is years off. */
    uint64_t now_s = (uint64_t)time(NULL);
    assert_int_equal(webhook_verify(&w, &(struct webhook_trust){.secrets = secrets, .n_secrets = 1},
                                    now_s, 30),
                     WEBHOOK_GENUINE);
    assert_int_equal(webhook_verify(&w,
                                    &(struct webhook_trust){.secrets = secrets_2, .n_secrets = 1},
                                    now_s, 30),
                     WEBHOOK_GENUINE);
    assert_int_equal(
        webhook_verify(&w, &(struct webhook_trust){.public_keys = keys, .n_public_keys = 1}, now_s,
                       30),
        WEBHOOK_GENUINE);
    assert_non_null(strstr(s.body, "\"timestamp\":\"2023-11-14T22:13:20.000Z\"")); /* the cluster */
    assert_non_null(strstr(s.body, "\"order_id\":\"order-42\""));
    assert_non_null(strstr(s.body, "\"attempt\":2,\"payload\":{\"sku\":1}}}"));
    site_close(&s);
}

static void the_three_outcomes_come_through(void **state)
{
    (void)state;
    assert_int_equal(send_answered(204, "", NULL, NULL).d.outcome, OUTCOME_EXPIRED);
    assert_int_equal(send_answered(200, "{\"outcome\":\"expired\"}", NULL, NULL).d.outcome,
                     OUTCOME_EXPIRED);
    assert_int_equal(send_answered(201, "{\"outcome\":\"paid\"}", NULL, NULL).d.outcome,
                     OUTCOME_PAID);
    struct parcel p = send_answered(200, "{\"outcome\":\"later\",\"delay_ms\":2500}", NULL, NULL);
    assert_int_equal(p.d.outcome, OUTCOME_LATER);
    assert_int_equal(p.d.delay_ms, 2500);
}

static void refusals_and_garbage_are_failures(void **state)
{
    struct parcel p;

    (void)state;
    p = send_answered(200, "<html>ok</html>", NULL, NULL);
    assert_failed(p, "not JSON");
    p = send_answered(200, "{\"outcome\":\"later\"}", NULL, NULL);
    assert_failed(p, "without a delay_ms");
    p = send_answered(500, "{\"outcome\":\"expired\"}", NULL, NULL);
    assert_failed(p, "HTTP 500");
    assert_int_equal(p.d.delay_ms, 0);
    p = send_answered(410, "", NULL, NULL);
    assert_failed(p, "HTTP 410");
}

static void retry_after_comes_through(void **state)
{
    char date[64];
    time_t then = time(NULL) + 100;
    struct tm tm;

    (void)state;
    struct parcel p = send_answered(429, "slow down", "Retry-After", "30");
    assert_failed(p, "HTTP 429, retry after 30 s");
    assert_int_equal(p.d.delay_ms, 30000);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &tm));
    p = send_answered(503, "", "retry-after", date);
    assert_failed(p, "HTTP 503");
    assert_in_range(p.d.delay_ms, 60000, 100000);
    p = send_rudely_answered("HTTP/1.1 103 Early Hints\r\nRetry-After: 50\r\n\r\n"
                             "HTTP/1.1 503 No\r\nContent-Length: 0\r\nRETRY-AFTER:\t 7 \r\n\r\n",
                             NULL);
    assert_int_equal(p.d.delay_ms, 7000);
    p = send_rudely_answered("HTTP/1.1 103 Early Hints\r\nRetry-After: 50\r\n\r\n"
                             "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
                             NULL);
    assert_failed(p, "HTTP 503");
    assert_int_equal(p.d.delay_ms, 0);
}

static void a_redirect_is_not_followed(void **state)
{
    struct site elsewhere;
    char location[64];

    (void)state;
    site_open(&elsewhere);
    snprintf(location, sizeof location, "http://127.0.0.1:%u/", elsewhere.port);
    struct parcel p = send_answered(302, "", "Location", location);
    assert_failed(p, "HTTP 302");
    p = send_answered(307, "", "Location", location);
    assert_failed(p, "HTTP 307");
    site_stop(&elsewhere);
    assert_int_equal(elsewhere.requests, 0);
    site_close(&elsewhere);
}

static void a_receiver_that_never_answers_costs_its_time_and_no_more(void **state)
{
    unsigned port;
    int listener = listen_somewhere(&port); /* the kernel connects, nobody reads */
    uint64_t before = monotonic_ms();

    (void)state;
    struct parcel p = send_to(port, "/", 300);
    uint64_t took = monotonic_ms() - before;
    assert_failed(p, "timed out");
    assert_in_range(took, 290, 3000);
    close(listener);
}

static void an_answer_that_breaks_off_is_a_failure(void **state)
{
    struct parcel p;

    (void)state;
    p = send_rudely_answered(NULL, NULL);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    p = send_rudely_answered("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
                             "{\"outcome\":\"expired\"}",
                             NULL);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    p = send_rudely_answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "15\r\n{\"outcome\":\"expired\"}\r\n",
                             NULL);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    p = send_rudely_answered("HTTP/1.1 200 OK\r\nContent-Le", NULL);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    p = send_rudely_answered("SSH-2.0-OpenSSH_9.2\r\n", NULL);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
}

static void an_answer_of_64_kib_is_read_and_one_byte_more_is_not(void **state)
{
    struct site s;
    char *answer = malloc(CALLBACK_BODY_MAX + 1);

    (void)state;
    memset(answer, ' ', CALLBACK_BODY_MAX + 1);
    memcpy(answer, "{\"outcome\":\"paid\"}", 18);
    site_open(&s);
    s.answer = answer;
    s.answer_len = CALLBACK_BODY_MAX;
    assert_int_equal(send_to(s.port, "/", TIMEOUT_MS).d.outcome, OUTCOME_PAID);
    s.answer_len++;
    struct parcel p = send_to(s.port, "/", TIMEOUT_MS);
    assert_failed(p, "too long");
    site_close(&s);
    free(answer);
}

static void an_answer_of_10_mb_is_cut_off(void **state)
{
    struct site s;
    size_t len = 10u << 20;
    char *answer = malloc(len);

    (void)state;
    memset(answer, ' ', len);
    site_open(&s);
    s.answer = answer;
    s.answer_len = len;
    struct parcel p = send_to(s.port, "/", TIMEOUT_MS);
    assert_failed(p, "too long");
    s.status = 503; /* a refusal is understood from its head */
    s.header = "Retry-After";
    s.value = "9";
    p = send_to(s.port, "/", TIMEOUT_MS);
    assert_failed(p, "HTTP 503");
    assert_int_equal(p.d.delay_ms, 9000);
    site_close(&s);
    free(answer);
}

static void endless_headers_and_endless_bodies_are_cut_off(void **state)
{
    struct parcel p;

    (void)state;
    p = send_rudely_answered("HTTP/1.1 200 OK\r\n", "x-more: and more and more and more\r\n");
    assert_failed(p, "too long");
    p = send_rudely_answered("HTTP/1.1 200 OK\r\n\r\n", "                                 \r\n");
    assert_failed(p, "too long");
    p = send_rudely_answered("HTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
}

static void a_refused_connection_is_a_failure(void **state)
{
    unsigned port;

    (void)state;
    close(listen_somewhere(&port));
    struct parcel p = send_to(port, "/", TIMEOUT_MS);
    assert_failed(p, "onnect");
}

static void urls_that_are_none_or_not_http_are_failures(void **state)
{
    static const char *const bad[] = {"",
                                      "http://",
                                      "http://[::1",
                                      "http://127.0.0.1:99999/",
                                      "ftp://127.0.0.1/",
                                      "file:///etc/passwd",
                                      "gopher://127.0.0.1:7400/",
                                      "http://a b/",
                                      "http://name.invalid/",
                                      "http://127.0.0.1/\r\nx-injected: 1"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct parcel p = send_one(bad[i], 1000);
        assert_int_equal(p.d.outcome, OUTCOME_FAILED);
        assert_true(strlen(p.d.reason) > 0);
    }
}

static void what_cannot_be_signed_is_not_sent(void **state)
{
    struct site s;
    struct bench b;
    struct parcel p;
    char url[64];

    (void)state;
    site_open(&s);
    bench_open(&b);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", s.port);
    parcel_fill(&p, &b, url);
    p.copy.settings.n_secrets = 2;
    p.copy.settings.secrets[1] = parcel_text("whsec_too-short");
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    assert_failed(p, "secret");
    assert_null(strstr(p.d.reason, "too-short"));
    site_stop(&s);
    assert_int_equal(s.requests, 0);
    site_close(&s);
}

static void the_environments_proxies_are_not_used(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
    assert_int_equal(send_answered(200, "", NULL, NULL).d.outcome, OUTCOME_EXPIRED);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void deliveries_one_after_the_other_share_a_connection(void **state)
{
    struct site s;
    struct bench b;
    struct parcel p;
    char url[64];

    (void)state;
    site_open(&s);
    bench_open(&b);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", s.port);
    for (unsigned i = 0; i < 20; i++) {
        parcel_fill(&p, &b, url);
        bench_start(&b, &p);
        bench_wait(&b);
        assert_int_equal(p.d.outcome, OUTCOME_EXPIRED);
    }
    bench_close(&b);
    site_stop(&s);
    assert_int_equal(s.requests, 20);
    assert_int_equal(s.connections, 1);
    site_close(&s);
}

static void a_thousand_deliveries_at_once_are_done_exactly_once_each(void **state)
{
    enum { N = 1000 };
    struct site s;
    struct bench b;
    struct parcel *p = calloc(N, sizeof *p);
    char url[64], dead[64];
    unsigned dead_port;

    (void)state;
    if (descriptors_raise() < 2 * N + 100) { /* both ends of each connection, and some more */
        print_message("skipped: too few descriptors are granted (ulimit -Hn)\n");
        free(p);
        skip();
    }
    close(listen_somewhere(&dead_port));
    site_open(&s);
    bench_open(&b);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", s.port);
    snprintf(dead, sizeof dead, "http://127.0.0.1:%u/", dead_port);
    for (unsigned i = 0; i < N; i++) {
        parcel_fill(&p[i], &b, i % 10 == 0 ? dead : url);
        p[i].copy.settings.timeout_ms = 28000;
        p[i].copy.settings.connect_timeout_ms = 28000;
        bench_start(&b, &p[i]);
    }
    bench_wait(&b);
    bench_close(&b);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(p[i].done, 1);
        if (p[i].d.outcome != (i % 10 == 0 ? OUTCOME_FAILED : OUTCOME_EXPIRED)) {
            fail_msg("delivery %u: outcome %d, %s", i, (int)p[i].d.outcome, p[i].d.reason);
        }
    }
    site_stop(&s);
    assert_int_equal(s.requests, N - N / 10);
    site_close(&s);
    free(p);
}

static void past_the_queues_cap_a_delivery_fails(void **state)
{
    enum { CAP = 65536, N = CAP + 3 };
    struct bench b;
    unsigned port;
    char url[64];
    int listener = listen_somewhere(&port);
    struct parcel *p = calloc(N, sizeof *p);

    (void)state;
    assert_non_null(p);
    bench_open(&b);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    for (unsigned i = 0; i < N; i++) {
        parcel_fill(&p[i], &b, url);
        p[i].copy.settings.timeout_ms = 60000;
        p[i].copy.settings.connect_timeout_ms = 60000;
        bench_start(&b, &p[i]);
    }
    bench_close_early(&b);
    uv_run(&b.loop, UV_RUN_DEFAULT);
    bench_close(&b);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(p[i].done, 1);
        assert_int_equal(p[i].d.outcome, OUTCOME_FAILED);
        assert_string_equal(p[i].d.reason, i < CAP ? "shutting down" : "queue full");
    }
    free(p);
    close(listener);
}

static void closing_ends_deliveries_under_way_before_it_says_so(void **state)
{
    enum { N = 40 };
    struct bench b;
    unsigned port;
    char url[64];
    int listener = listen_somewhere(&port);
    struct parcel p[N + 1];

    (void)state;
    bench_open(&b);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    for (unsigned i = 0; i < N; i++) {
        parcel_fill(&p[i], &b, url);
        p[i].copy.settings.timeout_ms = 60000;
        p[i].copy.settings.connect_timeout_ms = 60000;
        bench_start(&b, &p[i]);
    }
    usleep(100000); /* let them connect */
    bench_close_early(&b);
    parcel_fill(&p[N], &b, url);
    bench_start(&b, &p[N]); /* too late, yet it gets its answer */
    uv_run(&b.loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i <= N; i++) {
        assert_int_equal(p[i].done, 1);
        assert_false(p[i].done_after_close);
        assert_failed(p[i], "shutting down");
    }
    bench_close(&b);
    close(listener);
}

static void two_instances_live_side_by_side(void **state)
{
    struct site s;
    struct bench a, b;
    struct parcel p, q;
    char url[64];

    (void)state;
    site_open(&s);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", s.port);
    bench_open(&a);
    bench_open(&b);
    parcel_fill(&p, &a, url);
    parcel_fill(&q, &b, url);
    bench_start(&a, &p);
    bench_wait(&a);
    bench_close(&a);
    bench_start(&b, &q);
    bench_wait(&b);
    bench_close(&b);
    assert_int_equal(p.d.outcome, OUTCOME_EXPIRED);
    assert_int_equal(q.d.outcome, OUTCOME_EXPIRED);
    site_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_carries_what_the_contract_says),
        cmocka_unit_test(the_three_outcomes_come_through),
        cmocka_unit_test(refusals_and_garbage_are_failures),
        cmocka_unit_test(retry_after_comes_through),
        cmocka_unit_test(a_redirect_is_not_followed),
        cmocka_unit_test(a_receiver_that_never_answers_costs_its_time_and_no_more),
        cmocka_unit_test(an_answer_that_breaks_off_is_a_failure),
        cmocka_unit_test(an_answer_of_64_kib_is_read_and_one_byte_more_is_not),
        cmocka_unit_test(an_answer_of_10_mb_is_cut_off),
        cmocka_unit_test(endless_headers_and_endless_bodies_are_cut_off),
        cmocka_unit_test(a_refused_connection_is_a_failure),
        cmocka_unit_test(urls_that_are_none_or_not_http_are_failures),
        cmocka_unit_test(what_cannot_be_signed_is_not_sent),
        cmocka_unit_test(the_environments_proxies_are_not_used),
        cmocka_unit_test(deliveries_one_after_the_other_share_a_connection),
        cmocka_unit_test(a_thousand_deliveries_at_once_are_done_exactly_once_each),
        cmocka_unit_test(past_the_queues_cap_a_delivery_fails),
        cmocka_unit_test(closing_ends_deliveries_under_way_before_it_says_so),
        cmocka_unit_test(two_instances_live_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
