/* test_callback_moved.c - a receiver whose name moves to another address is followed, under traffic that
 * never leaves its connections alone. */
#include <dlfcn.h>
#include <netdb.h>
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
#include "../../support/cluster/process.h"

#define PATIENCE_MS 10000
#define UNDER_WAY 4u

static const char *address_of_moving = "127.0.0.1"; /* read by libcurl's threads */

/* Before libc's: one name is ours. */
__attribute__((visibility("default"))) int getaddrinfo(const char *restrict node,
                                                       const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict found)
{
    static int (*libcs)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    if (libcs == NULL) {
        *(void **)&libcs = dlsym(RTLD_NEXT, "getaddrinfo");
    }
    bool moving = node != NULL && strcmp(node, "moving.test") == 0;
    const char *address = __atomic_load_n(&address_of_moving, __ATOMIC_SEQ_CST);
    return libcs(moving ? address : node, service, hints, found);
}

static void move_to(const char *address)
{
    __atomic_store_n(&address_of_moving, address, __ATOMIC_SEQ_CST);
}

static unsigned came(const struct foreign *f, const char *address)
{
    return foreign_count(f, address);
}

/* Deliveries without a pause, some at a time, until the receiver at this address got some. */
static void send_until(struct bench *b, const struct foreign *f, const char *url,
                       const char *address)
{
    struct parcel p[UNDER_WAY];
    uint64_t until_ms = monotonic_ms() + PATIENCE_MS;
    uint64_t look_ms = 0;
    bool there = false;

    memset(p, 0, sizeof p);
    while (!there) {
        for (unsigned i = 0; i < UNDER_WAY; i++) {
            if (p[i].done == 1 && p[i].d.outcome != OUTCOME_PAID) {
                fail_msg("%s", p[i].d.reason);
            }
            if (p[i].bench == NULL || p[i].done == 1) {
                assert_true(p[i].bench == NULL || p[i].d.outcome == OUTCOME_PAID);
                parcel_fill(&p[i], b, url);
                p[i].copy.settings.ca_pem = parcel_text(f->cert);
                bench_start(b, &p[i]);
            }
        }
        uv_run(&b->loop, UV_RUN_ONCE);
        if (monotonic_ms() >= look_ms) {
            look_ms = monotonic_ms() + 100;
            there = came(f, address) > 0;
        }
        assert_true(monotonic_ms() < until_ms);
    }
    bench_wait(b);
}

static void assert_followed(const struct foreign *f, const char *url)
{
    struct bench b;

    move_to("127.0.0.1");
    bench_open_aging(&b, 1);
    send_until(&b, f, url, "127.0.0.1");
    assert_int_equal(came(f, "127.0.0.2"), 0);
    move_to("127.0.0.2");
    send_until(&b, f, url, "127.0.0.2");
    bench_close(&b);
}

static void a_name_that_moves_is_followed_over_http_1(void **state)
{
    struct foreign f;
    char url[64];

    (void)state;
    foreign_open(&f, "python3", "tests/support/foreign/receiver.py", NULL);
    snprintf(url, sizeof url, "http://moving.test:%u/body-with-length", f.ports[1]);
    assert_followed(&f, url);
    foreign_close(&f);
}

static void a_name_that_moves_is_followed_over_http_2(void **state)
{
    struct foreign f;
    char url[64];

    (void)state;
    foreign_open(&f, "python3", "tests/support/foreign/receiver_h2.py", (char *[]){"body", NULL});
    snprintf(url, sizeof url, "https://moving.test:%u/", f.ports[0]);
    assert_followed(&f, url);
    foreign_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_moves_is_followed_over_http_1),
        cmocka_unit_test(a_name_that_moves_is_followed_over_http_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
