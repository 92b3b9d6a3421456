/* test_http_guard.c - what of an HTTP connection goes on to the library: each shape whole, and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../../node/front/http_guard.h"
#include "../../support/random.h"

#define HEAD "POST /v1/orders/x/pay HTTP/1.1\r\nHost: a\r\n"

/* How far the guard lets these bytes pass, in parts of so many bytes. */
static size_t pass(struct http_guard *g, const char *text, size_t len, size_t part)
{
    size_t at = 0;

    memset(g, 0, sizeof *g);
    while (at < len && g->flaw == NULL) {
        size_t n = len - at < part ? len - at : part;
        at += http_guard_pass(g, (const uint8_t *)text + at, n);
    }
    return at;
}

static void expect_good(const char *text, uint64_t requests)
{
    size_t len = strlen(text);

    for (size_t part = 1; part <= len; part++) {
        struct http_guard g;
        assert_int_equal(pass(&g, text, len, part), len);
        assert_null(g.flaw);
        assert_int_equal(g.requests, requests);
        assert_false(http_guard_is_within(&g));
    }
    for (size_t cut = 1; requests == 1 && cut < len; cut++) {
        struct http_guard g;
        assert_int_equal(pass(&g, text, cut, 7), cut);
        assert_null(g.flaw);
        assert_int_equal(g.requests, 0);
        assert_true(http_guard_is_within(&g));
    }
}

/* `good` bytes pass, and the next one is what is wrong, however they come. */
static void expect_flaw(const char *good, const char *rest, unsigned status)
{
    char text[512];
    size_t len = (size_t)snprintf(text, sizeof text, "%s%s", good, rest);

    for (size_t part = 1; part <= len; part++) {
        struct http_guard g;
        assert_int_equal(pass(&g, text, len, part), strlen(good));
        assert_non_null(g.flaw);
        assert_int_equal(g.flaw->status, status);
    }
}

static void sound_requests_pass_whole_and_in_parts(void **state)
{
    (void)state;
    expect_good("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    expect_good("GET /a?b=%20&c HTTP/1.0\r\n\r\n", 1);
    expect_good("OPTIONS * HTTP/1.1\r\nhOsT:a\r\n\r\n", 1);
    expect_good(HEAD "Content-Length: 0\r\n\r\n", 1);
    expect_good(HEAD "Content-Length:\t 5 \t\r\n\r\n\r\n\nGE", 1);
    expect_good(HEAD "Content-Length: 0000000005\r\n\r\nhello", 1);
    expect_good(HEAD "X: \xc3\xa9 \t y\r\nEmpty:\r\n\r\n", 1);
    expect_good(HEAD "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 1);
    expect_good(HEAD "Transfer-Encoding: "
                     "chunked\r\n\r\n2\r\n{}\r\n00a;x=\"y\"\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
                1);
    expect_good(HEAD "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", 1);
    expect_good("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" HEAD
                "Content-Length: 4\r\n\r\nGET GET / HTTP/1.0\r\n\r\n",
                4);
}

static void what_two_readers_might_take_for_two_things_stops_at_its_byte(void **state)
{
    (void)state;
    expect_flaw("GET / HTTP/1.1\r\nHost: a", "\nX: y\r\n\r\n", 400);
    expect_flaw("GET / HTTP/1.1\r\nHost: a\r", "X: y\r\n\r\n", 400);
    expect_flaw("GET / HTTP/1.1\r\nHost: a\r\n", " folded\r\n\r\n", 400);
    expect_flaw("GET / HTTP/1.1\r\nHost: a\r\n\r", "x", 400);
    expect_flaw("GET / HTTP/1.1\r\nHost", " : a\r\n\r\n", 400);
    expect_flaw("GET /", "\r\n\r\n", 400);
    expect_flaw("GET ", " / HTTP/1.1\r\n", 400);
    expect_flaw("GET / ", " HTTP/1.1\r\n", 505);
    expect_flaw("GET / HTTP/1.1", " \r\n", 505);
    expect_flaw("GET / HTTP/2.0", "\r\n", 505);
    expect_flaw("PRI", " * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400);
    expect_flaw("GET / HTTP/1.1\r\n\r", "\n", 400); /* no Host */
    expect_flaw(HEAD "Host", ": b\r\n\r\n", 400);
    expect_flaw(HEAD "Content-Length: 1\r\nCONTENT-LENGTH", ": 1\r\n\r\n", 400);
    expect_flaw(HEAD "Content-Length: 1 1", "\r\n\r\n", 400);
    expect_flaw(HEAD "Content-Length: 1048577\r\n\r", "\n", 413);
    expect_flaw(HEAD "Content-Length: 9999999999999999999999999999", "\r\n\r\n", 400);
    expect_flaw(HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r", "\n", 400);
    expect_flaw(HEAD "Transfer-Encoding: chunked, chunked", "\r\n\r\n", 501);
    expect_flaw("POST / HTTP/1.0\r\nTransfer-Encoding: chunked", "\r\n\r\n", 400);
    expect_flaw(HEAD "Transfer-Encoding: chunked\r\n\r\n", ";x\r\n", 400);
    expect_flaw(HEAD "Transfer-Encoding: chunked\r\n\r\n2", "\n{}\r\n", 400);
    expect_flaw(HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}", "x", 400);
    expect_flaw(HEAD "Transfer-Encoding: chunked\r\n\r\n10000", "1\r\n", 413);
    expect_flaw(HEAD "Transfer-Encoding: chunked\r\n\r\n00000000", "1\r\n", 400);
    expect_flaw(HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n\r\n", 400);
    /* In the third request: the two before it are complete. */
    expect_flaw("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\nGET /", "\n", 400);
}

/* A request line, then `line` again and again, until it ends. How many bytes passed. */
static size_t pour(struct http_guard *g, const char *first, const char *line)
{
    size_t n = 0;

    memset(g, 0, sizeof *g);
    n += http_guard_pass(g, (const uint8_t *)first, strlen(first));
    while (g->flaw == NULL && n < 1u << 24) {
        n += http_guard_pass(g, (const uint8_t *)line, strlen(line));
    }
    return n;
}

static void nothing_goes_on_without_end(void **state)
{
    struct http_guard g;

    (void)state;
    assert_int_equal(pour(&g, "GET /", "a"), 4 + HTTP_TARGET_MAX);
    assert_int_equal(g.flaw->status, 414);
    assert_int_equal(pour(&g, "GET / HTTP/1.1\r\nX: ", "a"), HTTP_HEAD_MAX);
    assert_int_equal(g.flaw->status, 431);
    assert_int_equal(pour(&g, "GET / HTTP/1.1\r\n", "a"), HTTP_HEAD_MAX);
    assert_int_equal(g.flaw->status, 431);
    pour(&g, "GET / HTTP/1.1\r\n", "X: y\r\n");
    assert_int_equal(g.flaw->status, 431);
    assert_in_range(pour(&g, "", "A"), 1, 32);
    assert_int_equal(g.flaw->status, 400);
    /* Chunks of one byte: their frames are counted, too. */
    assert_in_range(pour(&g, HEAD "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
                    HTTP_CHUNKS_OVERHEAD_MAX, HTTP_BODY_MAX + HTTP_CHUNKS_OVERHEAD_MAX + 200);
    assert_int_equal(g.flaw->status, 413);
    pour(&g, HEAD "Transfer-Encoding: chunked\r\n\r\n1;", "x");
    assert_int_equal(g.flaw->status, 400);
}

/* What passes is the same however it is cut, and the flaw is at the same byte. */
static void mutated_requests_are_judged_alike_in_whichever_parts(void **state)
{
    static const char *const seeds[] = {
        "GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        HEAD "Content-Length: 5\r\n\r\nhello" HEAD "Content-Length: 0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n"};
    static const char bytes[] = "\r\n\t :;,0159afAZ/\\\"\0\x7f\xff";
    struct random r = random_start();

    (void)state;
    for (unsigned turn = 0; turn < 20000; turn++) {
        char text[256];
        const char *seed = seeds[random_below(&r, 3)];
        size_t len = strlen(seed);
        struct http_guard whole, parts;
        memcpy(text, seed, len);
        for (unsigned n = 1 + (unsigned)random_below(&r, 3); n > 0; n--) {
            text[random_below(&r, len)] = bytes[random_below(&r, sizeof bytes - 1)];
        }
        size_t passed = pass(&whole, text, len, len);
        assert_int_equal(pass(&parts, text, len, 1 + random_below(&r, 9)), passed);
        assert_ptr_equal(whole.flaw, parts.flaw);
        assert_int_equal(whole.requests, parts.requests);
        assert_true((passed == len) == (whole.flaw == NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_requests_pass_whole_and_in_parts),
        cmocka_unit_test(what_two_readers_might_take_for_two_things_stops_at_its_byte),
        cmocka_unit_test(nothing_goes_on_without_end),
        cmocka_unit_test(mutated_requests_are_judged_alike_in_whichever_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
