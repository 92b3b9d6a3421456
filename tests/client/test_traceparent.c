/* test_traceparent.c - the header traceparent: which are good, by W3C Trace Context's own rules, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/wire/traceparent.h"

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define PARENT_ID "b7ad6b7169203331"
#define GOOD "00-" TRACE_ID "-" PARENT_ID "-01"

/* Exactly sized, so that a sanitizer sees a read past the end. */
static bool parse(const char *text, size_t len, uint8_t out[PROTOCOL_TRACEPARENT_SIZE])
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, text, len);
    bool good = traceparent_parse((struct slice){copy, len}, out);
    free(copy);
    return good;
}

static void assert_comes_back(const char *text, const char *expected)
{
    uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE];
    char back[TRACEPARENT_TEXT_SIZE];

    assert_true(parse(text, strlen(text), bytes));
    traceparent_format(bytes, back);
    assert_string_equal(back, expected);
}

static void a_good_one_comes_back(void **state)
{
    static const char *const same[] = {GOOD, "00-" TRACE_ID "-" PARENT_ID "-00",
                                       "00-" TRACE_ID "-" PARENT_ID "-ff",
                                       "00-00000000000000000000000000000001-0000000000000001-01"};
    uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_comes_back(same[i], same[i]);
    }
    assert_true(parse(GOOD, strlen(GOOD), bytes));
    assert_memory_equal(bytes, "\x0a\xf7\x65\x19", 4);
    assert_memory_equal(bytes + 16, "\xb7\xad", 2);
    assert_int_equal(bytes[24], 1);
}

static void of_a_higher_version_what_is_known_counts(void **state)
{
    static const char *const good[] = {
        "01-" TRACE_ID "-" PARENT_ID "-01",
        "cc-" TRACE_ID "-" PARENT_ID "-01-what-the-future-will-be-like",
        "fe-" TRACE_ID "-" PARENT_ID "-01-",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_comes_back(good[i], GOOD);
    }
}

static void others_are_none(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "ff-" TRACE_ID "-" PARENT_ID "-01",
        "00-" TRACE_ID "-" PARENT_ID "-01-",
        "00-" TRACE_ID "-" PARENT_ID "-01-more",
        "00-" TRACE_ID "-" PARENT_ID "-010",
        "01-" TRACE_ID "-" PARENT_ID "-01.more",
        "00-" TRACE_ID "-" PARENT_ID "-0",
        "00-" TRACE_ID "-" PARENT_ID "-",
        "00-" TRACE_ID "-" PARENT_ID "-0g",
        "0-" TRACE_ID "-" PARENT_ID "-001",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT_ID "-01",
        "00-" TRACE_ID "-B7AD6B7169203331-01",
        "00-" TRACE_ID "-" PARENT_ID "-0A",
        "0A-" TRACE_ID "-" PARENT_ID "-01",
        "00-00000000000000000000000000000000-" PARENT_ID "-01",
        "00-" TRACE_ID "-0000000000000000-01",
        "00." TRACE_ID "-" PARENT_ID "-01",
        "00-" TRACE_ID "." PARENT_ID "-01",
        "00-" TRACE_ID "-" PARENT_ID ".01",
        " " GOOD,
        GOOD " ",
    };
    uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse(bad[i], strlen(bad[i]), bytes));
    }
    for (size_t len = 0; len < strlen(GOOD); len++) {
        assert_false(parse(GOOD, len, bytes));
    }
    /* Of each byte no other value than a digit of hexadecimal does, and of some positions none but one. */
    for (size_t at = 0; at < strlen(GOOD); at++) {
        for (unsigned value = 0; value < 256; value++) {
            char text[TRACEPARENT_TEXT_SIZE] = GOOD;
            text[at] = (char)value;
            bool digit = (value >= '0' && value <= '9') || (value >= 'a' && value <= 'f');
            bool may = text[at] == GOOD[at] || (digit && GOOD[at] != '-');
            assert_int_equal(parse(text, strlen(GOOD), bytes), may);
        }
    }
}

static void bytes_are_good_or_not(void **state)
{
    uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE + 1] = {0};

    (void)state;
    assert_false(traceparent_is_good((struct slice){NULL, 0}));
    bytes[24] = 1;
    assert_false(traceparent_is_good((struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE}));
    bytes[15] = 1;
    assert_false(traceparent_is_good((struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE}));
    bytes[23] = 1;
    bytes[24] = 0;
    assert_true(traceparent_is_good((struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE}));
    assert_false(traceparent_is_good((struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE - 1}));
    assert_false(traceparent_is_good((struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE + 1}));
    bytes[15] = 0;
    assert_false(traceparent_is_good((struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_comes_back),
        cmocka_unit_test(of_a_higher_version_what_is_known_counts),
        cmocka_unit_test(others_are_none),
        cmocka_unit_test(bytes_are_good_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
