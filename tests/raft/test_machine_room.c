/* test_machine_room.c - places for requests: what finds none is busy, and nothing takes those
 * that are kept for others (docs/semantics.md, "Requests").
 * Runs beside others: computes 3 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

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

/* --- no room --- */

/* Pays of an order that is not there, with ids of this time. Returns how many were recorded. */
static unsigned flood(struct bed *b, unsigned n, uint64_t id_ms)
{
    uint32_t before = recent_count(b->m.recent);

    for (unsigned i = 0; i < n; i++) {
        struct operation op = bed_pay(b, "nothing");

        op.request_id = bed_request(b, id_ms);
        bed_add(b, &op);
        if (b->n == 1000 || i == n - 1) {
            bed_commit(b, b->m.now_ms);
        }
    }
    return recent_count(b->m.recent) - before;
}

static void a_flood_of_ids_ahead_makes_no_id_of_others_stale(void **state)
{
    struct bed *b = *state;
    struct operation op;

    bed_apply(b, T, bed_schedule(b, "a", T + LIFETIME_MS));
    bed_pass(b, T + LIFETIME_MS / 2);
    recent_set_limit(b->m.recent, 3000);
    flood(b, 70000, b->m.now_ms + 9500);
    assert_true(b->m.request_floor_ms <= b->m.now_ms - LIFETIME_MS);
    op = bed_schedule(b, "b", T + LIFETIME_MS);
    op.request_id = bed_request(b, T);
    assert_int_equal(bed_apply(b, b->m.now_ms, op).error, ORDERSCHED_OK);
    op = bed_pay(b, "a");
    op.request_id = bed_request(b, T + 1);
    assert_int_equal(bed_apply(b, b->m.now_ms, op).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, b->m.now_ms, bed_route_put(b, "new")).error, ORDERSCHED_OK);
}

static void what_the_page_promises_is_held_for_the_whole_lifetime(void **state)
{
    struct bed *b = *state;
    struct operation first = bed_pay(b, "late");
    const unsigned n = MACHINE_RECENT_MAX - MACHINE_RECENT_MAX / MACHINE_RECENT_SPARE - 20;
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];

    memcpy(id, first.request_id, sizeof id);
    first.request_id = id;
    assert_int_equal(bed_apply(b, T, first).error, ORDERSCHED_NOT_FOUND);
    for (unsigned i = 0; i < 10; i++) {
        bed_pass(b, T + i * LIFETIME_MS / 10);
        assert_int_equal(flood(b, n / 10, b->m.now_ms), n / 10);
    }
    bed_apply(b, T + LIFETIME_MS - 1, bed_schedule(b, "late", T + 2 * LIFETIME_MS));
    assert_int_equal(bed_apply(b, T + LIFETIME_MS - 1, first).error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(bed_get(b, "late").state, ORDERSCHED_PENDING);
    /* And so it goes on: at this rate as many leave as come. */
    for (unsigned i = 10; i < 20; i++) {
        bed_pass(b, T + i * LIFETIME_MS / 10 + 1);
        flood(b, n / 10, b->m.now_ms);
        assert_int_equal(bed_apply(b, b->m.now_ms, bed_pay(b, "x")).error, ORDERSCHED_NOT_FOUND);
    }
}

static void an_operation_whose_refusal_finds_no_room_is_busy_and_nothing_happens(void **state)
{
    struct bed *b = *state;
    struct operation ops[5];
    uint64_t digest;

    bed_apply(b, T, bed_schedule(b, "a", T + 1000));
    recent_set_limit(b->m.recent, 640);
    flood(b, 1000, T);
    assert_int_equal(recent_count(b->m.recent), 630);
    digest = machine_digest(&b->m);
    ops[0] = bed_pay(b, "unknown");
    ops[1] = bed_schedule(b, "a", T + 5000);
    ops[2] = bed_schedule(b, "late", T);
    ops[3] = bed_cancel(b, "unknown");
    ops[4] = bed_extend(b, "unknown", T + 3);
    for (unsigned i = 0; i < 5; i++) {
        struct result r = bed_apply(b, T, ops[i]);

        assert_int_equal(r.error, ORDERSCHED_BUSY);
        assert_int_equal(r.state, i == 1 ? ORDERSCHED_PENDING : ORDERSCHED_STATE_NONE);
    }
    assert_int_equal(machine_digest(&b->m), digest);
    /* It may come again, and finds room once others are stale. */
    bed_pass(b, T + LIFETIME_MS);
    ops[0].request_id = bed_request(b, T + 1);
    assert_int_equal(bed_apply(b, T + LIFETIME_MS, ops[0]).error, ORDERSCHED_NOT_FOUND);
}

static void what_is_carried_out_on_an_order_never_needs_that_room(void **state)
{
    struct bed *b = *state;
    struct operation op;
    struct result first;

    bed_apply(b, T, bed_schedule(b, "a", T + 1000));
    bed_apply(b, T, bed_schedule(b, "b", T + 1000));
    recent_set_limit(b->m.recent, 640);
    flood(b, 1000, T);
    assert_int_equal(bed_apply(b, T, bed_schedule(b, "c", T + 9)).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T, bed_extend(b, "a", T + 2000)).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T, bed_cancel(b, "b")).error, ORDERSCHED_OK);
    op = bed_pay(b, "a");
    first = bed_apply(b, T, op);
    assert_int_equal(first.error, ORDERSCHED_OK);
    bed_apply_copy(b, T, op, first);
    assert_int_equal(bed_apply(b, T, bed_cancel(b, "a")).error, ORDERSCHED_DECIDED);
    assert_int_equal(bed_apply(b, T + 9, bed_pay(b, "c")).error, ORDERSCHED_TOO_LATE);
}

static void one_place_in_64_is_for_operators(void **state)
{
    struct bed *b = *state;

    recent_set_limit(b->m.recent, 640);
    flood(b, 1000, T);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(bed_apply(b, T, bed_route_put(b, BED_ROUTE)).error, ORDERSCHED_OK);
    }
    assert_int_equal(bed_apply(b, T, bed_route_put(b, "no")).error, ORDERSCHED_BUSY);
    assert_null(machine_find_route(&b->m, bed_text("no")));
}

static struct operation route_op(struct bed *b, enum operation_code code, const char *name)
{
    struct operation op = bed_route_delete(b, name);

    op.code = code;
    return op;
}

static void what_changes_no_route_takes_no_operators_place(void **state)
{
    struct bed *b = *state;
    struct operation op;

    bed_apply(b, T, bed_schedule(b, "a", T + 1000)); /* so that its route is in use */
    recent_set_limit(b->m.recent, 640);
    flood(b, 1000, T);
    for (unsigned i = 0; i < 100; i++) {
        struct operation ops[] = {
            route_op(b, OPERATION_ROUTE_DELETE, "no"),
            route_op(b, OPERATION_ROUTE_PAUSE, "no"),
            route_op(b, OPERATION_ROUTE_RETRY, "no"),
            route_op(b, OPERATION_ROUTE_DELETE, BED_ROUTE),
            route_op(b, OPERATION_ROUTE_PAUSE, BED_ROUTE), /* it is not paused */
            bed_clock_trust(b, 0),                         /* nobody is */
        };
        for (unsigned k = 0; k < 6; k++) {
            assert_int_equal(bed_apply(b, T, ops[k]).error, ORDERSCHED_BUSY);
        }
    }
    assert_int_equal(recent_count(b->m.recent), 630);
    for (unsigned i = 0; i < 10; i++) {
        op = route_op(b, OPERATION_ROUTE_PAUSE, BED_ROUTE);
        op.paused = i % 2 == 0;
        assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_OK);
    }
    assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_OK); /* a copy */
    assert_int_equal(recent_count(b->m.recent), 640);
}

static void what_would_be_in_vain_is_told_before(void **state)
{
    struct bed *b = *state;
    struct operation op = route_op(b, OPERATION_ROUTE_DELETE, "no");
    struct result r;

    bed_apply(b, T, bed_schedule(b, "a", T + 1000));
    assert_true(machine_is_in_vain(&b->m, &op));
    r = bed_apply(b, T, op);
    assert_true(r.recent && r.in_vain);
    assert_false(machine_is_in_vain(&b->m, &op)); /* a copy only gets its answer */
    assert_false(bed_apply(b, T, op).recent);
    op = bed_route_put(b, "new");
    assert_false(machine_is_in_vain(&b->m, &op));
    r = bed_apply(b, T, op);
    assert_true(r.recent && !r.in_vain);
    op = bed_pay(b, "a");
    assert_false(machine_is_in_vain(&b->m, &op));
    assert_false(bed_apply(b, T, op).recent); /* it goes with its order */
    /* So do cancellations of what was paid, as long as there is room. */
    for (unsigned i = 0; i < 200; i++) {
        op = bed_cancel(b, "a");
        bool in_vain = machine_is_in_vain(&b->m, &op);
        r = bed_apply(b, T, op);
        assert_int_equal(r.error, ORDERSCHED_DECIDED);
        assert_true(r.recent == in_vain && r.in_vain == in_vain);
    }
    assert_true(r.in_vain);
}

static void stale_ones_leave_a_few_at_a_time(void **state)
{
    struct bed *b = *state;

    flood(b, 100000, T);
    bed_apply(b, T + LIFETIME_MS, bed_epoch(0, 0));
    assert_int_equal(recent_count(b->m.recent), 100001 - MACHINE_TRIM_MIN - 2);
}

static void by_the_old_rules_a_full_ring_raises_the_floor(void **state)
{
    struct bed *b = bed_open_old();
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = bed_pay(b, "a");

    (void)state;
    bed_pass(b, T + 5000);
    memcpy(id, bed_request(b, T + 4000), sizeof id);
    op.request_id = id;
    assert_int_equal(bed_apply(b, T + 5000, op).error, ORDERSCHED_NOT_FOUND);
    flood(b, MACHINE_RECENT_MAX_ONCE, T + 5000);
    assert_int_equal(recent_count(b->m.recent), MACHINE_RECENT_MAX_ONCE);
    assert_int_equal(b->m.request_floor_ms, T + 4000);
    assert_int_equal(bed_apply(b, T + 5000, op).error, ORDERSCHED_STALE_REQUEST);
    bed_close(b);
}

static void a_recorded_request_of_a_known_order_is_answered_however_old(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 100ull * 24 * 3600 * 1000);
    struct result first = bed_apply(b, T, op);

    bed_apply_copy(b, T + 90ull * 24 * 3600 * 1000, op, first);
}

/* --- the record of an order --- */

static void extend_often(struct bed *b, const char *id, unsigned n)
{
    for (unsigned i = 1; i <= n; i++) {
        assert_int_equal(bed_apply(b, T, bed_extend(b, id, T + 100 + i)).error, ORDERSCHED_OK);
    }
}

static void after_62_extends_an_order_is_extended_no_more_but_can_be_paid(void **state)
{
    struct bed *b = *state;
    struct operation pay;
    struct operation extend;
    struct result refused;
    struct result paid;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    extend_often(b, "a", ORDER_EXTENDS_MAX);
    extend = bed_extend(b, "a", T + 999);
    refused = bed_apply(b, T, extend);
    assert_answer(refused, ORDERSCHED_EXHAUSTED, ORDERSCHED_PENDING, T + 162, 0);
    pay = bed_pay(b, "a");
    paid = bed_apply(b, T + 161, pay);
    assert_int_equal(paid.error, ORDERSCHED_OK);
    assert_int_equal(paid.state, ORDERSCHED_PAID);
    bed_apply_copy(b, T + 162, pay, paid);
    bed_apply_copy(b, T + 162, extend, refused);
}

static void refused_operations_do_not_use_up_the_room_of_others(void **state)
{
    struct bed *b = *state;
    struct operation first;
    struct operation last;
    struct operation pay;
    struct result paid;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    for (unsigned i = 0; i < 100; i++) {
        struct operation op = bed_extend(b, "a", T + 1); /* earlier than it is */

        first = i == 0 ? op : first;
        last = op;
        assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_BAD_DEADLINE);
    }
    assert_int_equal(bed_order(b, "a")->extra->n_requests, ORDER_REFUSALS_MAX);
    extend_often(b, "a", ORDER_EXTENDS_MAX);
    pay = bed_pay(b, "a");
    paid = bed_apply(b, T, pay);
    assert_int_equal(paid.error, ORDERSCHED_OK);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(bed_apply(b, T, bed_cancel(b, "a")).error, ORDERSCHED_DECIDED);
    }
    bed_apply_copy(b, T, pay, paid);
    assert_int_equal(bed_apply(b, T, first).error, ORDERSCHED_BAD_DEADLINE);
    assert_int_equal(bed_apply(b, T, last).error, ORDERSCHED_BAD_DEADLINE);
    assert_true(bed_order(b, "a")->extra->n_requests <= ORDER_REQUESTS_MAX);
}

static void pays_that_came_too_late_leave_the_veto_its_place(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(bed_apply(b, T + 100, bed_pay(b, "a")).error, ORDERSCHED_TOO_LATE);
    }
    bed_apply(b, T + 200, bed_outcome(b, "a", 1, 1, OUTCOME_PAID, 0));
    assert_int_equal(bed_apply(b, T + 200, bed_pay(b, "a")).error, ORDERSCHED_OK);
}

/* Of a log or snapshot from before: its record is full, of whatever. */
static void an_order_that_was_exhausted_by_the_old_rules_can_be_paid_by_the_new(void **state)
{
    for (unsigned refused = 0; refused < 2; refused++) {
        struct bed *b = bed_open_old();
        struct operation pay;

        (void)state;
        bed_apply(b, T, bed_schedule(b, "a", T + 100));
        for (unsigned i = 1; i <= ORDER_REQUESTS_MAX_ONCE; i++) {
            bed_apply(b, T, bed_extend(b, "a", refused ? T + 1 : T + 100 + i));
        }
        pay = bed_pay(b, "a");
        assert_int_equal(bed_apply(b, T, pay).error, ORDERSCHED_EXHAUSTED);
        b->epoch = 2;
        bed_apply(b, T, bed_epoch_with(1, 2));
        assert_int_equal(bed_apply(b, T, pay).error, ORDERSCHED_EXHAUSTED); /* a copy */
        for (unsigned i = 0; i < 100; i++) {
            bed_apply(b, T, bed_extend(b, "a", refused && i % 2 ? T + 200 + i : T + 1));
        }
        assert_int_equal(bed_apply(b, T, bed_pay(b, "a")).error, ORDERSCHED_OK);
        for (unsigned i = 0; i < 100; i++) {
            bed_apply(b, T, bed_pay(b, "a"));
        }
        bed_close(b);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flood_of_ids_ahead_makes_no_id_of_others_stale),
        TEST(what_the_page_promises_is_held_for_the_whole_lifetime),
        TEST(an_operation_whose_refusal_finds_no_room_is_busy_and_nothing_happens),
        TEST(what_is_carried_out_on_an_order_never_needs_that_room),
        TEST(one_place_in_64_is_for_operators),
        TEST(what_changes_no_route_takes_no_operators_place),
        TEST(what_would_be_in_vain_is_told_before),
        TEST(stale_ones_leave_a_few_at_a_time),
        TEST(by_the_old_rules_a_full_ring_raises_the_floor),
        TEST(a_recorded_request_of_a_known_order_is_answered_however_old),
        TEST(after_62_extends_an_order_is_extended_no_more_but_can_be_paid),
        TEST(refused_operations_do_not_use_up_the_room_of_others),
        TEST(pays_that_came_too_late_leave_the_veto_its_place),
        TEST(an_order_that_was_exhausted_by_the_old_rules_can_be_paid_by_the_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
