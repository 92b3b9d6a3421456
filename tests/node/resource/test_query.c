/* The target of an HTTP request, taken apart: segments, parameters, percent-encoding and what is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/json/percent.h"
#include "../../../node/resource/query.h"

static char *target;
static struct query q;
static size_t at;

static int forget(void **state)
{
    (void)state;
    free(target);
    target = NULL;
    return 0;
}

/* In memory that ends with the target. */
static enum query_error parse_bytes(const char *text, size_t len)
{
    free(target);
    target = malloc(len + 1);
    memcpy(target + 1, text, len);
    memmove(target, target + 1, len);
    target = realloc(target, len > 0 ? len : 1);
    return query_parse(target, len, &q, &at);
}

static enum query_error parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void slice_is(struct slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.data, text, s.len);
}

static void a_path_is_split_before_it_is_decoded(void **state)
{
    (void)state;
    assert_int_equal(parse("/v1/orders/a%2Fb%2fc/pay"), QUERY_OK);
    assert_int_equal(q.n_segments, 4);
    slice_is(q.segments[0], "v1");
    slice_is(q.segments[2], "a/b/c");
    slice_is(q.segments[3], "pay");
    assert_int_equal(parse("/"), QUERY_OK);
    assert_int_equal(q.n_segments, 0);
    assert_int_equal(parse("/v1/"), QUERY_OK);
    assert_int_equal(q.n_segments, 2);
    assert_int_equal(q.segments[1].len, 0);
    assert_int_equal(parse("//"), QUERY_OK);
    assert_int_equal(q.n_segments, 2);
    assert_int_equal(parse("/%2E%2e/..;x=1/+"), QUERY_OK);
    slice_is(q.segments[0], "..");
    slice_is(q.segments[1], "..;x=1");
    slice_is(q.segments[2], "+");
}

static void parameters_are_split_before_they_are_decoded(void **state)
{
    (void)state;
    assert_int_equal(parse("/v1?a=1&b=%26%3D&c&d=&=e&&f=x=y&g=?/+"), QUERY_OK);
    assert_int_equal(q.n_segments, 1);
    assert_int_equal(q.n_params, 7);
    slice_is(q.params[0].name, "a");
    slice_is(q.params[0].value, "1");
    slice_is(q.params[1].value, "&=");
    slice_is(q.params[2].name, "c");
    assert_int_equal(q.params[2].value.len, 0);
    assert_int_equal(q.params[3].value.len, 0);
    assert_int_equal(q.params[4].name.len, 0);
    slice_is(q.params[4].value, "e");
    slice_is(q.params[5].value, "x=y");
    slice_is(q.params[6].value, "?/+");
    assert_int_equal(parse("/v1?"), QUERY_OK);
    assert_int_equal(q.n_params, 0);
}

static void every_byte_can_be_encoded(void **state)
{
    char text[16];

    (void)state;
    for (unsigned byte = 0; byte <= 255; byte++) {
        snprintf(text, sizeof text, "/%%%02x", byte);
        assert_int_equal(parse(text), QUERY_OK);
        assert_int_equal(q.segments[0].len, 1);
        assert_int_equal(q.segments[0].data[0], byte);
        struct buffer b = {0};
        percent_encode(&b, q.segments[0]);
        buffer_append(&b, "", 1);
        char *again = malloc(b.len + 1);
        sprintf(again, "/%s", (char *)b.data);
        assert_int_equal(parse(again), QUERY_OK);
        assert_int_equal(q.segments[0].len, 1);
        assert_int_equal(q.segments[0].data[0], byte);
        free(again);
        buffer_free(&b);
    }
}

static void what_is_broken_is_refused_at_its_place(void **state)
{
    static const struct {
        const char *text;
        enum query_error error;
        size_t at;
    } bad[] = {
        {"", QUERY_NO_PATH, 0},         {"v1/orders", QUERY_NO_PATH, 0},
        {"*", QUERY_NO_PATH, 0},        {"http://host/v1", QUERY_NO_PATH, 0},
        {"?a=1", QUERY_NO_PATH, 0},     {"/a%", QUERY_ENCODING, 2},
        {"/a%2", QUERY_ENCODING, 2},    {"/a%2g", QUERY_ENCODING, 2},
        {"/a%%20", QUERY_ENCODING, 2},  {"/a%u0041", QUERY_ENCODING, 2},
        {"/a% 1", QUERY_ENCODING, 2},   {"/v1?a=%zz", QUERY_ENCODING, 6},
        {"/a b", QUERY_CHARACTER, 2},   {"/a\tb", QUERY_CHARACTER, 2},
        {"/a#b", QUERY_CHARACTER, 2},   {"/\xc3\xa9", QUERY_CHARACTER, 1},
        {"/a\x7f", QUERY_CHARACTER, 2}, {"/1/2/3/4/5/6/7", QUERY_TOO_DEEP, 13},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(bad[i].text), bad[i].error);
        assert_int_equal(at, bad[i].at);
        assert_true(strlen(query_error_text(bad[i].error)) > 10);
    }
    assert_int_equal(parse_bytes("/a\0b", 4), QUERY_CHARACTER);
}

static void there_are_at_most_16_parameters(void **state)
{
    char text[128] = "/v1?";

    (void)state;
    for (int i = 0; i < FRONT_PARAMS_MAX; i++) {
        strcat(text, "a=1&");
    }
    assert_int_equal(parse(text), QUERY_OK);
    assert_int_equal(q.n_params, FRONT_PARAMS_MAX);
    strcat(text, "b");
    assert_int_equal(parse(text), QUERY_TOO_MANY_PARAMS);
}

static void a_path_of_64_kib_is_taken_apart(void **state)
{
    size_t len = 64 * 1024;
    char *text = malloc(len + 1);

    (void)state;
    memset(text, '/', len);
    assert_int_equal(parse_bytes(text, len), QUERY_TOO_DEEP);
    memset(text + 1, 'a', len - 1);
    assert_int_equal(parse_bytes(text, len), QUERY_OK);
    assert_int_equal(q.segments[0].len, len - 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_path_is_split_before_it_is_decoded, forget),
        cmocka_unit_test_teardown(parameters_are_split_before_they_are_decoded, forget),
        cmocka_unit_test_teardown(every_byte_can_be_encoded, forget),
        cmocka_unit_test_teardown(what_is_broken_is_refused_at_its_place, forget),
        cmocka_unit_test_teardown(there_are_at_most_16_parameters, forget),
        cmocka_unit_test_teardown(a_path_of_64_kib_is_taken_apart, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
