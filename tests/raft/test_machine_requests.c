/* test_machine_requests.c - the rules of docs/semantics.md, "Requests": one effect for each
 * request id, whatever copies arrive and whenever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../raft/core/recent.h"
#include "../support/answers.h"
#include "../support/bed.h"

#define T BED_T0
#define LIFETIME_MS ((uint64_t)PROTOCOL_REQUEST_LIFETIME_MS)

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

static void a_copy_of_a_schedule_gets_the_first_answer(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 100);
    struct result first;
    uint64_t index;

    op.relative = true;
    first = bed_apply(b, T, op);
    index = bed_order(b, "a")->schedule_index;
    bed_apply_copy(b, T + 5, op, first);
    assert_int_equal(bed_order(b, "a")->deadline_ms, T + 100); /* not T + 105 */
    assert_int_equal(bed_order(b, "a")->schedule_index, index);
    assert_int_equal(b->m.store.n, 1);
}

static void a_late_copy_of_a_schedule_gets_the_first_answer_after_everything_else(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 100);
    struct result first = bed_apply(b, T, op);

    bed_apply(b, T, bed_extend(b, "a", T + 500));
    bed_apply_copy(b, T + 1, op, first); /* the first deadline, not the extended one */
    bed_apply(b, T + 2, bed_pay(b, "a"));
    bed_apply_copy(b, T + 3, op, first); /* PENDING, as it was */
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PAID);
}

static void a_copy_within_the_same_entry_has_no_second_effect(void **state)
{
    struct bed *b = *state;
    struct operation op;
    const struct result *results;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    op = bed_extend(b, "a", 500);
    op.relative = true;
    bed_add(b, &op);
    bed_add(b, &op);
    results = bed_commit(b, T + 1);
    assert_answer(results[0], ORDERSCHED_OK, ORDERSCHED_PENDING, T + 501, 0);
    assert_answer(results[1], ORDERSCHED_OK, ORDERSCHED_PENDING, T + 501, 0);
    assert_int_equal(bed_order(b, "a")->version, 2);
}

static void a_late_copy_of_an_extend_does_not_extend_again(void **state)
{
    struct bed *b = *state;
    struct operation first_op, second_op;
    struct result first, second;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    first_op = bed_extend(b, "a", 200);
    first_op.relative = true;
    first = bed_apply(b, T, first_op);
    second_op = bed_extend(b, "a", 300);
    second_op.relative = true;
    second = bed_apply(b, T + 1, second_op);
    bed_apply_copy(b, T + 150, first_op, first);
    bed_apply_copy(b, T + 150, second_op, second);
    assert_int_equal(bed_order(b, "a")->deadline_ms, T + 301);
    assert_int_equal(bed_order(b, "a")->version, 3);
}

static void a_late_copy_of_a_cancel_cannot_cancel_a_later_order(void **state)
{
    struct bed *b = *state;
    struct operation cancel;
    uint64_t end;

    b->epoch = 2;
    bed_apply(b, T, bed_epoch(0, 1000));
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    cancel = bed_cancel(b, "a");
    bed_apply(b, T + 10, cancel);
    end = T + 1010;
    bed_pass(b, end); /* purged: floor at the cancel's request */
    bed_apply(b, end, bed_schedule(b, "a", end + 100));
    assert_answer(bed_apply(b, end, cancel), ORDERSCHED_STALE_REQUEST, ORDERSCHED_PENDING,
                  end + 100, 0);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PENDING);
}

static void a_late_copy_of_a_schedule_cannot_make_a_purged_order_again(void **state)
{
    struct bed *b = *state;
    struct operation op;

    b->epoch = 2;
    bed_apply(b, T, bed_epoch(0, 1000));
    op = bed_schedule(b, "a", T + 100000);
    bed_apply(b, T, op);
    bed_apply(b, T, bed_pay(b, "a"));
    /* At T + 1000 it is forgotten, though not purged before the end of this very entry. */
    assert_answer(bed_apply(b, T + 1000, op), ORDERSCHED_OK, ORDERSCHED_PENDING, T + 100000, 0);
    assert_answer(bed_get(b, "a"), ORDERSCHED_NOT_FOUND, 0, 0, 0);
    assert_answer(bed_apply(b, T + 1001, op), ORDERSCHED_STALE_REQUEST, 0, 0, 0);
    assert_int_equal(b->m.store.n, 0);
}

static void a_copy_of_a_pay_gets_its_decision_again(void **state)
{
    struct bed *b = *state;
    struct operation op;
    struct result first;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    op = bed_pay(b, "a");
    first = bed_apply(b, T + 10, op);
    assert_int_equal(first.index, b->index);
    bed_apply_copy(b, T + 20, op, first);
    bed_apply_copy(b, T + 5000, op, first);
    bed_apply_copy(b, T + 3600 * 1000, op, first); /* older than ten minutes, but known */
}

static void a_refused_pay_stays_refused(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_pay(b, "a");
    struct result first;

    first = bed_apply(b, T, op);
    assert_int_equal(first.error, ORDERSCHED_NOT_FOUND);
    bed_apply(b, T, bed_schedule(b, "a", T + 100)); /* the schedule comes after the pay */
    bed_apply_copy(b, T + 1, op, first);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PENDING);
}

static void a_pay_that_was_too_late_stays_too_late_after_a_veto(void **state)
{
    struct bed *b = *state;
    struct operation op;
    struct result first;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    op = bed_pay(b, "a");
    first = bed_apply(b, T + 100, op);
    assert_answer(first, ORDERSCHED_TOO_LATE, ORDERSCHED_CLOSING, T + 100, 0);
    bed_apply(b, T + 101, bed_outcome(b, "a", 1, 1, OUTCOME_PAID, 0));
    bed_apply_copy(b, T + 102, op, first);
    assert_int_equal(bed_apply(b, T + 102, bed_pay(b, "a")).error, ORDERSCHED_OK);
}

static void a_refused_schedule_stays_refused(void **state)
{
    struct bed *b = *state;
    struct operation nowhere = bed_schedule(b, "a", T + 100);
    struct operation late = bed_schedule(b, "b", T);
    struct result first_nowhere, first_late;

    nowhere.route = bed_text("later");
    first_nowhere = bed_apply(b, T, nowhere);
    assert_int_equal(first_nowhere.error, ORDERSCHED_UNKNOWN_ROUTE);
    first_late = bed_apply(b, T, late);
    bed_apply(b, T, bed_route_put(b, "later"));
    bed_apply_copy(b, T, nowhere, first_nowhere);
    bed_apply_copy(b, T, late, first_late);
    assert_int_equal(b->m.store.n, 0);
}

static void a_schedule_that_met_another_order_stays_refused_when_that_is_gone(void **state)
{
    struct bed *b = *state;
    struct operation op;
    struct result first;

    b->epoch = 2;
    bed_apply(b, T, bed_epoch(0, 1000));
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_pay(b, "a"));
    op = bed_schedule(b, "a", T + 100000);
    op.request_id = bed_request(b, T + 500);
    first = bed_apply(b, T + 500, op);
    assert_int_equal(first.error, ORDERSCHED_EXISTS);
    assert_int_equal(first.index, bed_get(b, "a").index);
    assert_int_equal(bed_order(b, "a")->extra->n_requests, 1); /* the pay alone */
    bed_pass(b, T + 1000);
    assert_int_equal(b->m.store.n, 0);
    bed_apply_copy(b, T + 1001, op, first);
    assert_int_equal(b->m.store.n, 0);
}

static void a_request_at_the_floor_is_stale_and_one_above_is_not(void **state)
{
    struct bed *b = *state;
    const uint64_t now_ms = T + 2 * LIFETIME_MS;
    struct operation op;

    bed_apply(b, now_ms, bed_schedule(b, "late", now_ms + 1)); /* made at T: stale */
    assert_int_equal(b->m.request_floor_ms, now_ms - LIFETIME_MS);
    assert_int_equal(b->m.store.n, 0);
    op = bed_schedule(b, "a", now_ms + 100);
    op.request_id = bed_request(b, now_ms - LIFETIME_MS);
    assert_answer(bed_apply(b, now_ms, op), ORDERSCHED_STALE_REQUEST, 0, 0, 0);
    op.request_id = bed_request(b, now_ms - LIFETIME_MS + 1);
    assert_int_equal(bed_apply(b, now_ms, op).error, ORDERSCHED_OK);
    op = bed_pay(b, "a");
    op.request_id = bed_request(b, now_ms - LIFETIME_MS);
    assert_answer(bed_apply(b, now_ms, op), ORDERSCHED_STALE_REQUEST, ORDERSCHED_PENDING,
                  now_ms + 100, 0);
}

static void a_stale_request_is_not_recorded(void **state)
{
    struct bed *b = *state;
    uint32_t before;
    struct operation op = bed_pay(b, "a");

    op.request_id = bed_request(b, 1);
    bed_pass(b, T);
    before = recent_count(b->m.recent);
    assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_STALE_REQUEST);
    assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_STALE_REQUEST);
    assert_int_equal(recent_count(b->m.recent), before);
}

static void a_request_of_the_future_is_early_and_may_come_again(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 50000);
    uint32_t before = recent_count(b->m.recent);

    op.request_id = bed_request(b, T + PROTOCOL_REQUEST_AHEAD_MS + 1);
    assert_answer(bed_apply(b, T, op), ORDERSCHED_EARLY_REQUEST, 0, 0, 0);
    assert_int_equal(recent_count(b->m.recent), before);
    assert_answer(bed_apply(b, T + 1, op), ORDERSCHED_OK, ORDERSCHED_PENDING, T + 50000, 0);
}

static void an_early_request_on_a_known_order_carries_the_order(void **state)
{
    struct bed *b = *state;
    struct operation op;

    bed_apply(b, T, bed_schedule(b, "a", T + 50000));
    op = bed_pay(b, "a");
    op.request_id = bed_request(b, T + 3600000);
    assert_answer(bed_apply(b, T, op), ORDERSCHED_EARLY_REQUEST, ORDERSCHED_PENDING, T + 50000, 0);
}

static void the_floor_rises_only_with_entries_that_have_operations(void **state)
{
    struct bed *b = *state;
    const uint64_t now_ms = T + 3 * LIFETIME_MS;
    uint64_t floor_ms = b->m.request_floor_ms;

    bed_pass(b, now_ms);
    assert_int_equal(b->m.request_floor_ms, floor_ms);
    bed_apply(b, now_ms, bed_pay(b, "a"));
    assert_int_equal(b->m.request_floor_ms, now_ms - LIFETIME_MS);
}

static void recent_requests_leave_when_the_floor_has_passed_them(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_pay(b, "a");

    bed_apply(b, T, op);
    assert_int_equal(recent_count(b->m.recent), 2); /* the route put, and this */
    bed_pass(b, T + LIFETIME_MS);
    assert_int_equal(recent_count(b->m.recent), 2);
    assert_int_equal(bed_apply(b, T + LIFETIME_MS, op).error, ORDERSCHED_STALE_REQUEST);
    assert_int_equal(recent_count(b->m.recent), 0);
}

static void recent_requests_behind_a_younger_one_wait_for_it(void **state)
{
    struct bed *b = *state;
    struct operation young = bed_pay(b, "a");
    struct operation old = bed_pay(b, "a");

    bed_pass(b, T + 1000);
    young.request_id = bed_request(b, T + 1000);
    old.request_id = bed_request(b, T + 1);
    bed_apply(b, T + 1000, young);
    bed_apply(b, T + 1000, old);
    bed_apply(b, T + LIFETIME_MS + 500, bed_epoch(0, 0)); /* void, but an operation */
    /* The old one is below the floor and still gets its answer: either is right, this is how. */
    assert_int_equal(recent_count(b->m.recent), 2);
    assert_int_equal(bed_apply(b, T + LIFETIME_MS + 500, old).error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(bed_apply(b, T + LIFETIME_MS + 1000, old).error, ORDERSCHED_STALE_REQUEST);
    assert_int_equal(recent_count(b->m.recent), 0);
}

static void a_copy_of_a_route_operation_has_no_second_effect(void **state)
{
    struct bed *b = *state;
    struct operation put = bed_route_put(b, "x");
    struct operation del = bed_route_delete(b, "x");

    assert_int_equal(bed_apply(b, T, put).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T, del).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T, put).error, ORDERSCHED_OK);
    assert_null(machine_find_route(&b->m, bed_text("x")));
    bed_apply(b, T, bed_route_put(b, "x"));
    assert_int_equal(bed_apply(b, T, del).error, ORDERSCHED_OK);
    assert_non_null(machine_find_route(&b->m, bed_text("x")));
    put.request_id = bed_request(b, 5);
    assert_int_equal(bed_apply(b, T, put).error, ORDERSCHED_STALE_REQUEST);
    put.request_id = bed_request(b, T + 3600000);
    assert_int_equal(bed_apply(b, T, put).error, ORDERSCHED_EARLY_REQUEST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void a_route_operations_id_pays_nothing(void **state)
{
    struct bed *b = *state;
    struct operation pay;
    struct operation put = bed_route_put(b, "another");

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    assert_int_equal(bed_apply(b, T, put).error, ORDERSCHED_OK);
    pay = bed_pay(b, "a");
    pay.request_id = put.request_id;
    assert_answer(bed_apply(b, T, pay), ORDERSCHED_REQUEST_ID_USED, ORDERSCHED_STATE_NONE, 0, 0);
    pay.id = bed_text("nobody");
    assert_int_equal(bed_apply(b, T, pay).error, ORDERSCHED_REQUEST_ID_USED);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PENDING);
    assert_int_equal(bed_apply(b, T, bed_pay(b, "a")).error, ORDERSCHED_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_of_a_schedule_gets_the_first_answer),
        TEST(a_late_copy_of_a_schedule_gets_the_first_answer_after_everything_else),
        TEST(a_copy_within_the_same_entry_has_no_second_effect),
        TEST(a_late_copy_of_an_extend_does_not_extend_again),
        TEST(a_late_copy_of_a_cancel_cannot_cancel_a_later_order),
        TEST(a_late_copy_of_a_schedule_cannot_make_a_purged_order_again),
        TEST(a_copy_of_a_pay_gets_its_decision_again),
        TEST(a_refused_pay_stays_refused),
        TEST(a_pay_that_was_too_late_stays_too_late_after_a_veto),
        TEST(a_refused_schedule_stays_refused),
        TEST(a_schedule_that_met_another_order_stays_refused_when_that_is_gone),
        TEST(a_request_at_the_floor_is_stale_and_one_above_is_not),
        TEST(a_stale_request_is_not_recorded),
        TEST(a_request_of_the_future_is_early_and_may_come_again),
        TEST(an_early_request_on_a_known_order_carries_the_order),
        TEST(the_floor_rises_only_with_entries_that_have_operations),
        TEST(recent_requests_leave_when_the_floor_has_passed_them),
        TEST(recent_requests_behind_a_younger_one_wait_for_it),
        TEST(a_copy_of_a_route_operation_has_no_second_effect),
        TEST(a_route_operations_id_pays_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
