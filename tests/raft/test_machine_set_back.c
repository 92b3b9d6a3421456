/* test_machine_set_back.c - the rules of docs/semantics.md, "Set back". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/recent.h"
#include "../support/answers.h"
#include "../support/bed.h"

#define T BED_T0
#define HOUR_MS (3600ull * 1000)
#define YEAR_MS (365ull * 24 * HOUR_MS)
#define T_WRONG (T + YEAR_MS)

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

static int set_back(struct bed *b, uint64_t time_ms)
{
    struct buffer tokens = {0};
    struct operation op = machine_set_back_operation(&b->m, time_ms, &tokens);
    int error = bed_apply(b, b->m.now_ms, op).error;

    buffer_free(&tokens);
    return error;
}

/* An entry of a leader that had heard of so many set-backs. */
static void pass_in_era(struct bed *b, uint32_t era, uint64_t now_ms)
{
    struct entry e = {.now_ms = now_ms, .epoch = b->epoch, .era = era};
    uint8_t bytes[ENTRY_HEADER_SIZE];

    entry_encode(&e, bytes);
    assert_int_equal(machine_apply(&b->m, ++b->index, bytes, sizeof bytes, NULL), 0);
}

static void what_was_due_and_not_delivered_is_pending_again(void **state)
{
    struct bed *b = *state;
    struct machine_set_back foreseen;

    bed_apply(b, T, bed_schedule(b, "a", T + 5 * HOUR_MS));
    bed_apply(b, T, bed_schedule(b, "past", T + 1000));
    bed_pass(b, T_WRONG);
    while (!machine_advance(&b->m, 100)) {
    }
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CLOSING);
    machine_foresee_set_back(&b->m, T + 2000, &foreseen);
    assert_int_equal(foreseen.again, 1);
    assert_int_equal(foreseen.stay, 0);
    assert_int_equal(set_back(b, T + 2000), ORDERSCHED_OK);
    machine_check(&b->m);
    assert_int_equal(b->m.now_ms, T + 2000);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PENDING);
    assert_int_equal(bed_get(b, "a").deadline_ms, T + 5 * HOUR_MS);
    assert_int_equal(bed_get(b, "past").state, ORDERSCHED_CLOSING);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "past"));
    machine_put_back_all(&b->m);
    assert_int_equal(machine_next_ms(&b->m), T + 5 * HOUR_MS);
    assert_answer(bed_apply(b, T + 2001, bed_pay(b, "a")), ORDERSCHED_OK, ORDERSCHED_PAID,
                  T + 5 * HOUR_MS, b->index);
}

static void what_was_delivered_stays_due(void **state)
{
    struct bed *b = *state;
    struct machine_set_back foreseen;
    struct operation schedule = bed_schedule(b, "a", T + 5 * HOUR_MS);

    struct result first = bed_apply(b, T, schedule);
    bed_pass(b, T_WRONG);
    assert_non_null(bed_take(b, 0));
    bed_apply(b, T_WRONG, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 0)); /* next in 1 s */
    machine_foresee_set_back(&b->m, T + 2000, &foreseen);
    assert_int_equal(foreseen.again, 0);
    assert_int_equal(foreseen.stay, 1);
    assert_int_equal(set_back(b, T + 2000), ORDERSCHED_OK);
    machine_check(&b->m);
    assert_answer(bed_get(b, "a"), ORDERSCHED_OK, ORDERSCHED_CLOSING, T + 2000, 0);
    assert_answer(bed_apply(b, T + 2500, bed_pay(b, "a")), ORDERSCHED_TOO_LATE, ORDERSCHED_CLOSING,
                  T + 2000, 0);
    assert_int_equal(machine_next_ms(&b->m), T + 3000); /* it waits as long as before */
    bed_apply_copy(b, T + 2500, schedule, first);
}

/* A leader that was killed leaves no trace of what it had begun to deliver. */
static void what_an_earlier_leadership_may_have_begun_stays_due(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_route_put(b, "paused"));
    struct operation pause = {.code = OPERATION_ROUTE_PAUSE,
                              .request_id = bed_request(b, T),
                              .id = bed_text("paused"),
                              .paused = true};
    struct operation kept = bed_schedule(b, "kept", T + 5 * HOUR_MS);
    kept.route = bed_text("paused");
    bed_apply(b, T, pause);
    bed_apply(b, T, kept);
    bed_apply(b, T, bed_schedule(b, "begun", T + 5 * HOUR_MS));
    bed_apply(b, T, bed_schedule(b, "fresh", T_WRONG + HOUR_MS));
    bed_pass(b, T_WRONG);
    b->epoch = 2;
    bed_apply(b, T_WRONG, bed_epoch(0, MACHINE_RETENTION_DEFAULT_MS));
    bed_pass(b, T_WRONG + 2 * HOUR_MS);
    assert_int_equal(set_back(b, T + 2000), ORDERSCHED_OK);
    machine_check(&b->m);
    assert_answer(bed_get(b, "begun"), ORDERSCHED_OK, ORDERSCHED_CLOSING, T + 2000, 0);
    assert_answer(bed_get(b, "kept"), ORDERSCHED_OK, ORDERSCHED_PENDING, T + 5 * HOUR_MS, 0);
    assert_answer(bed_get(b, "fresh"), ORDERSCHED_OK, ORDERSCHED_PENDING, T_WRONG + HOUR_MS, 0);
    bed_pass(b, T + 5000); /* and once more */
    assert_int_equal(set_back(b, T + 1000), ORDERSCHED_OK);
    assert_answer(bed_get(b, "begun"), ORDERSCHED_OK, ORDERSCHED_CLOSING, T + 1000, 0);
}

/* A replica that restored a snapshot of an older version does not know since when a route is paused. */
static void replicas_that_know_less_decide_as_the_leader_knows(void **state)
{
    struct bed *b = *state;
    struct buffer tokens = {0};

    bed_apply(b, T,
              (struct operation){.code = OPERATION_ROUTE_PAUSE,
                                 .request_id = bed_request(b, T),
                                 .id = bed_text(BED_ROUTE),
                                 .paused = true});
    bed_apply(b, T, bed_schedule(b, "kept", T + 5 * HOUR_MS));
    bed_pass(b, T_WRONG);
    b->epoch = 2;
    bed_apply(b, T_WRONG, bed_epoch(0, MACHINE_RETENTION_DEFAULT_MS));
    struct operation op = machine_set_back_operation(&b->m, T + 2000, &tokens);
    uint64_t digest = machine_digest(&b->m);
    b->m.routes[0].paused_ms = T_WRONG;
    b->m.epoch_ms = T_WRONG;
    assert_true(machine_digest(&b->m) == digest);
    assert_int_equal(bed_apply(b, T_WRONG, op).error, ORDERSCHED_OK);
    assert_int_equal(bed_get(b, "kept").state, ORDERSCHED_PENDING);
    buffer_free(&tokens);
}

static void what_was_decided_stays_so_and_is_known_for_a_whole_retention(void **state)
{
    struct bed *b = *state;
    uint64_t decision;

    bed_apply(b, T, bed_schedule(b, "a", T_WRONG + HOUR_MS));
    bed_pass(b, T_WRONG);
    decision = bed_apply(b, T_WRONG, bed_pay(b, "a")).index;
    assert_int_equal(set_back(b, T + 2000), ORDERSCHED_OK);
    assert_answer(bed_get(b, "a"), ORDERSCHED_OK, ORDERSCHED_PAID, T_WRONG + HOUR_MS, decision);
    bed_pass(b, T + 2000 + MACHINE_RETENTION_DEFAULT_MS - 1);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PAID);
    bed_pass(b, T + 2000 + MACHINE_RETENTION_DEFAULT_MS);
    assert_int_equal(bed_get(b, "a").error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(b->m.store.n, 0); /* its requests, a year ahead, hold nothing up */
}

static void requests_from_before_are_known_for_their_lifetime_and_hold_up_nothing(void **state)
{
    struct bed *b = *state;
    struct operation refused = bed_pay(b, "nobody");

    refused.request_id = bed_request(b, T_WRONG);
    struct result first = bed_apply(b, T_WRONG, refused);
    assert_int_equal(first.error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(set_back(b, T + 2000), ORDERSCHED_OK);
    bed_apply_copy(b, T + 2000 + PROTOCOL_REQUEST_LIFETIME_MS - 1, refused, first);
    bed_apply(b, T + 2000 + PROTOCOL_REQUEST_LIFETIME_MS, bed_schedule(b, "a", T_WRONG));
    assert_int_equal(recent_find(b->m.recent, refused.request_id) == NULL, true);
    assert_int_equal(bed_apply(b, b->m.now_ms, refused).error, ORDERSCHED_EARLY_REQUEST);
}

/* Its copy may have been carried out before the time went wrong, and forgotten since. */
static void an_unknown_request_from_before_that_moment_is_stale(void **state)
{
    struct bed *b = *state;
    struct operation late = bed_schedule(b, "a", T + HOUR_MS);
    struct operation fresh = bed_schedule(b, "a", T + HOUR_MS);

    late.request_id = bed_request(b, T + 1999);
    fresh.request_id = bed_request(b, T + 2000);
    bed_pass(b, T_WRONG);
    assert_int_equal(set_back(b, T + 2000), ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T + 2001, late).error, ORDERSCHED_STALE_REQUEST);
    assert_int_equal(bed_apply(b, T + 2001, fresh).error, ORDERSCHED_OK);
}

static void a_time_stamped_before_it_is_no_time_of_the_new_era(void **state)
{
    struct bed *b = *state;

    bed_pass(b, T_WRONG);
    assert_int_equal(set_back(b, T + 2000), ORDERSCHED_OK);
    assert_int_equal(b->m.era, 1);
    pass_in_era(b, 0, T_WRONG + 5);
    assert_int_equal(b->m.now_ms, T + 2000);
    pass_in_era(b, 1, T + 2005);
    assert_int_equal(b->m.now_ms, T + 2005);
}

static void it_only_goes_back_and_only_alone(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_SET_BACK, .time_ms = T};

    bed_pass(b, T + 5000);
    assert_int_equal(set_back(b, T + 5000), ORDERSCHED_DECIDED);
    assert_int_equal(set_back(b, T + 5001), ORDERSCHED_DECIDED);
    bed_add(b, &op);
    bed_add(b, &op);
    assert_int_equal(bed_commit(b, T + 5000)[1].error, ORDERSCHED_DECIDED);
    assert_int_equal(b->m.now_ms, T + 5000);
    assert_int_equal(b->m.era, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_due_and_not_delivered_is_pending_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_delivered_stays_due, setup, teardown),
        cmocka_unit_test_setup_teardown(what_an_earlier_leadership_may_have_begun_stays_due, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(replicas_that_know_less_decide_as_the_leader_knows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            what_was_decided_stays_so_and_is_known_for_a_whole_retention, setup, teardown),
        cmocka_unit_test_setup_teardown(
            requests_from_before_are_known_for_their_lifetime_and_hold_up_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_request_from_before_that_moment_is_stale, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_time_stamped_before_it_is_no_time_of_the_new_era, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(it_only_goes_back_and_only_alone, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
