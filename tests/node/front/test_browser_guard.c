/* test_browser_guard.c - which requests of browsers are taken for the node's own page's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../../node/front/browser_guard.h"

static bool is_own(const char *site, const char *origin, const char *host, bool tls)
{
    const struct browser_request r = {.fetch_site = site,
                                      .origin = origin,
                                      .host = host,
                                      .tls = tls};

    assert_int_equal(browser_guard_is_browser(&r), site != NULL || origin != NULL);
    return browser_guard_is_own(&r);
}

static void a_browser_is_known_by_what_no_page_can_take_away(void **state)
{
    struct browser_request r = {.agent = "curl/8.5.0", .host = "a"};

    (void)state;
    assert_false(browser_guard_is_browser(&r));
    r.agent = "not Mozilla/5.0";
    assert_false(browser_guard_is_browser(&r));
    r.agent = NULL;
    assert_false(browser_guard_is_browser(&r));
    r.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    assert_true(browser_guard_is_browser(&r));
}

static void only_the_same_scheme_host_and_port_is_its_own(void **state)
{
    (void)state;
    assert_true(is_own(NULL, NULL, "a:7402", false));
    assert_true(is_own("same-origin", NULL, "a:7402", false));
    assert_true(is_own("none", NULL, "a:7402", false));
    assert_true(is_own("same-origin", "http://a:7402", "a:7402", false));
    assert_true(is_own(NULL, "http://a:7402", "A:7402", false));
    assert_true(is_own(NULL, "https://[fd00::7]:7402", "[fd00::7]:7402", true));
    assert_true(is_own(NULL, "http://a", "a", false));

    assert_false(is_own("same-site", NULL, "a:7402", false));
    assert_false(is_own("cross-site", NULL, "a:7402", false));
    assert_false(is_own("cross-site", "http://a:7402", "a:7402", false));
    assert_false(is_own("", NULL, "a:7402", false));
    assert_false(is_own("Same-Origin", NULL, "a:7402", false));
    assert_false(is_own(NULL, "null", "a:7402", false));
    assert_false(is_own(NULL, "", "a:7402", false));
    assert_false(is_own(NULL, "http://", "", true));
    assert_false(is_own(NULL, "http://a:7412", "a:7402", false));
    assert_false(is_own(NULL, "http://a", "a:7402", false));
    assert_false(is_own(NULL, "http://a:7402/", "a:7402", false));
    assert_false(is_own(NULL, "http://a:7402.evil.example", "a:7402", false));
    assert_false(is_own(NULL, "https://a:7402", "a:7402", false));
    assert_false(is_own(NULL, "http://a:7402", "a:7402", true));
    assert_false(is_own(NULL, "http://a:7402", NULL, false));
    assert_false(is_own("none", "http://b:7402", "a:7402", false));
}

static void expect_host(const char *line, enum browser_host wanted, const char *wanted_name)
{
    char name[BROWSER_HOST_MAX] = "";

    assert_int_equal(browser_guard_host(line, name), wanted);
    if (wanted == BROWSER_HOST_NAME) {
        assert_string_equal(name, wanted_name);
    }
}

static void addresses_and_localhost_are_nobodys_name(void **state)
{
    static const char *const fixed[] = {"127.0.0.1", "10.1.2.3:7402",  "[::1]:7402",
                                        "[fd00::7]", "localhost:7402", "LocalHost"};
    static const char *const bad[] = {"",    ":7402",    "[::1",     "[::1]7402",
                                      "[a]", "[]",       "a:74x2",   "a:7402:7402",
                                      "::1", "a:123456", "[::1%lo]", "[1.2.3.4]"};

    (void)state;
    for (unsigned i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        expect_host(fixed[i], BROWSER_HOST_FIXED, NULL);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_host(bad[i], BROWSER_HOST_BAD, NULL);
    }
    expect_host(NULL, BROWSER_HOST_BAD, NULL);
    expect_host("node-1.example:7402", BROWSER_HOST_NAME, "node-1.example");
    expect_host("localhost.evil.example", BROWSER_HOST_NAME, "localhost.evil.example");
    expect_host("127.0.0.1.evil.example:1", BROWSER_HOST_NAME, "127.0.0.1.evil.example");
    /* Forms that a resolver, but no browser, would take for an address. */
    expect_host("127.1", BROWSER_HOST_NAME, "127.1");
    expect_host("0x7f000001", BROWSER_HOST_NAME, "0x7f000001");
}

static void a_name_longer_than_any_is_refused(void **state)
{
    char line[BROWSER_HOST_MAX + 8], name[BROWSER_HOST_MAX];

    (void)state;
    memset(line, 'a', sizeof line);
    line[BROWSER_HOST_MAX - 1] = '\0';
    assert_int_equal(browser_guard_host(line, name), BROWSER_HOST_NAME);
    assert_int_equal(strlen(name), BROWSER_HOST_MAX - 1);
    line[BROWSER_HOST_MAX - 1] = 'a';
    line[BROWSER_HOST_MAX] = '\0';
    assert_int_equal(browser_guard_host(line, name), BROWSER_HOST_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_browser_is_known_by_what_no_page_can_take_away),
        cmocka_unit_test(only_the_same_scheme_host_and_port_is_its_own),
        cmocka_unit_test(addresses_and_localhost_are_nobodys_name),
        cmocka_unit_test(a_name_longer_than_any_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
