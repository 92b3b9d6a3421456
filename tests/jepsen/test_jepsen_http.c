/* test_jepsen_http.c - how the harness asks over HTTP: what an answer says and whether it has its form, that a
 * request goes out once, and what silence means.
 * Runs beside others: waits 7 s. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../jepsen/ask/http.h"
#include "../../jepsen/ask/http_answer.h"

/* ---- answers ---- */

#define ORDER \
    "{\"id\":\"a\",\"state\":\"PENDING\",\"deadline_ms\":70,\"remaining_ms\":20,\"index\":0}"
#define PROBLEM(status, error, class)                                                         \
    "{\"type\":\"urn:orderschedd:error:" error "\",\"status\":" #status ",\"error\":\"" error \
    "\",\"class\":\"" class "\",\"detail\":\"why\",\"order\":" ORDER "}"

static struct asked read_answer(unsigned status, const char *body,
                                enum ordersched_operation_kind kind)
{
    struct asked a = {0};

    snprintf(a.http.etag, sizeof a.http.etag, "\"3-0123abcd\"");
    http_answer_read(status, body, strlen(body), kind, &a);
    return a;
}

static void an_answer_is_read_as_the_client_library_would_tell_it(void **state)
{
    (void)state;
    struct asked a = read_answer(201, ORDER, ORDERSCHED_SCHEDULE);
    assert_int_equal(a.error, ORDERSCHED_OK);
    assert_int_equal(a.state, ORDERSCHED_PENDING);
    assert_int_equal(a.deadline_ms, 70);
    assert_int_equal(a.remaining_ms, 20);
    assert_string_equal(a.http.flaw, "");
    a = read_answer(410, PROBLEM(410, "TOO_LATE", "definite"), ORDERSCHED_PAY);
    assert_int_equal(a.error, ORDERSCHED_TOO_LATE);
    assert_int_equal(a.state, ORDERSCHED_PENDING);
    assert_string_equal(a.text, "why");
    assert_string_equal(a.http.flaw, "");
    a = read_answer(503, PROBLEM(503, "NO_LEADER", "definite"), ORDERSCHED_PAY);
    assert_int_equal(a.error, ORDERSCHED_NOT_LEADER);
    a = read_answer(504, PROBLEM(504, "TIMEOUT", "unknown"), ORDERSCHED_PAY);
    assert_int_equal(a.error, ORDERSCHED_TIMEOUT);
    assert_string_equal(a.http.flaw, "");
    a = read_answer(200, "{\"state\":\"PAID\",\"deadline_ms\":70,\"index\":9,\"version\":3}",
                    ORDERSCHED_GET);
    assert_int_equal(a.index, 9);
    assert_int_equal(a.http.version, 3);
    assert_string_equal(a.http.flaw, "");
}

static void what_an_answer_must_not_be_is_named(void **state)
{
    static const struct {
        unsigned status;
        const char *body;
        enum ordersched_operation_kind kind;
        int error;
        const char *flaw;
    } cases[] = {
        {200, "no", ORDERSCHED_PAY, ORDERSCHED_UNKNOWN_OUTCOME, "no JSON"},
        {202, ORDER, ORDERSCHED_PAY, ORDERSCHED_UNKNOWN_OUTCOME, "status 202"},
        {201, ORDER, ORDERSCHED_PAY, ORDERSCHED_UNKNOWN_OUTCOME, "status 201"},
        {200, "{}", ORDERSCHED_PAY, ORDERSCHED_OK, "without its state"},
        {200, ORDER, ORDERSCHED_GET, ORDERSCHED_OK, "version 0"},
        {410, PROBLEM(410, "TOO_LATE", "unknown"), ORDERSCHED_PAY, ORDERSCHED_TOO_LATE, "unknown"},
        {504, PROBLEM(504, "TIMEOUT", "definite"), ORDERSCHED_PAY, ORDERSCHED_TIMEOUT, "definite"},
        {503, PROBLEM(503, "TIMEOUT", "unknown"), ORDERSCHED_PAY, ORDERSCHED_TIMEOUT, "status 503"},
        {409, PROBLEM(410, "DECIDED", "definite"), ORDERSCHED_PAY, ORDERSCHED_DECIDED, "410"},
        {400, PROBLEM(400, "ODD", "definite"), ORDERSCHED_PAY, ORDERSCHED_INVALID, "\"ODD\""},
        {500, PROBLEM(500, "ODD", "unknown"), ORDERSCHED_PAY, ORDERSCHED_UNKNOWN_OUTCOME,
         "\"ODD\""},
        {409, PROBLEM(409, "DECIDED", "so"), ORDERSCHED_PAY, ORDERSCHED_DECIDED, "\"so\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked a = read_answer(cases[i].status, cases[i].body, cases[i].kind);
        if (a.error != cases[i].error || strstr(a.http.flaw, cases[i].flaw) == NULL) {
            print_message("case %zu: %s, \"%s\"\n", i, ordersched_error_name(a.error), a.http.flaw);
            fail();
        }
    }
}

/* ---- a server that is told what to do with each request ---- */

enum manners {
    ANSWERS,            /* and keeps the connection */
    ANSWERS_AND_LEAVES, /* and closes it */
    LEAVES,             /* without an answer */
    IS_SILENT,          /* until the client has gone */
};

struct server {
    int listening;
    unsigned port;
    const enum manners *manners; /* of each request, in their order */
    unsigned n, requests;
    char last[2048];
    pthread_t thread;
};

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: 44\r\n\r\n"
                             "{\"state\":\"PAID\",\"deadline_ms\":70,\"index\":9} ";

/* Its small requests come in one piece, or the body behind the head. */
static bool take_request(struct server *s, int fd)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = recv(fd, s->last + len, sizeof s->last - 1 - len, 0);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        s->last[len] = '\0';
        if (strstr(s->last, "\r\n\r\n") != NULL) {
            return true;
        }
    }
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    int fd;

    while ((fd = accept(s->listening, NULL, NULL)) >= 0) {
        bool on = true;
        while (on && take_request(s, fd)) {
            enum manners m = s->requests < s->n ? s->manners[s->requests] : ANSWERS;
            s->requests++;
            if (m == ANSWERS || m == ANSWERS_AND_LEAVES) {
                assert_int_equal(send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL),
                                 sizeof answer - 1);
            }
            if (m == IS_SILENT) {
                char byte;
                (void)!recv(fd, &byte, 1, 0);
            }
            on = m == ANSWERS;
        }
        close(fd);
    }
    return NULL;
}

static void server_start(struct server *s, const enum manners *manners, unsigned n)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;

    *s = (struct server){.manners = manners, .n = n};
    s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listening, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(s->listening, 8), 0);
    assert_int_equal(getsockname(s->listening, (struct sockaddr *)&in, &len), 0);
    s->port = ntohs(in.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->listening, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listening);
}

static struct asked pay(struct ask_http *h, unsigned port)
{
    struct ordersched_operation operation = {.kind = ORDERSCHED_PAY, .id = "a/1", .id_len = 3};
    struct ask_http_question q = {
        .operation = &operation, .host = "127.0.0.1", .port = port, .key = "\"k\"", .wait_s = 1};
    struct asked a;

    ask_http_order(h, &q, &a);
    return a;
}

static struct asked read_it(struct ask_http *h, unsigned port)
{
    struct ordersched_operation operation = {.kind = ORDERSCHED_GET, .id = "a", .id_len = 1};
    struct ask_http_question q = {.operation = &operation,
                                  .host = "127.0.0.1",
                                  .port = port,
                                  .wait_s = 1};
    struct asked a;

    ask_http_order(h, &q, &a);
    return a;
}

/* ---- requests ---- */

static void a_request_says_what_is_asked(void **state)
{
    struct server s;
    struct ask_http *h = ask_http_open(&(struct ask_http_config){.token = "osdt_x"});

    (void)state;
    server_start(&s, NULL, 0);
    struct asked a = pay(h, s.port);
    assert_int_equal(a.error, ORDERSCHED_OK);
    assert_int_equal(a.state, ORDERSCHED_PAID);
    assert_non_null(strstr(s.last, "POST /v1/orders/a%2F1/pay HTTP/1.1\r\n"));
    assert_non_null(strstr(s.last, "\r\nPrefer: wait=1\r\n"));
    assert_non_null(strstr(s.last, "\r\nIdempotency-Key: \"k\"\r\n"));
    assert_non_null(strstr(s.last, "\r\nAuthorization: Bearer osdt_x\r\n"));
    ask_http_close(h);
    server_stop(&s);
}

/* libcurl would send it again, over a new connection. */
static void a_request_whose_kept_connection_is_lost_is_unknown_and_not_sent_again(void **state)
{
    static const enum manners manners[] = {ANSWERS, LEAVES};
    struct server s;
    struct ask_http *h = ask_http_open(&(struct ask_http_config){0});

    (void)state;
    server_start(&s, manners, 2);
    assert_int_equal(pay(h, s.port).error, ORDERSCHED_OK);
    struct asked a = pay(h, s.port);
    assert_int_equal(a.error, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_true(a.http.broken);
    assert_int_equal(s.requests, 2);
    assert_int_equal(pay(h, s.port).error, ORDERSCHED_OK); /* over a new one */
    assert_int_equal(s.requests, 3);
    ask_http_close(h);
    server_stop(&s);
}

static void a_kept_connection_that_was_closed_meanwhile_is_none(void **state)
{
    static const enum manners manners[] = {ANSWERS_AND_LEAVES};
    struct server s;
    struct ask_http *h = ask_http_open(&(struct ask_http_config){0});

    (void)state;
    server_start(&s, manners, 1);
    assert_int_equal(pay(h, s.port).error, ORDERSCHED_OK);
    usleep(100000);
    assert_int_equal(pay(h, s.port).error, ORDERSCHED_OK);
    assert_int_equal(s.requests, 2);
    ask_http_close(h);
    server_stop(&s);
}

static void what_did_not_leave_is_definite_and_what_did_is_not(void **state)
{
    static const enum manners manners[] = {IS_SILENT, IS_SILENT, LEAVES};
    struct server s;
    struct ask_http *h = ask_http_open(&(struct ask_http_config){0});

    (void)state;
    server_start(&s, manners, 3);
    assert_int_equal(pay(h, s.port).error, ORDERSCHED_TIMEOUT);
    assert_int_equal(read_it(h, s.port).error, ORDERSCHED_UNREACHABLE);
    assert_int_equal(pay(h, s.port).error, ORDERSCHED_UNKNOWN_OUTCOME);
    server_stop(&s);
    struct asked a = pay(h, s.port);
    assert_int_equal(a.error, ORDERSCHED_UNREACHABLE);
    assert_true(a.http.broken);
    assert_int_equal(a.http.status, 0);
    ask_http_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_as_the_client_library_would_tell_it),
        cmocka_unit_test(what_an_answer_must_not_be_is_named),
        cmocka_unit_test(a_request_says_what_is_asked),
        cmocka_unit_test(a_request_whose_kept_connection_is_lost_is_unknown_and_not_sent_again),
        cmocka_unit_test(a_kept_connection_that_was_closed_meanwhile_is_none),
        cmocka_unit_test(what_did_not_leave_is_definite_and_what_did_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
