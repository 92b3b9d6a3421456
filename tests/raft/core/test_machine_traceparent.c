/* test_machine_traceparent.c - the traceparent of who scheduled an order: kept with it, through copies and snapshots, and
 * where none is, all is as it was before there was such a thing.
 *
 * Runs beside others: computes 9 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../../client/wire/cursor.h"
#include "../../../raft/core/snapshot.h"
#include "../../../raft/core/snapshot_format.h"
#include "../../support/bed.h"
#include "../../support/bench/snapshot_bench.h"

#define T BED_T0

static const uint8_t trace_a[PROTOCOL_TRACEPARENT_SIZE] = "trace-id-of-sixtparentid\x01";
static const uint8_t trace_b[PROTOCOL_TRACEPARENT_SIZE] = "another-trace-id.other-id";

static int setup(void **state)
{
    *state = bed_open();
    return 0;
}

static int teardown(void **state)
{
    bed_close(*state);
    return 0;
}

static struct slice slice_of(const uint8_t trace[PROTOCOL_TRACEPARENT_SIZE])
{
    return (struct slice){trace, PROTOCOL_TRACEPARENT_SIZE};
}

static struct operation traced(struct bed *b, const char *id, const uint8_t *trace)
{
    struct operation op = bed_schedule(b, id, T + 1000);

    op.payload = bed_text("payload");
    op.traceparent = slice_of(trace);
    return op;
}

static void assert_trace(struct bed *b, const char *id, const uint8_t *trace)
{
    const struct order *o = bed_order(b, id);

    assert_non_null(o);
    assert_int_equal(o->traced, trace != NULL);
    if (trace != NULL) {
        assert_memory_equal(order_traceparent(o), trace, PROTOCOL_TRACEPARENT_SIZE);
    }
    assert_memory_equal(order_payload(o), "payload", 7);
}

/* The eighth element of GET's body, or nothing where there are seven. */
static void assert_get(struct bed *b, const char *id, const uint8_t *trace)
{
    struct operation op = {.code = OPERATION_GET, .id = bed_text(id)};
    struct buffer body = {0};
    struct result result;
    struct cursor c;

    machine_read(&b->m, &op, &body, &result);
    assert_int_equal(result.error, ORDERSCHED_OK);
    cursor_init(&c, result.body.data, result.body.len);
    assert_int_equal(cursor_array(&c), trace != NULL ? 8 : 7);
    for (unsigned i = 0; i < 7; i++) {
        (void)cursor_skip(&c);
    }
    if (trace != NULL) {
        struct slice got = cursor_bytes(&c);
        assert_int_equal(got.len, PROTOCOL_TRACEPARENT_SIZE);
        assert_memory_equal(got.data, trace, got.len);
    }
    assert_true(cursor_ok(&c) && c.at == c.end);
    buffer_free(&body);
}

static void an_order_keeps_it(void **state)
{
    struct bed *b = *state;
    struct operation plain = bed_schedule(b, "plain", T + 1000);

    plain.payload = bed_text("payload");
    bed_apply(b, T, plain);
    assert_int_equal(bed_apply(b, T, traced(b, "a", trace_a)).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T, traced(b, "b", trace_b)).error, ORDERSCHED_OK);
    assert_trace(b, "plain", NULL);
    assert_trace(b, "a", trace_a);
    assert_trace(b, "b", trace_b);
    assert_get(b, "plain", NULL);
    assert_get(b, "a", trace_a);
    bed_apply(b, T, bed_extend(b, "a", T + 2000));
    bed_apply(b, T, bed_pay(b, "b"));
    assert_trace(b, "a", trace_a);
    assert_get(b, "b", trace_b);
    machine_check(&b->m);
}

static void the_first_copys_counts(void **state)
{
    struct bed *b = *state;
    struct operation op = traced(b, "a", trace_a);

    struct result first = bed_apply(b, T, op);
    op.traceparent = slice_of(trace_b);
    bed_apply_copy(b, T + 1, op, first);
    op.traceparent = (struct slice){NULL, 0};
    bed_apply_copy(b, T + 1, op, first);
    assert_int_equal(bed_apply(b, T + 1, traced(b, "a", trace_b)).error, ORDERSCHED_EXISTS);
    assert_trace(b, "a", trace_a);
}

static void the_digest_covers_each_byte_of_it(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, traced(b, "a", trace_a));
    struct order *o = bed_order(b, "a");
    uint64_t digest = machine_digest(&b->m);
    for (size_t i = 0; i < PROTOCOL_TRACEPARENT_SIZE; i++) {
        uint8_t *byte = &o->bytes[o->id_len + o->payload_len + i];
        *byte ^= 1;
        assert_int_not_equal(machine_digest(&b->m), digest);
        *byte ^= 1;
    }
    assert_int_equal(machine_digest(&b->m), digest);
    b->m.traced = false;
    assert_int_not_equal(machine_digest(&b->m), digest);
    b->m.traced = true;
}

/* A machine with all that an order may have of it: a decision, an extra part, or nothing else. */
static void fill(struct bed *b)
{
    bed_apply(b, T, bed_schedule(b, "plain", T + 5000));
    bed_apply(b, T, traced(b, "a", trace_a));
    bed_apply(b, T, traced(b, "b", trace_b));
    bed_apply(b, T, traced(b, "c", trace_a));
    bed_apply(b, T, bed_extend(b, "b", T + 3000));
    bed_apply(b, T, bed_cancel(b, "c"));
}

static void a_snapshot_keeps_it(void **state)
{
    struct bed *b = *state;
    struct snapshot_bytes before = snapshot_of(&b->m);
    struct machine m;

    assert_true(before.data[8] < SNAPSHOT_VERSION);
    free(before.data);
    fill(b);
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    assert_int_equal(snapshot.data[8], SNAPSHOT_VERSION);
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(&m);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    assert_int_equal(m.memory, b->m.memory);
    assert_false(m.keyed);
    machine_close(&m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_trace(b, "a", trace_a);
    assert_trace(b, "b", trace_b);
    assert_trace(b, "c", trace_a);
    assert_get(b, "plain", NULL);
    /* No older version has such orders. */
    for (uint8_t version = SNAPSHOT_VERSION_PLAIN; version < SNAPSHOT_VERSION; version++) {
        snapshot.data[8] = version;
        snapshot_mend(&snapshot);
        assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_CORRUPT);
    }
    free(snapshot.data);
}

static void whether_ids_were_keyed_comes_back_beside_it(void **state)
{
    static const uint8_t key[ORDERSCHED_REQUEST_ID_SIZE - 6] = {1, 2, 3};
    struct bed *b = *state;
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = traced(b, "a", trace_a);

    request_id_make_keyed(id, T, key);
    op.request_id = id;
    assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_OK);
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    uint64_t digest = machine_digest(&b->m);
    b->m.keyed = b->m.traced = false;
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_true(b->m.keyed && b->m.traced);
    assert_int_equal(machine_digest(&b->m), digest);
    free(snapshot.data);
}

/* The base knows of none yet, and is of an older version: the tail brings it. */
static void it_may_come_while_a_snapshot_is_built(void **state)
{
    struct bed *b = *state;
    struct snapshot_part *parts;
    struct machine m;
    unsigned n;

    bed_apply(b, T, bed_schedule(b, "plain", T + 5000));
    struct snapshot_build *build = snapshot_begin(&b->m);
    assert_non_null(build);
    bed_apply(b, T, traced(b, "a", trace_a));
    while (!snapshot_step(build, 1)) {
    }
    snapshot_finish(build, &parts, &n);
    size_t len;
    uint8_t *data = snapshot_parts_join(parts, n, malloc, &len);
    snapshot_parts_free(parts, n);
    assert_non_null(data);
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, data, len), SNAPSHOT_OK);
    machine_check(&m);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(data);
}

/* --- what nobody wrote --- */

/* Where a traceparent stands in it. */
static uint8_t *find(const struct snapshot_bytes *snapshot, const uint8_t *trace)
{
    uint8_t *at = memmem(snapshot->data, snapshot->len, trace, PROTOCOL_TRACEPARENT_SIZE);

    assert_non_null(at);
    return at;
}

static void assert_corrupt(struct bed *b, struct snapshot_bytes *snapshot)
{
    uint64_t digest = machine_digest(&b->m);

    snapshot_mend(snapshot);
    assert_int_equal(snapshot_restore(&b->m, snapshot->data, snapshot->len), SNAPSHOT_CORRUPT);
    assert_int_equal(machine_digest(&b->m), digest);
}

static void a_forged_one_is_corrupt(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, traced(b, "a", trace_a));
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    uint8_t *at = find(&snapshot, trace_a);
    memset(at, 0, 16); /* no trace id */
    assert_corrupt(b, &snapshot);
    memcpy(at, trace_a, 16);
    memset(at + 16, 0, 8); /* no parent id */
    assert_corrupt(b, &snapshot);
    memcpy(at + 16, trace_a + 16, 8);
    assert_int_equal(at[-2], 0xc4);
    assert_int_equal(at[-1], PROTOCOL_TRACEPARENT_SIZE);
    for (unsigned len = 0; len < 256; len++) {
        if (len != PROTOCOL_TRACEPARENT_SIZE) {
            at[-1] = (uint8_t)len;
            assert_corrupt(b, &snapshot);
        }
    }
    at[-1] = PROTOCOL_TRACEPARENT_SIZE;
    at[-2] = 0xc0; /* nil */
    assert_corrupt(b, &snapshot);
    at[-2] = 0xc4;
    at[-3] = 7; /* a charge of nobody's: no principal has slot 0 */
    assert_corrupt(b, &snapshot);
    at[-3] = 0;
    snapshot_mend(&snapshot);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    free(snapshot.data);
}

static void every_altered_byte_is_corrupt_or_sound(void **state)
{
    struct bed *b = *state;
    struct machine m;

    fill(b);
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    for (size_t i = 12; i < snapshot.len - SNAPSHOT_TRAILER_SIZE; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            snapshot.data[i] ^= (uint8_t)(1u << bit);
            snapshot_mend(&snapshot);
            machine_init(&m);
            if (snapshot_restore(&m, snapshot.data, snapshot.len) == SNAPSHOT_OK) {
                machine_check(&m);
            }
            machine_close(&m);
            snapshot.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    free(snapshot.data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_keeps_it),
        TEST(the_first_copys_counts),
        TEST(the_digest_covers_each_byte_of_it),
        TEST(a_snapshot_keeps_it),
        TEST(whether_ids_were_keyed_comes_back_beside_it),
        TEST(it_may_come_while_a_snapshot_is_built),
        TEST(a_forged_one_is_corrupt),
        TEST(every_altered_byte_is_corrupt_or_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
