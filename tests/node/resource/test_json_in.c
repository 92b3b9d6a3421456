/* JSON that clients of the HTTP API send: what is read, what is refused and where, and payloads that
 * stay as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/json/json_in.h"
#include "../../../client/json/json_write.h"

/* From memory that ends with the text. */
static json_t *read_bytes(const void *text, size_t len, struct json_flaw *flaw)
{
    uint8_t *copy = malloc(len + 1);

    memcpy(copy + 1, text, len);
    json_t *value = json_in_read(copy + 1, len, flaw);
    free(copy);
    return value;
}

static void reads_as(const char *text, const char *want)
{
    struct json_flaw flaw;
    struct buffer b = {0};

    json_t *value = read_bytes(text, strlen(text), &flaw);
    if (value == NULL) {
        fail_msg("%s: %u:%u: %s", text, flaw.line, flaw.column, flaw.why);
    }
    json_write(&b, value);
    buffer_append(&b, "", 1);
    assert_string_equal((char *)b.data, want);
    buffer_free(&b);
    json_decref(value);
}

static void refuses_bytes(const void *text, size_t len, unsigned line, unsigned column,
                          const char *why)
{
    struct json_flaw flaw;

    json_t *value = read_bytes(text, len, &flaw);
    if (value != NULL) {
        fail_msg("%.*s is taken", (int)len, (const char *)text);
    }
    if (flaw.line != line || flaw.column != column || strstr(flaw.why, why) == NULL) {
        fail_msg("%.*s: %u:%u: %s", (int)len, (const char *)text, flaw.line, flaw.column, flaw.why);
    }
}

static void refuses(const char *text, unsigned line, unsigned column, const char *why)
{
    refuses_bytes(text, strlen(text), line, column, why);
}

static void json_is_read_as_it_is_written(void **state)
{
    (void)state;
    reads_as(" { } ", "{}");
    reads_as("[]", "[]");
    reads_as("\t\r\n[ 1 , -2 , true,false , null ]\n", "[1,-2,true,false,null]");
    reads_as("{\"a\":{\"b\":[{}]}}", "{\"a\":{\"b\":[{}]}}");
    reads_as("9007199254740991", "9007199254740991");
    reads_as("-9007199254740991", "-9007199254740991");
    reads_as("0.5", "0.5");
    reads_as("-0", "0");
    reads_as("\"\\u00e9\\ud83d\\ude00\\/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\"",
             "\"\xc3\xa9\xf0\x9f\x98\x80/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\"");
    reads_as("\"\\u0800\\uFFFF\\u007f\\u0080\"", "\"\xe0\xa0\x80\xef\xbf\xbf\x7f\xc2\x80\"");
}

static void what_is_not_json_is_refused_at_its_place(void **state)
{
    (void)state;
    refuses("", 1, 1, "too early");
    refuses("   ", 1, 4, "too early");
    refuses("{", 1, 2, "too early");
    refuses("{\"a\"", 1, 5, "too early");
    refuses("{\"a\":", 1, 6, "too early");
    refuses("{\"a\":1", 1, 7, "too early");
    refuses("[1,", 1, 4, "too early");
    refuses("\"abc", 1, 5, "too early");
    refuses("\"abc\\", 1, 6, "too early");
    refuses("{\n  \"a\": 1,\n}", 3, 1, "a name in quotation marks");
    refuses("{\"a\" 1}", 1, 6, "a colon");
    refuses("{\"a\":1 \"b\":2}", 1, 8, "a comma or }");
    refuses("[1 2]", 1, 4, "a comma or ]");
    refuses("[1,]", 1, 4, "no value");
    refuses("{a:1}", 1, 2, "a name in quotation marks");
    refuses("{'a':1}", 1, 2, "a name in quotation marks");
    refuses("tru", 1, 1, "no value");
    refuses("True", 1, 1, "no value");
    refuses("NaN", 1, 1, "no value");
    refuses("Infinity", 1, 1, "no value");
    refuses("// no comments\n1", 1, 1, "no value");
    refuses("\xc3\xa9", 1, 1, "no value");
    refuses("{} x", 1, 4, "nothing may follow");
    refuses("{}{}", 1, 3, "nothing may follow");
    refuses_bytes("{}\0", 3, 1, 3, "nothing may follow");
    refuses("\"\xc3\xa9\xc3\xa9\" x", 1, 6, "nothing may follow"); /* columns are of characters */
}

static void numbers_have_one_form(void **state)
{
    (void)state;
    refuses("01", 1, 1, "a number must not begin with a 0");
    refuses("-01", 1, 2, "a number must not begin with a 0");
    refuses("[-]", 1, 3, "digits");
    refuses("-", 1, 2, "too early");
    refuses("1.", 1, 3, "too early");
    refuses("[1.]", 1, 4, "digits");
    refuses("[1e]", 1, 4, "digits");
    refuses("[1e+]", 1, 5, "digits");
    refuses("+1", 1, 1, "no value");
    refuses(".5", 1, 1, "no value");
    refuses("0x10", 1, 2, "nothing may follow");
    refuses("[1,9007199254740992]", 1, 4, "2^53 - 1");
    refuses("-9007199254740992", 1, 1, "2^53 - 1");
    refuses("123456789012345678901234567890", 1, 1, "2^53 - 1");
    refuses("1e400", 1, 1, "too large");
    refuses("-1e400", 1, 1, "too large");
}

static void a_number_of_many_characters_is_refused(void **state)
{
    char text[512] = "0.";

    (void)state;
    memset(text + 2, '1', sizeof text - 3);
    refuses(text, 1, 1, "400 characters");
}

static void strings_are_whole_characters(void **state)
{
    (void)state;
    refuses("\"\\ud800\"", 1, 2, "surrogate");
    refuses("\"\\udc00\"", 1, 2, "surrogate");
    refuses("\"a\\ud800\\ud800\"", 1, 3, "surrogate");
    refuses("\"\\ud800x\"", 1, 2, "surrogate");
    refuses("\"\\udc00\\ud800\"", 1, 2, "surrogate");
    refuses("\"\\u0000\"", 1, 2, "NUL");
    refuses("{\"\\u0000\":1}", 1, 3, "NUL");
    refuses_bytes("\"a\0b\"", 5, 1, 3, "NUL");
    refuses("\"a\nb\"", 1, 3, "control");
    refuses("\"\\x41\"", 1, 2, "escape");
    refuses("\"\\u12g4\"", 1, 6, "hexadecimal");
    refuses("\"\xff\"", 1, 2, "UTF-8");
    refuses("\"\xc0\xaf\"", 1, 2, "UTF-8");
    refuses("\"\xed\xa0\x80\"", 1, 2, "UTF-8"); /* a surrogate, encoded */
    refuses("\"\xf4\x90\x80\x80\"", 1, 2, "UTF-8");
    refuses("\"\xc3\"", 1, 2, "UTF-8");
    refuses("\xef\xbb\xbf{}", 1, 1, "byte order mark");
    refuses("\xff\xfe{\0}\0", 1, 1, "no value"); /* UTF-16 */
}

static void names_stand_once(void **state)
{
    (void)state;
    refuses("{\"a\":1,\"a\":1}", 1, 8, "twice");
    refuses("{\"a\":1,\"b\":2,\n \"\\u0061\":3}", 2, 2, "twice");
    refuses("[{\"x\":{\"a\":1,\"a\":2}}]", 1, 14, "twice");
    reads_as("{\"a\":{\"a\":1},\"b\":{\"a\":2}}", "{\"a\":{\"a\":1},\"b\":{\"a\":2}}");
}

static char *nested(unsigned depth, const char *before, const char *after)
{
    char *text = calloc(1, strlen(before) + strlen(after) + 2 * depth + 1);

    strcat(text, before);
    memset(text + strlen(text), '[', depth);
    memset(text + strlen(text), ']', depth);
    strcat(text, after);
    return text;
}

static void sixteen_levels_are_read_and_no_more(void **state)
{
    struct json_flaw flaw;
    char *text = nested(16, "", "");

    (void)state;
    json_t *value = json_in_read((const uint8_t *)text, strlen(text), &flaw);
    assert_non_null(value);
    json_decref(value);
    free(text);
    text = nested(17, "", "");
    refuses(text, 1, 17, "16 levels");
    free(text);
    text = nested(100000, "", "");
    refuses(text, 1, 17, "16 levels");
    free(text);
    text = nested(16, "{\"payload\":", "}"); /* whose levels are counted apart */
    reads_as(text, text);
    free(text);
    text = nested(17, "{\"payload\":", "}");
    refuses(text, 1, 28, "16 levels");
    free(text);
}

static void a_payload_keeps_its_numbers_its_order_and_its_escapes(void **state)
{
    (void)state;
    reads_as("{\"payload\": 1.10 }", "{\"payload\":1.10}");
    reads_as("{\"payload\":\n[1.10, 1e400, -0, 12345678901234567890, 0.1E+5, true , null]}",
             "{\"payload\":[1.10,1e400,-0,12345678901234567890,0.1E+5,true,null]}");
    reads_as("{ \"payload\" : { \"z\" : 1 , \"a\" : \"\\u00e9 x\\/y\" } , \"b\" : [ ] }",
             "{\"payload\":{\"z\":1,\"a\":\"\\u00e9 x\\/y\"},\"b\":[]}");
    reads_as("[{\"payload\":{\"payload\":[ 1.0 ]}},{\"payload\":\" \"}]",
             "[{\"payload\":{\"payload\":[1.0]}},{\"payload\":\" \"}]");
    reads_as("{\"p\\u0061yload\":1.00}", "{\"payload\":1.00}");
    reads_as("{\"payload\":null}", "{\"payload\":null}");
    reads_as("{\"payloads\":1.50}", "{\"payloads\":1.5}");
}

static void a_payload_is_read_as_strictly_as_all_else(void **state)
{
    (void)state;
    refuses("{\"payload\":}", 1, 12, "no value");
    refuses("{\"payload\":01}", 1, 12, "begin with a 0");
    refuses("{\"payload\":{\"a\":1,\"a\":2}}", 1, 19, "twice");
    refuses("{\"payload\":\"\\ud800\"}", 1, 13, "surrogate");
    refuses("{\"payload\":\"\\u0000\"}", 1, 13, "NUL");
    refuses("{\"payload\":[1,2}", 1, 16, "a comma or ]");
    refuses("{\"payload\":1,\"payload\":1}", 1, 14, "twice");
    refuses("{\"payload\":1 2}", 1, 14, "a comma or }");
}

static void stored_bytes_are_raw_json_or_not(void **state)
{
    static const char *const good[][2] = {{"{}", "{}"},       {" [ 1.0 ] ", "[1.0]"},
                                          {"1e999", "1e999"}, {"\"x\"", "\"x\""},
                                          {"null", "null"},   {"{\"a\" : 1}", "{\"a\":1}"}};
    static const char *const bad[] = {
        "", " ", "{", "hello", "{}x", "\"\\u0000\"", "{\"a\":1,\"a\":1}", "\xef\xbb\xbf{}"};
    struct slice raw;

    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        json_t *value = json_in_raw((const uint8_t *)good[i][0], strlen(good[i][0]));
        assert_non_null(value);
        assert_true(json_raw_is(value, &raw));
        assert_int_equal(raw.len, strlen(good[i][1]));
        assert_memory_equal(raw.data, good[i][1], raw.len);
        json_decref(value);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(json_in_raw((const uint8_t *)bad[i], strlen(bad[i])));
    }
    assert_null(json_in_raw((const uint8_t *)"1\0", 2));
}

/* A string's own bytes are never taken for a raw value: no UTF-8 begins like one. */
static void a_string_is_never_raw(void **state)
{
    struct json_flaw flaw;
    struct slice raw;

    (void)state;
    json_t *value = json_in_read((const uint8_t *)"\"\\u00ff1\"", 9, &flaw);
    assert_non_null(value);
    assert_false(json_raw_is(value, &raw));
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read_as_it_is_written),
        cmocka_unit_test(what_is_not_json_is_refused_at_its_place),
        cmocka_unit_test(numbers_have_one_form),
        cmocka_unit_test(a_number_of_many_characters_is_refused),
        cmocka_unit_test(strings_are_whole_characters),
        cmocka_unit_test(names_stand_once),
        cmocka_unit_test(sixteen_levels_are_read_and_no_more),
        cmocka_unit_test(a_payload_keeps_its_numbers_its_order_and_its_escapes),
        cmocka_unit_test(a_payload_is_read_as_strictly_as_all_else),
        cmocka_unit_test(stored_bytes_are_raw_json_or_not),
        cmocka_unit_test(a_string_is_never_raw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
