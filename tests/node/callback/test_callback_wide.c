/* test_callback_wide.c - deliveries over HTTP: batches, the route's own headers, overload, the
 * address guard, and the end of a leadership. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../client/callback/webhook.h"
#include "../../../node/dispatch/delivery_key.h"
#include "../../support/bench/callback_bench.h"
#include "../../support/foreign/http_site.h"
#include "../../support/cluster/process.h"

static const char *url_of(unsigned port)
{
    static char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook", port);
    return url;
}

static const char *header_of(const struct site *s, const char *name)
{
    return json_string_value(json_object_get(s->headers, name));
}

/* --- batches --- */

/* A batch of n to a site that answers this, from start to the end. */
static void send_batch(struct site *s, struct parcel *p, unsigned n, unsigned status,
                       const char *answer, size_t len)
{
    struct bench b;

    site_open(s);
    s->status = status;
    s->answer = answer;
    s->answer_len = len;
    bench_open(&b);
    for (unsigned i = 0; i < n; i++) {
        parcel_fill(&p[i], &b, url_of(s->port));
        p[i].d.id_len = (size_t)snprintf((char *)p[i].d.id, sizeof p[i].d.id, "order-%u", i);
    }
    parcel_bind(p, n, 1000);
    bench_start(&b, p);
    bench_wait(&b);
    bench_close(&b);
    site_stop(s);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(p[i].done, 1);
    }
    assert_int_equal(s->requests, 1);
}

static void a_batch_is_one_signed_request(void **state)
{
    static const char *const secrets[] = {PARCEL_SECRET};
    struct site s;
    struct parcel p[3];
    char id[37], quoted[40];

    (void)state;
    send_batch(&s, p, 3, 204, "", 0);
    delivery_batch_key(&p[0].d, id);
    snprintf(quoted, sizeof quoted, "\"%s\"", id);
    assert_string_equal(header_of(&s, "webhook-id"), id);
    assert_string_equal(header_of(&s, "idempotency-key"), quoted);
    assert_null(header_of(&s, "orderschedd-fence"));
    struct webhook w = {header_of(&s, "webhook-id"), header_of(&s, "webhook-timestamp"),
                        header_of(&s, "webhook-signature"), s.body, s.body_len};
    assert_int_equal(webhook_verify(&w, &(struct webhook_trust){.secrets = secrets, .n_secrets = 1},
                                    (uint64_t)time(NULL), 30),
                     WEBHOOK_GENUINE);
    json_t *body = json_loadb(s.body, s.body_len, JSON_REJECT_DUPLICATES, NULL);
    json_t *data = json_object_get(body, "data");
    assert_string_equal(json_string_value(json_object_get(body, "type")), "order.expired.batch");
    assert_int_equal(json_array_size(data), 3);
    for (unsigned i = 0; i < 3; i++) {
        const json_t *order = json_array_get(data, i);
        assert_string_equal(json_string_value(json_object_get(order, "idempotency_key")),
                            p[i].d.key);
        assert_string_equal(json_string_value(json_object_get(order, "fence")), "7.123456789012");
        assert_int_equal(p[i].d.outcome, OUTCOME_EXPIRED);
    }
    json_decref(body);
    site_close(&s);
}

static void a_batch_answered_half_is_settled_half_over_the_network(void **state)
{
    static const char answer[] =
        "{\"results\":["
        "{\"idempotency_key\":\"osd_00000000000000000000000000000002\",\"outcome\":\"paid\"},"
        "{\"idempotency_key\":\"osd_00000000000000000000000000000001\",\"outcome\":\"expired\"},"
        "{\"idempotency_key\":\"osd_00000000000000000000000000000004\",\"outcome\":\"later\","
        "\"delay_ms\":2500},"
        "{\"idempotency_key\":\"osd_00000000000000000000000000000099\",\"outcome\":\"expired\"}]}";
    struct site s;
    struct parcel p[4];

    (void)state;
    send_batch(&s, p, 4, 207, answer, strlen(answer));
    assert_int_equal(p[0].d.outcome, OUTCOME_EXPIRED);
    assert_int_equal(p[1].d.outcome, OUTCOME_PAID);
    assert_failed(p[2], "does not name this order");
    assert_false(p[2].d.overloaded);
    assert_int_equal(p[3].d.outcome, OUTCOME_LATER);
    assert_int_equal(p[3].d.delay_ms, 2500);
    site_close(&s);
}

static void a_batch_that_fails_as_a_whole_fails_for_each(void **state)
{
    struct site s;
    struct parcel p[5];

    (void)state;
    send_batch(&s, p, 5, 503, "busy", 4);
    for (unsigned i = 0; i < 5; i++) {
        assert_failed(p[i], "HTTP 503");
        assert_true(p[i].d.overloaded);
    }
    site_close(&s);
    send_batch(&s, p, 5, 200, "<html>", 6);
    for (unsigned i = 0; i < 5; i++) {
        assert_failed(p[i], "not JSON");
        assert_false(p[i].d.overloaded);
    }
    site_close(&s);
}

static void the_answer_to_a_batch_may_be_as_long_as_its_orders_need(void **state)
{
    enum { N = 200 };
    struct site s;
    struct parcel *p = calloc(N, sizeof *p);
    size_t most = CALLBACK_BODY_MAX + N * CALLBACK_BODY_EACH_MAX;
    char *answer = malloc(most + 1);
    char *at = answer;

    (void)state;
    at += sprintf(at, "{\"results\":[");
    for (unsigned i = 0; i < N; i++) {
        at += sprintf(at, "%s{\"idempotency_key\":\"osd_%032x\",\"outcome\":\"%s\"}",
                      i > 0 ? "," : "", i + 1, i % 2 == 0 ? "expired" : "paid");
    }
    at += sprintf(at, "]}");
    memset(at, ' ', most + 1 - (size_t)(at - answer));
    send_batch(&s, p, N, 200, answer, most);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(p[i].d.outcome, i % 2 == 0 ? OUTCOME_EXPIRED : OUTCOME_PAID);
    }
    site_close(&s);
    send_batch(&s, p, N, 200, answer, most + 1);
    for (unsigned i = 0; i < N; i++) {
        assert_failed(p[i], "too long");
    }
    site_close(&s);
    free(answer);
    free(p);
}

static void batches_and_singles_under_way_are_ended_once_each_by_a_close(void **state)
{
    enum { N = 30 };
    struct bench b;
    struct parcel p[N];
    unsigned port;
    int listener = listen_somewhere(&port);

    (void)state;
    bench_open(&b);
    for (unsigned i = 0; i < N; i++) {
        parcel_fill(&p[i], &b, url_of(port));
    }
    for (unsigned i = 0; i < N; i += 10) {
        parcel_bind(&p[i], 10, 10);
        bench_start(&b, &p[i]);
    }
    usleep(50000);
    bench_close(&b);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(p[i].done, 1);
        assert_failed(p[i], "shutting down");
    }
    close(listener);
}

/* --- headers --- */

static void the_routes_headers_are_sent(void **state)
{
    struct site s;
    struct bench b;
    struct parcel p;

    (void)state;
    site_open(&s);
    bench_open(&b);
    parcel_fill(&p, &b, url_of(s.port));
    p.copy.settings.n_headers = 4;
    p.copy.settings.headers[0] = (struct route_header){parcel_text("Authorization"),
                                                       parcel_text("Bearer a b c")};
    p.copy.settings.headers[1] = (struct route_header){parcel_text("X-Empty"), parcel_text("")};
    p.copy.settings.headers[2] = (struct route_header){parcel_text("accept"),
                                                       parcel_text("application/problem+json")};
    p.copy.settings.headers[3] = (struct route_header){parcel_text("User-Agent"),
                                                       parcel_text("shop")};
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    site_stop(&s);
    assert_int_equal(p.d.outcome, OUTCOME_EXPIRED);
    assert_string_equal(header_of(&s, "authorization"), "Bearer a b c");
    assert_non_null(json_object_get(s.headers, "x-empty"));
    assert_string_equal(header_of(&s, "accept"), "application/problem+json");
    assert_string_equal(header_of(&s, "user-agent"), "shop");
    assert_string_equal(header_of(&s, "content-type"), "application/json");
    site_close(&s);
}

/* --- overload --- */

static struct parcel send_one(const char *url, uint32_t timeout_ms, bool public_only)
{
    struct bench b;
    struct parcel p;

    bench_open_guarded(&b, public_only);
    parcel_fill(&p, &b, url);
    p.copy.settings.timeout_ms = timeout_ms;
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    assert_int_equal(p.done, 1);
    return p;
}

static struct parcel send_rudely_answered(const char *answer)
{
    struct rude r;

    rude_open(&r, answer, NULL);
    struct parcel p = send_one(url_of(r.port), PARCEL_TIMEOUT_MS, false);
    rude_close(&r);
    return p;
}

static void who_is_away_or_too_slow_counts_as_overloaded(void **state)
{
    unsigned port;
    int listener = listen_somewhere(&port);
    struct parcel p;

    (void)state;
    p = send_one(url_of(port), 200, false);
    assert_failed(p, "timed out");
    assert_true(p.d.overloaded);
    close(listener);
    p = send_one(url_of(port), 2000, false);
    assert_failed(p, "onnect");
    assert_true(p.d.overloaded);
    p = send_one("http://name.invalid/", 2000, false);
    assert_true(p.d.overloaded);
    p = send_rudely_answered(NULL); /* closes without a word */
    assert_true(p.d.overloaded);
    p = send_rudely_answered(
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"outcome\":"); /* amid */
    assert_true(p.d.overloaded);
    p = send_rudely_answered("HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n");
    assert_true(p.d.overloaded);
    assert_int_equal(p.d.delay_ms, 3000);
}

/* A listener whose queue of connections is full: the kernel leaves further ones without an answer. */
static void a_connection_that_does_not_come_about_costs_its_own_time_only(void **state)
{
    struct bench b;
    struct parcel p;
    unsigned port;
    int listener = listen_somewhere(&port), fillers[8];
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    assert_int_equal(listen(listener, 0), 0);
    for (unsigned i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    bench_open(&b);
    parcel_fill(&p, &b, url_of(port));
    p.copy.settings.connect_timeout_ms = 200;
    p.copy.settings.timeout_ms = 20000;
    uint64_t begin_ms = monotonic_ms();
    bench_start(&b, &p);
    bench_wait(&b);
    assert_in_range(monotonic_ms() - begin_ms, 150, 10000);
    bench_close(&b);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
    assert_true(p.d.overloaded);
    for (unsigned i = 0; i < 8; i++) {
        close(fillers[i]);
    }
    close(listener);
}

static void who_is_only_wrong_does_not(void **state)
{
    struct parcel p;

    (void)state;
    p = send_rudely_answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    assert_failed(p, "not JSON");
    assert_false(p.d.overloaded);
    p = send_rudely_answered("HTTP/1.1 500 No\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n");
    assert_failed(p, "HTTP 500");
    assert_false(p.d.overloaded);
    p = send_one("http://127.0.0.1:1/\r\nx: y", 500, false);
    assert_int_equal(p.d.outcome, OUTCOME_FAILED);
}

/* --- the guard --- */

static void private_addresses_are_refused_by_name_number_and_disguise(void **state)
{
    static const char *const hosts[] = {"127.0.0.1",          "localhost",  "127.1",
                                        "2130706433",         "0x7f000001", "[::1]",
                                        "[::ffff:127.0.0.1]", "0.0.0.0",    "169.254.169.254",
                                        "10.1.2.3",           "[fd00::1]"};
    struct site s;
    char url[128];

    (void)state;
    site_open(&s);
    for (unsigned i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        snprintf(url, sizeof url, "http://%s:%u/", hosts[i], s.port);
        struct parcel p = send_one(url, 2000, true);
        assert_failed(p, "refused without --allow-private-callbacks");
    }
    struct parcel p = send_one(url_of(s.port), 2000, false);
    assert_int_equal(p.d.outcome, OUTCOME_EXPIRED);
    site_stop(&s);
    assert_int_equal(s.requests, 1);
    assert_int_equal(s.connections, 1);
    site_close(&s);
}

static void the_reason_of_a_refusal_names_the_address_and_what_it_is(void **state)
{
    (void)state;
    struct parcel p = send_one("http://localhost:9/", 2000, true);
    assert_failed(p, " is a loopback address: ");
    p = send_one("http://192.168.7.9:9/", 2000, true);
    assert_failed(p, "192.168.7.9 is a private address: ");
    assert_true(p.d.overloaded); /* no need to ask again at once */
}

static void a_receiver_that_is_slow_at_first_gets_all_its_requests(void **state)
{
    enum { N = 20 };
    struct bench b;
    struct parcel p[N];
    unsigned port, n = 0;
    int listener = listen_somewhere(&port);
    int accepted[N];

    (void)state;
    bench_open(&b);
    for (unsigned i = 0; i < N; i++) {
        parcel_fill(&p[i], &b, url_of(port));
        bench_start(&b, &p[i]);
    }
    struct timeval patience = {.tv_sec = 3};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    /* It says nothing yet. Where libuv has an io_uring (1.50 of Debian 13), that may interrupt. */
    while (n < N && ((accepted[n] = accept(listener, NULL, NULL)) >= 0 || errno == EINTR)) {
        n += accepted[n] >= 0;
    }
    assert_int_equal(n, N);
    bench_close(&b);
    for (unsigned i = 0; i < N; i++) {
        close(accepted[i]);
    }
    close(listener);
}

/* --- the end of a leadership --- */

static void what_was_started_before_is_ended_and_what_comes_after_is_not(void **state)
{
    enum { OLD = 20 };
    struct bench b;
    struct site s;
    struct parcel old[OLD], fresh;
    unsigned port;
    int listener = listen_somewhere(&port);

    (void)state;
    site_open(&s);
    bench_open(&b);
    struct receiver *r = callback_http_receiver(b.http);
    for (unsigned i = 0; i < OLD; i++) {
        parcel_fill(&old[i], &b, url_of(port));
        old[i].copy.settings.timeout_ms = 60000;
        bench_start(&b, &old[i]);
        if (i == OLD / 2) {
            usleep(50000); /* these are under way; the others wait in the queue */
        }
    }
    r->abandon(r);
    parcel_fill(&fresh, &b, url_of(s.port));
    bench_start(&b, &fresh);
    bench_wait(&b);
    for (unsigned i = 0; i < OLD; i++) {
        assert_int_equal(old[i].done, 1);
        assert_failed(old[i], "does not lead any more");
        assert_false(old[i].d.overloaded);
    }
    assert_int_equal(fresh.d.outcome, OUTCOME_EXPIRED);
    r->abandon(r); /* nothing is left */
    bench_close(&b);
    site_close(&s);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_one_signed_request),
        cmocka_unit_test(a_batch_answered_half_is_settled_half_over_the_network),
        cmocka_unit_test(a_batch_that_fails_as_a_whole_fails_for_each),
        cmocka_unit_test(the_answer_to_a_batch_may_be_as_long_as_its_orders_need),
        cmocka_unit_test(batches_and_singles_under_way_are_ended_once_each_by_a_close),
        cmocka_unit_test(the_routes_headers_are_sent),
        cmocka_unit_test(who_is_away_or_too_slow_counts_as_overloaded),
        cmocka_unit_test(a_connection_that_does_not_come_about_costs_its_own_time_only),
        cmocka_unit_test(who_is_only_wrong_does_not),
        cmocka_unit_test(private_addresses_are_refused_by_name_number_and_disguise),
        cmocka_unit_test(the_reason_of_a_refusal_names_the_address_and_what_it_is),
        cmocka_unit_test(a_receiver_that_is_slow_at_first_gets_all_its_requests),
        cmocka_unit_test(what_was_started_before_is_ended_and_what_comes_after_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
