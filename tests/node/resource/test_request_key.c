/* Request ids that follow from idempotency keys and from what is scheduled: which requests are the same one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/front/resource_bed.h"

static const uint8_t none[ORDERSCHED_REQUEST_ID_SIZE];

/* The request id of the i-th operation that this request asks. */
static void id_at(unsigned i, const char *key, const char *method, const char *target,
                  const char *body, uint8_t id[ORDERSCHED_REQUEST_ID_SIZE])
{
    again();
    desk.x.idempotency_key = key;
    front_desk_request(&desk, method, target, body);
    memcpy(id, front_desk_asked(&desk, i).request_id, ORDERSCHED_REQUEST_ID_SIZE);
}

static bool same(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, ORDERSCHED_REQUEST_ID_SIZE) == 0;
}

static void a_put_is_the_same_request_as_another_that_says_the_same(void **state)
{
    static const char *const alike[] = {
        "{\"delay\":\"30m\",\"route\":\"r\",\"payload\":{\"a\":1}}",
        "{ \"payload\" : { \"a\" : 1 }, \"route\" : \"r\", \"delay_ms\" : 1800000 }",
        "{\"delay\":\"1800s\",\"route\":\"r\",\"payload_base64\":\"eyJhIjoxfQ==\"}",
    };
    static const char *const others[] = {
        "{\"delay\":\"31m\",\"route\":\"r\",\"payload\":{\"a\":1}}",
        "{\"delay\":\"30m\",\"route\":\"q\",\"payload\":{\"a\":1}}",
        "{\"delay\":\"30m\",\"route\":\"r\",\"payload\":{\"a\":1.0}}",
        "{\"deadline_ms\":1800000,\"route\":\"r\",\"payload\":{\"a\":1}}",
        "{\"delay\":\"30m\",\"route\":\"r\"}",
    };
    uint8_t first[16], id[16];

    (void)state;
    id_at(0, NULL, "PUT", "/v1/orders/o-1", alike[0], first);
    assert_true(request_id_is_keyed(first));
    assert_int_equal(request_id_time_ms(first), 0); /* to be filled in */
    for (unsigned i = 0; i < sizeof alike / sizeof *alike; i++) {
        id_at(0, NULL, "PUT", "/v1/orders/%6F-1", alike[i], id);
        assert_true(same(id, first));
    }
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        id_at(0, NULL, "PUT", "/v1/orders/o-1", others[i], id);
        assert_false(same(id, first));
    }
    id_at(0, NULL, "PUT", "/v1/orders/o-2", alike[0], id);
    assert_false(same(id, first));
    id_at(1, NULL, "POST", "/v1/batch", /* or in a batch */
          "{\"operations\":[{\"op\":\"pay\",\"id\":\"x\"},{\"op\":\"schedule\",\"id\":\"o-1\","
          "\"delay\":"
          "\"30m\",\"route\":\"r\",\"payload\":{\"a\":1}}]}",
          id);
    assert_true(same(id, first));
}

static void without_a_key_all_else_is_a_new_request(void **state)
{
    static const char *const targets[] = {"/v1/orders/o/pay", "/v1/orders/o/cancel",
                                          "/v1/orders/o/redrive", "/v1/routes/r/pause",
                                          "/v1/routes/r/rotate"};
    uint8_t id[16];

    (void)state;
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++) {
        id_at(0, NULL, "POST", targets[i], NULL, id);
        assert_true(same(id, none));
    }
    id_at(0, NULL, "POST", "/v1/orders/o/extend", "{\"delay_ms\":1}", id);
    assert_true(same(id, none));
    id_at(0, NULL, "POST", "/v1/batch", "{\"operations\":[{\"op\":\"pay\",\"id\":\"o\"}]}", id);
    assert_true(same(id, none));
}

/* The key, the method and the path count, and not the body. */
static void a_key_stands_for_its_method_and_path(void **state)
{
    uint8_t first[16], id[16];

    (void)state;
    id_at(0, "k1", "POST", "/v1/orders/o/extend", "{\"delay_ms\":1}", first);
    assert_true(request_id_is_keyed(first));
    id_at(0, "k1", "POST", "/v1/orders/o/extend", "{\"delay_ms\":2}", id);
    assert_true(same(id, first));
    id_at(0, "k2", "POST", "/v1/orders/o/extend", "{\"delay_ms\":1}", id);
    assert_false(same(id, first));
    id_at(0, "k1", "POST", "/v1/orders/p/extend", "{\"delay_ms\":1}", id);
    assert_false(same(id, first));
    id_at(0, "k1", "POST", "/v1/orders/o/pay", NULL, id);
    assert_false(same(id, first));
    id_at(0, "k1", "PUT", "/v1/orders/o", "{\"delay_ms\":1,\"route\":\"r\"}", first);
    id_at(0, "k1", "PUT", "/v1/orders/o", "{\"delay_ms\":2,\"route\":\"r\"}", id);
    assert_true(same(id, first));
}

/* Where parts meet must not matter. */
static void parts_do_not_run_into_each_other(void **state)
{
    uint8_t first[16], id[16];

    (void)state;
    id_at(0, "a", "POST", "/v1/orders/bc/pay", NULL, first);
    id_at(0, "ab", "POST", "/v1/orders/c/pay", NULL, id);
    assert_false(same(id, first));
    id_at(0, "a", "POST", "/v1/orders/b%2Fpay/pay", NULL, first);
    id_at(0, "a", "POST", "/v1/orders/b/pay", NULL, id);
    assert_false(same(id, first));
}

static void operations_of_a_batch_have_keys_of_their_own_or_by_their_place(void **state)
{
    static const char *const of_their_own = "{\"operations\":[{\"op\":\"pay\",\"id\":\"o\","
                                            "\"idempotency_key\":\"k\"},{\"op\":\"pay\",\"id\":"
                                            "\"p\",\"idempotency_key\":\"k\"},{\"op\":\"cancel\","
                                            "\"id\":\"o\",\"idempotency_key\":\"k\"}]}";
    static const char *const by_place =
        "{\"operations\":[{\"op\":\"pay\",\"id\":\"o\"},{\"op\":\"pay\",\"id\":\"o\"}]}";
    uint8_t ids[3][16], id[16];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        id_at(i, NULL, "POST", "/v1/batch", of_their_own, ids[i]);
        id_at(i, "batch", "POST", "/v1/batch", of_their_own, id);
        assert_true(same(id, ids[i]));
    }
    assert_false(same(ids[0], ids[1]));
    assert_false(same(ids[0], ids[2]));
    id_at(0, "batch", "POST", "/v1/batch", by_place, ids[0]);
    id_at(1, "batch", "POST", "/v1/batch", by_place, ids[1]);
    assert_false(same(ids[0], ids[1]));
    id_at(1, "batch", "POST", "/v1/batch", by_place, id);
    assert_true(same(id, ids[1]));
    id_at(1, "other", "POST", "/v1/batch", by_place, id);
    assert_false(same(id, ids[1]));
}

/* A change first, then the making of the route: two requests, each with an id. */
static void both_steps_of_a_routes_put_have_ids(void **state)
{
    uint8_t first[16], second[16];

    (void)state;
    id_at(0, "k", "PUT", "/v1/routes/r", "{\"kind\":\"worker\"}", first);
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_NOT_FOUND});
    memcpy(second, front_desk_asked(&desk, 0).request_id, 16);
    assert_true(request_id_is_keyed(second));
    assert_false(same(first, second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(a_put_is_the_same_request_as_another_that_says_the_same),
        RESOURCE_TEST(without_a_key_all_else_is_a_new_request),
        RESOURCE_TEST(a_key_stands_for_its_method_and_path),
        RESOURCE_TEST(parts_do_not_run_into_each_other),
        RESOURCE_TEST(operations_of_a_batch_have_keys_of_their_own_or_by_their_place),
        RESOURCE_TEST(both_steps_of_a_routes_put_have_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
