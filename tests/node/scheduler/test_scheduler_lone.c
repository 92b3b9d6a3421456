/* test_scheduler_lone.c - a node that is its cluster's only voter, and the wall clock that it has alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/scheduler/scheduler_stage.h"

#define HOUR_MS 3600000ull
#define DAY_MS (24 * HOUR_MS)

static bool unsynchronized(void *impl, uint64_t wall_us, uint64_t monotonic_us)
{
    (void)impl;
    (void)wall_us;
    (void)monotonic_us;
    return false;
}

/* A process that starts over this state; the wall clock is so far ahead. */
static void start(struct stage *t, uint64_t ahead_ms)
{
    struct lone_clock_rules rules = {.jump_max_us = 7 * DAY_MS * 1000};

    t->environment.synchronized = unsynchronized;
    t->wall_ahead_us = ahead_ms * 1000;
    clock_init(&t->s->clock, t->us);
    lone_clock_init(&t->s->lone, &rules, t->us);
}

static struct operation op_pay(struct stage *t, const char *id)
{
    return (struct operation){.code = OPERATION_PAY,
                              .request_id = stage_request_id(t),
                              .id = stage_text(id)};
}

/* Also one that is applied after the takeover began: the first entry must not bear a time that is not
 * taken. */
static void a_jump_is_judged_by_the_last_entry_of_the_log(void **state)
{
    struct stage t;
    uint8_t bytes[ENTRY_HEADER_SIZE];
    struct entry last = {.now_ms = STAGE_START_MS + 600, .epoch = 3, .sequence = 1};

    (void)state;
    stage_with_order(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    start(&t, 8 * DAY_MS);
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    entry_encode(&last, bytes);
    t.r->callbacks.apply(t.s, ++t.r->applied, bytes, sizeof bytes);
    stage_settle(&t);
    assert_true(scheduler_leads(t.s));
    assert_int_equal(t.s->lone.standing, LONE_CLOCK_AHEAD);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS + 600);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_BUSY);
    stage_pass(&t, 5000);
    assert_in_range(stage_run(&t), 1, 50000); /* it looks again soon */
    assert_int_equal(stage_ask(&t, op_pay(&t, "a")), ORDERSCHED_OK);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS + 600);
    t.wall_ahead_us = 0;
    stage_settle(&t);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_OK);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS + 5000);
    stage_close(&t);
}

static void a_clock_that_is_ahead_by_less_is_taken_when_the_log_is_applied(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    start(&t, HOUR_MS);
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    assert_false(scheduler_leads(t.s));
    assert_int_equal(t.receiver.n_started, 0);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 1);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS + HOUR_MS);
    stage_close(&t);
}

/* The next start judges a jump by it. */
static void an_idle_node_writes_the_time_every_hour(void **state)
{
    struct stage t;

    (void)state;
    stage_open(&t);
    start(&t, 0);
    stage_lead(&t, 3);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS);
    unsigned before = t.r->n_ever;
    for (unsigned s = 0; s < 3 * 3600; s++) {
        stage_settle(&t);
        stage_pass(&t, 1000);
    }
    assert_int_equal(t.r->n_ever - before, 2);
    stage_settle(&t);
    assert_int_equal(t.r->n_ever - before, 3);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS + 3 * HOUR_MS);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jump_is_judged_by_the_last_entry_of_the_log),
        cmocka_unit_test(a_clock_that_is_ahead_by_less_is_taken_when_the_log_is_applied),
        cmocka_unit_test(an_idle_node_writes_the_time_every_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
