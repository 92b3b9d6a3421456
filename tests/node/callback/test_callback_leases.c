/* test_callback_leases.c - leases and reports of workers that pull, and what becomes of them with
 * the leadership. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../support/bench/worker_bench.h"
#include "../../support/random.h"

/* ---- leases ---- */

static void a_lease_that_runs_out_is_a_failed_attempt(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct worker_message m = {0};

    (void)state;
    worker_hold(b, "a", token);
    assert_int_equal(worker_run(b, WORKER_LEASE_MS - 1), 1000);
    assert_int_equal(b->tickets, 0);
    worker_run(b, 1);
    assert_int_equal(b->tickets, 1);
    assert_int_equal(b->logged[0].outcome, OUTCOME_FAILED);
    assert_string_equal(b->logged[0].reason, "lease ran out at worker w1");
    worker_settle(b, &m, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(worker_result_of(&m, 0).error, ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(b->tickets, 1);
    assert_int_equal(worker_extend(b, token), ORDERSCHED_STALE_RESERVATION);
    worker_message_reset(&m);
    worker_bench_close(b);
}

static void a_lease_that_is_extended_goes_on(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    worker_hold(b, "a", token);
    for (unsigned i = 0; i < 10; i++) {
        worker_run(b, WORKER_LEASE_MS - 1);
        assert_int_equal(worker_extend(b, token), ORDERSCHED_OK);
    }
    assert_int_equal(b->tickets, 0);
    b->now_us += WORKER_LEASE_MS * 1000; /* over, although nobody has looked yet */
    assert_int_equal(worker_extend(b, token), ORDERSCHED_STALE_RESERVATION);
    worker_bench_close(b);
}

static void leases_end_in_order_whatever_was_extended(void **state)
{
    struct random random = random_start();
    struct worker_bench *b = worker_bench_open();
    enum { N = 200 };
    struct {
        uint8_t token[ORDERSCHED_TOKEN_SIZE];
        char id[8];
        uint64_t until_us;
    } held[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        snprintf(held[i].id, sizeof held[i].id, "o%u", i);
        worker_hold(b, held[i].id, held[i].token);
        held[i].until_us = b->now_us + WORKER_LEASE_MS * 1000;
        b->now_us += random_below(&random, 2000);
    }
    for (unsigned step = 0; step < 3000; step++) {
        unsigned i = (unsigned)random_below(&random, N);
        bool over = held[i].until_us <= b->now_us;
        assert_int_equal(worker_extend(b, held[i].token),
                         over ? ORDERSCHED_STALE_RESERVATION : ORDERSCHED_OK);
        held[i].until_us = over ? held[i].until_us : b->now_us + WORKER_LEASE_MS * 1000;
        b->now_us += random_below(&random, 5000);
        worker_run(b, 0);
        unsigned ended = 0;
        for (unsigned k = 0; k < N; k++) {
            ended += held[k].until_us <= b->now_us;
        }
        assert_int_equal(b->tickets, ended);
    }
    assert_true(b->tickets > N / 10);
    worker_bench_close(b);
}

/* ---- reports ---- */

static void a_report_is_answered_when_its_outcome_is_applied(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct worker_message m = {0};

    (void)state;
    worker_hold(b, "a", token);
    worker_settle(b, &m, token, OUTCOME_LATER, 2500, "");
    assert_int_equal(b->tickets, 1);
    assert_int_equal(b->logged[0].outcome, OUTCOME_LATER);
    assert_int_equal(b->logged[0].delay_ms, 2500);
    worker_run(b, 10 * WORKER_LEASE_MS); /* no lease runs any more */
    assert_int_equal(m.replies, 0);
    assert_int_equal(b->tickets, 1);
    worker_apply(b, 1);
    assert_int_equal(worker_result_of(&m, 0).error, ORDERSCHED_OK);
    assert_int_equal(worker_result_of(&m, 0).state, ORDERSCHED_EXPIRED);
    assert_int_equal(worker_result_of(&m, 0).index, 100);
    worker_message_reset(&m);
    worker_bench_close(b);
}

static void each_order_of_a_report_has_its_own_outcome_and_answer(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t tokens[3][ORDERSCHED_TOKEN_SIZE];
    struct worker_message m = {0};

    (void)state;
    worker_hold(b, "a", tokens[0]);
    worker_hold(b, "b", tokens[1]);
    memcpy(tokens[2], tokens[1], sizeof tokens[2]);
    tokens[2][23] ^= 1; /* guessed */
    struct work_report reports[3];
    for (unsigned i = 0; i < 3; i++) {
        reports[i] = (struct work_report){.token = {tokens[i], ORDERSCHED_TOKEN_SIZE},
                                          .outcome = i == 0 ? OUTCOME_PAID : OUTCOME_FAILED,
                                          .reason = {(const uint8_t *)"no stock", 8}};
    }
    worker_settle_many(b, &m, reports, 3);
    assert_int_equal(b->tickets, 2);
    assert_int_equal(b->logged[0].outcome, OUTCOME_PAID);
    assert_string_equal(b->logged[0].reason, "");
    assert_int_equal(b->logged[1].outcome, OUTCOME_FAILED);
    assert_string_equal(b->logged[1].reason, "no stock");
    worker_apply(b, 1);
    assert_int_equal(m.replies, 0);
    worker_apply(b, 2);
    assert_int_equal(worker_result_of(&m, 0).index, 100);
    assert_int_equal(worker_result_of(&m, 1).index, 101);
    assert_int_equal(worker_result_of(&m, 2).error, ORDERSCHED_STALE_RESERVATION);
    worker_message_reset(&m);
    worker_bench_close(b);
}

static void a_late_copy_of_a_report_gets_the_same_answer_and_has_no_effect(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct worker_message m = {0}, early_copy = {0}, late_copy = {0};

    (void)state;
    worker_hold(b, "a", token);
    worker_settle(b, &m, token, OUTCOME_EXPIRED, 0, "");
    worker_settle(b, &early_copy, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(b->tickets, 1);
    worker_apply(b, 1);
    worker_settle(b, &late_copy, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(b->tickets, 1);
    assert_int_equal(worker_result_of(&m, 0).index, 100);
    assert_int_equal(worker_result_of(&early_copy, 0).error, ORDERSCHED_OK);
    assert_int_equal(worker_result_of(&early_copy, 0).index, 100);
    assert_int_equal(worker_result_of(&late_copy, 0).error, ORDERSCHED_OK);
    assert_int_equal(worker_result_of(&late_copy, 0).index, 100);
    assert_int_equal(worker_extend(b, token), ORDERSCHED_STALE_RESERVATION);
    worker_message_reset(&m);
    worker_message_reset(&early_copy);
    worker_message_reset(&late_copy);
    worker_bench_close(b);
}

static int error_of_second_word(enum outcome first, enum outcome second)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct worker_message m = {0}, early = {0}, late = {0};

    worker_hold(b, "a", token);
    worker_settle(b, &m, token, first, 0, "");
    worker_settle(b, &early, token, second, 0, "");
    worker_apply(b, 1);
    worker_settle(b, &late, token, second, 0, "");
    assert_int_equal(b->tickets, 1);
    assert_int_equal(worker_result_of(&m, 0).error, ORDERSCHED_OK);
    int error = worker_result_of(&early, 0).error;
    assert_int_equal(worker_result_of(&late, 0).error, error);
    assert_int_equal(worker_result_of(&late, 0).index, worker_result_of(&m, 0).index);
    worker_message_reset(&m);
    worker_message_reset(&early);
    worker_message_reset(&late);
    worker_bench_close(b);
    return error;
}

static void another_word_on_what_was_settled_is_never_told_success(void **state)
{
    (void)state;
    for (int first = OUTCOME_EXPIRED; first <= OUTCOME_FAILED; first++) {
        for (int second = OUTCOME_EXPIRED; second <= OUTCOME_FAILED; second++) {
            bool settles = first == OUTCOME_EXPIRED || first == OUTCOME_PAID;
            int wanted = first == second ? ORDERSCHED_OK
                         : settles       ? ORDERSCHED_DECIDED
                                         : ORDERSCHED_STALE_RESERVATION;
            assert_int_equal(error_of_second_word((enum outcome)first, (enum outcome)second),
                             wanted);
        }
    }
}

static void only_so_many_settled_ones_are_remembered(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE], first[ORDERSCHED_TOKEN_SIZE];
    struct worker_message m = {0};

    (void)state;
    for (unsigned i = 0; i < WORKER_SETTLED_MAX + 1; i++) {
        b->tickets = 0; /* the test's own memory is small */
        b->applied = 0;
        b->worker.applied_ticket = 0;
        worker_hold(b, "a", i == 0 ? first : token);
        worker_settle(b, &m, i == 0 ? first : token, OUTCOME_EXPIRED, 0, "");
        worker_apply(b, 1);
        assert_int_equal(worker_result_of(&m, 0).error, ORDERSCHED_OK);
    }
    assert_int_equal(b->worker.leases.n_settled, WORKER_SETTLED_MAX);
    worker_settle(b, &m, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(worker_result_of(&m, 0).error, ORDERSCHED_OK);
    worker_settle(b, &m, first, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(worker_result_of(&m, 0).error, ORDERSCHED_STALE_RESERVATION);
    worker_message_reset(&m);
    worker_bench_close(b);
}

/* ---- the leadership ---- */

static void with_the_leadership_everything_ends_and_old_tokens_are_stale(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t held[ORDERSCHED_TOKEN_SIZE], reported[ORDERSCHED_TOKEN_SIZE];
    struct worker_message poll = {0}, report = {0}, late = {0};

    (void)state;
    worker_hold(b, "held", held);
    worker_hold(b, "reported", reported);
    worker_settle(b, &report, reported, OUTCOME_EXPIRED, 0, "");
    worker_reserve(b, &poll, 5, 60000);
    b->orphans = true;
    callback_worker_leave(&b->worker, ORDERSCHED_NOT_LEADER);
    assert_int_equal(poll.refused, ORDERSCHED_NOT_LEADER);
    assert_int_equal(report.refused, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(b->n_dropped, 1);
    assert_int_equal(b->tickets, 1);
    assert_int_equal(worker_room(b), 0);

    b->orphans = false;
    callback_worker_open(&b->worker, WORKER_EPOCH + 1);
    worker_apply(b, 1); /* the old leadership's outcome was committed after all */
    worker_settle(b, &late, held, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(worker_result_of(&late, 0).error, ORDERSCHED_STALE_RESERVATION);
    worker_settle(b, &late, reported, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(worker_result_of(&late, 0).error, ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(worker_extend(b, held), ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(b->tickets, 1);
    worker_message_reset(&late);
    worker_bench_close(b);
}

static void a_node_that_stops_sends_waiting_workers_away_and_takes_reports(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct worker_message poll = {0}, report = {0};

    (void)state;
    worker_hold(b, "a", token);
    worker_reserve(b, &poll, 5, 60000);
    callback_worker_stop(&b->worker, ORDERSCHED_SHUTTING_DOWN);
    assert_int_equal(poll.refused, ORDERSCHED_SHUTTING_DOWN);
    assert_int_equal(worker_extend(b, token), ORDERSCHED_OK);
    worker_settle(b, &report, token, OUTCOME_EXPIRED, 0, "");
    worker_apply(b, 1);
    assert_int_equal(worker_result_of(&report, 0).error, ORDERSCHED_OK);
    worker_message_reset(&report);
    worker_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_that_runs_out_is_a_failed_attempt),
        cmocka_unit_test(a_lease_that_is_extended_goes_on),
        cmocka_unit_test(leases_end_in_order_whatever_was_extended),
        cmocka_unit_test(a_report_is_answered_when_its_outcome_is_applied),
        cmocka_unit_test(each_order_of_a_report_has_its_own_outcome_and_answer),
        cmocka_unit_test(a_late_copy_of_a_report_gets_the_same_answer_and_has_no_effect),
        cmocka_unit_test(another_word_on_what_was_settled_is_never_told_success),
        cmocka_unit_test(only_so_many_settled_ones_are_remembered),
        cmocka_unit_test(with_the_leadership_everything_ends_and_old_tokens_are_stale),
        cmocka_unit_test(a_node_that_stops_sends_waiting_workers_away_and_takes_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
