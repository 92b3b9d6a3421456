/* The canary: it goes the way of an order, and is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/bed.h"

#define T BED_T0

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

static struct operation canary(uint64_t time_ms, bool settled)
{
    return (struct operation){.code = OPERATION_CANARY, .time_ms = time_ms, .on = settled};
}

static void it_waits_in_the_wheel_until_it_is_due(void **state)
{
    struct bed *b = *state;
    uint64_t deadline_ms = 0;

    assert_false(machine_canary_is_out(&b->m));
    assert_int_equal(bed_apply(b, T, canary(T + 1000, false)).error, ORDERSCHED_OK);
    assert_true(machine_canary_is_out(&b->m));
    assert_int_equal(machine_next_ms(&b->m), T + 1000);
    bed_pass(b, T + 999);
    assert_true(machine_advance(&b->m, 100));
    assert_false(machine_take_canary(&b->m, &deadline_ms));
    bed_pass(b, T + 1000);
    assert_true(machine_advance(&b->m, 100));
    assert_true(machine_take_canary(&b->m, &deadline_ms));
    assert_int_equal(deadline_ms, T + 1000);
    assert_false(machine_take_canary(&b->m, &deadline_ms));
    assert_true(machine_canary_is_out(&b->m));
    bed_apply(b, T + 1003, canary(T + 1000, true));
    assert_false(machine_canary_is_out(&b->m));
    assert_int_equal(b->m.canary.settled, 1);
    assert_int_equal(b->m.canary.lateness_ms, 3);
    assert_int_equal(machine_next_ms(&b->m), UINT64_MAX);
}

/* Neither what clients see nor what replicas compare knows of it. */
static void nothing_that_is_replicated_changes(void **state)
{
    struct bed *b = *state;
    struct machine_counts before, after;

    bed_apply(b, T, canary(T + 1000, true)); /* whatever an entry as such changes has changed */
    uint64_t applied = b->m.applied, digest = machine_digest(&b->m);
    size_t memory = b->m.memory;
    machine_counts(&b->m, &before);
    for (unsigned i = 0; i < 3; i++) {
        bed_apply(b, T, canary(T + 10, i == 2));
        machine_counts(&b->m, &after);
        assert_memory_equal(&after, &before, sizeof after);
        assert_int_equal(b->m.memory, memory);
        assert_int_equal(b->m.store.n, 0);
        uint64_t index = b->m.applied;
        b->m.applied = applied; /* the index is in the digest */
        assert_int_equal(machine_digest(&b->m), digest);
        b->m.applied = index;
        machine_check(&b->m);
    }
}

static void there_is_one_at_a_time(void **state)
{
    struct bed *b = *state;
    uint64_t deadline_ms;

    bed_apply(b, T, canary(T + 1000, false));
    bed_apply(b, T, canary(T + 2000, false)); /* another leader's */
    assert_int_equal(machine_next_ms(&b->m), T + 2000);
    bed_apply(b, T, canary(T + 1000, true)); /* the first one's, late: the second is still out */
    assert_true(machine_canary_is_out(&b->m));
    bed_pass(b, T + 5000);
    assert_true(machine_advance(&b->m, 100));
    assert_true(machine_take_canary(&b->m, &deadline_ms));
    machine_put_back_all(&b->m); /* the leadership is lost, and gained again */
    assert_true(machine_take_canary(&b->m, &deadline_ms));
    assert_int_equal(deadline_ms, T + 2000);
    bed_apply(b, T + 5000, canary(T + 2000, true));
    bed_apply(b, T + 5000, canary(T + 2000, true)); /* by both leaders */
    assert_int_equal(b->m.canary.settled, 3);
    assert_false(machine_canary_is_out(&b->m));
}

static void a_time_that_no_entry_tells_is_malformed(void **state)
{
    struct operation op = canary(PROTOCOL_TIME_MAX_MS, true), read;
    struct buffer b = {0};

    (void)state;
    operation_encode(&b, &op);
    assert_int_equal(operation_decode(b.data, b.len, &read), ORDERSCHED_OK);
    assert_int_equal(read.time_ms, op.time_ms);
    assert_true(read.on);
    assert_int_equal(read.bytes.len, b.len);
    buffer_reset(&b);
    op.time_ms++;
    operation_encode(&b, &op);
    assert_int_equal(operation_decode(b.data, b.len, &read), ORDERSCHED_INVALID);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_waits_in_the_wheel_until_it_is_due, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_that_is_replicated_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(there_is_one_at_a_time, setup, teardown),
        cmocka_unit_test(a_time_that_no_entry_tells_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
