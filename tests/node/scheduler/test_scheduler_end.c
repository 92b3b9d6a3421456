/* test_scheduler_end.c - the drain, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../support/scheduler/scheduler_stage.h"

static void draining_waits_for_deliveries_then_transfers(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 500)), ORDERSCHED_OK);
    scheduler_drain(t.s, 3000, stage_drained, &t);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_null(t.r->change_cb);
    assert_int_equal(t.receiver.n_started, 1); /* "b" is due, but left to the next leader */
    assert_int_equal(stage_ask(&t, op_schedule(&t, "c", 5000)),
                     ORDERSCHED_OK); /* nobody else can */
    struct stage_message *change = stage_send(&t, (struct operation){.code = OPERATION_TRANSFER});
    assert_int_equal(change->answer.error, ORDERSCHED_SHUTTING_DOWN);
    stage_message_free(change);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    (void)stage_run(&t);
    struct stage_message *late = stage_send(&t, op_get("a"));
    assert_int_equal(late->answer.error, ORDERSCHED_SHUTTING_DOWN);
    stage_message_free(late);
    stage_settle(&t);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    assert_non_null(t.r->change_cb);
    assert_false(t.drained);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_replica_change_ends(t.r, ORDERSCHED_OK);
    assert_true(t.drained);
    stage_close(&t);
}

static void draining_ends_in_time_though_nothing_else_does(void **state)
{
    struct stage t;
    uint64_t start_us;

    (void)state;
    stage_with_delivery(&t);
    start_us = t.us;
    scheduler_drain(t.s, 3000, stage_drained, &t);
    while (!t.drained) {
        t.us += stage_run(&t);
        assert_true(t.us - start_us < 10000000);
    }
    fake_replica_change_ends(t.r, ORDERSCHED_UNKNOWN_OUTCOME); /* as the closing replica does */
    stage_close(&t);
}

static void closing_answers_every_message(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    struct stage_message *proposed = stage_send(&t, op_schedule(&t, "b", 1000));
    (void)stage_run(&t);
    struct stage_message *read = stage_send(&t, op_get("a"));
    (void)stage_run(&t);
    struct stage_message *queued = stage_send(&t, op_schedule(&t, "c", 1000));
    struct stage_message *change = stage_send(&t,
                                              (struct operation){.code = OPERATION_MEMBER_REMOVE,
                                                                 .node_id = 2});
    scheduler_close(t.s, stage_closed, &t);
    assert_int_equal(proposed->answer.error, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(read->answer.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(queued->answer.error, ORDERSCHED_SHUTTING_DOWN);
    assert_int_equal(change->replies, 0);
    struct stage_message *late = stage_send(&t, op_get("a"));
    assert_int_equal(late->answer.error, ORDERSCHED_SHUTTING_DOWN);
    fake_replica_change_ends(t.r, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(change->results[0].error, ORDERSCHED_UNKNOWN_OUTCOME);
    stage_message_free(proposed);
    stage_message_free(read);
    stage_message_free(queued);
    stage_message_free(change);
    stage_message_free(late);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_waits_for_deliveries_then_transfers),
        cmocka_unit_test(draining_ends_in_time_though_nothing_else_does),
        cmocka_unit_test(closing_answers_every_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
