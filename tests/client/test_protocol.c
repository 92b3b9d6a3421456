/* Operations, requests and answers: what is encoded is decoded again, limits are kept, hostile
 * bytes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../client/wire/protocol.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER_SECRET "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="

static const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE] = "0123456789abcde";

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static struct operation schedule_of(struct slice id, struct slice payload)
{
    return (struct operation){
        .code = OPERATION_SCHEDULE,
        .request_id = request_id,
        .id = id,
        .relative = true,
        .time_ms = 1800000,
        .route = text("cancel-unpaid"),
        .payload = payload,
    };
}

static int decode_of(const struct operation *op, struct operation *out, struct buffer *b)
{
    buffer_reset(b);
    operation_encode(b, op);
    return operation_decode(b->data, b->len, out);
}

static void a_schedule_comes_back_as_it_was(void **state)
{
    struct buffer b = {0};
    struct operation op = schedule_of(text("order-1"), text("{\"sku\":1}"));
    struct operation out;

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.code, OPERATION_SCHEDULE);
    assert_memory_equal(out.request_id, request_id, sizeof request_id);
    assert_int_equal(out.id.len, 7);
    assert_true(out.relative);
    assert_int_equal(out.time_ms, 1800000);
    assert_int_equal(out.payload.len, 9);
    assert_int_equal(out.bytes.len, b.len);
    buffer_free(&b);
}

static void a_schedule_may_have_a_traceparent_behind_its_payload(void **state)
{
    uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE + 1];
    struct operation op = schedule_of(text("order-1"), text(""));
    struct buffer b = {0};
    struct operation out;

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.traceparent.len, 0);
    size_t without = b.len;
    memset(bytes, 'x', sizeof bytes);
    op.traceparent = (struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE};
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.traceparent.len, PROTOCOL_TRACEPARENT_SIZE);
    assert_memory_equal(out.traceparent.data, bytes, PROTOCOL_TRACEPARENT_SIZE);
    assert_int_equal(out.payload.len, 0);
    assert_int_equal(out.bytes.len, b.len);
    assert_int_equal(b.len, without + 2 + PROTOCOL_TRACEPARENT_SIZE);
    for (size_t len = 0; len < b.len; len++) { /* of its own, so that a read past it is seen */
        uint8_t *cut = malloc(len + 1);
        memcpy(cut, b.data, len);
        assert_int_not_equal(operation_decode(cut, len, &out), ORDERSCHED_OK);
        free(cut);
    }
    for (size_t len = 1; len <= sizeof bytes; len++) {
        op.traceparent.len = len;
        assert_int_equal(decode_of(&op, &out, &b),
                         len == PROTOCOL_TRACEPARENT_SIZE ? ORDERSCHED_OK : ORDERSCHED_INVALID);
    }
    op.traceparent.len = PROTOCOL_TRACEPARENT_SIZE;
    memset(bytes, 0, 16);
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    memset(bytes, 'x', 16);
    memset(bytes + 16, 0, 8);
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    buffer_free(&b);
}

/* An order's, a route's, and a principal's, each decoded by a file of its own. */
static void each_kind_of_operation_says_that_its_id_is_keyed(void **state)
{
    static const enum operation_code codes[] = {OPERATION_PAY, OPERATION_DEAD_DROP,
                                                OPERATION_ROUTE_RETRY, OPERATION_GRANT_REVOKE};
    uint8_t keyed[ORDERSCHED_REQUEST_ID_SIZE];
    struct buffer b = {0};
    struct operation out;

    (void)state;
    request_id_make_keyed(keyed, 5, (const uint8_t *)"ten bytes");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct operation op = {.code = codes[i], .request_id = keyed, .id = text("shop")};
        assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
        assert_true(out.keyed);
        op.request_id = request_id;
        assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
        assert_false(out.keyed);
    }
    buffer_free(&b);
}

static void a_keyed_request_id_has_its_time_below_the_topmost_bit(void **state)
{
    uint8_t a[ORDERSCHED_REQUEST_ID_SIZE], b[sizeof a], common[2][sizeof a];
    const uint8_t hash[10] = "ten bytes", other[10] = "ten other";
    const uint64_t max_ms = (UINT64_C(1) << 47) - 1;

    (void)state;
    request_id_make_keyed(a, 0, hash);
    assert_memory_equal(a, "\x80\0\0\0\0\0ten bytes", 15);
    assert_true(request_id_is_keyed(a));
    assert_int_equal(request_id_time_ms(a), 0);
    request_id_set_time(a, max_ms);
    assert_true(request_id_is_keyed(a));
    assert_int_equal(request_id_time_ms(a), max_ms);
    request_id_make(b, UINT64_MAX, hash); /* no time makes one keyed */
    assert_false(request_id_is_keyed(b));
    assert_int_equal(request_id_time_ms(b), max_ms);
    request_id_set_time(b, UINT64_MAX);
    assert_false(request_id_is_keyed(b));
    assert_false(request_id_is_same(a, b));
    assert_false(request_id_is_same(b, a));
    request_id_make_keyed(b, 5, hash);
    assert_true(request_id_is_same(a, b));
    request_id_normalise(a, common[0]);
    request_id_normalise(b, common[1]);
    assert_memory_equal(common[0], common[1], sizeof a);
    request_id_make_keyed(b, max_ms, other);
    assert_false(request_id_is_same(a, b));
    request_id_make_keyed(b, 5, hash);
    request_id_of_copy(b, a);
    request_id_make(b, 5, hash);
    assert_memory_equal(a, b, sizeof a);
    request_id_make(b, 6, hash);
    assert_false(request_id_is_same(a, b));
    request_id_normalise(a, common[0]);
    assert_memory_equal(common[0], a, sizeof a);
    request_id_set_time(b, 5);
    assert_true(request_id_is_same(a, b));
}

static void an_extend_may_name_the_version_that_it_expects(void **state)
{
    struct buffer b = {0};
    struct operation out;
    struct operation op = {.code = OPERATION_EXTEND,
                           .request_id = request_id,
                           .id = text("a"),
                           .time_ms = 7};

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(b.data[0], 0x95);
    assert_int_equal(out.version, 0);
    op.version = 300;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(b.data[0], 0x96);
    assert_int_equal(out.version, 300);
    assert_int_equal(out.time_ms, 7);
    op.version = 1;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    b.data[b.len - 1] = 0;
    assert_int_equal(operation_decode(b.data, b.len, &out), ORDERSCHED_INVALID);
    buffer_free(&b);
}

static void a_list_with_filters_comes_back_as_it_was(void **state)
{
    uint8_t long_prefix[ORDERSCHED_ID_MAX + 1] = {0};
    struct buffer b = {0};
    struct operation out;
    struct operation op = {.code = OPERATION_FILTERED_LIST,
                           .state = ORDERSCHED_PAID,
                           .route = text("shop"),
                           .id = text("eu/"),
                           .time_ms = 5,
                           .since_ms = 6,
                           .limit = 7,
                           .cursor = text("c")};

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.state, ORDERSCHED_PAID);
    assert_int_equal(out.route.len, 4);
    assert_memory_equal(out.id.data, "eu/", 3);
    assert_int_equal(out.time_ms, 5);
    assert_int_equal(out.since_ms, 6);
    assert_int_equal(out.limit, 7);
    assert_int_equal(out.cursor.len, 1);
    op.id = (struct slice){long_prefix, ORDERSCHED_ID_MAX};
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    op.id.len++;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    op.id.len = 0;
    op.state = ORDERSCHED_DEAD + 1;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    buffer_free(&b);
}

static void a_route_comes_back_as_it_was(void **state)
{
    struct buffer b = {0};
    struct operation out;
    struct operation op = {
        .code = OPERATION_ROUTE_PUT,
        .request_id = request_id,
        .id = text("shop"),
        .settings = {.url = text("https://shop.example/hook"),
                     .n_secrets = 2,
                     .secrets = {text(SECRET), text(OTHER_SECRET)},
                     .n_retries = 3,
                     .retries_ms = {1000, 2000, 5000}},
    };

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.settings.n_secrets, 2);
    assert_memory_equal(out.settings.secrets[1].data, OTHER_SECRET, strlen(OTHER_SECRET));
    assert_int_equal(out.settings.retries_ms[2], 5000);
    assert_int_equal(out.bytes.len, b.len);
    op.settings.secrets[0] = text("whsec_YWJj"); /* base64 of three bytes */
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    assert_memory_equal(out.problem.key.data, "secrets", out.problem.key.len);
    buffer_free(&b);
}

static void a_put_of_old_logs_is_still_read(void **state)
{
    struct buffer b = {0};
    struct operation out;

    (void)state;
    write_array(&b, 8);
    write_uint(&b, OPERATION_ROUTE_PUT);
    write_bin(&b, request_id, sizeof request_id);
    write_str(&b, "shop", 4);
    write_str(&b, "http://h/", 9);
    write_array(&b, 1);
    write_str(&b, "whsec_YWJj", 10); /* was not looked at so closely then */
    write_uint(&b, 50);
    write_uint(&b, 7);
    write_array(&b, 0);
    assert_int_equal(operation_decode(b.data, b.len, &out), ORDERSCHED_OK);
    assert_int_equal(out.code, OPERATION_ROUTE_PUT);
    assert_int_equal(out.bytes.len, b.len);
    assert_int_equal(out.settings.kind, ROUTE_HTTP);
    assert_int_equal(out.settings.n_secrets, 1);
    assert_int_equal(out.settings.timeout_ms, 100); /* the least that a route can have */
    assert_int_equal(out.settings.window, 7);
    assert_int_equal(out.settings.n_retries, 15);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_not_equal(operation_decode(b.data, len, &out), ORDERSCHED_OK);
    }
    buffer_free(&b);
}

static void an_epoch_comes_back_as_it_was_and_those_of_old_logs_are_read(void **state)
{
    static const uint8_t bytes[PROTOCOL_CLUSTER_SECRET_SIZE] = {1, 2, 3};
    struct buffer b = {0};
    struct operation out;
    struct operation op = {.code = OPERATION_EPOCH,
                           .seed = 7,
                           .retention_ms = 1000,
                           .identity = {bytes, PROTOCOL_IDENTITY_SIZE},
                           .secret = {bytes, PROTOCOL_CLUSTER_SECRET_SIZE}};

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.seed, 7);
    assert_int_equal(out.identity.len, PROTOCOL_IDENTITY_SIZE);
    assert_memory_equal(out.identity.data, bytes, PROTOCOL_IDENTITY_SIZE);
    assert_int_equal(out.secret.len, PROTOCOL_CLUSTER_SECRET_SIZE);
    assert_int_equal(out.bytes.len, b.len);
    op.identity.len--;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    op.identity.len = op.secret.len = 0;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.identity.len + out.secret.len, 0);
    buffer_reset(&b);
    write_array(&b, 3);
    write_uint(&b, OPERATION_EPOCH);
    write_uint(&b, 7);
    write_uint(&b, 1000);
    assert_int_equal(operation_decode(b.data, b.len, &out), ORDERSCHED_OK);
    assert_int_equal(out.retention_ms, 1000);
    assert_int_equal(out.identity.len + out.secret.len, 0);
    buffer_free(&b);
}

static void pause_and_rotate_come_back_as_they_were(void **state)
{
    struct buffer b = {0};
    struct operation out;
    struct operation op = {.code = OPERATION_ROUTE_PAUSE,
                           .request_id = request_id,
                           .id = text("shop"),
                           .paused = true};

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_true(out.paused);
    op = (struct operation){.code = OPERATION_ROUTE_ROTATE,
                            .request_id = request_id,
                            .id = text("shop"),
                            .secret = text(SECRET),
                            .keep = 3};
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.keep, 3);
    assert_int_equal(out.secret.len, strlen(SECRET));
    op.keep = 4;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    op.keep = 0;
    op.secret = text("whsec_");
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    buffer_free(&b);
}

static void an_id_at_the_limit_passes_and_one_past_it_is_refused(void **state)
{
    char id[ORDERSCHED_ID_MAX + 1];
    struct buffer b = {0};
    struct operation out;

    (void)state;
    memset(id, 'x', sizeof id);
    struct operation op = schedule_of((struct slice){(uint8_t *)id, ORDERSCHED_ID_MAX}, text(""));
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    op.id.len++;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_BAD_ID);
    op.id.len = 0;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_BAD_ID);
    buffer_free(&b);
}

static void a_payload_past_the_limit_is_refused(void **state)
{
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX + 1];
    struct buffer b = {0};
    struct operation out;
    struct operation op = schedule_of(text("a"), (struct slice){payload, ORDERSCHED_PAYLOAD_MAX});

    (void)state;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    op.payload.len++;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_PAYLOAD_TOO_LARGE);
    buffer_free(&b);
}

static void every_truncation_of_an_operation_is_refused(void **state)
{
    struct buffer b = {0};
    struct operation op = schedule_of(text("order-1"), text("payload"));
    struct operation out;

    (void)state;
    operation_encode(&b, &op);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *copy = malloc(len + 1); /* exact, so that a sanitizer sees one byte too many */
        memcpy(copy, b.data, len);
        uint8_t *exact = realloc(copy, len > 0 ? len : 1);
        assert_int_not_equal(operation_decode(exact, len, &out), ORDERSCHED_OK);
        free(exact);
    }
    buffer_free(&b);
}

static void an_unknown_operation_has_its_own_error(void **state)
{
    static const uint8_t unknown[] = {0x91, 0x63};
    struct operation out;

    (void)state;
    assert_int_equal(operation_decode(unknown, sizeof unknown, &out), ORDERSCHED_UNKNOWN_OPERATION);
}

static void mutated_operations_never_crash_the_decoder(void **state)
{
    uint64_t rng = 42;
    struct buffer b = {0};
    struct operation op = schedule_of(text("order-1"), text("payload"));
    struct operation out;
    unsigned refused = 0;

    (void)state;
    operation_encode(&b, &op);
    for (int i = 0; i < 300000; i++) {
        rng = rng * 6364136223846793005ull + 1442695040888963407ull;
        size_t at = (rng >> 33) % b.len;
        uint8_t old = b.data[at];
        b.data[at] ^= (uint8_t)(1 + (rng >> 17) % 255);
        refused += operation_decode(b.data, b.len, &out) != ORDERSCHED_OK;
        b.data[at] = old;
    }
    assert_true(refused > 1000);
    buffer_free(&b);
}

static void a_request_comes_back_as_it_was(void **state)
{
    struct buffer b = {0};
    struct request r;

    (void)state;
    request_encode_head(&b, "shop", PROTOCOL_LOCAL, 1);
    struct operation get = {.code = OPERATION_GET, .id = text("a")};
    operation_encode(&b, &get);
    assert_int_equal(request_decode(b.data, b.len, &r), ORDERSCHED_OK);
    assert_int_equal(r.n_operations, 1);
    assert_int_equal(r.flags, PROTOCOL_LOCAL);
    assert_memory_equal(r.cluster.data, "shop", 4);
    b.data[1] = 99; /* the version */
    assert_int_equal(request_decode(b.data, b.len, &r), ORDERSCHED_UNSUPPORTED_VERSION);
    buffer_free(&b);
}

static void too_many_operations_and_too_many_bytes_are_refused(void **state)
{
    struct buffer b = {0};
    struct request r;
    static uint8_t zeros[PROTOCOL_MESSAGE_MAX];

    (void)state;
    request_encode_head(&b, "shop", 0, PROTOCOL_OPERATIONS_MAX + 1);
    buffer_append(&b, zeros, 2 * PROTOCOL_OPERATIONS_MAX);
    assert_int_equal(request_decode(b.data, b.len, &r), ORDERSCHED_TOO_MANY_OPERATIONS);
    buffer_append(&b, zeros, sizeof zeros);
    assert_int_equal(request_decode(b.data, b.len, &r), ORDERSCHED_INVALID);
    buffer_free(&b);
}

static void an_answer_comes_back_as_it_was(void **state)
{
    struct buffer b = {0}, results = {0};
    struct answer out;
    struct result result = {.error = ORDERSCHED_TOO_LATE,
                            .state = ORDERSCHED_CLOSING,
                            .deadline_ms = 77,
                            .index = 5};
    size_t used;

    (void)state;
    result_encode(&results, &result);
    struct answer answer = {.node_id = 2,
                            .leader_id = 1,
                            .leader_address = text("127.0.0.1:7411"),
                            .term = 9,
                            .now_ms = 123,
                            .applied = 55,
                            .n_results = 1,
                            .results = {results.data, results.len},
                            .text = text("why")};
    answer_encode(&b, &answer);
    assert_int_equal(answer_decode(b.data, b.len, &out), ORDERSCHED_OK);
    assert_int_equal(out.n_results, 1);
    assert_int_equal(out.leader_address.len, 14);
    struct result back;
    assert_int_equal(result_decode(out.results.data, out.results.len, &back, &used), 0);
    assert_int_equal(back.error, ORDERSCHED_TOO_LATE);
    assert_int_equal(back.deadline_ms, 77);
    assert_int_equal(used, out.results.len);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_not_equal(answer_decode(b.data, len, &out), ORDERSCHED_OK);
    }
    assert_false(out.identified);
    buffer_reset(&b);
    answer.identified = true; /* it was asked for, and there is none yet */
    answer_encode(&b, &answer);
    assert_int_equal(answer_decode(b.data, b.len, &out), ORDERSCHED_OK);
    assert_true(out.identified && out.identity.len == 0);
    buffer_reset(&b);
    answer.identity = text("sixteen bytes!!!");
    answer_encode(&b, &answer);
    assert_int_equal(answer_decode(b.data, b.len, &out), ORDERSCHED_OK);
    assert_memory_equal(out.identity.data, "sixteen bytes!!!", PROTOCOL_IDENTITY_SIZE);
    buffer_reset(&b);
    answer.identity = text("fewer");
    answer_encode(&b, &answer);
    assert_int_equal(answer_decode(b.data, b.len, &out), ORDERSCHED_INVALID);
    buffer_free(&b);
    buffer_free(&results);
}

static void a_request_id_carries_its_time(void **state)
{
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t random[10] = {9};

    (void)state;
    request_id_make(id, 1764000000123ull, random);
    assert_true(request_id_time_ms(id) == 1764000000123ull);
    assert_int_equal(id[6], 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schedule_comes_back_as_it_was),
        cmocka_unit_test(a_schedule_may_have_a_traceparent_behind_its_payload),
        cmocka_unit_test(a_keyed_request_id_has_its_time_below_the_topmost_bit),
        cmocka_unit_test(each_kind_of_operation_says_that_its_id_is_keyed),
        cmocka_unit_test(an_extend_may_name_the_version_that_it_expects),
        cmocka_unit_test(a_list_with_filters_comes_back_as_it_was),
        cmocka_unit_test(a_route_comes_back_as_it_was),
        cmocka_unit_test(a_put_of_old_logs_is_still_read),
        cmocka_unit_test(an_epoch_comes_back_as_it_was_and_those_of_old_logs_are_read),
        cmocka_unit_test(pause_and_rotate_come_back_as_they_were),
        cmocka_unit_test(an_id_at_the_limit_passes_and_one_past_it_is_refused),
        cmocka_unit_test(a_payload_past_the_limit_is_refused),
        cmocka_unit_test(every_truncation_of_an_operation_is_refused),
        cmocka_unit_test(an_unknown_operation_has_its_own_error),
        cmocka_unit_test(mutated_operations_never_crash_the_decoder),
        cmocka_unit_test(a_request_comes_back_as_it_was),
        cmocka_unit_test(too_many_operations_and_too_many_bytes_are_refused),
        cmocka_unit_test(an_answer_comes_back_as_it_was),
        cmocka_unit_test(a_request_id_carries_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
