/* test_callback_body.c - what a delivery says, and what an answer means, without a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../../client/callback/webhook.h"
#include "../../../node/callback/http.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define T0 1800000000000ull /* 2027-01-15T08:00:00Z */

/* ---- the body ---- */

static struct delivery a_delivery(const void *payload, size_t len)
{
    struct delivery d = {.deadline_ms = T0 + 1,
                         .attempt = 3,
                         .id = "order-42",
                         .id_len = 8,
                         .payload = (uint8_t *)payload,
                         .payload_len = len};

    return d;
}

static void assert_payload(const void *payload, size_t len, const char *expected)
{
    struct delivery d = a_delivery(payload, len);
    char whole[512];
    char *body = callback_body(&d, T0);

    snprintf(whole, sizeof whole,
             "{\"type\":\"order.expired\",\"timestamp\":\"2027-01-15T08:00:00.000Z\",\"data\":{"
             "\"order_id\":\"order-42\",\"deadline\":\"2027-01-15T08:00:00.001Z\",\"attempt\":3,"
             "%s}}",
             expected);
    assert_non_null(body);
    assert_string_equal(body, whole);
    json_t *parsed = json_loads(body, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
    free(body);
}

static void a_json_payload_is_embedded_byte_for_byte(void **state)
{
    (void)state;
    assert_payload("{\"sku\": 10.10}", 14, "\"payload\":{\"sku\": 10.10}");
    assert_payload(" [1,2 ]\n", 8, "\"payload\": [1,2 ]\n");
    assert_payload("{\"n\":123456789012345678901234567890}", 36,
                   "\"payload\":{\"n\":123456789012345678901234567890}");
    assert_payload("[\"\\u0000\"]", 10, "\"payload\":[\"\\u0000\"]");
}

static void other_text_is_a_json_string(void **state)
{
    (void)state;
    assert_payload("", 0, "\"payload\":\"\"");
    assert_payload("42", 2, "\"payload\":\"42\"");
    assert_payload("{\"a\":1", 6, "\"payload\":\"{\\\"a\\\":1\"");
    assert_payload("{}}", 3, "\"payload\":\"{}}\"");
    assert_payload("{} {}", 5, "\"payload\":\"{} {}\"");
    assert_payload("{}\0", 3, "\"payload\":\"{}\\u0000\"");
    assert_payload("gr\xc3\xbc\xc3\x9f\n", 7, "\"payload\":\"gr\xc3\xbc\xc3\x9f\\n\"");
}

/* The payload as a receiver gets it, whether embedded or in a string. */
static void assert_arrives(const char *body, const void *payload, size_t len, bool embedded)
{
    json_t *parsed = json_loads(body, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    const json_t *value = json_object_get(json_object_get(parsed, "data"), "payload");

    assert_non_null(parsed);
    if (embedded) {
        assert_true(json_is_object(value) || json_is_array(value));
        assert_non_null(memmem(body, strlen(body), payload, len));
    } else {
        assert_int_equal(json_string_length(value), len);
        assert_memory_equal(json_string_value(value), payload, len);
    }
    json_decref(parsed);
}

/* What was judged is what is sent: jansson passes over a NUL behind a number, and the body would
 * end there. */
static void a_nul_anywhere_in_a_payload_makes_it_a_string(void **state)
{
    static const char *const texts[] = {"{\"sku\":7}", "{\"a\":[1.5e3,true,null]}",
                                        "[-1, {\"b\":\"c\"}, 22 ]", " [] "};

    (void)state;
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t len = strlen(texts[i]);
        for (size_t at = 0; at <= len; at++) {
            char payload[64];
            memcpy(payload, texts[i], at);
            payload[at] = '\0';
            memcpy(payload + at + 1, texts[i] + at, len - at);
            struct delivery d = a_delivery(payload, len + 1);
            char *body = callback_body(&d, T0);
            assert_non_null(body);
            assert_arrives(body, payload, len + 1, false);
            free(body);
        }
    }
}

static void a_payload_nested_deeper_than_parsers_like_is_a_string(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth < 200; depth++) {
        char payload[2048];
        size_t len = 0;
        for (unsigned i = 0; i < depth; i++) {
            len += (size_t)sprintf(payload + len, "%s", i % 2 == 0 ? "[" : "{\"[[\\\"\":");
        }
        payload[len++] = '1';
        for (unsigned i = depth; i-- > 0;) {
            payload[len++] = i % 2 == 0 ? ']' : '}';
        }
        struct delivery d = a_delivery(payload, len);
        char *body = callback_body(&d, T0);
        assert_non_null(body);
        assert_arrives(body, payload, len, depth <= 32);
        free(body);
    }
}

static void a_payload_that_is_no_text_is_base64(void **state)
{
    (void)state;
    assert_payload("\xff\x00\x01", 3, "\"payload_base64\":\"/wAB\"");
    assert_payload("[\"\xff\"]", 5, "\"payload_base64\":\"WyL/Il0=\"");
    assert_payload("\xed\xa0\x80", 3, "\"payload_base64\":\"7aCA\""); /* a lone surrogate */
}

static void an_order_id_that_is_no_text_is_base64(void **state)
{
    struct delivery d = a_delivery("", 0);

    (void)state;
    memcpy(d.id, "\xfe\xfd", 2);
    d.id_len = 2;
    char *body = callback_body(&d, T0);
    assert_non_null(strstr(body, "\"data\":{\"order_id_base64\":\"/v0=\","));
    free(body);
    memcpy(d.id, "a\"\r\n", 4);
    d.id_len = 4;
    body = callback_body(&d, T0);
    assert_non_null(strstr(body, "\"data\":{\"order_id\":\"a\\\"\\r\\n\","));
    free(body);
}

#define KEY                                             \
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DX" \
    "WpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg=="
#define PUBLIC_KEY "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define EXAMPLE_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define EXAMPLE_BODY "{\"test\": 2432232314}"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void the_signature_is_that_of_the_published_example(void **state)
{
    struct route_settings s = {.n_secrets = 1, .secrets = {text(SECRET)}};
    char out[CALLBACK_SIGNATURES_SIZE];

    (void)state;
    assert_null(callback_signatures(&s, EXAMPLE_ID, 1614265330, EXAMPLE_BODY, out));
    assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    s.n_secrets = 0;
    assert_null(callback_signatures(&s, EXAMPLE_ID, 1614265330, EXAMPLE_BODY, out));
    assert_string_equal(out, "");
    s.n_secrets = 1;
    s.secrets[0] = text("whsec_short");
    assert_non_null(callback_signatures(&s, "id", 1, "{}", out));
}

static void each_secret_and_each_key_signs_and_all_of_it_fits(void **state)
{
    struct route_settings s = {.n_secrets = PROTOCOL_SECRETS_MAX,
                               .n_signing_keys = PROTOCOL_SECRETS_MAX};
    char out[CALLBACK_SIGNATURES_SIZE];
    const char *const public_key = PUBLIC_KEY;
    struct webhook_trust trust = {NULL, 0, &public_key, 1};
    struct webhook w = {EXAMPLE_ID, "1614265330", out, EXAMPLE_BODY, strlen(EXAMPLE_BODY)};

    (void)state;
    for (unsigned i = 0; i < PROTOCOL_SECRETS_MAX; i++) {
        s.secrets[i] = text(SECRET);
        s.signing_keys[i] = text(KEY);
    }
    assert_null(callback_signatures(&s, EXAMPLE_ID, 1614265330, EXAMPLE_BODY, out));
    assert_int_equal(strlen(out), 4 * 47 + 4 * 92 + 7);
    assert_memory_equal(out + 3 * 48, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,", 52);
    assert_int_equal(webhook_verify(&w, &trust, 1614265330, 0), WEBHOOK_GENUINE);
    w.body = "{}";
    w.body_len = 2;
    assert_int_equal(webhook_verify(&w, &trust, 1614265330, 0), WEBHOOK_WRONG_SIGNATURE);
}

/* ---- the verdict ---- */

static struct delivery judged(long status, const char *body, const char *retry_after)
{
    struct delivery d = {.delay_ms = 99, .reason = "old"};

    callback_judge(&d, &(struct callback_answer){status, body, strlen(body), true, false,
                                                 retry_after, T0 / 1000});
    return d;
}

static void the_three_outcomes_are_read_from_any_2xx(void **state)
{
    (void)state;
    for (long status = 200; status < 300; status += 33) {
        assert_int_equal(judged(status, "", NULL).outcome, OUTCOME_EXPIRED);
        assert_int_equal(judged(status, "{\"outcome\":\"expired\"}", NULL).outcome,
                         OUTCOME_EXPIRED);
        assert_int_equal(judged(status, " {\"x\":1,\"outcome\":\"paid\"} ", NULL).outcome,
                         OUTCOME_PAID);
        struct delivery d = judged(status, "{\"outcome\":\"later\",\"delay_ms\":1500}", NULL);
        assert_int_equal(d.outcome, OUTCOME_LATER);
        assert_int_equal(d.delay_ms, 1500);
        assert_string_equal(d.reason, "");
    }
}

static void an_answer_that_says_nothing_clear_is_a_failure(void **state)
{
    static const char *const bad[] = {"ok",
                                      " ",
                                      "{",
                                      "{}",
                                      "[]",
                                      "null",
                                      "\"expired\"",
                                      "{\"outcome\":null}",
                                      "{\"outcome\":\"EXPIRED\"}",
                                      "{\"outcome\":[\"expired\"]}",
                                      "{\"outcome\":\"expired\"}x",
                                      "{\"outcome\":\"expired\",\"outcome\":\"paid\"}",
                                      "{\"outcome\":\"expired\\u0000\"}",
                                      "{\"outcome\":\"later\"}",
                                      "{\"outcome\":\"later\",\"delay_ms\":-1}",
                                      "{\"outcome\":\"later\",\"delay_ms\":\"5\"}",
                                      "{\"outcome\":\"later\",\"delay_ms\":1.5}",
                                      "{\"outcome\":\"later\",\"delay_ms\":-1e400}",
                                      "{\"outcome\":\"expired\",\"n\":01}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct delivery d = judged(200, bad[i], NULL);
        if (d.outcome != OUTCOME_FAILED || strncmp(d.reason, "HTTP 200: ", 10) != 0) {
            fail_msg("%s: outcome %d, reason %s", bad[i], d.outcome, d.reason);
        }
        assert_int_equal(d.delay_ms, 0);
    }
}

/* Each of these is JSON (RFC 8259), though not all that a number or a string of ours can hold. */
static void whatever_json_stands_beside_the_outcome_is_passed_over(void **state)
{
    static const char *const beside[] = {"12345678901234567890123",
                                         "18446744073709551615",
                                         "-9223372036854775809",
                                         "1e400",
                                         "-1.5E+4000",
                                         "1e-400",
                                         "[1,{\"x\":99999999999999999999}]",
                                         "\"\\u0000\"",
                                         "\"\\ud800\"",
                                         "\"\\uD83D\\uDE00\\udc00 \\\\ud800\"",
                                         "{\"\\u0000\":1,\"\\ud800x\":2}",
                                         "\"12345678901234567890123\""};

    (void)state;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        char body[200];
        snprintf(body, sizeof body, "\xef\xbb\xbf{\"transaction_id\":%s,\"outcome\":\"paid\"}\n",
                 beside[i]);
        for (unsigned mark = 0; mark < 2; mark++) {
            struct delivery d = judged(200, body + 3 * mark, NULL);
            if (d.outcome != OUTCOME_PAID) {
                fail_msg("%s: %s", body, d.reason);
            }
        }
    }
}

static void what_is_wrong_with_an_answer_is_named(void **state)
{
    static const char *const bad[][2] = {
        {"\n", "is white space only"},
        {"\xef\xbb\xbf \r\n", "is white space only"},
        {"{\"outcome\":\"paid\"", "ends too early, at byte 17"},
        {"{\"outcome\":\"pa\xffid\"}", "is not UTF-8"},
        {"{\"outcome\":\"paid\"} {}", "more follows its end"},
        {"{\"outcome\":\"paid\",\"outcome\":\"paid\"}", "has a name twice"},
        {"<html>", "is not JSON, at byte"},
        {"\"paid\"", "must be a JSON object with an outcome"},
    };
    char deep[6001] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(strstr(judged(200, bad[i][0], NULL).reason, bad[i][1]));
    }
    memset(deep, '[', 3000);
    memset(deep + 3000, ']', 3000);
    assert_non_null(strstr(judged(200, deep, NULL).reason, "is nested too deeply"));
}

static void an_empty_answer_counts_only_when_it_is_known_to_be_all(void **state)
{
    struct delivery d = {0};

    (void)state;
    callback_judge(&d, &(struct callback_answer){.status = 200, .is_framed = true});
    assert_int_equal(d.outcome, OUTCOME_EXPIRED);
    callback_judge(&d, &(struct callback_answer){.status = 200});
    assert_int_equal(d.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(d.reason, "not marked"));
}

static void a_delay_may_be_written_in_any_way(void **state)
{
    static const char *const ways[] = {"30000", "3e4", "30000.0", "300.00e+2"};
    char body[80];

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(body, sizeof body, "{\"outcome\":\"later\",\"delay_ms\":%s}", ways[i]);
        assert_int_equal(judged(200, body, NULL).outcome, OUTCOME_LATER);
        assert_int_equal(judged(200, body, NULL).delay_ms, 30000);
    }
}

static void a_delay_is_at_most_that_of_a_deadline(void **state)
{
    (void)state;
    assert_int_equal(judged(200, "{\"outcome\":\"later\",\"delay_ms\":1e999}", NULL).delay_ms,
                     ORDERSCHED_DEADLINE_MAX_MS);
    assert_int_equal(
        judged(200, "{\"outcome\":\"later\",\"delay_ms\":99999999999999999999}", NULL).delay_ms,
        ORDERSCHED_DEADLINE_MAX_MS);
    assert_int_equal(
        judged(200, "{\"outcome\":\"later\",\"delay_ms\":9223372036854775807}", NULL).delay_ms,
        ORDERSCHED_DEADLINE_MAX_MS);
}

static void every_other_status_is_a_failure_whatever_the_body_says(void **state)
{
    static const long statuses[] = {0,   100, 101, 199, 300, 301, 302, 304, 308,
                                    400, 401, 404, 409, 410, 429, 500, 503, 599};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct delivery d = judged(statuses[i], "{\"outcome\":\"expired\"}", NULL);
        assert_int_equal(d.outcome, OUTCOME_FAILED);
        assert_int_equal(d.delay_ms, 0);
        assert_non_null(strstr(d.reason, "HTTP "));
    }
}

static void retry_after_is_taken_from_429_and_503_alone(void **state)
{
    (void)state;
    assert_int_equal(judged(429, "", "120").delay_ms, 120000);
    assert_int_equal(judged(503, "", "1").delay_ms, 1000);
    assert_int_equal(judged(500, "", "120").delay_ms, 0);
    assert_int_equal(judged(404, "", "120").delay_ms, 0);
    assert_int_equal(judged(301, "", "120").delay_ms, 0);
    assert_int_equal(judged(200, "no", "120").delay_ms, 0);
}

static void retry_after_may_be_any_http_date(void **state)
{
    (void)state;
    assert_int_equal(judged(503, "", "Fri, 15 Jan 2027 08:01:00 GMT").delay_ms, 60000);
    assert_int_equal(judged(503, "", "Friday, 15-Jan-27 08:01:00 GMT").delay_ms, 60000);
    assert_int_equal(judged(503, "", "Fri Jan 15 08:01:00 2027").delay_ms, 60000);
    assert_int_equal(judged(503, "", "Fri, 15 Jan 2027 08:00:00 GMT").delay_ms, 0);
    assert_int_equal(judged(503, "", "Fri, 15 Jan 2027 07:00:00 GMT").delay_ms, 0);
    assert_int_equal(judged(503, "", "Fri, 15 Jan 2027 08:01:00 GMT and more").delay_ms, 0);
    assert_int_equal(judged(503, "", "Thu, 01 Jan 1970 00:00:00 GMT").delay_ms, 0);
    assert_int_equal(judged(503, "", "soon").delay_ms, 0);
    assert_int_equal(judged(503, "", "-5").delay_ms, 0);
    assert_int_equal(judged(503, "", "").delay_ms, 0);
}

static void retry_after_is_at_most_a_day(void **state)
{
    (void)state;
    assert_int_equal(judged(503, "", "86401").delay_ms, 86400000);
    assert_int_equal(judged(503, "", "99999999999999999999999").delay_ms, 86400000);
    assert_int_equal(judged(503, "", "Fri, 15 Jan 2038 08:01:00 GMT").delay_ms, 86400000);
}

static void an_answer_with_a_nul_in_it_says_nothing(void **state)
{
    static const char body[] = "{\"outcome\":\"later\",\"delay_ms\":5000\0}";
    struct delivery d = a_delivery("", 0);

    (void)state;
    callback_judge(&d, &(struct callback_answer){200, body, sizeof body - 1, true, false, NULL, 1});
    assert_int_equal(d.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(d.reason, "NUL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_payload_is_embedded_byte_for_byte),
        cmocka_unit_test(other_text_is_a_json_string),
        cmocka_unit_test(a_nul_anywhere_in_a_payload_makes_it_a_string),
        cmocka_unit_test(a_payload_nested_deeper_than_parsers_like_is_a_string),
        cmocka_unit_test(a_payload_that_is_no_text_is_base64),
        cmocka_unit_test(an_order_id_that_is_no_text_is_base64),
        cmocka_unit_test(the_signature_is_that_of_the_published_example),
        cmocka_unit_test(each_secret_and_each_key_signs_and_all_of_it_fits),
        cmocka_unit_test(the_three_outcomes_are_read_from_any_2xx),
        cmocka_unit_test(an_answer_that_says_nothing_clear_is_a_failure),
        cmocka_unit_test(whatever_json_stands_beside_the_outcome_is_passed_over),
        cmocka_unit_test(what_is_wrong_with_an_answer_is_named),
        cmocka_unit_test(an_empty_answer_counts_only_when_it_is_known_to_be_all),
        cmocka_unit_test(a_delay_may_be_written_in_any_way),
        cmocka_unit_test(a_delay_is_at_most_that_of_a_deadline),
        cmocka_unit_test(every_other_status_is_a_failure_whatever_the_body_says),
        cmocka_unit_test(retry_after_is_taken_from_429_and_503_alone),
        cmocka_unit_test(retry_after_may_be_any_http_date),
        cmocka_unit_test(retry_after_is_at_most_a_day),
        cmocka_unit_test(an_answer_with_a_nul_in_it_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
