/* test_callback_table.c - the table "What to answer" of docs/callbacks.md: each way to answer, with
 * the outcome that the page promises, by a bare socket, by Python's http.server, by Node over
 * HTTP/1.1 and HTTP/2, and by HTTP/2 frame by frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../support/bench/callback_bench.h"
#include "../../support/foreign/foreign.h"
#include "../../support/foreign/http_site.h"

#define PAID "{\"outcome\":\"paid\"}"
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define PAID_CHUNK "12\r\n" PAID "\r\n"
#define LENGTH_18 "Content-Length: 18\r\n\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"

struct row {
    const char *answer; /* bytes, or the path that makes them */
    enum outcome outcome;
    const char *words; /* of the reason */
    uint64_t delay_ms;
};

static struct parcel send_to(const char *url, const char *ca)
{
    struct bench b;
    struct parcel p;

    bench_open(&b);
    parcel_fill(&p, &b, url);
    p.copy.settings.ca_pem = parcel_text(ca);
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    assert_int_equal(p.done, 1);
    return p;
}

static void judge_row(const struct row *row, const struct parcel *p)
{
    if (p->d.outcome != row->outcome || p->d.delay_ms != row->delay_ms ||
        (row->words != NULL && strstr(p->d.reason, row->words) == NULL)) {
        fail_msg("%s\n... gave outcome %d, delay %llu, reason \"%s\"", row->answer, p->d.outcome,
                 (unsigned long long)p->d.delay_ms, p->d.reason);
    }
}

/* ---- a bare socket ---- */

static void judge_raw(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct rude r;
        char url[64];
        rude_open(&r, rows[i].answer, NULL);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/", r.port);
        struct parcel p = send_to(url, "");
        rude_close(&r);
        judge_row(&rows[i], &p);
    }
}
#define JUDGE_RAW(rows) judge_raw(rows, sizeof rows / sizeof *rows)

static void nothing_is_expired_only_where_its_end_is_marked(void **state)
{
    static const struct row rows[] = {
        {"HTTP/1.1 204 No Content\r\n\r\n", OUTCOME_EXPIRED, NULL, 0},
        {"HTTP/1.0 204 No Content\r\n\r\n", OUTCOME_EXPIRED, NULL, 0},
        {OK EMPTY, OUTCOME_EXPIRED, NULL, 0},
        {"HTTP/1.0 200 OK\r\n" EMPTY, OUTCOME_EXPIRED, NULL, 0},
        {"HTTP/1.1 202 Accepted\r\n" EMPTY, OUTCOME_EXPIRED, NULL, 0},
        {"HTTP/1.1 205 Reset Content\r\n" EMPTY, OUTCOME_EXPIRED, NULL, 0},
        {CHUNKED "0\r\n\r\n", OUTCOME_EXPIRED, NULL, 0},
        {CHUNKED "0\r\nServer-Timing: db;dur=3\r\n\r\n", OUTCOME_EXPIRED, NULL, 0},
        {"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n", OUTCOME_FAILED, "not marked",
         0},
        {OK "\r\n", OUTCOME_FAILED, "not marked", 0},
        {OK "Connection: close\r\n\r\n", OUTCOME_FAILED, "not marked", 0},
        {OK "Content-Length: 99999999999999999999\r\n\r\n", OUTCOME_FAILED, NULL, 0},
        {OK "Content-Length: -1\r\n\r\n", OUTCOME_FAILED, NULL, 0},
        {OK "Content-Length: zero\r\n\r\n", OUTCOME_FAILED, NULL, 0},
        {CHUNKED, OUTCOME_FAILED, NULL, 0},
        {CHUNKED "0\r\n", OUTCOME_FAILED, NULL, 0},
        {"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" OK "\r\n", OUTCOME_FAILED,
         "not marked", 0},
    };

    (void)state;
    JUDGE_RAW(rows);
}

static void an_outcome_counts_however_it_is_framed(void **state)
{
    static const struct row rows[] = {
        {OK LENGTH_18 PAID, OUTCOME_PAID, NULL, 0},
        {"HTTP/1.0 200 OK\r\n\r\n" PAID, OUTCOME_PAID, NULL, 0},
        {OK "\r\n" PAID, OUTCOME_PAID, NULL, 0},
        {OK "Content-Type: text/html\r\n" LENGTH_18 PAID, OUTCOME_PAID, NULL, 0},
        {OK "Content-Encoding: identity\r\n" LENGTH_18 PAID, OUTCOME_PAID, NULL, 0},
        {"HTTP/1.1 201 Created\r\n" LENGTH_18 PAID, OUTCOME_PAID, NULL, 0},
        {"HTTP/1.1 299 What\r\n" LENGTH_18 PAID, OUTCOME_PAID, NULL, 0},
        {OK LENGTH_18 PAID "and more than was announced", OUTCOME_PAID, NULL, 0},
        {CHUNKED PAID_CHUNK "0\r\n\r\n", OUTCOME_PAID, NULL, 0},
        {CHUNKED "12;a=b\r\n" PAID "\r\n0\r\n\r\n", OUTCOME_PAID, NULL, 0},
        {CHUNKED PAID_CHUNK "0\r\nServer-Timing: db;dur=3\r\n\r\n", OUTCOME_PAID, NULL, 0},
        {CHUNKED PAID_CHUNK "0\r\nRetry-After: 5\r\n\r\n", OUTCOME_PAID, NULL, 0},
        {OK "Transfer-Encoding: chunked\r\n" LENGTH_18 PAID_CHUNK "0\r\n\r\n", OUTCOME_PAID, NULL,
         0},
        {"HTTP/1.1 100 Continue\r\n\r\n" OK LENGTH_18 PAID, OUTCOME_PAID, NULL, 0},
        {"HTTP/1.1 102 Processing\r\n\r\n" OK LENGTH_18 PAID, OUTCOME_PAID, NULL, 0},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" CHUNKED PAID_CHUNK "0\r\nx: y\r\n\r\n",
         OUTCOME_PAID, NULL, 0},
        {OK "Content-Length: 21\r\n\r\n\xef\xbb\xbf" PAID, OUTCOME_PAID, NULL, 0},
        {OK "\r\n{\"outcome\":\"later\",\"delay_ms\":30000.0}", OUTCOME_LATER, NULL, 30000},
        {OK "\r\n{\"id\":12345678901234567890123,\"outcome\":\"paid\"}", OUTCOME_PAID, NULL, 0},
    };

    (void)state;
    JUDGE_RAW(rows);
}

static void what_breaks_off_is_a_failed_attempt(void **state)
{
    static const struct row rows[] = {
        {"", OUTCOME_FAILED, NULL, 0},
        {"HTTP/1.1 200 OK\r\n", OUTCOME_FAILED, "breaks off in its headers", 0},
        {OK "Content-Le", OUTCOME_FAILED, "breaks off", 0},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OUTCOME_FAILED, NULL, 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", OUTCOME_FAILED, NULL, 0},
        {OK "Content-Length: 50\r\n\r\n" PAID, OUTCOME_FAILED, NULL, 0},
        {OK LENGTH_18, OUTCOME_FAILED, NULL, 0},
        {CHUNKED PAID_CHUNK, OUTCOME_FAILED, NULL, 0},
        {CHUNKED "12\r\n{\"outcome\"", OUTCOME_FAILED, NULL, 0},
        {CHUNKED "zz\r\n" PAID "\r\n0\r\n\r\n", OUTCOME_FAILED, NULL, 0},
        {OK "\r\n{\"outcome\":\"pa", OUTCOME_FAILED, "ends too early", 0},
        {"SSH-2.0-OpenSSH_9.2\r\n", OUTCOME_FAILED, NULL, 0},
    };

    (void)state;
    JUDGE_RAW(rows);
}

static void what_says_nothing_clear_is_a_failed_attempt(void **state)
{
    static const struct row rows[] = {
        {OK "Content-Length: 1\r\n\r\n\n", OUTCOME_FAILED, "white space only", 0},
        {OK "Content-Length: 3\r\n\r\n\xef\xbb\xbf", OUTCOME_FAILED, "white space only", 0},
        {OK "Content-Length: 2\r\n\r\nok", OUTCOME_FAILED, "is not JSON", 0},
        {OK "Content-Length: 2\r\n\r\n{}", OUTCOME_FAILED, "with an outcome", 0},
        {OK "Content-Length: 4\r\n\r\nnull", OUTCOME_FAILED, "with an outcome", 0},
        {OK "\r\n{\"outcome\":\"unpaid\"}", OUTCOME_FAILED, "not expired, paid or later", 0},
        {OK "\r\n{\"outcome\":\"paid\",\"outcome\":\"expired\"}", OUTCOME_FAILED, "twice", 0},
        {OK "\r\n{\"outcome\":\"later\"}", OUTCOME_FAILED, "without a delay_ms", 0},
        {OK "\r\n{\"outcome\":\"p\xe4id\"}", OUTCOME_FAILED, "not UTF-8", 0},
        {OK "Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08 and so on", OUTCOME_FAILED,
         "content-encoding", 0},
        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n" PAID_CHUNK "0\r\n\r\n", OUTCOME_FAILED, NULL,
         0},
    };

    (void)state;
    JUDGE_RAW(rows);
}

static void every_other_status_is_a_failed_attempt(void **state)
{
    static const unsigned statuses[] = {300, 301, 302, 303, 304, 305, 307, 308, 400, 401,
                                        402, 403, 404, 405, 406, 408, 409, 410, 411, 413,
                                        414, 415, 418, 421, 422, 425, 426, 428, 431, 451,
                                        499, 500, 501, 502, 504, 507, 508, 511, 599};
    static const struct row rows[] = {
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", OUTCOME_FAILED, NULL, 0},
        {"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n" EMPTY, OUTCOME_FAILED, "HTTP 429", 7000},
        {"HTTP/1.1 503 No\r\nRetry-After: 7\r\n\r\n", OUTCOME_FAILED, "HTTP 503", 7000},
        {"HTTP/1.1 503 No\r\nContent-Length: 9\r\nretry-after: 7\r\n\r\n", OUTCOME_FAILED,
         "HTTP 503", 7000}, /* a refusal is one however it ends */
        {"HTTP/1.1 500 No\r\nRetry-After: 7\r\n" EMPTY, OUTCOME_FAILED, "HTTP 500", 0},
        {"HTTP/1.1 302 Found\r\nLocation: /other\r\n" EMPTY, OUTCOME_FAILED, "redirects", 0},
    };

    (void)state;
    JUDGE_RAW(rows);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char answer[128], words[16];
        snprintf(answer, sizeof answer, "HTTP/1.1 %u What\r\n" LENGTH_18 PAID, statuses[i]);
        snprintf(words, sizeof words, "HTTP %u", statuses[i]);
        struct row row = {answer, OUTCOME_FAILED, words, 0};
        judge_raw(&row, 1);
    }
}

/* ---- receivers in other languages ---- */

static void judge_foreign(const struct foreign *f, unsigned which, const char *scheme,
                          const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char url[128];
        snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", scheme, f->ports[which], rows[i].answer);
        struct parcel p = send_to(url, f->cert);
        judge_row(&rows[i], &p);
    }
}
#define JUDGE_FOREIGN(f, which, scheme, rows) \
    judge_foreign(f, which, scheme, rows, sizeof rows / sizeof *rows)

static void pythons_http_server_is_understood(void **state)
{
    static const struct row rows[] = {
        {"/no-content", OUTCOME_EXPIRED, NULL, 0},
        {"/length-0", OUTCOME_EXPIRED, NULL, 0},
        {"/no-length", OUTCOME_FAILED, "not marked", 0},
        {"/body", OUTCOME_PAID, NULL, 0},
        {"/body-with-length", OUTCOME_PAID, NULL, 0},
        {"/print-nothing", OUTCOME_FAILED, "white space only", 0},
        {"/dies-behind-headers", OUTCOME_FAILED, "not marked", 0},
        {"/dies-before", OUTCOME_FAILED, NULL, 0},
        {"/dies-before-length", OUTCOME_FAILED, NULL, 0},
        {"/error", OUTCOME_FAILED, "HTTP 500", 0},
        {"/busy", OUTCOME_FAILED, "HTTP 503", 9000},
    };
    struct foreign f;

    (void)state;
    foreign_open(&f, "python3", "tests/support/foreign/receiver.py", NULL);
    JUDGE_FOREIGN(&f, 0, "http", rows); /* HTTP/1.0 */
    JUDGE_FOREIGN(&f, 1, "http", rows);
    foreign_close(&f);
}

static void node_is_understood_over_http_1(void **state)
{
    static const struct row rows[] = {
        {"/end", OUTCOME_EXPIRED, NULL, 0},
        {"/no-content", OUTCOME_EXPIRED, NULL, 0},
        {"/length", OUTCOME_PAID, NULL, 0},
        {"/chunked", OUTCOME_PAID, NULL, 0},
        {"/chunked-empty", OUTCOME_EXPIRED, NULL, 0},
        {"/trailer", OUTCOME_PAID, NULL, 0},
        {"/early-hints", OUTCOME_PAID, NULL, 0},
        {"/processing", OUTCOME_PAID, NULL, 0},
        {"/close", OUTCOME_PAID, NULL, 0},
        {"/dies-unframed", OUTCOME_FAILED, "not marked", 0},
        {"/dies-amid-chunks", OUTCOME_FAILED, NULL, 0},
        {"/dies-before-length", OUTCOME_FAILED, NULL, 0},
        {"/dies", OUTCOME_FAILED, NULL, 0},
        {"/throws", OUTCOME_FAILED, "HTTP 500", 0},
        {"/redirect", OUTCOME_FAILED, "HTTP 307", 0},
        {"/busy", OUTCOME_FAILED, "HTTP 429", 9000},
        {"/html", OUTCOME_FAILED, "is not JSON", 0},
        {"/nowhere", OUTCOME_FAILED, "HTTP 404", 0},
    };
    struct foreign f;

    (void)state;
    foreign_open(&f, "node", "tests/support/foreign/receiver.mjs", NULL);
    JUDGE_FOREIGN(&f, 0, "http", rows);
    foreign_close(&f);
}

static void node_is_understood_over_http_2(void **state)
{
    static const struct row rows[] = {
        {"/end", OUTCOME_EXPIRED, NULL, 0},
        {"/no-content", OUTCOME_EXPIRED, NULL, 0},
        {"/empty-data", OUTCOME_EXPIRED, NULL, 0},
        {"/body", OUTCOME_PAID, NULL, 0},
        {"/trailer", OUTCOME_PAID, NULL, 0},
        {"/trailer-empty", OUTCOME_EXPIRED, NULL, 0},
        {"/early-hints", OUTCOME_PAID, NULL, 0},
        {"/hangs-up-behind-headers", OUTCOME_FAILED, NULL, 0},
        {"/hangs-up", OUTCOME_FAILED, NULL, 0},
        {"/goaway-then-answers", OUTCOME_PAID, NULL, 0},
        {"/throws", OUTCOME_FAILED, "HTTP 500", 0},
        {"/busy", OUTCOME_FAILED, "HTTP 503", 9000},
        {"/nowhere", OUTCOME_FAILED, "HTTP 404", 0},
    };
    struct foreign f;

    (void)state;
    foreign_open(&f, "node", "tests/support/foreign/receiver.mjs", NULL);
    JUDGE_FOREIGN(&f, 1, "https", rows);
    foreign_close(&f);
}

static void http_2_is_understood_frame_by_frame(void **state)
{
    static const struct row rows[] = {
        {"ends", OUTCOME_EXPIRED, NULL, 0},
        {"no_content", OUTCOME_EXPIRED, NULL, 0},
        {"body", OUTCOME_PAID, NULL, 0},
        {"trailer", OUTCOME_PAID, NULL, 0},
        {"trailer_empty", OUTCOME_EXPIRED, NULL, 0},
        {"no_error_behind_all", OUTCOME_PAID, NULL, 0},
        {"goaway_then_body", OUTCOME_PAID, NULL, 0},
        {"error_behind_headers", OUTCOME_FAILED, "INTERNAL_ERROR", 0},
        {"cancel_behind_headers", OUTCOME_FAILED, "CANCEL", 0},
        {"error_amid_body", OUTCOME_FAILED, "INTERNAL_ERROR", 0},
        {"error_at_once", OUTCOME_FAILED, "INTERNAL_ERROR", 0},
        {"hang_up", OUTCOME_FAILED, NULL, 0},
        {"hang_up_behind_headers", OUTCOME_FAILED, NULL, 0},
        {"goaway_behind_headers", OUTCOME_FAILED, NULL, 0},
    };
    enum { N = sizeof rows / sizeof *rows };
    char *names[N + 1] = {NULL};
    struct foreign f;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        names[i] = (char *)rows[i].answer;
    }
    foreign_open(&f, "python3", "tests/support/foreign/receiver_h2.py", names);
    for (unsigned i = 0; i < N; i++) {
        char url[64];
        snprintf(url, sizeof url, "https://127.0.0.1:%u/", f.ports[i]);
        struct parcel p = send_to(url, f.cert);
        judge_row(&rows[i], &p);
    }
    foreign_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_expired_only_where_its_end_is_marked),
        cmocka_unit_test(an_outcome_counts_however_it_is_framed),
        cmocka_unit_test(what_breaks_off_is_a_failed_attempt),
        cmocka_unit_test(what_says_nothing_clear_is_a_failed_attempt),
        cmocka_unit_test(every_other_status_is_a_failed_attempt),
        cmocka_unit_test(pythons_http_server_is_understood),
        cmocka_unit_test(node_is_understood_over_http_1),
        cmocka_unit_test(node_is_understood_over_http_2),
        cmocka_unit_test(http_2_is_understood_frame_by_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
