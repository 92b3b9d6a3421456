/* test_callback_traceparent.c - the header traceparent of deliveries over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../support/bench/callback_bench.h"
#include "../../support/foreign/http_site.h"

static const uint8_t trace[PROTOCOL_TRACEPARENT_SIZE] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43,
                                                         0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80,
                                                         0x31, 0x9c, 0xb7, 0xad, 0x6b, 0x71, 0x69,
                                                         0x20, 0x33, 0x31, 0x01};
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

struct sending {
    unsigned orders;   /* in one request */
    unsigned batch;    /* the route's */
    unsigned traced;   /* of these so many, the first ones */
    const char *own;   /* the route's own traceparent, or NULL */
    const char *wants; /* the header that is sent, or NULL */
};

static void check_sent(const struct sending *one)
{
    struct parcel p[2];
    struct bench b;
    struct site s;
    char url[64];

    site_open(&s);
    bench_open(&b);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", s.port);
    for (unsigned i = 0; i < one->orders; i++) {
        parcel_fill(&p[i], &b, url);
        p[i].d.traced = i < one->traced;
        memcpy(p[i].d.traceparent, trace, sizeof trace);
    }
    if (one->own != NULL) {
        p[0].copy.settings.n_headers = 2;
        p[0].copy.settings.headers[0] = (struct route_header){parcel_text("Traceparent"),
                                                              parcel_text(one->own)};
        p[0].copy.settings.headers[1] = (struct route_header){parcel_text("x-shop"),
                                                              parcel_text("7")};
    }
    if (one->batch > 1) {
        parcel_bind(p, one->orders, one->batch);
    }
    bench_start(&b, p);
    bench_wait(&b);
    bench_close(&b);
    site_stop(&s);
    assert_int_equal(s.requests, 1);
    const char *got = json_string_value(json_object_get(s.headers, "traceparent"));
    if (one->wants == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, one->wants);
    }
    if (one->own != NULL) {
        assert_non_null(json_object_get(s.headers, "x-shop"));
    }
    assert_null(json_object_get(s.headers, "tracestate"));
    site_close(&s);
}

static void an_orders_traceparent_is_sent(void **state)
{
    (void)state;
    check_sent(&(struct sending){.orders = 1, .batch = 1, .traced = 1, .wants = TRACE});
    check_sent(&(struct sending){.orders = 1, .batch = 1, .traced = 0, .wants = NULL});
}

static void a_request_with_several_orders_has_none(void **state)
{
    (void)state;
    check_sent(&(struct sending){.orders = 2, .batch = 2, .traced = 2, .wants = NULL});
    check_sent(&(struct sending){.orders = 1, .batch = 2, .traced = 1, .wants = TRACE});
}

static void it_stands_for_the_routes_own(void **state)
{
    static const char own[] = "00-00000000000000000000000000000001-0000000000000002-00";

    (void)state;
    check_sent(&(struct sending){.orders = 1, .batch = 1, .traced = 1, .own = own, .wants = TRACE});
    check_sent(&(struct sending){.orders = 1, .batch = 1, .traced = 0, .own = own, .wants = own});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_orders_traceparent_is_sent),
        cmocka_unit_test(a_request_with_several_orders_has_none),
        cmocka_unit_test(it_stands_for_the_routes_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
