/* A client message on entry: what is refused alone, what refuses the whole message, and that no
 * bytes can do worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/callback/route_keys.h"
#include "../../client/wire/token.h"
#include "../../node/commit/inbound.h"
#include "../support/random.h"

static const uint8_t request[ORDERSCHED_REQUEST_ID_SIZE] = {1, 2, 3};

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static struct operation op_pay(const char *id)
{
    return (struct operation){.code = OPERATION_PAY, .request_id = request, .id = text(id)};
}

static struct operation op_get(const char *id)
{
    return (struct operation){.code = OPERATION_GET, .id = text(id)};
}

static void encode(struct buffer *b, uint32_t flags, const struct operation *ops, uint32_t n)
{
    request_encode_head(b, "shop", flags, n);
    for (uint32_t i = 0; i < n; i++) {
        operation_encode(b, &ops[i]);
    }
    assert_false(b->failed);
}

/* Exactly sized, so that a sanitizer sees a read past the end. */
static int check_bytes(struct inbound *in, const uint8_t *data, size_t len, char *why,
                       size_t why_len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    if (len > 0) {
        memcpy(copy, data, len);
    }
    memset(in, 0, sizeof *in);
    in->message = copy;
    in->message_len = len;
    return inbound_check(in, "shop", why, why_len);
}

static void drop(struct inbound *in)
{
    inbound_release(in);
    free((void *)in->message);
}

static int check(struct inbound *in, uint32_t flags, const struct operation *ops, uint32_t n)
{
    struct buffer b = {0};
    char why[128];

    encode(&b, flags, ops, n);
    int error = check_bytes(in, b.data, b.len, why, sizeof why);
    assert_int_equal(error != ORDERSCHED_OK, why[0] != '\0');
    buffer_free(&b);
    return error;
}

static void a_keyed_request_id_is_noticed(void **state)
{
    static const uint8_t key[ORDERSCHED_REQUEST_ID_SIZE] = {0x81, 2, 3};
    struct operation ops[] = {op_pay("a"), op_get("b"), op_pay("c")};
    struct inbound in;

    (void)state;
    assert_int_equal(check(&in, 0, ops, 3), ORDERSCHED_OK);
    assert_false(in.keyed);
    drop(&in);
    ops[0].request_id = key;
    assert_int_equal(check(&in, 0, ops, 3), ORDERSCHED_OK);
    assert_true(in.keyed);
    drop(&in);
}

/* A schedule as it may come: its array's and its traceparent's heads in any form that msgpack has for them. */
static void write_traced(struct buffer *b, unsigned array, unsigned bytes)
{
    static const struct {
        uint8_t bytes[5];
        size_t len;
    } arrays[] = {{{0x98}, 1}, {{0xdc, 0, 8}, 3}, {{0xdd, 0, 0, 0, 8}, 5}};
    static const struct {
        uint8_t bytes[5];
        size_t len;
    } heads[] = {
        {{0xb9}, 1},        {{0xc4, 25}, 2},          {{0xd9, 25}, 2},         {{0xc5, 0, 25}, 3},
        {{0xda, 0, 25}, 3}, {{0xc6, 0, 0, 0, 25}, 5}, {{0xdb, 0, 0, 0, 25}, 5}};

    buffer_append(b, arrays[array].bytes, arrays[array].len);
    write_uint(b, OPERATION_SCHEDULE);
    write_bin(b, request, sizeof request);
    write_bin(b, "a", 1);
    write_uint(b, 1);
    write_uint(b, 5000);
    write_str(b, "shop", 4);
    write_bin(b, "", 0);
    buffer_append(b, heads[bytes].bytes, heads[bytes].len);
    buffer_append(b, "0123456789abcdef01234567x", 25);
}

static void a_traceparent_that_is_stripped_leaves_a_schedule_without(void **state)
{
    struct operation pay = op_pay("b"), out;
    char why[128];

    (void)state;
    for (unsigned i = 0; i < 3 * 7; i++) {
        struct buffer b = {0};
        struct inbound in;
        uint8_t log[256];

        request_encode_head(&b, "shop", 0, 3);
        write_traced(&b, i / 7, i % 7);
        operation_encode(&b, &pay);
        write_traced(&b, i / 7, i % 7);
        assert_int_equal(check_bytes(&in, b.data, b.len, why, sizeof why), ORDERSCHED_OK);
        size_t before = in.logged_bytes;
        inbound_strip(&in, 0);
        assert_int_equal(in.logged_bytes, before - in.items[0].traceparent);
        uint8_t *end = inbound_write(&in, &in.items[0], log);
        assert_int_equal(operation_decode(log, (size_t)(end - log), &out), ORDERSCHED_OK);
        assert_int_equal(out.bytes.len, end - log);
        assert_int_equal(out.time_ms, 5000);
        assert_int_equal(out.traceparent.len, 0);
        end = inbound_write(&in, &in.items[2], end);
        end = inbound_write(&in, &in.items[1], end);
        assert_int_equal(end - log, in.logged_bytes);
        size_t at = out.bytes.len;
        assert_int_equal(operation_decode(log + at, sizeof log - at, &out), ORDERSCHED_OK);
        assert_int_equal(out.traceparent.len, PROTOCOL_TRACEPARENT_SIZE);
        at += out.bytes.len;
        assert_int_equal(operation_decode(log + at, sizeof log - at, &out), ORDERSCHED_OK);
        assert_int_equal(out.code, OPERATION_PAY);
        inbound_strip(&in, 1); /* which has none */
        assert_int_equal(in.logged_bytes, end - log);
        /* It is still the message that was checked. */
        assert_int_equal(operation_decode(in.message + in.items[0].offset, in.items[0].len, &out),
                         ORDERSCHED_OK);
        for (uint32_t item = 0; item < 3; item++) {
            inbound_refuse(&in, item, ORDERSCHED_BUSY);
        }
        assert_int_equal(in.logged_bytes, 0);
        drop(&in);
        buffer_free(&b);
    }
}

static void items_are_found_and_counted(void **state)
{
    struct operation ops[] = {op_pay("a"),
                              op_get("b"),
                              op_pay("ccc"),
                              {.code = OPERATION_MEMBER_LIST},
                              {.code = OPERATION_STATUS}};
    struct inbound in;
    size_t at = 0;

    (void)state;
    assert_int_equal(check(&in, 0, ops, 5), ORDERSCHED_OK);
    assert_int_equal(in.n_items, 5);
    assert_int_equal(in.n_logged, 2);
    assert_false(in.administers);
    assert_int_equal(in.logged_bytes, in.items[0].len + in.items[2].len);
    for (uint32_t i = 0; i < 5; i++) {
        struct operation op;
        assert_int_equal(in.items[i].error, ORDERSCHED_OK);
        assert_int_equal(in.items[i].code, ops[i].code);
        if (i > 0) {
            assert_int_equal(in.items[i].offset, at);
        }
        assert_int_equal(operation_decode(in.message + in.items[i].offset, in.items[i].len, &op),
                         0);
        assert_int_equal(op.bytes.len, in.items[i].len);
        at = in.items[i].offset + in.items[i].len;
    }
    assert_int_equal(at, in.message_len);
    drop(&in);
}

static void an_empty_message_is_sound(void **state)
{
    struct inbound in;

    (void)state;
    assert_int_equal(check(&in, 0, NULL, 0), ORDERSCHED_OK);
    assert_int_equal(in.n_items, 0);
    drop(&in);
}

static void a_wrong_operation_is_refused_alone(void **state)
{
    struct operation ops[] = {op_pay("a"), op_get(""), op_pay("b")};
    struct inbound in;

    (void)state;
    assert_int_equal(check(&in, 0, ops, 3), ORDERSCHED_OK);
    assert_int_equal(in.items[0].error, ORDERSCHED_OK);
    assert_int_equal(in.items[1].error, ORDERSCHED_BAD_ID);
    assert_int_equal(in.items[2].error, ORDERSCHED_OK);
    assert_int_equal(in.n_logged, 2);
    drop(&in);
}

static void operations_of_the_log_alone_do_not_come_from_outside(void **state)
{
    struct operation ops[] = {
        {.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1},
        {.code = OPERATION_OUTCOME, .id = text("a"), .attempt = 1, .outcome = OUTCOME_PAID},
    };
    struct inbound in;

    (void)state;
    assert_int_equal(check(&in, 0, ops, 2), ORDERSCHED_OK);
    assert_int_equal(in.items[0].error, ORDERSCHED_UNKNOWN_OPERATION);
    assert_int_equal(in.items[1].error, ORDERSCHED_UNKNOWN_OPERATION);
    assert_int_equal(in.n_logged, 0);
    drop(&in);
}

static void another_cluster_is_refused_as_a_whole(void **state)
{
    static const char *const names[] = {"", "sho", "shop2", "SHOP"};
    struct operation op = op_get("a");
    struct inbound in;
    char why[128];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct buffer b = {0};
        request_encode_head(&b, names[i], 0, 1);
        operation_encode(&b, &op);
        assert_int_equal(check_bytes(&in, b.data, b.len, why, sizeof why),
                         ORDERSCHED_WRONG_CLUSTER);
        assert_non_null(strstr(why, "shop"));
        assert_null(in.items);
        drop(&in);
        buffer_free(&b);
    }
}

static void a_membership_operation_is_alone(void **state)
{
    struct operation ops[] = {{.code = OPERATION_MEMBER_REMOVE, .node_id = 2}, op_get("a")};
    struct inbound in;

    (void)state;
    assert_int_equal(check(&in, 0, ops, 1), ORDERSCHED_OK);
    assert_true(in.administers);
    assert_int_equal(in.n_logged, 0);
    drop(&in);
    assert_int_equal(check(&in, 0, ops, 2), ORDERSCHED_INVALID);
    assert_null(in.items);
    drop(&in);
}

static void a_local_message_only_reads(void **state)
{
    struct operation read = op_get("a"), write = op_pay("a");
    struct operation change = {.code = OPERATION_TRANSFER};
    struct inbound in;

    (void)state;
    assert_int_equal(check(&in, PROTOCOL_LOCAL, &read, 1), ORDERSCHED_OK);
    drop(&in);
    assert_int_equal(check(&in, PROTOCOL_LOCAL, &write, 1), ORDERSCHED_INVALID);
    drop(&in);
    assert_int_equal(check(&in, PROTOCOL_LOCAL, &change, 1), ORDERSCHED_INVALID);
    drop(&in);
}

static void a_flag_that_is_not_known_is_refused(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 32; bit++) {
        struct buffer b = {0};
        struct inbound in;
        char why[128] = "";
        struct operation get = op_get("a");
        bool known = (PROTOCOL_FLAGS >> bit & 1) != 0;

        encode(&b, 1u << bit, &get, 1);
        if (1u << bit == PROTOCOL_TOKEN) {
            request_encode_token(&b, "osdt_x");
        }
        if (1u << bit == PROTOCOL_FOR) {
            request_encode_for(&b, CALLER_NOBODY, "", "");
        }
        int error = check_bytes(&in, b.data, b.len, why, sizeof why);
        assert_int_equal(error, 1u << bit == PROTOCOL_FOR ? ORDERSCHED_DENIED
                                : known                   ? ORDERSCHED_OK
                                                          : ORDERSCHED_INVALID);
        assert_true(known || strstr(why, "flag") != NULL);
        drop(&in);
        buffer_free(&b);
    }
}

static void a_token_that_is_stated_says_who_asks(void **state)
{
    struct operation get = op_get("a");
    struct buffer b = {0};
    struct inbound in;
    uint8_t hash[TOKEN_HASH_SIZE];
    char why[128] = "";

    (void)state;
    encode(&b, PROTOCOL_TOKEN, &get, 1);
    request_encode_token(&b, "osdt_abc");
    token_hash((struct slice){(const uint8_t *)"osdt_abc", 8}, hash);
    assert_int_equal(check_bytes(&in, b.data, b.len, why, sizeof why), ORDERSCHED_OK);
    assert_int_equal(in.caller.kind, CALLER_TOKEN);
    assert_int_equal(in.caller.who.len, TOKEN_HASH_SIZE);
    assert_memory_equal(in.caller.who.data, hash, sizeof hash);
    drop(&in);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_not_equal(check_bytes(&in, b.data, len, why, sizeof why), ORDERSCHED_OK);
        drop(&in);
    }
    buffer_append(&b, "", 1); /* nothing may follow it */
    assert_int_equal(check_bytes(&in, b.data, b.len, why, sizeof why), ORDERSCHED_INVALID);
    drop(&in);
    buffer_free(&b);
    encode(&b, 0, &get, 1);
    assert_int_equal(check_bytes(&in, b.data, b.len, why, sizeof why), ORDERSCHED_OK);
    assert_int_equal(in.caller.kind, CALLER_NOBODY);
    drop(&in);
    buffer_free(&b);
}

static int check_for(struct inbound *in, bool vouched, uint32_t kind, const char *name,
                     const char *from)
{
    struct operation get = op_get("a");
    struct buffer b = {0};
    char why[128];
    uint8_t *copy;

    encode(&b, PROTOCOL_FOR, &get, 1);
    request_encode_for(&b, kind, name, from);
    copy = malloc(b.len);
    memcpy(copy, b.data, b.len);
    *in = (struct inbound){.message = copy, .message_len = b.len, .vouched = vouched};
    int error = inbound_check(in, "shop", why, sizeof why);
    buffer_free(&b);
    return error;
}

static void who_is_vouched_for_asks_where_that_may_be(void **state)
{
    struct inbound in;
    uint8_t hash[TOKEN_HASH_SIZE];
    char long_from[PROTOCOL_FROM_MAX + 2] = "";

    (void)state;
    assert_int_equal(check_for(&in, true, CALLER_CERTIFICATE, "till-3", "10.0.0.7"), ORDERSCHED_OK);
    assert_int_equal(in.caller.kind, CALLER_CERTIFICATE);
    assert_int_equal(in.caller.who.len, 6);
    assert_memory_equal(in.caller.who.data, "till-3", 6);
    assert_int_equal(in.caller.from.len, 8);
    drop(&in);
    assert_int_equal(check_for(&in, true, CALLER_TOKEN, "osdt_abc", ""), ORDERSCHED_OK);
    token_hash((struct slice){(const uint8_t *)"osdt_abc", 8}, hash);
    assert_int_equal(in.caller.kind, CALLER_TOKEN);
    assert_memory_equal(in.caller.who.data, hash, sizeof hash);
    drop(&in);
    assert_int_equal(check_for(&in, true, CALLER_NOBODY, "", "::1"), ORDERSCHED_OK);
    assert_int_equal(in.caller.kind, CALLER_NOBODY);
    drop(&in);
    /* The owner is nobody's to vouch for, and neither is who has no name. */
    assert_int_equal(check_for(&in, true, CALLER_OWNER, "", ""), ORDERSCHED_INVALID);
    drop(&in);
    assert_int_equal(check_for(&in, true, CALLER_OWNER + 1, "", ""), ORDERSCHED_INVALID);
    drop(&in);
    assert_int_equal(check_for(&in, true, CALLER_CERTIFICATE, "", ""), ORDERSCHED_INVALID);
    drop(&in);
    assert_int_equal(check_for(&in, true, CALLER_CERTIFICATE, "a b", ""), ORDERSCHED_INVALID);
    drop(&in);
    assert_int_equal(check_for(&in, true, CALLER_NOBODY, "x", ""), ORDERSCHED_INVALID);
    drop(&in);
    memset(long_from, '1', PROTOCOL_FROM_MAX + 1);
    assert_int_equal(check_for(&in, true, CALLER_NOBODY, "", long_from), ORDERSCHED_INVALID);
    drop(&in);
    for (uint32_t kind = CALLER_NOBODY; kind <= CALLER_CERTIFICATE; kind++) {
        assert_int_equal(check_for(&in, false, kind, kind == CALLER_NOBODY ? "" : "x", ""),
                         ORDERSCHED_DENIED);
        drop(&in);
    }
}

static void too_many_operations_are_refused_before_memory_is_taken(void **state)
{
    static struct operation ops[PROTOCOL_OPERATIONS_MAX + 1];
    struct inbound in;

    (void)state;
    for (unsigned i = 0; i <= PROTOCOL_OPERATIONS_MAX; i++) {
        ops[i] = op_get("a");
    }
    assert_int_equal(check(&in, 0, ops, PROTOCOL_OPERATIONS_MAX), ORDERSCHED_OK);
    drop(&in);
    assert_int_equal(check(&in, 0, ops, PROTOCOL_OPERATIONS_MAX + 1),
                     ORDERSCHED_TOO_MANY_OPERATIONS);
    assert_null(in.items);
    drop(&in);
}

static void a_message_that_is_cut_or_goes_on_is_refused(void **state)
{
    struct operation ops[] = {op_pay("a"), op_get("b")};
    struct buffer b = {0};
    struct inbound in;
    char why[128];

    (void)state;
    encode(&b, 0, ops, 2);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_equal(check_bytes(&in, b.data, len, why, sizeof why), ORDERSCHED_INVALID);
        assert_null(in.items);
        drop(&in);
    }
    buffer_append(&b, "\xc0", 1);
    assert_int_equal(check_bytes(&in, b.data, b.len, why, sizeof why), ORDERSCHED_INVALID);
    drop(&in);
    buffer_free(&b);
}

static void refusing_an_item_takes_it_out_of_the_log_once(void **state)
{
    struct operation ops[] = {op_pay("a"), op_get("b"), op_pay("c")};
    struct inbound in;

    (void)state;
    assert_int_equal(check(&in, 0, ops, 3), ORDERSCHED_OK);
    inbound_refuse(&in, 2, ORDERSCHED_FULL);
    inbound_refuse(&in, 2, ORDERSCHED_NO_SPACE);
    inbound_refuse(&in, 1, ORDERSCHED_BUSY);
    assert_int_equal(in.n_logged, 1);
    assert_int_equal(in.logged_bytes, in.items[0].len);
    assert_int_equal(in.items[2].error, ORDERSCHED_NO_SPACE);
    drop(&in);
}

static void damaged_bytes_are_refused_or_harmless(void **state)
{
    struct random rng = random_start();
    struct operation ops[] = {op_pay("a"),
                              op_get("b"),
                              op_pay("c"),
                              {.code = OPERATION_MEMBER_ADD, .node_id = 2, .address = text("h:1")}};
    struct inbound in;
    char why[64];

    (void)state;
    for (unsigned round = 0; round < 30000; round++) {
        struct buffer b = {0};
        if (random_below(&rng, 4) == 0) {
            encode(&b, 0, ops + 3, 1);
        } else {
            encode(&b, 0, ops, 3);
        }
        for (unsigned n = (unsigned)random_below(&rng, 4); n > 0; n--) {
            b.data[random_below(&rng, b.len)] = (uint8_t)random_next(&rng);
        }
        int error = check_bytes(&in, b.data, b.len, why, sizeof why);
        size_t bytes = 0;
        for (uint32_t i = 0; i < in.n_items; i++) {
            struct operation op;
            assert_true(in.items[i].offset + (size_t)in.items[i].len <= in.message_len);
            if (in.items[i].error == ORDERSCHED_OK) {
                assert_int_equal(operation_decode(in.message + in.items[i].offset, in.items[i].len,
                                                  &op),
                                 0);
                bytes += operation_is_logged(op.code) ? in.items[i].len : 0;
            }
        }
        assert_true(error != ORDERSCHED_OK || bytes == in.logged_bytes);
        drop(&in);
        buffer_free(&b);
    }
}

/* What takes arithmetic is judged here, on the thread that received it. */
static void a_key_pair_of_two_halves_is_refused_alone(void **state)
{
    static const char good[] = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/"
                               "tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    static const char mixed[] =
        "whsk_nWGxne/"
        "9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXQBfD6EOJWpK3CqdNG368nJgszy7ElozAzVXxKvRmDA==";
    struct operation ops[2] = {
        {.code = OPERATION_ROUTE_ROTATE, .request_id = request, .id = {(uint8_t *)"r", 1}}};
    struct inbound in;

    (void)state;
    ops[1] = ops[0];
    ops[0].secret = (struct slice){(const uint8_t *)mixed, sizeof mixed - 1};
    ops[1].secret = (struct slice){(const uint8_t *)good, sizeof good - 1};
    assert_int_equal(check(&in, 0, ops, 2), ORDERSCHED_OK);
    assert_int_equal(in.items[0].error, ORDERSCHED_INVALID);
    assert_int_equal(in.items[0].keys_flaw, ROUTE_KEYS_SIGNING);
    assert_int_equal(in.items[1].error, ORDERSCHED_OK);
    assert_int_equal(in.items[1].keys_flaw, ROUTE_KEYS_FIT);
    assert_int_equal(in.n_logged, 1);
    assert_true(in.secret); /* to be wiped, also for what was refused */
    drop(&in);
    ops[0] = (struct operation){.code = OPERATION_ROUTE_PAUSE,
                                .request_id = request,
                                .id = {(uint8_t *)"r", 1}};
    assert_int_equal(check(&in, 0, ops, 1), ORDERSCHED_OK);
    assert_false(in.secret);
    drop(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_found_and_counted),
        cmocka_unit_test(a_keyed_request_id_is_noticed),
        cmocka_unit_test(a_traceparent_that_is_stripped_leaves_a_schedule_without),
        cmocka_unit_test(an_empty_message_is_sound),
        cmocka_unit_test(a_wrong_operation_is_refused_alone),
        cmocka_unit_test(operations_of_the_log_alone_do_not_come_from_outside),
        cmocka_unit_test(another_cluster_is_refused_as_a_whole),
        cmocka_unit_test(a_membership_operation_is_alone),
        cmocka_unit_test(a_local_message_only_reads),
        cmocka_unit_test(a_flag_that_is_not_known_is_refused),
        cmocka_unit_test(a_token_that_is_stated_says_who_asks),
        cmocka_unit_test(who_is_vouched_for_asks_where_that_may_be),
        cmocka_unit_test(too_many_operations_are_refused_before_memory_is_taken),
        cmocka_unit_test(a_message_that_is_cut_or_goes_on_is_refused),
        cmocka_unit_test(refusing_an_item_takes_it_out_of_the_log_once),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(a_key_pair_of_two_halves_is_refused_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
