/* test_route_check.c - which URLs and certificates a route may be given, what is shown of a URL, and what
 * a change of settings leaves as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../client/wire/route_check.h"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void a_url_names_a_host_and_maybe_a_port(void **state)
{
    static const char *const good[] = {"http://h",         "https://h/",
                                       "HTTP://h/",        "hTTps://h:1/x?y#z",
                                       "http://h:65535",   "http://a.b-c_d.example./",
                                       "http://u:p@h:80/", "http://[::ffff:1.2.3.4]:7500/",
                                       "http://[::1]/",    "http://h?x",
                                       "http://1.2.3.4/",  "http://u%40x:p%2f@h/",
                                       "http://:@h/",      "http://u;a=1:!$&'()*+,-._~@h/"};
    static const char *const bad[] = {
        "",
        "h",
        "ftp://h/",
        "http:/h",
        "http://",
        "http:///x",
        "http://:80/",
        "http://u@/",
        "http://u:p@h:p@h/",
        "http://u@v@h/",
        "http://u%4@h/",
        "http://u%zz@h/",
        "http://u%0a@h/",
        "http://u:%00@h/",
        "http://u[@h/",
        "http://u\\v@h/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:99999999999999999999/",
        "http://h:/",
        "http://h:8o/",
        "http://h:-1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[]/",
        "http://[h]/",
        "http://[::1%25eth0]/",
        "http://a..b/",
        "http://.a/",
        "http://./",
        "http://a b/",
        "http://a\\b/",
        "http://{a}/",
        "http://a%20b/",
        "http://::1/",
        "http://a123456789012345678901234567890123456789012345678901234567890123.b/",
        "http://h /",
        "http://h/\r\nx: y",
        "http://h/\x7f"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (route_url_problem(text(good[i])) != NULL) {
            fail_msg("%s: %s", good[i], route_url_problem(text(good[i])));
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (route_url_problem(text(bad[i])) == NULL) {
            fail_msg("%s is taken", bad[i]);
        }
    }
}

static void a_url_is_shown_without_its_secrets(void **state)
{
    static const char *const shown[][2] = {
        {"http://h/x/y", "http://h/x/y"},
        {"https://user:password@h:8443/x", "https://***@h:8443/x"},
        {"https://t@k@h/", "https://***@h/"},
        {"http://h/x?token=a", "http://h/x?***"},
        {"http://h#a", "http://h#***"},
        {"http://[::1]:80?a", "http://[::1]:80?***"},
    };
    char out[ROUTE_URL_SHOWN_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        size_t len = route_url_show(text(shown[i][0]), out);
        assert_int_equal(len, strlen(shown[i][1]));
        assert_memory_equal(out, shown[i][1], len);
    }
}

static bool is_good_ca(const char *pem)
{
    return route_ca_is_good(text(pem));
}

#define LINE "MIIBszCCAVmgAwIBAgIUb3JkZXJzY2hlZGRvcmRlcnNjaGVkZG9yZGVyc2NoZWQw\n"
#define GOOD "-----BEGIN CERTIFICATE-----\n" LINE LINE "-----END CERTIFICATE-----\n"

static void certificates_to_trust_are_whole(void **state)
{
    (void)state;
    assert_true(is_good_ca(GOOD));
    assert_true(is_good_ca("# the shop's\n" GOOD GOOD));
    assert_false(is_good_ca(""));
    assert_false(is_good_ca("nonsense"));
    assert_false(is_good_ca("-----BEGIN CERTIFICATE-----\n" LINE LINE));
    assert_false(is_good_ca("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"));
    assert_false(is_good_ca(GOOD "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"));
    assert_false(
        is_good_ca("-----BEGIN PRIVATE KEY-----\n" LINE LINE "-----END PRIVATE KEY-----\n"));
}

static void what_is_not_for_a_kind_is_refused(void **state)
{
    struct route_settings s = {.kind = ROUTE_WORKER, .url = text("http://h/")};
    struct problem problem;

    (void)state;
    assert_false(route_settings_check(&s, &problem));
    s = (struct route_settings){.kind = ROUTE_HTTP,
                                .url = text("http://h/"),
                                .n_command = 1,
                                .command = {text("/bin/true")}};
    assert_false(route_settings_check(&s, &problem));
    s.n_command = 0;
    assert_true(route_settings_check(&s, &problem));
    s = (struct route_settings){.kind = ROUTE_EXEC, .n_command = 1, .command = {text("/bin/true")}};
    assert_true(route_settings_check(&s, &problem));
}

static void headers_of_the_transport_are_refused(void **state)
{
    static const char *const bad[] = {"Expect",           "te",      "UPGRADE",
                                      "content-encoding", "Trailer", "Keep-Alive",
                                      "proxy-connection"};
    static const char *const good[] = {"tea", "x-expect", "authorization", "accept"};
    struct route_settings s = {.kind = ROUTE_HTTP, .url = text("http://h/"), .n_headers = 2};
    struct problem problem;

    (void)state;
    s.headers[0] = (struct route_header){text("a"), text("b")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s.headers[1] = (struct route_header){text(bad[i]), text("1")};
        assert_false(route_settings_check(&s, &problem));
        assert_memory_equal(problem.key.data, "headers", 7);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        s.headers[1] = (struct route_header){text(good[i]), text("1")};
        assert_true(route_settings_check(&s, &problem));
    }
}

static void a_change_leaves_what_it_does_not_name(void **state)
{
    static const char *const names[] = {"window", "rate_per_s", "http2", "headers"};
    struct route_settings s = {.kind = ROUTE_HTTP,
                               .url = text("http://h/"),
                               .window = 8,
                               .rate_per_s = 5,
                               .burst = 3,
                               .batch = 1,
                               .timeout_ms = 700,
                               .connect_timeout_ms = 100,
                               .n_secrets = 1,
                               .secrets = {text("whsec_x")},
                               .n_headers = 1,
                               .headers = {{text("a"), text("b")}},
                               .n_retries = 1,
                               .retries_ms = {77}};
    struct route_settings change = {.window = 9, .http1_only = true};
    struct buffer b = {0};
    struct problem problem;
    size_t used;

    (void)state;
    route_settings_encode_some(&b, &change, names, 4);
    assert_int_equal(route_settings_change(b.data, b.len, &s, &used, &problem), ORDERSCHED_OK);
    assert_int_equal(used, b.len);
    assert_int_equal(s.window, 9);
    assert_int_equal(s.rate_per_s, 0);
    assert_true(s.http1_only);
    assert_int_equal(s.n_headers, 0);
    assert_int_equal(s.n_secrets, 1);
    assert_int_equal(s.timeout_ms, 700);
    assert_int_equal(s.burst, 3);
    assert_int_equal(s.retries_ms[0], 77);
    assert_int_equal(s.url.len, 9);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_names_a_host_and_maybe_a_port),
        cmocka_unit_test(a_url_is_shown_without_its_secrets),
        cmocka_unit_test(certificates_to_trust_are_whole),
        cmocka_unit_test(what_is_not_for_a_kind_is_refused),
        cmocka_unit_test(headers_of_the_transport_are_refused),
        cmocka_unit_test(a_change_leaves_what_it_does_not_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
