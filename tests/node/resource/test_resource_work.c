/* Workers over HTTP: reserve, lease, settle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/work.h"
#include "../../support/front/resource_bed.h"

#define TOKEN "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX" /* 0 to 23 */

static struct buffer b;
static uint8_t token[ORDERSCHED_TOKEN_SIZE];

static int close_both(void **state)
{
    buffer_free(&b);
    b = (struct buffer){0};
    return close_desk(state);
}

static void ask(const char *target, const char *body)
{
    for (uint8_t i = 0; i < sizeof token; i++) {
        token[i] = i;
    }
    again();
    front_desk_request(&desk, "POST", target, body);
}

static struct ordersched_answer answer(void)
{
    return (struct ordersched_answer){.body = b.data, .body_len = b.len};
}

static void a_reserve_waits_and_brings_jobs(void **state)
{
    struct work_job job = {.token = {token, sizeof token},
                           .key = {(const uint8_t *)"019ab01b-2c3d-7102-8304-05060708090a", 36},
                           .fence = {(const uint8_t *)"2.17", 4},
                           .id = {(const uint8_t *)"o-1", 3},
                           .deadline_ms = 1000,
                           .attempt = 1,
                           .payload = {(const uint8_t *)"{\"a\": 1.10}", 11}};

    (void)state;
    ask("/v1/routes/jobs/reserve", "{\"max\":5,\"wait\":\"30s\",\"worker\":\"w1\"}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_RESERVE);
    slice_is(op.route, "jobs");
    assert_int_equal(op.limit, 5);
    assert_int_equal(op.time_ms, 30000);
    slice_is(op.worker, "w1");
    assert_int_equal(desk.x.patience_ms, 35000); /* for a leader, and then for orders */
    work_write_jobs_head(&b, 10000, 1);
    work_write_job(&b, &job);
    front_desk_answer_one(&desk, answer());
    assert_string_equal(text(),
                        "{\"lease_ms\":10000,\"jobs\":[{\"token\":\"" TOKEN "\",\"key\":"
                        "\"019ab01b-2c3d-7102-8304-05060708090a\",\"fence\":\"2.17\",\"id\":"
                        "\"o-1\",\"deadline\":\"1970-01-01T00:00:01.000Z\",\"deadline_ms\":"
                        "1000,\"attempt\":1,\"payload\":{\"a\":1.10},\"payload_bytes\":11}]}");
    for (size_t len = 0; len < b.len; len++) {
        ask("/v1/routes/jobs/reserve", NULL);
        front_desk_answer_one(&desk, (struct ordersched_answer){.body = b.data, .body_len = len});
        refused(500, "MALFORMED_ANSWER", "");
    }
}

static void a_reserve_has_defaults_and_limits(void **state)
{
    static const char *const bad[] = {"{\"max\":0}",         "{\"max\":1001}", "{\"wait\":\"61s\"}",
                                      "{\"wait_ms\":60001}", "{\"wait\":30}",  "{\"worker\":7}",
                                      "{\"route\":\"x\"}"};

    (void)state;
    ask("/v1/routes/jobs/reserve", NULL);
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.limit, 1);
    assert_int_equal(op.time_ms, 0);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask("/v1/routes/jobs/reserve", bad[i]);
        assert_int_equal(desk.status, 422);
    }
    ask("/v1/routes/jobs/reserve", "{}");
    front_desk_answer_one(&desk, (struct ordersched_answer){.error = ORDERSCHED_UNKNOWN_ROUTE});
    refused(422, "UNKNOWN_ROUTE", "");
}

static void leases_begin_anew(void **state)
{
    (void)state;
    ask("/v1/routes/jobs/lease", "{\"tokens\":[\"" TOKEN "\",\"" TOKEN "\"]}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_LEASE);
    assert_int_equal(op.n_tokens, 2);
    struct cursor c;
    cursor_init(&c, op.tokens.data, op.tokens.len);
    assert_memory_equal(work_read_token(&c).data, token, sizeof token);
    write_array(&b, 2);
    write_uint(&b, 0);
    write_uint(&b, ORDERSCHED_STALE_RESERVATION);
    front_desk_answer_one(&desk, answer());
    assert_string_equal(text(),
                        "{\"results\":[{\"error\":\"OK\"},{\"error\":\"STALE_RESERVATION\"}]}");
}

static void what_became_of_orders_is_settled(void **state)
{
    struct work_report r;
    struct cursor c;

    (void)state;
    ask("/v1/routes/jobs/settle",
        "{\"reports\":[{\"token\":\"" TOKEN "\",\"outcome\":\"expired\"},{\"token\":\"" TOKEN
        "\",\"outcome\":\"failed\",\"delay\":\"2s\",\"reason\":\"no stock\"}]}");
    struct operation op = front_desk_asked(&desk, 0);
    assert_int_equal(op.code, OPERATION_SETTLE);
    assert_int_equal(op.n_tokens, 2);
    cursor_init(&c, op.tokens.data, op.tokens.len);
    work_read_report(&c, &r);
    assert_int_equal(r.outcome, OUTCOME_EXPIRED);
    work_read_report(&c, &r);
    assert_int_equal(r.outcome, OUTCOME_FAILED);
    assert_int_equal(r.delay_ms, 2000);
    slice_is(r.reason, "no stock");
    write_array(&b, 2);
    work_write_result(&b, &(struct work_result){0, ORDERSCHED_EXPIRED, 17});
    work_write_result(&b, &(struct work_result){ORDERSCHED_STALE_RESERVATION, 0, 0});
    front_desk_answer_one(&desk, answer());
    assert_string_equal(text(),
                        "{\"results\":[{\"error\":\"OK\",\"state\":\"EXPIRED\",\"index\":17},{"
                        "\"error\":\"STALE_RESERVATION\",\"state\":\"NONE\",\"index\":0}]}");
}

static void bad_reports_are_named(void **state)
{
    static const char *const bad[][2] = {
        {"{}", "\\\"reports\\\" is missing"},
        {"{\"reports\":[]}", "/reports"},
        {"{\"reports\":[{\"token\":\"" TOKEN "\"}]}", "\"pointer\":\"/reports/0\""},
        {"{\"reports\":[{\"outcome\":\"paid\"}]}", "\"pointer\":\"/reports/0\""},
        {"{\"reports\":[{\"token\":\"AAAA\",\"outcome\":\"paid\"}]}", "/reports/0/token"},
        {"{\"reports\":[{\"token\":\"" TOKEN "=\",\"outcome\":\"paid\"}]}", "/reports/0/token"},
        {"{\"reports\":[{\"token\":\"" TOKEN "\",\"outcome\":\"lost\"}]}", "/reports/0/outcome"},
        {"{\"reports\":[{\"token\":\"" TOKEN "\",\"outcome\":\"later\",\"delay\":\"401d\"}]}",
         "/reports/0/delay"},
        {"{\"reports\":[{\"token\":\"" TOKEN "\",\"outcome\":\"paid\",\"why\":1}]}",
         "/reports/0/why"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask("/v1/routes/jobs/settle", bad[i][0]);
        assert_int_equal(desk.status, 422);
        if (strstr(text(), bad[i][1]) == NULL) {
            fail_msg("%s: %s", bad[i][0], text());
        }
    }
    ask("/v1/routes/jobs/lease", "{\"tokens\":[7]}");
    refused(422, "INVALID", "/tokens");
    ask("/v1/routes/jobs/lease", "{\"tokens\":[]}");
    refused(422, "INVALID", "/tokens");
}

int main(void)
{
#define WORK_TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_both)
    const struct CMUnitTest tests[] = {
        WORK_TEST(a_reserve_waits_and_brings_jobs),
        WORK_TEST(a_reserve_has_defaults_and_limits),
        WORK_TEST(leases_begin_anew),
        WORK_TEST(what_became_of_orders_is_settled),
        WORK_TEST(bad_reports_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
