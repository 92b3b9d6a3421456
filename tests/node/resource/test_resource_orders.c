/* /v1/orders: what is asked of the cluster for each request, and what is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/json/json_write.h"
#include "../../../node/resource/out_order.h"
#include "../../support/front/resource_bed.h"

static void put(const char *body)
{
    again();
    front_desk_request(&desk, "PUT", "/v1/orders/o-1", body);
}

static void put_is_refused(const char *body, unsigned status, const char *name, const char *words)
{
    put(body);
    refused(status, name, words);
    assert_int_equal(desk.rounds, 0);
}

/* --- schedule --- */

static void a_put_schedules(void **state)
{
    (void)state;
    front_desk_request(&desk, "PUT", "/v1/orders/o-1",
                       "{\"delay\":\"1h30m\",\"route\":\"shop\",\"payload\":{\"total\": 1.10}}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_SCHEDULE);
    slice_is(op.id, "o-1");
    assert_true(op.relative);
    assert_int_equal(op.time_ms, 5400000);
    slice_is(op.route, "shop");
    slice_is(op.payload, "{\"total\":1.10}");
    front_desk_answer_one(&desk, answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0));
    assert_int_equal(desk.status, 201);
    assert_string_equal(front_desk_header(&desk, "Location"), "/v1/orders/o-1");
    assert_string_equal(text(),
                        "{\"id\":\"o-1\",\"state\":\"PENDING\",\"deadline\":\"2026-12-01T12:"
                        "00:00.000Z\",\"deadline_ms\":1796126400000,\"remaining_ms\":1500,"
                        "\"index\":0}");
}

static void a_repeated_put_is_200(void **state)
{
    struct ordersched_answer answer = answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0);

    (void)state;
    put("{\"delay_ms\":1000,\"route\":\"shop\"}");
    answer.body = (const uint8_t *)"\xc3";
    answer.body_len = 1;
    front_desk_answer_one(&desk, answer);
    assert_int_equal(desk.status, 200);
    assert_null(front_desk_header(&desk, "Location"));
}

static void another_put_of_the_same_id_is_409_with_the_order(void **state)
{
    (void)state;
    put("{\"delay_ms\":1000,\"route\":\"shop\"}");
    front_desk_answer_one(&desk, answer_of(ORDERSCHED_EXISTS, ORDERSCHED_PAID, 17));
    refused(409, "EXISTS", "\"order\":{\"id\":\"o-1\",\"state\":\"PAID\"");
    assert_non_null(strstr(text(), "\"class\":\"definite\""));
    assert_non_null(strstr(text(), "\"type\":\"urn:orderschedd:error:EXISTS\""));
}

static void times_are_read_to_their_edges(void **state)
{
    static const struct {
        const char *time;
        bool relative;
        uint64_t ms;
    } good[] = {
        {"\"deadline\":\"2026-12-01T12:00:00Z\"", false, NOON_MS},
        {"\"deadline\":\"2026-12-01t12:00:00.999z\"", false, NOON_MS + 999},
        {"\"deadline\":\"2026-12-01T20:00:00+08:00\"", false, NOON_MS},
        {"\"deadline\":\"2026-12-01T08:30:00-03:30\"", false, NOON_MS},
        {"\"deadline\":\"2026-12-02T11:59:00+23:59\"", false, NOON_MS},
        {"\"deadline\":\"2028-02-29T00:00:00Z\"", false, 1835395200000},
        {"\"deadline\":\"2000-02-29T23:59:59Z\"", false, 951868799000},
        {"\"deadline\":\"2016-12-31T23:59:60Z\"", false, 1483228800000},
        {"\"deadline\":\"1970-01-01T00:00:00Z\"", false, 0},
        {"\"deadline\":\"9999-12-31T23:59:59.999Z\"", false, 253402300799999},
        {"\"deadline_ms\":0", false, 0},
        {"\"deadline_ms\":9007199254740991", false, 9007199254740991},
        {"\"delay\":\"500ms\"", true, 500},
        {"\"delay\":\"2d\"", true, 172800000},
        {"\"delay\":\"0.5s\"", true, 500},
        {"\"delay_ms\":0", true, 0},
    };
    static const char *const bad[] = {
        "\"deadline\":\"2027-02-29T00:00:00Z\"",
        "\"deadline\":\"1900-02-29T00:00:00Z\"",
        "\"deadline\":\"2026-12-01T24:00:00Z\"",
        "\"deadline\":\"2026-12-01T12:60:00Z\"",
        "\"deadline\":\"2026-12-01T12:00:00\"",
        "\"deadline\":\"2026-12-01\"",
        "\"deadline\":\"1000000-01-01T00:00:00Z\"",
        "\"deadline\":\"+10000-01-01T00:00:00Z\"",
        "\"deadline\":\"2026-12-01T12:00:60Z\"",
        "\"deadline\":\"2026-12-01T12:00:00+24:00\"",
        "\"deadline\":\"1969-12-31T23:59:59Z\"",
        "\"deadline\":\"2026-13-01T12:00:00Z\"",
        "\"deadline\":\"2026-12-01T12:00:00.Z\"",
        "\"deadline\":\" 2026-12-01T12:00:00Z\"",
        "\"deadline\":\"2026-12-01T12:00:00Z \"",
        "\"deadline\":1796126400000",
        "\"deadline_ms\":-1",
        "\"deadline_ms\":1.5",
        "\"deadline_ms\":1e3",
        "\"deadline_ms\":\"1\"",
        "\"delay\":\"30\"",
        "\"delay\":\"\"",
        "\"delay\":\"-1m\"",
        "\"delay\":\"30 m\"",
        "\"delay\":\"1m1h\"",
        "\"delay\":30",
        "\"delay\":null",
        "\"delay_ms\":null",
        "\"delay_ms\":true",
        "\"delay_ms\":[1]",
    };
    char body[256];

    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(body, sizeof body, "{\"route\":\"shop\",%s}", good[i].time);
        put(body);
        struct operation op = front_desk_asked(&desk, 0);
        assert_int_equal(op.relative, good[i].relative);
        assert_int_equal(op.time_ms, good[i].ms);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body, "{\"route\":\"shop\",%s}", bad[i]);
        put_is_refused(body, 422, "INVALID", "\"pointer\":\"/de");
    }
}

static void exactly_one_time_must_be_given(void **state)
{
    (void)state;
    put_is_refused("{\"route\":\"shop\"}", 422, "INVALID", "exactly one of");
    put_is_refused("{\"route\":\"shop\",\"delay\":\"1m\",\"delay_ms\":60000}", 422, "INVALID",
                   "exactly one of");
    put_is_refused("{\"route\":\"shop\",\"delay\":\"1m\",\"deadline_ms\":60000}", 422, "INVALID",
                   "exactly one of");
}

static void payloads_come_in_three_forms(void **state)
{
    static const char *const forms[][2] = {
        {"\"payload\":{ \"b\" : 1.10 , \"a\" : [12345678901234567890,1e400] }",
         "{\"b\":1.10,\"a\":[12345678901234567890,1e400]}"},
        {"\"payload\":\"text\"", "\"text\""},
        {"\"payload\":null", "null"},
        {"\"payload_text\":\"\\u00e9\\n\"", "\xc3\xa9\n"},
        {"\"payload_text\":\"\"", ""},
        {"\"payload_base64\":\"/+8=\"", "\xff\xef"},
        {"\"payload_base64\":\"\"", ""},
    };
    char body[256];

    (void)state;
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(body, sizeof body, "{\"route\":\"shop\",\"delay_ms\":1,%s}", forms[i][0]);
        put(body);
        slice_is(front_desk_asked(&desk, 0).payload, forms[i][1]);
    }
    put("{\"route\":\"shop\",\"delay_ms\":1}");
    assert_int_equal(front_desk_asked(&desk, 0).payload.len, 0);
    put_is_refused("{\"route\":\"shop\",\"delay_ms\":1,\"payload\":1,\"payload_text\":\"1\"}", 422,
                   "INVALID", "\"pointer\":\"/payload_text\"");
    put_is_refused("{\"route\":\"shop\",\"delay_ms\":1,\"payload_base64\":\"/+8\"}", 422, "INVALID",
                   "\"pointer\":\"/payload_base64\"");
    put_is_refused("{\"route\":\"shop\",\"delay_ms\":1,\"payload_base64\":\"_-8=\"}", 422,
                   "INVALID", "base64");
    put_is_refused("{\"route\":\"shop\",\"delay_ms\":1,\"payload_text\":{}}", 422, "INVALID",
                   "must be a string");
}

static void a_payload_has_at_most_4096_bytes(void **state)
{
    char body[8192];
    char filler[ORDERSCHED_PAYLOAD_MAX + 2];

    (void)state;
    memset(filler, 'x', sizeof filler);
    filler[ORDERSCHED_PAYLOAD_MAX] = '\0';
    snprintf(body, sizeof body, "{\"route\":\"shop\",\"delay_ms\":1,\"payload_text\":\"%s\"}",
             filler);
    put(body);
    assert_int_equal(front_desk_asked(&desk, 0).payload.len, ORDERSCHED_PAYLOAD_MAX);
    snprintf(body, sizeof body, "{\"route\":\"shop\",\"delay_ms\":1,\"payload\":\"%.*s\"}",
             ORDERSCHED_PAYLOAD_MAX - 1, filler);
    put_is_refused(body, 413, "PAYLOAD_TOO_LARGE", "4097 bytes");
}

static void members_that_are_not_known_are_named(void **state)
{
    (void)state;
    put_is_refused("{\"delay\":\"1m\",\"route\":\"shop\",\"paylaod\":1}", 422, "UNKNOWN_PARAMETER",
                   "\"pointer\":\"/paylaod\"");
    put_is_refused("{\"a/b~c\":1}", 422, "UNKNOWN_PARAMETER", "\"pointer\":\"/a~1b~0c\"");
    put_is_refused("{\"delay\":\"1m\"}", 422, "INVALID", "\\\"route\\\" is missing");
    put_is_refused("{\"delay\":\"1m\",\"route\":\"no spaces\"}", 422, "INVALID",
                   "\"pointer\":\"/route\"");
    put_is_refused("{\"delay\":\"1m\",\"route\":\"\"}", 422, "INVALID", "\"pointer\":\"/route\"");
    put_is_refused("{\"delay\":\"1m\",\"route\":7}", 422, "INVALID", "must be a string");
    put_is_refused("[]", 422, "INVALID", "must be a JSON object");
    put_is_refused("null", 422, "INVALID", "must be a JSON object");
}

static void a_long_name_is_cut_between_characters(void **state)
{
    char body[1024] = "{\"";

    (void)state;
    for (int i = 0; i < 150; i++) {
        strcat(body, "\xe4\xb8\xad");
    }
    strcat(body, "\":1}");
    put_is_refused(body, 422, "UNKNOWN_PARAMETER", "\"pointer\":\"/\xe4\xb8\xad");
}

static void text_that_is_not_json_is_400_with_its_place(void **state)
{
    (void)state;
    put_is_refused("", 400, "INVALID", "\"line\":1,\"column\":1");
    put_is_refused("{\n  \"delay\": \"1m\",\n  \"route\": shop\n}", 400, "INVALID",
                   "\"line\":3,\"column\":12");
    put_is_refused("{\"delay\":\"1m\",\"delay\":\"1m\"}", 400, "INVALID", "twice");
    put_is_refused("{\"delay_ms\":9007199254740992}", 400, "INVALID", "2^53");
}

/* --- ids --- */

static void an_id_may_have_every_byte_but_nul(void **state)
{
    char target[512];

    (void)state;
    for (unsigned byte = 1; byte <= 255; byte++) {
        again();
        snprintf(target, sizeof target, "/v1/orders/a%%%02Xb/pay", byte);
        front_desk_request(&desk, "POST", target, NULL);
        struct operation op = front_desk_asked(&desk, 0);
        assert_int_equal(op.id.len, 3);
        assert_int_equal(op.id.data[1], byte);
        front_desk_answer_one(&desk, answer_of(ORDERSCHED_OK, ORDERSCHED_PAID, 9));
        assert_int_equal(desk.status, 200);
        json_t *read = json_loads(text(), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(read);
        assert_true((json_object_get(read, "id") != NULL) == (byte < 128));
        assert_true((json_object_get(read, "id_base64") != NULL) == (byte >= 128));
        const char *url = json_string_value(json_object_get(read, "id_url"));
        bool plain = strchr("-_.~", (int)byte) != NULL || (byte >= '0' && byte <= '9') ||
                     (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        assert_true((url == NULL) == plain);
        if (url != NULL) {
            snprintf(target, sizeof target, "a%%%02Xb", byte);
            assert_string_equal(url, target);
        }
        json_decref(read);
    }
    again();
    front_desk_request(&desk, "GET", "/v1/orders/a%00b", NULL);
    refused(422, "BAD_ID", "NUL");
}

static void an_order_reads_the_same_written_at_once_or_as_an_object(void **state)
{
    static const char *const ids[] = {"o-1", "a.b_c~D9", ".",    "..", "...",
                                      "a b", "a\"b",     "\x80", ""};
    static const uint64_t deadlines_ms[] = {0, 1, 1796126400001, 253402300799999, 253402300800000};

    (void)state;
    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
        for (unsigned k = 0; k < sizeof deadlines_ms / sizeof *deadlines_ms; k++) {
            struct slice id = {(const uint8_t *)ids[i], strlen(ids[i])};
            struct ordersched_answer answer = {.state = ORDERSCHED_PENDING,
                                               .deadline_ms = deadlines_ms[k],
                                               .remaining_ms = 10 * k,
                                               .index = k > 0 ? INT64_MAX : 0};
            struct buffer at_once = {0}, by_object = {0};
            json_t *order = out_order(id, &answer);
            json_write(&by_object, order);
            assert_true(out_order_write(&at_once, id, &answer));
            assert_int_equal(at_once.len, by_object.len);
            assert_memory_equal(at_once.data, by_object.data, at_once.len);
            json_decref(order);
            buffer_free(&at_once);
            buffer_free(&by_object);
        }
    }
    assert_false(
        out_order_write(&(struct buffer){0}, (struct slice){0}, &(struct ordersched_answer){0}));
}

static void an_id_has_1_to_128_bytes(void **state)
{
    char target[512] = "/v1/orders/";

    (void)state;
    for (int i = 0; i < 128; i++) {
        strcat(target, "%2F");
    }
    front_desk_request(&desk, "GET", target, NULL);
    assert_int_equal(front_desk_asked(&desk, 0).id.len, 128);
    again();
    strcat(target, "x");
    front_desk_request(&desk, "GET", target, NULL);
    refused(422, "BAD_ID", "at most 128");
    again();
    front_desk_request(&desk, "GET", "/v1/orders/", NULL); /* no id, and not the list */
    refused(404, "NO_SUCH_RESOURCE", "");
}

static void a_location_leads_to_the_order(void **state)
{
    (void)state;
    front_desk_request(&desk, "PUT", "/v1/orders/a%2Fb%20c", "{\"route\":\"r\",\"delay_ms\":1}");
    front_desk_answer_one(&desk, answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0));
    assert_string_equal(front_desk_header(&desk, "Location"), "/v1/orders/a%2Fb%20c");
    again();
    front_desk_request(&desk, "PUT", "/v1/orders/%2E%2E", "{\"route\":\"r\",\"delay_ms\":1}");
    front_desk_answer_one(&desk, answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0));
    assert_string_equal(front_desk_header(&desk, "Location"), "/v1/orders/%2E%2E");
}

/* --- pay, cancel, extend --- */

static void pay_and_cancel_take_no_body_or_an_empty_one(void **state)
{
    static const char *const bodies[] = {NULL, "{}", " { } "};

    (void)state;
    for (unsigned i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        again();
        front_desk_request(&desk, "POST", "/v1/orders/o-1/pay", bodies[i]);
        assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_PAY);
        again();
        front_desk_request(&desk, "POST", "/v1/orders/o-1/cancel", bodies[i]);
        assert_int_equal(front_desk_asked(&desk, 0).code, OPERATION_CANCEL);
    }
    again();
    front_desk_request(&desk, "POST", "/v1/orders/o-1/pay", "{\"amount\":1}");
    refused(422, "UNKNOWN_PARAMETER", "/amount");
    again();
    front_desk_request(&desk, "POST", "/v1/orders/o-1/pay", "pay");
    refused(400, "INVALID", "\"column\":1");
}

static void what_was_decided_otherwise_says_how_it_stands(void **state)
{
    (void)state;
    front_desk_request(&desk, "POST", "/v1/orders/o-1/pay", NULL);
    front_desk_answer_one(&desk, answer_of(ORDERSCHED_TOO_LATE, ORDERSCHED_CLOSING, 0));
    refused(410, "TOO_LATE", "\"state\":\"CLOSING\"");
    again();
    front_desk_request(&desk, "POST", "/v1/orders/o-1/cancel", NULL);
    front_desk_answer_one(&desk, answer_of(ORDERSCHED_DECIDED, ORDERSCHED_PAID, 5));
    refused(409, "DECIDED", "\"index\":5");
    again();
    front_desk_request(&desk, "POST", "/v1/orders/o-1/pay", NULL);
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_NOT_FOUND});
    refused(404, "NOT_FOUND", "\"class\":\"definite\"");
    assert_null(strstr(text(), "\"order\""));
    again();
    front_desk_request(&desk, "POST", "/v1/orders/o-1/pay", NULL);
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_TIMEOUT});
    refused(504, "TIMEOUT", "\"class\":\"unknown\"");
    again();
    front_desk_request(&desk, "POST", "/v1/orders/o-1/pay", NULL);
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_UNREACHABLE});
    refused(503, "NO_LEADER", "\"class\":\"definite\"");
}

static void extend_moves_the_deadline(void **state)
{
    (void)state;
    front_desk_request(&desk, "POST", "/v1/orders/o-1/extend",
                       "{\"deadline\":\"2026-12-01T12:00:00Z\"}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_EXTEND);
    assert_false(op.relative);
    assert_int_equal(op.time_ms, NOON_MS);
    front_desk_answer_one(&desk, answer_of(ORDERSCHED_OK, ORDERSCHED_PENDING, 0));
    assert_int_equal(desk.status, 200);
    again();
    front_desk_request(&desk, "POST", "/v1/orders/o-1/extend",
                       "{\"delay\":\"1m\",\"route\":\"shop\"}");
    refused(422, "UNKNOWN_PARAMETER", "/route");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(a_put_schedules),
        RESOURCE_TEST(a_repeated_put_is_200),
        RESOURCE_TEST(another_put_of_the_same_id_is_409_with_the_order),
        RESOURCE_TEST(times_are_read_to_their_edges),
        RESOURCE_TEST(exactly_one_time_must_be_given),
        RESOURCE_TEST(payloads_come_in_three_forms),
        RESOURCE_TEST(a_payload_has_at_most_4096_bytes),
        RESOURCE_TEST(members_that_are_not_known_are_named),
        RESOURCE_TEST(a_long_name_is_cut_between_characters),
        RESOURCE_TEST(text_that_is_not_json_is_400_with_its_place),
        RESOURCE_TEST(an_id_may_have_every_byte_but_nul),
        RESOURCE_TEST(an_order_reads_the_same_written_at_once_or_as_an_object),
        RESOURCE_TEST(an_id_has_1_to_128_bytes),
        RESOURCE_TEST(a_location_leads_to_the_order),
        RESOURCE_TEST(pay_and_cancel_take_no_body_or_an_empty_one),
        RESOURCE_TEST(what_was_decided_otherwise_says_how_it_stands),
        RESOURCE_TEST(extend_moves_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
