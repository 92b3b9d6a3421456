/* /v1/batch: many operations in one request, an answer for each in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/front/resource_bed.h"

static void batch(const char *operations)
{
    char *body = malloc(strlen(operations) + 32);

    again();
    sprintf(body, "{\"operations\":[%s]}", operations);
    front_desk_request(&desk, "POST", "/v1/batch", body);
    free(body);
}

static json_t *result_at(size_t i)
{
    return json_array_get(json_object_get(desk.json, "results"), i);
}

static long long status_at(size_t i)
{
    return json_integer_value(json_object_get(result_at(i), "status"));
}

static const char *problem_at(size_t i, const char *member)
{
    return json_string_value(json_object_get(json_object_get(result_at(i), "problem"), member));
}

static const char *order_at(size_t i, const char *member)
{
    return json_string_value(json_object_get(json_object_get(result_at(i), "order"), member));
}

static void each_operation_is_asked_and_answered_in_its_place(void **state)
{
    static const uint8_t details[] = {0x97, 0xa1, 'r', 0, 0, 0xc4, 1, '7', 1, 7, 0};
    static const enum operation_code codes[] = {OPERATION_SCHEDULE, OPERATION_PAY, OPERATION_CANCEL,
                                                OPERATION_EXTEND, OPERATION_GET};
    struct ordersched_answer answers[5] = {
        {.state = ORDERSCHED_PENDING, .deadline_ms = 5},
        {.error = ORDERSCHED_TOO_LATE, .state = ORDERSCHED_CLOSING, .deadline_ms = 5},
        {.error = ORDERSCHED_NOT_FOUND},
        {.error = ORDERSCHED_UNKNOWN_OUTCOME, .text = "the leader was lost"},
        {.state = ORDERSCHED_PAID, .deadline_ms = 5, .body = details, .body_len = sizeof details},
    };

    (void)state;
    batch("{\"op\":\"schedule\",\"id\":\"a\",\"route\":\"r\",\"delay\":\"1m\",\"payload\":1.10},"
          "{\"op\":\"pay\",\"id\":\"b\"},{\"op\":\"cancel\",\"id_base64\":\"/w==\"},"
          "{\"op\":\"extend\",\"id\":\"d\",\"delay_ms\":9},{\"op\":\"get\",\"id\":\"e\"}");
    assert_int_equal(desk.n_asked, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(front_desk_asked(&desk, i).code, codes[i]);
    }
    assert_memory_equal(front_desk_asked(&desk, 0).payload.data, "1.10", 4);
    assert_int_equal(front_desk_asked(&desk, 2).id.data[0], 0xff);
    front_desk_answer(&desk, answers, 5);
    assert_int_equal(desk.status, 200);
    assert_int_equal(json_array_size(json_object_get(desk.json, "results")), 5);
    assert_int_equal(status_at(0), 201);
    assert_string_equal(order_at(0, "id"), "a");
    assert_int_equal(status_at(1), 410);
    assert_string_equal(problem_at(1, "error"), "TOO_LATE");
    assert_int_equal(status_at(2), 404);
    assert_int_equal(status_at(3), 504);
    assert_string_equal(problem_at(3, "class"), "unknown");
    assert_string_equal(problem_at(3, "detail"), "the leader was lost");
    assert_int_equal(status_at(4), 200);
    assert_string_equal(order_at(4, "id"), "e");
    assert_non_null(strstr((char *)desk.text.data, "\"payload\":7,\"payload_bytes\":1"));
}

static void what_is_wrong_with_one_is_its_own_answer(void **state)
{
    static const struct {
        const char *operation;
        unsigned status;
        const char *error;
        const char *pointer;
    } bad[] = {
        {"{\"op\":\"schedule\",\"id\":\"a\",\"route\":\"r\"}", 422, "INVALID", "/operations/0"},
        {"{\"op\":\"schedule\",\"id\":\"a\",\"delay\":\"1m\"}", 422, "INVALID", "/operations/0"},
        {"{\"op\":\"buy\",\"id\":\"a\"}", 422, "INVALID", "/operations/0/op"},
        {"{\"id\":\"a\"}", 422, "INVALID", "/operations/0"},
        {"{\"op\":\"pay\"}", 422, "INVALID", "/operations/0"},
        {"{\"op\":\"pay\",\"id\":\"\"}", 422, "BAD_ID", "/operations/0/id"},
        {"{\"op\":\"pay\",\"id_base64\":\"AA==\"}", 422, "BAD_ID", "/operations/0/id_base64"},
        {"{\"op\":\"pay\",\"id\":\"a\",\"id_base64\":\"YQ==\"}", 422, "INVALID", "/operations/0"},
        {"{\"op\":\"pay\",\"id\":7}", 422, "INVALID", "/operations/0/id"},
        {"{\"op\":\"pay\",\"id\":\"a\",\"route\":\"r\"}", 422, "UNKNOWN_PARAMETER",
         "/operations/0/route"},
        {"{\"op\":\"get\",\"id\":\"a\",\"idempotency_key\":\"k\"}", 422, "UNKNOWN_PARAMETER",
         "/operations/0/idempotency_key"},
        {"{\"op\":\"pay\",\"id\":\"a\",\"idempotency_key\":\"\"}", 422, "INVALID",
         "/operations/0/idempotency_key"},
        {"{\"op\":\"pay\",\"id\":\"a\",\"idempotency_key\":\"\xc3\xa9\"}", 422, "INVALID",
         "/operations/0/idempotency_key"},
        {"[]", 422, "INVALID", "/operations/0"},
        {"\"pay\"", 422, "INVALID", "/operations/0"},
    };
    char operations[512];

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(operations, sizeof operations, "%s,{\"op\":\"pay\",\"id\":\"z\"}",
                 bad[i].operation);
        batch(operations);
        assert_int_equal(desk.n_asked, 1);
        front_desk_answer_one(&desk, (struct ordersched_answer){.state = ORDERSCHED_PAID});
        assert_int_equal(status_at(0), bad[i].status);
        assert_string_equal(problem_at(0, "error"), bad[i].error);
        assert_string_equal(problem_at(0, "pointer"), bad[i].pointer);
        assert_int_equal(status_at(1), 200);
        assert_string_equal(order_at(1, "id"), "z");
    }
}

static void nothing_is_asked_where_nothing_is_good(void **state)
{
    (void)state;
    batch("{\"op\":\"pay\"},{}");
    assert_int_equal(desk.rounds, 0);
    assert_int_equal(desk.status, 200);
    assert_int_equal(status_at(1), 422);
    batch("");
    assert_int_equal(desk.status, 200);
    assert_string_equal((char *)desk.text.data, "{\"results\":[]}");
}

static char *many(unsigned n)
{
    static const char one[] = "{\"op\":\"pay\",\"id\":\"a\"}";
    char *all = malloc(n * sizeof one + 1);
    char *at = all;

    for (unsigned i = 0; i < n; i++) {
        at += sprintf(at, "%s%s", i > 0 ? "," : "", one);
    }
    return all;
}

static void a_batch_has_at_most_1024_operations(void **state)
{
    char *operations = many(1024);

    (void)state;
    batch(operations);
    assert_int_equal(desk.n_asked, 1024);
    free(operations);
    operations = many(1025);
    batch(operations);
    free(operations);
    assert_int_equal(desk.status, 422);
    assert_non_null(strstr((char *)desk.text.data, "\"pointer\":\"/operations\""));
}

static void a_batch_is_an_object_with_operations(void **state)
{
    static const char *const bad[] = {"[]", "{}", "{\"operations\":{}}", "{\"operation\":[]}",
                                      "{\"operations\":[],\"more\":1}"};

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        again();
        front_desk_request(&desk, "POST", "/v1/batch", bad[i]);
        assert_int_equal(desk.status, 422);
    }
}

/* The operations are forgotten with the exchange. */
static void a_client_that_goes_is_not_answered(void **state)
{
    (void)state;
    batch("{\"op\":\"pay\",\"id\":\"a\"},{}");
    assert_false(desk.answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(each_operation_is_asked_and_answered_in_its_place),
        RESOURCE_TEST(what_is_wrong_with_one_is_its_own_answer),
        RESOURCE_TEST(nothing_is_asked_where_nothing_is_good),
        RESOURCE_TEST(a_batch_has_at_most_1024_operations),
        RESOURCE_TEST(a_batch_is_an_object_with_operations),
        RESOURCE_TEST(a_client_that_goes_is_not_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
