/* test_machine_outcomes.c - the rules of docs/semantics.md, "Outcomes", and the lists from which
 * the leader delivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/answers.h"
#include "../support/bed.h"

#define T BED_T0
#define DAY_MS (24ull * 3600 * 1000)

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

/* An order "a" that is due at T + 100, and now is T + 100. */
static void make_due(struct bed *b)
{
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_pass(b, T + 100);
}

static struct order_extra *extra_of(struct bed *b, const char *id)
{
    struct order *o = bed_order(b, id);

    assert_non_null(o);
    assert_non_null(o->extra);
    return o->extra;
}

static void expired_settles_the_order(void **state)
{
    struct bed *b = *state;

    make_due(b);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_answer(bed_apply(b, T + 110, bed_outcome(b, "a", 1, 1, OUTCOME_EXPIRED, 0)),
                  ORDERSCHED_OK, ORDERSCHED_EXPIRED, T + 100, b->index);
    assert_int_equal(order_decided_ms(bed_order(b, "a")), T + 110);
    assert_int_equal(extra_of(b, "a")->attempts, 1);
    assert_null(bed_take(b, 0));
    machine_check(&b->m);
}

static void paid_vetoes_the_expiry(void **state)
{
    struct bed *b = *state;

    make_due(b);
    assert_non_null(bed_take(b, 0));
    assert_answer(bed_apply(b, T + 110, bed_outcome(b, "a", 1, 1, OUTCOME_PAID, 0)), ORDERSCHED_OK,
                  ORDERSCHED_PAID, T + 100, b->index);
    assert_int_equal(extra_of(b, "a")->attempts, 1);
}

static void a_failed_batch_costs_an_attempt_but_no_patience(void **state)
{
    struct bed *b = *state;

    make_due(b);
    bed_apply(b, T + 100, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 0));
    for (uint32_t attempt = 2; attempt < 100; attempt++) {
        bed_apply(b, T + 200, bed_outcome(b, "a", 1, attempt, OUTCOME_BATCH_FAILED, 0));
        assert_int_equal(extra_of(b, "a")->attempts, attempt);
        assert_int_equal(extra_of(b, "a")->failures, 1);
        assert_ptr_equal(bed_take(b, 0), bed_order(b, "a")); /* at once */
    }
    bed_apply(b, T + 300, bed_outcome(b, "a", 1, 100, OUTCOME_BATCH_FAILED, 7000));
    assert_int_equal(extra_of(b, "a")->next_ms, T + 7300);
    assert_null(bed_take(b, 0));
    bed_apply(b, T + 300, bed_outcome(b, "a", 1, 101, OUTCOME_BATCH_FAILED, 30 * DAY_MS));
    assert_int_equal(extra_of(b, "a")->next_ms, T + 300 + DAY_MS);
    machine_check(&b->m);
}

static struct operation hurry(struct bed *b, const char *id, uint32_t version, uint32_t attempts)
{
    return (struct operation){.code = OPERATION_HURRY,
                              .id = bed_text(id),
                              .epoch = b->m.epoch,
                              .version = version,
                              .attempt = attempts};
}

static void who_waits_may_be_hurried_once_and_nobody_else(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_schedule(b, "pending", T + 100000));
    make_due(b);
    assert_int_equal(bed_apply(b, T + 100, hurry(b, "a", 1, 0)).error, ORDERSCHED_DECIDED);
    assert_int_equal(bed_apply(b, T + 100, hurry(b, "pending", 1, 0)).error, ORDERSCHED_DECIDED);
    assert_int_equal(bed_apply(b, T + 100, hurry(b, "x", 1, 0)).error, ORDERSCHED_NOT_FOUND);
    bed_apply(b, T + 100, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 50000));
    assert_null(bed_take(b, 0));
    assert_int_equal(bed_apply(b, T + 100, hurry(b, "a", 2, 1)).error, ORDERSCHED_DECIDED);
    assert_int_equal(bed_apply(b, T + 100, hurry(b, "a", 1, 2)).error, ORDERSCHED_DECIDED);
    struct operation old = hurry(b, "a", 1, 1);
    old.epoch--;
    assert_int_equal(bed_apply(b, T + 100, old).error, ORDERSCHED_DECIDED);
    assert_null(bed_take(b, 0));
    assert_int_equal(bed_apply(b, T + 200, hurry(b, "a", 1, 1)).error, ORDERSCHED_OK);
    assert_int_equal(extra_of(b, "a")->next_ms, T + 200);
    assert_int_equal(extra_of(b, "a")->failures, 1);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_int_equal(bed_apply(b, T + 200, hurry(b, "a", 1, 1)).error, ORDERSCHED_DECIDED);
    machine_check(&b->m);
}

static void later_waits_for_its_delay_and_forgives_the_failures(void **state)
{
    struct bed *b = *state;

    make_due(b);
    bed_apply(b, T + 100, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 0));
    assert_int_equal(extra_of(b, "a")->failures, 1);
    bed_apply(b, T + 200, bed_outcome(b, "a", 1, 2, OUTCOME_LATER, 5000));
    assert_int_equal(extra_of(b, "a")->failures, 0);
    assert_int_equal(extra_of(b, "a")->attempts, 2);
    assert_int_equal(extra_of(b, "a")->next_ms, T + 5200);
    bed_pass(b, T + 5199);
    assert_null(bed_take(b, 0));
    assert_int_equal(machine_next_ms(&b->m), T + 5200);
    bed_pass(b, T + 5200);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    machine_check(&b->m);
}

static void the_delay_of_later_is_clamped(void **state)
{
    static const struct {
        uint64_t delay_ms;
        uint64_t want_ms;
    } cases[] = {
        {0, 1000},
        {999, 1000},
        {1001, 1001},
        {401 * DAY_MS, 400 * DAY_MS},
        {UINT64_MAX, 400 * DAY_MS},
    };
    struct bed *b = *state;

    make_due(b);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bed_apply(b, T + 100, bed_outcome(b, "a", 1, i + 1, OUTCOME_LATER, cases[i].delay_ms));
        assert_int_equal(extra_of(b, "a")->next_ms, T + 100 + cases[i].want_ms);
    }
}

static void failed_retries_by_the_list_of_the_route_and_then_is_dead(void **state)
{
    struct bed *b = *state;

    make_due(b);
    bed_apply(b, T + 100, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 0));
    assert_int_equal(extra_of(b, "a")->next_ms, T + 1100);
    bed_apply(b, T + 1100, bed_outcome(b, "a", 1, 2, OUTCOME_FAILED, 0));
    assert_int_equal(extra_of(b, "a")->next_ms, T + 3100);
    assert_answer(bed_apply(b, T + 3100, bed_outcome(b, "a", 1, 3, OUTCOME_FAILED, 0)),
                  ORDERSCHED_OK, ORDERSCHED_DEAD, T + 100, 0);
    assert_int_equal(extra_of(b, "a")->attempts, 3);
    assert_int_equal(extra_of(b, "a")->next_ms, 0);
    bed_pass(b, T + DAY_MS);
    assert_null(bed_take(b, 0));
    assert_int_equal(machine_next_ms(&b->m), UINT64_MAX);
    machine_check(&b->m);
}

static void the_delay_and_the_jitter_of_failed_are_clamped(void **state)
{
    static const struct {
        uint64_t delay_ms;
        uint32_t jitter_ms;
        uint64_t want_ms;
    } cases[] = {
        {0, 0, 1000},
        {999, 7, 1007},
        {1500, 7, 1507},
        {DAY_MS, 0, DAY_MS},
        {DAY_MS + 1, 3600 * 1000, DAY_MS + 3600 * 1000},
        {UINT64_MAX, UINT32_MAX, DAY_MS + 3600 * 1000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed *b = bed_open();
        struct operation op;

        make_due(b);
        op = bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, cases[i].delay_ms);
        op.jitter_ms = cases[i].jitter_ms;
        bed_apply(b, T + 100, op);
        assert_int_equal(extra_of(b, "a")->next_ms, T + 100 + cases[i].want_ms);
        bed_close(b);
    }
}

static void a_shortened_list_of_retries_counts_at_the_next_failure(void **state)
{
    struct bed *b = *state;
    struct operation put;

    make_due(b);
    bed_apply(b, T + 100, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 0));
    put = bed_route_put(b, BED_ROUTE);
    put.settings.n_retries = 1;
    bed_apply(b, T + 100, put);
    assert_int_equal(bed_apply(b, T + 100, bed_outcome(b, "a", 1, 2, OUTCOME_FAILED, 0)).state,
                     ORDERSCHED_DEAD);
}

/* Assert that an outcome is void, and changes nothing. */
static void assert_void(struct bed *b, struct operation op, int error)
{
    uint64_t before = machine_digest(&b->m);

    assert_int_equal(bed_apply(b, b->m.now_ms, op).error, error);
    assert_int_equal(machine_digest(&b->m), before);
}

static void an_outcome_counts_only_for_the_present_epoch_version_and_attempt(void **state)
{
    struct bed *b = *state;
    struct operation op;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_extend(b, "a", T + 200));
    assert_void(b, bed_outcome(b, "a", 2, 1, OUTCOME_EXPIRED, 0), ORDERSCHED_DECIDED); /* not due */
    bed_apply(b, T + 200, bed_epoch(0, 0)); /* void too; lifts the floor */
    assert_void(b, bed_outcome(b, "b", 2, 1, OUTCOME_EXPIRED, 0), ORDERSCHED_NOT_FOUND);
    assert_void(b, bed_outcome(b, "a", 1, 1, OUTCOME_EXPIRED, 0), ORDERSCHED_DECIDED);
    assert_void(b, bed_outcome(b, "a", 3, 1, OUTCOME_EXPIRED, 0), ORDERSCHED_DECIDED);
    assert_void(b, bed_outcome(b, "a", 2, 0, OUTCOME_EXPIRED, 0), ORDERSCHED_DECIDED);
    assert_void(b, bed_outcome(b, "a", 2, 2, OUTCOME_EXPIRED, 0), ORDERSCHED_DECIDED);
    op = bed_outcome(b, "a", 2, 1, OUTCOME_EXPIRED, 0);
    op.epoch = 0;
    assert_void(b, op, ORDERSCHED_DECIDED);
    op.epoch = 2;
    assert_void(b, op, ORDERSCHED_DECIDED);
    op.epoch = 1;
    assert_int_equal(bed_apply(b, T + 200, op).error, ORDERSCHED_OK);
    assert_void(b, op, ORDERSCHED_DECIDED); /* the copy of it */
    assert_void(b, bed_outcome(b, "a", 2, 2, OUTCOME_PAID, 0), ORDERSCHED_DECIDED);
}

static void an_outcome_of_a_former_leader_is_void(void **state)
{
    struct bed *b = *state;
    struct operation op;

    make_due(b);
    op = bed_outcome(b, "a", 1, 1, OUTCOME_EXPIRED, 0); /* of epoch 1 */
    b->epoch = 2;
    bed_apply(b, T + 100, bed_epoch(0, MACHINE_RETENTION_DEFAULT_MS));
    assert_int_equal(bed_apply(b, T + 100, op).error, ORDERSCHED_DECIDED);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CLOSING);
    op.epoch = 2;
    assert_int_equal(bed_apply(b, T + 100, op).error, ORDERSCHED_OK);
}

static void an_outcome_of_a_dead_order_is_void(void **state)
{
    struct bed *b = *state;

    make_due(b);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        bed_apply(b, T + 100, bed_outcome(b, "a", 1, attempt, OUTCOME_FAILED, 0));
    }
    assert_void(b, bed_outcome(b, "a", 1, 4, OUTCOME_PAID, 0), ORDERSCHED_DECIDED);
}

static void an_outcome_finds_its_order_wherever_it_waits(void **state)
{
    /* Settle it (a) before the wheel was advanced, (b) ready, (c) in flight, (d) waiting. */
    (void)state;
    for (unsigned place = 0; place < 4; place++) {
        struct bed *b = bed_open();
        uint32_t attempt = 1;

        make_due(b);
        bed_apply(b, T + 100, bed_schedule(b, "b", T + 101));
        bed_pass(b, T + 101);
        if (place == 1) {
            assert_true(machine_advance(&b->m, 100));
        } else if (place == 2) {
            assert_non_null(bed_take(b, 0));
        } else if (place == 3) {
            bed_apply(b, T + 101, bed_outcome(b, "a", 1, attempt++, OUTCOME_LATER, 5000));
        }
        machine_check(&b->m);
        bed_apply(b, T + 102, bed_outcome(b, "a", 1, attempt, OUTCOME_EXPIRED, 0));
        machine_check(&b->m);
        assert_int_equal(bed_get(b, "a").state, ORDERSCHED_EXPIRED);
        assert_ptr_equal(bed_take(b, 0), bed_order(b, "b"));
        assert_null(bed_take(b, 0));
        bed_close(b);
    }
}

/* --- ready lists --- */

static void due_orders_become_ready_in_order_of_deadline(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_schedule(b, "c", T + 300));
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_schedule(b, "b", T + 200));
    assert_int_equal(machine_next_ms(&b->m), T + 100);
    bed_pass(b, T + 250);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "b"));
    assert_null(bed_take(b, 0));
    assert_int_equal(machine_next_ms(&b->m), T + 300);
}

static void an_order_becomes_ready_with_its_own_route(void **state)
{
    struct bed *b = *state;
    struct operation op;

    bed_apply(b, T, bed_route_put(b, "other"));
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    op = bed_schedule(b, "b", T + 100);
    op.route = bed_text("other");
    bed_apply(b, T, op);
    bed_pass(b, T + 100);
    assert_ptr_equal(bed_take(b, 1), bed_order(b, "b"));
    assert_null(bed_take(b, 1));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_null(bed_take(b, 0));
    assert_null(bed_take(b, 2));
    assert_null(bed_take(b, ORDER_ROUTE_NONE));
}

static void an_order_put_back_is_the_next_to_be_taken(void **state)
{
    struct bed *b = *state;
    struct order *o;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_schedule(b, "b", T + 101));
    bed_pass(b, T + 200);
    o = bed_take(b, 0);
    assert_true(o->in_flight);
    machine_check(&b->m);
    machine_put_back(&b->m, o);
    machine_check(&b->m);
    assert_ptr_equal(bed_take(b, 0), o);
}

static void all_orders_in_flight_are_put_back_oldest_first(void **state)
{
    struct bed *b = *state;

    for (unsigned i = 0; i < 6; i++) {
        char id[2] = {(char)('a' + i), '\0'};

        bed_apply(b, T, bed_schedule(b, id, T + 100 + i));
    }
    bed_pass(b, T + 200);
    for (unsigned i = 0; i < 4; i++) {
        assert_non_null(bed_take(b, 0));
    }
    bed_apply(b, T + 200, bed_outcome(b, "b", 1, 1, OUTCOME_LATER, 1000));
    bed_apply(b, T + 200, bed_outcome(b, "c", 1, 1, OUTCOME_EXPIRED, 0));
    machine_put_back_all(&b->m);
    machine_check(&b->m);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "d"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "e"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "f"));
    assert_null(bed_take(b, 0));
}

static void the_advance_of_many_orders_is_done_in_bounded_steps(void **state)
{
    struct bed *b = *state;
    unsigned steps = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < 1000; i++) {
        char id[16];
        struct operation op;

        snprintf(id, sizeof id, "o%u", i);
        op = bed_schedule(b, id, T + 100);
        bed_add(b, &op);
    }
    bed_commit(b, T);
    bed_pass(b, T + 100);
    while (!machine_advance(&b->m, 100)) {
        steps++;
        machine_check(&b->m);
    }
    assert_true(steps >= 5);
    while (machine_take_ready(&b->m, 0, ROUTE_READY_FIRST)) {
        n++;
    }
    assert_int_equal(n, 1000);
}

static void the_counts_and_the_overdue_time_follow_the_orders(void **state)
{
    struct bed *b = *state;
    struct machine_counts counts;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_schedule(b, "b", T + 150));
    bed_apply(b, T, bed_schedule(b, "c", T + 900));
    bed_apply(b, T, bed_schedule(b, "d", T + 900));
    bed_apply(b, T, bed_schedule(b, "e", T + 900));
    bed_apply(b, T, bed_pay(b, "d"));
    bed_apply(b, T, bed_cancel(b, "e"));
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 0);
    bed_pass(b, T + 180);
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 80); /* before the advance, too */
    assert_true(machine_advance(&b->m, 100));
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 80);
    machine_counts(&b->m, &counts);
    assert_int_equal(counts.pending, 1);
    assert_int_equal(counts.closing, 2);
    assert_int_equal(counts.paid, 1);
    assert_int_equal(counts.cancelled, 1);
    bed_apply(b, T + 180, bed_outcome(b, "a", 1, 1, OUTCOME_EXPIRED, 0));
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 30);
    machine_counts(&b->m, &counts);
    assert_int_equal(counts.closing, 1);
    assert_int_equal(counts.expired, 1);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        bed_apply(b, T + 180, bed_outcome(b, "b", 1, attempt, OUTCOME_FAILED, 0));
    }
    machine_counts(&b->m, &counts);
    assert_int_equal(counts.closing, 0);
    assert_int_equal(counts.dead, 1);
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(expired_settles_the_order),
        TEST(paid_vetoes_the_expiry),
        TEST(a_failed_batch_costs_an_attempt_but_no_patience),
        TEST(who_waits_may_be_hurried_once_and_nobody_else),
        TEST(later_waits_for_its_delay_and_forgives_the_failures),
        TEST(the_delay_of_later_is_clamped),
        TEST(failed_retries_by_the_list_of_the_route_and_then_is_dead),
        TEST(the_delay_and_the_jitter_of_failed_are_clamped),
        TEST(a_shortened_list_of_retries_counts_at_the_next_failure),
        TEST(an_outcome_counts_only_for_the_present_epoch_version_and_attempt),
        TEST(an_outcome_of_a_former_leader_is_void),
        TEST(an_outcome_of_a_dead_order_is_void),
        TEST(an_outcome_finds_its_order_wherever_it_waits),
        TEST(due_orders_become_ready_in_order_of_deadline),
        TEST(an_order_becomes_ready_with_its_own_route),
        TEST(an_order_put_back_is_the_next_to_be_taken),
        TEST(all_orders_in_flight_are_put_back_oldest_first),
        TEST(the_advance_of_many_orders_is_done_in_bounded_steps),
        TEST(the_counts_and_the_overdue_time_follow_the_orders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
