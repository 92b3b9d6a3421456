/* test_scheduler_set_back.c - an operator has a leader's time set back: what it tells, what it waits
 * for, and what it goes by afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/cursor.h"
#include "../../support/scheduler/scheduler_stage.h"

#define HOUR_MS (3600ull * 1000)
#define AHEAD_MS (24 * HOUR_MS)

/* It leads with a clock that was a day ahead and is right by now; an order of five hours is due. */
static void a_day_ahead(struct stage *t)
{
    stage_open(t);
    stage_lead(t, 1);
    assert_int_equal(stage_ask(t, op_route(t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(t, op_schedule(t, "a", 5 * HOUR_MS)), ORDERSCHED_OK);
    t->receiver.n_started = 0;
    stage_changed(t, REPLICA_FOLLOWER, 2);
    clock_init(&t->s->clock, t->us);
    t->wall_ahead_us = AHEAD_MS * 1000;
    stage_lead(t, 3);
    t->wall_ahead_us = 0;
}

static struct operation op_set_back(bool carry_out)
{
    return (struct operation){.code = OPERATION_CLOCK_SET_BACK, .carry_out = carry_out};
}

struct told {
    uint64_t from_ms, to_ms, again, stay;
};

static struct told told_of(const struct stage_message *m)
{
    struct cursor c;
    struct told told;

    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    cursor_init(&c, m->results[0].body.data, m->results[0].body.len);
    assert_int_equal(cursor_array(&c), 4);
    told.from_ms = cursor_uint(&c);
    told.to_ms = cursor_uint(&c);
    told.again = cursor_uint(&c);
    told.stay = cursor_uint(&c);
    assert_true(cursor_ok(&c));
    return told;
}

static void it_tells_first_and_changes_nothing(void **state)
{
    struct stage t;

    (void)state;
    a_day_ahead(&t);
    t.receiver.room = 0;
    uint64_t now_ms = t.s->machine.now_ms;
    struct stage_message *m = stage_send(&t, op_set_back(false));
    (void)stage_run(&t);
    struct told told = told_of(m);
    assert_int_equal(told.from_ms, now_ms);
    assert_int_equal(told.to_ms, STAGE_START_MS);
    assert_int_equal(t.s->machine.now_ms, now_ms);
    assert_int_equal(t.s->machine.era, 0);
    stage_message_free(m);
    stage_close(&t);
}

static void it_waits_for_deliveries_and_takes_new_ones_up_afterwards(void **state)
{
    struct stage t;

    (void)state;
    a_day_ahead(&t);
    assert_int_equal(t.receiver.n_held, 1); /* a, a day early */
    struct stage_message *m = stage_send(&t, op_set_back(true));
    struct operation schedule = op_schedule(&t, "b", HOUR_MS);
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    request_id_make(id, t.s->machine.now_ms, (const uint8_t[10]){1});
    schedule.request_id = id;
    struct stage_message *late = stage_send(&t, schedule);
    stage_settle(&t);
    assert_int_equal(m->replies, 0);
    assert_int_equal(t.s->machine.era, 0);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    struct told told = told_of(m);
    assert_int_equal(told.to_ms, STAGE_START_MS);
    assert_int_equal(told.again + told.stay, 0);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS);
    assert_int_equal(t.s->machine.era, 1);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    assert_int_equal(late->results[0].error, ORDERSCHED_OK);
    /* It goes by the right time from here on. */
    assert_int_equal(stage_ask(&t, op_schedule(&t, "c", 1000)), ORDERSCHED_OK);
    stage_pass(&t, 999);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_held, 0);
    stage_pass(&t, 1);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_held, 1);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS + 1000);
    stage_message_free(m);
    stage_message_free(late);
    stage_close(&t);
}

static void what_a_paused_route_kept_is_pending_again(void **state)
{
    struct stage t;

    (void)state;
    stage_open(&t);
    stage_lead(&t, 1);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, (struct operation){.code = OPERATION_ROUTE_PAUSE,
                                                      .request_id = stage_request_id(&t),
                                                      .id = stage_text("r"),
                                                      .paused = true}),
                     ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 5 * HOUR_MS)), ORDERSCHED_OK);
    stage_changed(&t, REPLICA_FOLLOWER, 2);
    clock_init(&t.s->clock, t.us);
    t.wall_ahead_us = AHEAD_MS * 1000;
    stage_lead(&t, 3);
    t.wall_ahead_us = 0;
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_CLOSING);
    struct stage_message *m = stage_send(&t, op_set_back(true));
    stage_settle(&t);
    assert_int_equal(told_of(m).again, 1);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_PENDING);
    stage_message_free(m);
    stage_close(&t);
}

static void deliveries_that_do_not_end_are_waited_for_for_so_long(void **state)
{
    struct stage t;

    (void)state;
    a_day_ahead(&t);
    struct stage_message *m = stage_send(&t, op_set_back(true));
    stage_settle(&t);
    struct stage_message *second = stage_send(&t, op_set_back(true));
    (void)stage_run(&t);
    assert_int_equal(second->results[0].error, ORDERSCHED_BUSY);
    stage_pass(&t, 30000);
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_BUSY);
    assert_non_null(strstr(m->first_body, "1 deliveries are still under way"));
    assert_int_equal(t.s->machine.era, 0);
    stage_message_free(m);
    stage_message_free(second);
    stage_close(&t);
}

static void a_leadership_that_ends_says_what_became_of_it(void **state)
{
    struct stage t;

    (void)state;
    for (unsigned proposed = 0; proposed < 2; proposed++) {
        a_day_ahead(&t);
        struct stage_message *m = stage_send(&t, op_set_back(true));
        (void)stage_run(&t);
        if (proposed) {
            idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
            (void)stage_run(&t);
            fake_replica_commit(t.r); /* the outcome */
            (void)stage_run(&t);
            assert_int_equal(t.r->n_proposed, 1);
        }
        stage_changed(&t, REPLICA_FOLLOWER, 4);
        assert_int_equal(m->results[0].error,
                         proposed ? ORDERSCHED_UNKNOWN_OUTCOME : ORDERSCHED_BUSY);
        fake_replica_lose_all(t.r);
        stage_message_free(m);
        stage_close(&t);
    }
}

static void a_time_that_is_not_ahead_stays(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    struct stage_message *m = stage_send(&t, op_set_back(true));
    stage_settle(&t);
    struct told told = told_of(m);
    assert_int_equal(told.from_ms, told.to_ms);
    assert_int_equal(t.s->machine.era, 0);
    stage_message_free(m);
    stage_close(&t);
}

/* The entry of a new leadership may have been stamped before the set-back in front of it was known. */
static void a_new_leader_that_applies_it_late_goes_by_the_right_time(void **state)
{
    struct stage t;
    uint8_t bytes[128];
    struct buffer operations = {0};
    struct operation op = {.code = OPERATION_SET_BACK, .time_ms = STAGE_START_MS};

    (void)state;
    a_day_ahead(&t);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t); /* its first entry is proposed, a day ahead */
    operation_encode(&operations, &op);
    struct entry e = {.now_ms = t.s->machine.now_ms,
                      .epoch = 3,
                      .sequence = 1000,
                      .n_operations = 1,
                      .operations = {operations.data, operations.len}};
    entry_encode(&e, bytes);
    t.r->callbacks.apply(t.s, ++t.r->applied, bytes, entry_size(operations.len));
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS);
    stage_settle(&t);
    assert_true(scheduler_leads(t.s));
    assert_in_range(t.s->machine.now_ms, STAGE_START_MS, STAGE_START_MS + 1);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "c", 1000)), ORDERSCHED_OK);
    assert_in_range(t.s->machine.now_ms, STAGE_START_MS, STAGE_START_MS + 1);
    buffer_free(&operations);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_tells_first_and_changes_nothing),
        cmocka_unit_test(it_waits_for_deliveries_and_takes_new_ones_up_afterwards),
        cmocka_unit_test(what_a_paused_route_kept_is_pending_again),
        cmocka_unit_test(deliveries_that_do_not_end_are_waited_for_for_so_long),
        cmocka_unit_test(a_leadership_that_ends_says_what_became_of_it),
        cmocka_unit_test(a_time_that_is_not_ahead_stays),
        cmocka_unit_test(a_new_leader_that_applies_it_late_goes_by_the_right_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
