/* test_callback_resend.c - connections that end under deliveries: what a receiver may have seen is never
 * sent again inside one attempt, and what it has certainly not seen costs none. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/bench/callback_bench.h"
#include "../../support/foreign/foreign.h"
#include "../../support/cluster/process.h"

#define N 300u
#define WINDOW 64u
#define PATIENCE_MS 30000 /* no attempt is to end by time, on however busy a machine */

/* N deliveries, WINDOW at a time. How many were PAID. */
static unsigned send_many(const struct foreign *f, unsigned port, const char *path,
                          unsigned *overloaded)
{
    struct bench b;
    struct parcel *p = calloc(N, sizeof *p);
    unsigned paid = 0;
    char url[64];

    assert_non_null(p);
    *overloaded = 0;
    snprintf(url, sizeof url, "https://127.0.0.1:%u%s", port, path);
    bench_open(&b);
    for (unsigned i = 0; i < N; i++) {
        while (b.started - b.done >= WINDOW) {
            uv_run(&b.loop, UV_RUN_ONCE);
        }
        parcel_fill(&p[i], &b, url);
        p[i].copy.settings.ca_pem = parcel_text(f->cert);
        p[i].copy.settings.connect_timeout_ms = p[i].copy.settings.timeout_ms = PATIENCE_MS;
        bench_start(&b, &p[i]);
    }
    bench_wait(&b);
    bench_close(&b);
    for (unsigned i = 0; i < N; i++) {
        paid += p[i].d.outcome == OUTCOME_PAID;
        *overloaded += p[i].d.overloaded;
        if (p[i].d.outcome != OUTCOME_PAID && getenv("TELL") != NULL) {
            fprintf(stderr, "%u: %s\n", i, p[i].d.reason);
        }
    }
    free(p);
    return paid;
}

static void assert_graceful(struct foreign *f, unsigned port, const char *path)
{
    unsigned overloaded;

    unsigned paid = send_many(f, port, path, &overloaded);
    unsigned came = foreign_count(f, "request ");
    foreign_close(f);
    assert_int_equal(overloaded, 0); /* the window stays as it is */
    assert_int_equal(paid, N);
    assert_int_equal(came, N);
}

static void a_graceful_goaway_costs_no_attempt(void **state)
{
    struct foreign f;

    (void)state;
    foreign_open(&f, "python3", "tests/support/foreign/receiver_h2.py",
                 (char *[]){"goaway_each_10", NULL});
    assert_graceful(&f, f.ports[0], "/");
}

static void assert_sent_once(struct foreign *f, unsigned port, const char *path)
{
    unsigned overloaded;

    unsigned paid = send_many(f, port, path, &overloaded);
    unsigned came = foreign_count(f, "request ");
    foreign_close(f);
    assert_true(paid < N);
    if (came > N) {
        fail_msg("%u attempts, and %u requests came", N, came);
    }
}

/* Node 18 hangs up instead: then it is a connection that died. */
static void nor_does_that_of_nodes_sessions(void **state)
{
    struct foreign f;

    (void)state;
    foreign_open(&f, "node", "tests/support/foreign/receiver.mjs", NULL);
    if (foreign_count(&f, "closes without GOAWAY") > 0) {
        assert_sent_once(&f, f.ports[1], "/closes-each-10");
    } else {
        assert_graceful(&f, f.ports[1], "/closes-each-10");
    }
}

static void what_a_dead_connection_may_have_carried_is_not_sent_again(void **state)
{
    struct foreign f;

    (void)state;
    foreign_open(&f, "python3", "tests/support/foreign/receiver_h2.py",
                 (char *[]){"hang_up_each_10", NULL});
    assert_sent_once(&f, f.ports[0], "/");
}

static void nor_what_a_session_took_before_it_was_destroyed(void **state)
{
    struct foreign f;

    (void)state;
    foreign_open(&f, "python3", "tests/support/foreign/receiver_h2.py",
                 (char *[]){"reset_behind_10", NULL});
    assert_sent_once(&f, f.ports[0], "/");
}

static void nor_what_nodes_dead_session_may_have_carried(void **state)
{
    struct foreign f;

    (void)state;
    foreign_open(&f, "node", "tests/support/foreign/receiver.mjs", NULL);
    assert_sent_once(&f, f.ports[1], "/hangs-up-each-10");
}

static void a_refused_stream_costs_no_attempt(void **state)
{
    struct foreign f;
    struct bench b;
    struct parcel p;
    char url[64];

    (void)state;
    foreign_open(&f, "python3", "tests/support/foreign/receiver_h2.py",
                 (char *[]){"refuse_first", NULL});
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", f.ports[0]);
    bench_open(&b);
    parcel_fill(&p, &b, url);
    p.copy.settings.ca_pem = parcel_text(f.cert);
    bench_start(&b, &p);
    bench_wait(&b);
    bench_close(&b);
    foreign_close(&f);
    assert_int_equal(p.d.outcome, OUTCOME_PAID);
}

/* ---- HTTP/1.1 ---- */

struct fickle {
    int listener;
    unsigned port;
    unsigned requests;
    pthread_t thread;
};

/* Each connection's first request is answered, its second read, and then the connection ends. */
static void *fickle_main(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    struct fickle *f = arg;
    char request[16384];

    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0) {
            return NULL; /* shut down */
        }
        for (unsigned i = 0; i < 2; i++) {
            if (recv(fd, request, sizeof request, 0) <= 0) {
                break;
            }
            f->requests++;
            if (i == 0) {
                assert_int_equal(send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL),
                                 sizeof answer - 1);
            }
        }
        close(fd);
    }
}

static void nor_is_what_a_kept_connection_may_have_carried(void **state)
{
    struct fickle f = {0};
    struct bench b;
    struct parcel p[4];
    char url[64];

    (void)state;
    f.listener = listen_somewhere(&f.port);
    assert_int_equal(pthread_create(&f.thread, NULL, fickle_main, &f), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", f.port);
    bench_open(&b);
    for (unsigned i = 0; i < 4; i++) {
        parcel_fill(&p[i], &b, url);
        bench_start(&b, &p[i]);
        bench_wait(&b);
        assert_int_equal(p[i].d.outcome, i % 2 == 0 ? OUTCOME_EXPIRED : OUTCOME_FAILED);
    }
    bench_close(&b);
    shutdown(f.listener, SHUT_RDWR);
    pthread_join(f.thread, NULL);
    close(f.listener);
    assert_int_equal(f.requests, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graceful_goaway_costs_no_attempt),
        cmocka_unit_test(nor_does_that_of_nodes_sessions),
        cmocka_unit_test(what_a_dead_connection_may_have_carried_is_not_sent_again),
        cmocka_unit_test(nor_what_a_session_took_before_it_was_destroyed),
        cmocka_unit_test(nor_what_nodes_dead_session_may_have_carried),
        cmocka_unit_test(a_refused_stream_costs_no_attempt),
        cmocka_unit_test(nor_is_what_a_kept_connection_may_have_carried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
