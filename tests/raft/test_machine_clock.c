/* Whose clock is trusted: kept until another is named, once for each request id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

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

static void the_last_that_was_named_is_trusted_until_none_is(void **state)
{
    struct bed *b = *state;

    assert_int_equal(b->m.clock_trusted, 0);
    assert_int_equal(bed_apply(b, T, bed_clock_trust(b, 2)).error, ORDERSCHED_OK);
    assert_int_equal(b->m.clock_trusted, 2);
    bed_apply(b, T + 1, bed_epoch(0, 1000)); /* another leads, or none: that is void */
    assert_int_equal(b->m.clock_trusted, 2);
    bed_apply(b, T + 1, bed_clock_trust(b, 3));
    assert_int_equal(b->m.clock_trusted, 3);
    bed_apply(b, T + 1, bed_clock_trust(b, 0));
    assert_int_equal(b->m.clock_trusted, 0);
}

static void a_copy_has_no_second_effect(void **state)
{
    struct bed *b = *state;
    struct operation first = bed_clock_trust(b, 2);
    struct result r = bed_apply(b, T, first);

    assert_true(r.recent && !r.in_vain);
    bed_apply(b, T, bed_clock_trust(b, 0));
    bed_apply_copy(b, T, first, r);
    assert_int_equal(b->m.clock_trusted, 0);
}

static void one_that_is_too_old_or_from_the_future_is_refused(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_clock_trust(b, 2);

    bed_pass(b, T + PROTOCOL_REQUEST_LIFETIME_MS);
    assert_int_equal(bed_apply(b, b->m.now_ms, op).error, ORDERSCHED_STALE_REQUEST);
    op.request_id = bed_request(b, b->m.now_ms + PROTOCOL_REQUEST_AHEAD_MS + 1);
    assert_int_equal(bed_apply(b, b->m.now_ms, op).error, ORDERSCHED_EARLY_REQUEST);
    assert_int_equal(b->m.clock_trusted, 0);
}

/* A cluster whose clocks never agreed: an operator must be able to say whose counts. */
static void before_time_has_begun_an_id_of_its_first_moment_is_taken(void **state)
{
    struct machine m;
    struct machine_results results = {0};
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE] = {0}, bytes[256];
    struct operation op = {.code = OPERATION_CLOCK_TRUST, .request_id = request, .node_id = 2};
    struct entry e = {.epoch = 1, .n_operations = 1};
    struct buffer operations = {0};

    (void)state;
    request[5] = 1;
    operation_encode(&operations, &op);
    e.operations = (struct slice){operations.data, operations.len};
    assert_true(entry_size(operations.len) <= sizeof bytes);
    entry_encode(&e, bytes);
    machine_init(&m);
    assert_int_equal(machine_apply(&m, 1, bytes, entry_size(operations.len), &results), 0);
    assert_int_equal(results.results[0].error, ORDERSCHED_OK);
    assert_int_equal(m.clock_trusted, 2);
    machine_close(&m);
    buffer_free(&operations);
    free(results.results);
}

static void its_request_id_is_of_no_use_for_an_order(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_clock_trust(b, 2);
    struct operation pay = bed_pay(b, "a");

    bed_apply(b, T, op);
    pay.request_id = op.request_id;
    assert_int_equal(bed_apply(b, T, pay).error, ORDERSCHED_REQUEST_ID_USED);
}

static void what_changes_nothing_is_known_before(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_clock_trust(b, 2);

    assert_false(machine_is_in_vain(&b->m, &op));
    bed_apply(b, T, op);
    op = bed_clock_trust(b, 2);
    assert_true(machine_is_in_vain(&b->m, &op));
    struct result r = bed_apply(b, T, op);
    assert_true(r.error == ORDERSCHED_OK && r.recent && r.in_vain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_that_was_named_is_trusted_until_none_is, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_copy_has_no_second_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_too_old_or_from_the_future_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(before_time_has_begun_an_id_of_its_first_moment_is_taken,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(its_request_id_is_of_no_use_for_an_order, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changes_nothing_is_known_before, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
