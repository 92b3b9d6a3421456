/* test_replay_judge.c - the replay's judge is shown hand-made histories, good and bad.
 *
 * These parts belong to the program orderbench and are in no archive, hence the .c files here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../client/bench/replay/judge.c"
#include "../../client/bench/replay/orders.c"
#include "../../client/ordersched.h"

#define DEADLINE 50000u

/* ---- histories ---- */

static struct judge_call answered(int error, int state, uint64_t index, uint64_t sent_ms)
{
    return (struct judge_call){.sent = true,
                               .answered = true,
                               .error = error,
                               .state = state,
                               .deadline_ms = DEADLINE,
                               .index = index,
                               .due_ms = sent_ms,
                               .sent_ms = sent_ms};
}

static struct judge_call ended(int state, uint64_t index)
{
    int error = state == ORDERSCHED_STATE_NONE ? ORDERSCHED_NOT_FOUND : ORDERSCHED_OK;
    struct judge_call call = answered(error, state, index, 90000);

    call.deadline_ms = state == ORDERSCHED_STATE_NONE ? 0 : DEADLINE;
    return call;
}

static struct judge_order paid_in_time(void)
{
    return (struct judge_order){.id = "paid",
                                .expect_paid = true,
                                .schedule = answered(ORDERSCHED_OK, ORDERSCHED_PENDING, 0, 1000),
                                .pay = answered(ORDERSCHED_OK, ORDERSCHED_PAID, 7, 20000),
                                .final = ended(ORDERSCHED_PAID, 7)};
}

static struct judge_order never_paid(void)
{
    return (struct judge_order){.id = "expired",
                                .schedule = answered(ORDERSCHED_OK, ORDERSCHED_PENDING, 0, 1000),
                                .final = ended(ORDERSCHED_EXPIRED, 9)};
}

static struct judge_order paid_too_late(void)
{
    struct judge_order o = never_paid();

    o.pay = answered(ORDERSCHED_TOO_LATE, ORDERSCHED_EXPIRED, 9, DEADLINE + 800);
    return o;
}

static struct judge_event delivery(size_t order, const char *id, uint64_t t_ms)
{
    struct judge_event e = {.order = order,
                            .kind = JUDGE_DELIVERY,
                            .t_ms = t_ms,
                            .deadline_ms = DEADLINE};

    snprintf(e.webhook_id, sizeof e.webhook_id, "%s", id);
    return e;
}

static struct judge_event effect(size_t order, const char *id, uint64_t t_ms)
{
    struct judge_event e = delivery(order, id, t_ms);

    e.kind = JUDGE_EFFECT;
    return e;
}

static struct verdict judged(const struct judge_order *orders, size_t n, struct judge_event *events,
                             size_t n_events, unsigned failovers)
{
    struct judge_evidence evidence = {orders, n, events != NULL, events, n_events, failovers};
    struct verdict v;

    assert_int_equal(judge(&evidence, NULL, &v), 0);
    return v;
}

/* One order, without a journal. */
static struct verdict judged_alone(const struct judge_order *o, unsigned failovers)
{
    return judged(o, 1, NULL, 0, failovers);
}

/* ---- good ---- */

static void orders_that_end_as_expected_pass(void **state)
{
    (void)state;
    struct judge_order orders[] = {paid_in_time(), never_paid(), paid_too_late()};
    struct judge_event events[] = {delivery(2, "b", DEADLINE + 30), effect(2, "b", DEADLINE + 30),
                                   delivery(1, "a", DEADLINE + 10), effect(1, "a", DEADLINE + 11)};
    struct verdict v = judged(orders, 3, events, 4, 0);

    assert_true(v.passed);
    assert_int_equal(v.orders, 3);
    assert_int_equal(v.expected_paid, 1);
    assert_int_equal(v.expected_expired, 2);
    assert_int_equal(v.paid, 1);
    assert_int_equal(v.expired, 2);
    assert_int_equal(v.effects, 2);
    assert_int_equal(v.deliveries, 2);
    assert_int_equal(v.late_p50_ms, 10);
    assert_int_equal(v.late_p99_ms, 30);
    assert_int_equal(v.late_max_ms, 30);
    assert_int_equal(v.wrong + v.lost + v.early + v.double_effects + v.contested +
                         v.duplicate_deliveries + v.unknown_outcomes,
                     0);
}

static void a_delivery_told_again_is_a_duplicate_and_no_fault(void **state)
{
    (void)state;
    struct judge_order o = never_paid();
    struct judge_event events[] = {delivery(0, "a", DEADLINE + 900), effect(0, "a", DEADLINE + 10),
                                   delivery(0, "a", DEADLINE + 10)};
    struct verdict v = judged(&o, 1, events, 3, 1);

    assert_true(v.passed);
    assert_int_equal(v.duplicate_deliveries, 1);
    assert_int_equal(v.effects, 1);
    assert_int_equal(v.late_max_ms, 10); /* the first arrival counts */
}

static void an_honest_too_late_between_leaders_is_contested(void **state)
{
    (void)state;
    struct judge_order o = never_paid();

    o.expect_paid = true;
    o.pay = answered(ORDERSCHED_TOO_LATE, ORDERSCHED_CLOSING, 0, DEADLINE - 800);
    struct verdict v = judged_alone(&o, 1);
    assert_int_equal(v.contested, 1);
    assert_int_equal(v.wrong, 0);
    assert_true(v.passed);
    assert_false(judged_alone(&o, 0).passed); /* without a failover there is no excuse */
}

static void a_late_pay_before_a_stretched_deadline_is_no_fault_of_a_failover(void **state)
{
    (void)state;
    struct judge_order o = paid_in_time();

    o.expect_paid = false;
    o.pay.sent_ms = DEADLINE - 1;
    struct verdict v = judged_alone(&o, 1);
    assert_int_equal(v.stretched, 1);
    assert_int_equal(v.wrong, 0);
    assert_true(v.passed);
    assert_false(judged_alone(&o, 0).passed);
}

static void a_payment_at_the_very_end_of_the_window_may_end_either_way(void **state)
{
    (void)state;
    struct judge_order late = paid_too_late(), taken = paid_in_time();
    late.expect_paid = late.expect_either = true;
    late.pay.due_ms = DEADLINE;
    taken.expect_paid = taken.expect_either = true;
    taken.pay.due_ms = DEADLINE;
    struct judge_order orders[] = {late, taken, never_paid()};
    struct verdict v = judged(orders, 3, NULL, 0, 0);

    assert_true(v.passed);
    assert_int_equal(v.expected_either, 2);
    assert_int_equal(v.expected_paid, 0);
    assert_int_equal(v.expected_expired, 1);
    assert_int_equal(v.contested + v.stretched + v.wrong, 0);
    /* what was answered must agree all the same */
    orders[0].pay.error = ORDERSCHED_OK;
    orders[0].pay.state = ORDERSCHED_PAID;
    assert_int_equal(judged(orders, 3, NULL, 0, 0).wrong, 1);
}

static void either_is_what_lies_within_a_second_of_the_window(void **state)
{
    (void)state;
    struct bench_order order = {.has_payment = true};

    for (uint64_t ms = 1828000; ms <= 1832000; ms += 500) {
        order.pay_delay_ms = ms;
        assert_int_equal(bench_order_is_paid_at(&order, 1830000), ms > 1829000 && ms < 1831000);
    }
    order.has_payment = false;
    assert_false(bench_order_is_paid_at(&order, 1830000));
}

static void unknown_outcomes_are_resolved_by_the_end(void **state)
{
    (void)state;
    struct judge_order orders[4] = {paid_in_time(), never_paid(), never_paid(), never_paid()};

    orders[0].pay.error = ORDERSCHED_TIMEOUT; /* and it was taken */
    orders[1].expect_paid = true;             /* and it was not */
    orders[1].pay = answered(ORDERSCHED_UNKNOWN_OUTCOME, ORDERSCHED_STATE_NONE, 0, DEADLINE - 9);
    orders[2].schedule.error = ORDERSCHED_TIMEOUT; /* and it is there */
    orders[3].schedule.error = ORDERSCHED_TIMEOUT; /* and it is not */
    orders[3].final = ended(ORDERSCHED_STATE_NONE, 0);
    struct verdict v = judged(orders, 4, NULL, 0, 1);
    assert_int_equal(v.unknown_outcomes, 4);
    assert_int_equal(v.unpaid, 1);
    assert_int_equal(v.unresolved, 1);
    assert_int_equal(v.wrong, 0);
    assert_int_equal(v.lost, 0);
    assert_true(v.passed);
}

static void a_veto_of_the_callback_makes_an_order_paid(void **state)
{
    (void)state;
    struct judge_order o = paid_too_late();
    struct judge_event events[] = {delivery(0, "a", DEADLINE + 10)};

    o.pay.state = ORDERSCHED_CLOSING;
    o.pay.index = 0;
    o.final = ended(ORDERSCHED_PAID, 9);
    events[0].said_paid = true;
    struct verdict v = judged(&o, 1, events, 1, 1);
    assert_int_equal(v.vetoed, 1);
    assert_int_equal(v.wrong, 0);
    assert_true(v.passed);
}

/* ---- bad ---- */

static void expect_wrong(const struct judge_order *o)
{
    struct verdict v = judged_alone(o, 1);

    assert_int_equal(v.wrong, 1);
    assert_false(v.passed);
}

static void an_acknowledged_pay_that_expired_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = paid_in_time();

    o.final = ended(ORDERSCHED_EXPIRED, 9);
    expect_wrong(&o);
}

static void a_pay_without_an_acknowledgement_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = never_paid();

    o.final = ended(ORDERSCHED_PAID, 9);
    expect_wrong(&o); /* nobody paid */
    o = paid_too_late();
    o.final = ended(ORDERSCHED_PAID, 9);
    expect_wrong(&o); /* it was told that it is too late */
}

static void a_pay_taken_after_the_deadline_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = paid_in_time();

    o.expect_paid = false;
    o.pay.sent_ms = DEADLINE;
    expect_wrong(&o);
    o.pay.error = ORDERSCHED_TIMEOUT; /* unknown, but the end shows it */
    expect_wrong(&o);
}

static void two_indexes_of_one_decision_are_wrong(void **state)
{
    (void)state;
    struct judge_order o = paid_in_time();

    o.final.index = 8;
    expect_wrong(&o);
    o = paid_too_late();
    o.final.index = 10;
    expect_wrong(&o);
}

static void a_deadline_that_moved_by_itself_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = never_paid();

    o.final.deadline_ms = DEADLINE + 1;
    expect_wrong(&o);
}

static void an_end_that_nobody_asked_for_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = never_paid();

    o.final = ended(ORDERSCHED_CANCELLED, 9);
    expect_wrong(&o);
}

static void a_deadline_before_the_payment_in_time_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = paid_too_late();

    o.expect_paid = true;
    expect_wrong(&o);
}

static void a_pay_that_does_not_find_its_acknowledged_order_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = paid_too_late();

    o.pay.error = ORDERSCHED_NOT_FOUND;
    o.pay.state = ORDERSCHED_STATE_NONE;
    expect_wrong(&o);
}

static void an_order_that_was_not_taken_is_wrong(void **state)
{
    (void)state;
    struct judge_order o = never_paid();

    o.schedule.error = ORDERSCHED_EXISTS;
    expect_wrong(&o);
    assert_int_equal(judged_alone(&o, 1).refused, 1);
}

static void an_acknowledged_order_without_an_end_is_lost(void **state)
{
    (void)state;
    const int ends[] = {ORDERSCHED_STATE_NONE, ORDERSCHED_PENDING, ORDERSCHED_CLOSING,
                        ORDERSCHED_DEAD};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct judge_order o = never_paid();
        o.final = ended(ends[i], 0);
        struct verdict v = judged_alone(&o, 1);
        assert_int_equal(v.lost, 1);
        assert_false(v.passed);
    }
}

static void an_order_of_unknown_schedule_that_was_heard_of_and_is_gone_is_lost(void **state)
{
    (void)state;
    struct judge_order o = never_paid();
    struct judge_event events[] = {delivery(0, "a", DEADLINE + 10)};

    o.schedule.error = ORDERSCHED_TIMEOUT;
    o.final = ended(ORDERSCHED_STATE_NONE, 0);
    assert_int_equal(judged(&o, 1, events, 1, 1).lost, 1);
}

static void an_expiry_the_receiver_knows_nothing_of_is_lost(void **state)
{
    (void)state;
    struct judge_order o = never_paid();
    struct judge_event events[] = {delivery(0, "a", DEADLINE + 10)}; /* told, but not settled */
    struct verdict v = judged(&o, 1, events, 1, 1);

    assert_int_equal(v.lost, 1);
    assert_false(v.passed);
}

static void a_delivery_before_the_deadline_is_early(void **state)
{
    (void)state;
    struct judge_order o = never_paid();
    struct judge_event events[] = {delivery(0, "a", DEADLINE - 1), effect(0, "a", DEADLINE - 1)};
    struct verdict v = judged(&o, 1, events, 2, 1);

    assert_int_equal(v.early, 1);
    assert_false(v.passed);
}

static void a_delivery_before_the_deadline_it_carries_is_early(void **state)
{
    (void)state;
    struct judge_order o = never_paid();
    struct judge_event events[] = {delivery(0, "a", DEADLINE + 5), effect(0, "a", DEADLINE + 5)};

    events[0].deadline_ms = DEADLINE + 6;
    assert_int_equal(judged(&o, 1, events, 2, 1).early, 1);
}

static void two_effects_of_one_order_are_a_double_effect(void **state)
{
    (void)state;
    struct judge_order o = never_paid();
    struct judge_event events[] = {delivery(0, "a", DEADLINE + 1), effect(0, "a", DEADLINE + 1),
                                   delivery(0, "b", DEADLINE + 2), effect(0, "b", DEADLINE + 2)};
    struct verdict v = judged(&o, 1, events, 4, 1);

    assert_int_equal(v.double_effects, 1);
    assert_int_equal(v.effects, 2);
    assert_int_equal(v.duplicate_deliveries, 0);
    assert_false(v.passed);
}

static void an_effect_of_a_paid_order_is_a_double_effect(void **state)
{
    (void)state;
    struct judge_order o = paid_in_time();
    struct judge_event events[] = {delivery(0, "a", DEADLINE + 1), effect(0, "a", DEADLINE + 1)};
    struct verdict v = judged(&o, 1, events, 2, 1);

    assert_int_equal(v.double_effects, 1);
    assert_false(v.passed);
}

static void counts_that_differ_fail_only_without_a_failover(void **state)
{
    (void)state;
    struct judge_order o = never_paid();

    o.expect_paid = true;
    o.pay = answered(ORDERSCHED_UNREACHABLE, ORDERSCHED_STATE_NONE, 0, DEADLINE - 800);
    assert_false(judged_alone(&o, 0).passed);
    struct verdict v = judged_alone(&o, 1);
    assert_true(v.passed);
    assert_int_equal(v.unpaid, 1);
}

static void percentiles_are_by_nearest_rank(void **state)
{
    (void)state;
    uint64_t values[200];

    for (size_t i = 0; i < 200; i++) {
        values[i] = i + 1;
    }
    assert_int_equal(percentile(values, 200, 50), 100);
    assert_int_equal(percentile(values, 200, 99), 198);
    assert_int_equal(percentile(values, 200, 100), 200);
    assert_int_equal(percentile(values, 1, 50), 1);
    assert_int_equal(percentile(values, 0, 50), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_that_end_as_expected_pass),
        cmocka_unit_test(a_delivery_told_again_is_a_duplicate_and_no_fault),
        cmocka_unit_test(an_honest_too_late_between_leaders_is_contested),
        cmocka_unit_test(a_late_pay_before_a_stretched_deadline_is_no_fault_of_a_failover),
        cmocka_unit_test(a_payment_at_the_very_end_of_the_window_may_end_either_way),
        cmocka_unit_test(either_is_what_lies_within_a_second_of_the_window),
        cmocka_unit_test(unknown_outcomes_are_resolved_by_the_end),
        cmocka_unit_test(a_veto_of_the_callback_makes_an_order_paid),
        cmocka_unit_test(an_acknowledged_pay_that_expired_is_wrong),
        cmocka_unit_test(a_pay_without_an_acknowledgement_is_wrong),
        cmocka_unit_test(a_pay_taken_after_the_deadline_is_wrong),
        cmocka_unit_test(two_indexes_of_one_decision_are_wrong),
        cmocka_unit_test(a_deadline_that_moved_by_itself_is_wrong),
        cmocka_unit_test(an_end_that_nobody_asked_for_is_wrong),
        cmocka_unit_test(a_deadline_before_the_payment_in_time_is_wrong),
        cmocka_unit_test(a_pay_that_does_not_find_its_acknowledged_order_is_wrong),
        cmocka_unit_test(an_order_that_was_not_taken_is_wrong),
        cmocka_unit_test(an_acknowledged_order_without_an_end_is_lost),
        cmocka_unit_test(an_order_of_unknown_schedule_that_was_heard_of_and_is_gone_is_lost),
        cmocka_unit_test(an_expiry_the_receiver_knows_nothing_of_is_lost),
        cmocka_unit_test(a_delivery_before_the_deadline_is_early),
        cmocka_unit_test(a_delivery_before_the_deadline_it_carries_is_early),
        cmocka_unit_test(two_effects_of_one_order_are_a_double_effect),
        cmocka_unit_test(an_effect_of_a_paid_order_is_a_double_effect),
        cmocka_unit_test(counts_that_differ_fail_only_without_a_failover),
        cmocka_unit_test(percentiles_are_by_nearest_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
