/* test_scheduler_hurry.c - a route's orders are to wait for their next attempts no longer: each, also where its
 * failure is reported while that is on its way, or the cluster's time is set back meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../support/scheduler/scheduler_stage.h"

#define HOUR_MS 3600000u

static struct operation op_retry(struct stage *t)
{
    return (struct operation){.code = OPERATION_ROUTE_RETRY,
                              .request_id = stage_request_id(t),
                              .id = stage_text("r")};
}

/* Two orders are being delivered. */
static void stage_with_two(struct stage *t)
{
    stage_open(t);
    stage_lead(t, 3);
    assert_int_equal(stage_ask(t, op_route(t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(t, op_schedule(t, "a", 1000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask(t, op_schedule(t, "b", 1000)), ORDERSCHED_OK);
    stage_pass(t, 1000);
    stage_settle(t);
    assert_int_equal(t->receiver.n_held, 2);
}

static void who_waits_waits_no_longer(void **state)
{
    struct stage t;

    (void)state;
    stage_with_two(&t);
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, HOUR_MS);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_held, 1);
    assert_int_equal(stage_ask(&t, op_retry(&t)), ORDERSCHED_OK);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_held, 2);
    stage_close(&t);
}

/* The retry is in the log before the failure, which the leader had reported by then: it is applied behind it. */
static void nor_who_fails_while_it_is_on_its_way(void **state)
{
    struct stage t;

    (void)state;
    stage_with_two(&t);
    struct stage_message *m = stage_send(&t, op_retry(&t));
    (void)stage_run(&t); /* proposed, and not committed */
    assert_int_equal(m->replies, 0);
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, HOUR_MS);
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    assert_int_equal(t.receiver.n_held, 2);
    stage_message_free(m);
    stage_close(&t);
}

/* Which waits for the delivery that is under way, and so does the retry. */
static void nor_where_the_time_is_set_back_meanwhile(void **state)
{
    const struct operation set_back = {.code = OPERATION_CLOCK_SET_BACK, .carry_out = true};
    struct stage t;

    (void)state;
    stage_open(&t);
    stage_lead(&t, 1);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 5 * HOUR_MS)), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 5 * HOUR_MS)), ORDERSCHED_OK);
    stage_changed(&t, REPLICA_FOLLOWER, 2);
    clock_init(&t.s->clock, t.us);
    t.wall_ahead_us = 24ull * HOUR_MS * 1000;
    stage_lead(&t, 3);
    t.wall_ahead_us = 0;
    assert_int_equal(t.receiver.n_held, 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, HOUR_MS);
    stage_settle(&t);
    struct stage_message *back = stage_send(&t, set_back);
    stage_settle(&t);
    assert_int_equal(back->replies, 0);
    struct operation retry = op_retry(&t);
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    /* Of the time that is ahead. */
    request_id_make(id, t.s->machine.now_ms, (const uint8_t[10]){1});
    retry.request_id = id;
    assert_int_equal(stage_ask(&t, retry), ORDERSCHED_OK);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(back->results[0].error, ORDERSCHED_OK);
    assert_int_equal(t.receiver.n_held, 1);
    stage_message_free(back);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_waits_no_longer),
        cmocka_unit_test(nor_who_fails_while_it_is_on_its_way),
        cmocka_unit_test(nor_where_the_time_is_set_back_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
