/* test_scheduler_workers.c - workers: what they wait for, hold and report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../../client/wire/work.h"
#include "../../support/scheduler/scheduler_stage.h"

/* Leading, with an order "a" of a worker route, due in 1 s. */
static void stage_with_worker_route(struct stage *t)
{
    struct operation put = {.code = OPERATION_ROUTE_PUT,
                            .id = stage_text("r"),
                            .settings = {.kind = ROUTE_WORKER, .timeout_ms = 5000}};

    stage_open(t);
    stage_lead(t, 3);
    put.request_id = stage_request_id(t);
    assert_int_equal(stage_ask(t, put), ORDERSCHED_OK);
    assert_int_equal(stage_ask(t, op_schedule(t, "a", 1000)), ORDERSCHED_OK);
}

static struct operation op_reserve(unsigned wait_ms)
{
    return (struct operation){.code = OPERATION_RESERVE,
                              .route = stage_text("r"),
                              .limit = 10,
                              .time_ms = wait_ms,
                              .worker = stage_text("w")};
}

/* The number of orders in the answer, and the token of the first. */
static uint32_t reserved(const struct stage_message *m, uint8_t token[ORDERSCHED_TOKEN_SIZE])
{
    struct cursor c;
    struct work_job job;
    uint32_t lease_ms, n;

    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    cursor_init(&c, m->results[0].body.data, m->results[0].body.len);
    assert_true(work_read_jobs_head(&c, &lease_ms, &n));
    if (n > 0) {
        assert_int_equal(lease_ms, 5000);
        assert_true(work_read_job(&c, &job));
        memcpy(token, job.token.data, ORDERSCHED_TOKEN_SIZE);
    }
    return n;
}

static struct stage_message *send_settle(struct stage *t, const uint8_t *token)
{
    struct buffer list = {0};
    struct work_report report = {.token = {token, ORDERSCHED_TOKEN_SIZE},
                                 .outcome = OUTCOME_EXPIRED};

    work_write_report(&list, &report);
    struct stage_message *m = stage_send(t, (struct operation){.code = OPERATION_SETTLE,
                                                               .n_tokens = 1,
                                                               .tokens = {list.data, list.len}});
    buffer_free(&list);
    return m;
}

static int settle_error(const struct stage_message *m)
{
    struct cursor c;
    struct work_result result = {0};

    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    cursor_init(&c, m->results[0].body.data, m->results[0].body.len);
    assert_int_equal(cursor_array(&c), 1);
    assert_true(work_read_result(&c, &result));
    return result.error;
}

static void a_worker_is_told_when_its_order_is_due_and_when_its_report_is_applied(void **state)
{
    struct stage t;
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    stage_with_worker_route(&t);
    struct stage_message *poll = stage_send(&t, op_reserve(60000));
    stage_settle(&t);
    assert_int_equal(poll->replies, 0);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_int_equal(reserved(poll, token), 1);
    assert_int_equal(t.receiver.n_started, 0); /* not the receiver of the other kinds */
    struct stage_message *report = send_settle(&t, token);
    (void)stage_run(&t);
    assert_int_equal(report->replies, 0); /* proposed, not committed */
    stage_settle(&t);
    assert_int_equal(settle_error(report), ORDERSCHED_OK);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_message_free(poll);
    stage_message_free(report);
    stage_close(&t);
}

static void orders_without_a_worker_wait_and_the_scheduler_sleeps(void **state)
{
    struct stage t;

    (void)state;
    stage_with_worker_route(&t);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_true(stage_run(&t) >= 100000);
    assert_int_equal(t.s->dispatch.inflight.used, 0);
    struct stage_message *poll = stage_send(&t, op_reserve(0));
    stage_settle(&t);
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    assert_int_equal(reserved(poll, token), 1);
    stage_message_free(poll);
    /* It wakes for the end of the lease. */
    while (t.us < 7000000) {
        uint64_t sleep_us = stage_run(&t);
        t.us += sleep_us;
        stage_settle(&t);
    }
    assert_int_equal(machine_find(&t.s->machine, stage_text("a"))->extra->failures, 1);
    stage_close(&t);
}

static void what_workers_wait_for_and_hold_ends_with_the_leadership(void **state)
{
    struct stage t;
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    stage_with_worker_route(&t);
    stage_pass(&t, 1000);
    struct stage_message *poll = stage_send(&t, op_reserve(1000));
    stage_settle(&t);
    assert_int_equal(reserved(poll, token), 1);
    struct stage_message *waits = stage_send(&t, op_reserve(60000));
    struct stage_message *report = send_settle(&t, token);
    (void)stage_run(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    assert_int_equal(waits->answer.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(report->answer.error, ORDERSCHED_UNKNOWN_OUTCOME);
    fake_replica_lose_all(t.r);
    stage_message_free(waits);
    stage_message_free(report);

    /* One that comes before the next leadership is sure of itself waits too, and is refused with
     * it. */
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    waits = stage_send(&t, op_reserve(60000));
    stage_changed(&t, REPLICA_FOLLOWER, 6);
    assert_int_equal(waits->answer.error, ORDERSCHED_NOT_LEADER);
    fake_replica_lose_all(t.r);
    stage_lead(&t, 7);
    struct stage_message *late = send_settle(&t, token);
    assert_int_equal(settle_error(late), ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_CLOSING);
    stage_message_free(waits);
    stage_message_free(late);
    stage_message_free(poll);
    stage_close(&t);
}

static void draining_sends_waiting_workers_away_and_takes_the_reports_of_others(void **state)
{
    struct stage t;
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    stage_with_worker_route(&t);
    stage_pass(&t, 1000);
    struct stage_message *poll = stage_send(&t, op_reserve(1000));
    stage_settle(&t);
    assert_int_equal(reserved(poll, token), 1);
    struct stage_message *waits = stage_send(&t, op_reserve(60000));
    scheduler_drain(t.s, 3000, stage_drained, &t);
    assert_int_equal(waits->answer.error, ORDERSCHED_SHUTTING_DOWN);
    struct stage_message *new = stage_send(&t, op_reserve(60000));
    assert_int_equal(new->answer.error, ORDERSCHED_SHUTTING_DOWN);
    stage_settle(&t);
    assert_null(t.r->change_cb); /* it waits for the one that holds an order */
    struct stage_message *report = send_settle(&t, token);
    stage_settle(&t);
    assert_int_equal(settle_error(report), ORDERSCHED_OK);
    assert_non_null(t.r->change_cb);
    fake_replica_change_ends(t.r, ORDERSCHED_OK);
    stage_message_free(poll);
    stage_message_free(waits);
    stage_message_free(new);
    stage_message_free(report);
    stage_close(&t);
}

static void workers_of_other_routes_are_told_why_they_get_nothing(void **state)
{
    struct stage t;
    struct operation reserve = op_reserve(60000);

    (void)state;
    stage_with_order(&t);
    struct stage_message *http = stage_send(&t, reserve);
    assert_int_equal(http->results[0].error, ORDERSCHED_INVALID);
    reserve.route = stage_text("none");
    struct stage_message *none = stage_send(&t, reserve);
    assert_int_equal(none->results[0].error, ORDERSCHED_UNKNOWN_ROUTE);
    stage_message_free(http);
    stage_message_free(none);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_is_told_when_its_order_is_due_and_when_its_report_is_applied),
        cmocka_unit_test(orders_without_a_worker_wait_and_the_scheduler_sleeps),
        cmocka_unit_test(what_workers_wait_for_and_hold_ends_with_the_leadership),
        cmocka_unit_test(draining_sends_waiting_workers_away_and_takes_the_reports_of_others),
        cmocka_unit_test(workers_of_other_routes_are_told_why_they_get_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
