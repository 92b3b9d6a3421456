/* test_scheduler_time.c - a node whose wall clock nobody confirms comes to lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../support/scheduler/scheduler_stage.h"

#define HOUR_US 3600000000ull

static void nobody_agrees(void *impl, uint64_t wall_us, uint64_t monotonic_us,
                          struct clock_guide *guide)
{
    (void)impl;
    (void)wall_us;
    (void)monotonic_us;
    *guide = (struct clock_guide){.guidance = CLOCK_UNGUIDED};
}

/* A node with a clock that is an hour ahead. */
static void open_unguided(struct stage *t)
{
    stage_open(t);
    t->environment.guide = nobody_agrees;
    t->wall_ahead_us = HOUR_US;
}

/* An entry of another leader is applied. */
static void hear(struct stage *t, uint64_t now_ms)
{
    uint8_t bytes[ENTRY_HEADER_SIZE];
    struct entry e = {.now_ms = now_ms, .epoch = 1, .sequence = t->r->applied + 1};

    entry_encode(&e, bytes);
    t->r->callbacks.apply(t->s, ++t->r->applied, bytes, sizeof bytes);
}

static int schedule(struct stage *t, const char *id)
{
    return stage_ask(t, op_schedule(t, id, 1000));
}

static void a_new_leader_goes_on_from_what_the_last_one_said(void **state)
{
    struct stage t;

    (void)state;
    open_unguided(&t);
    hear(&t, STAGE_START_MS);
    stage_pass(&t, 5000);
    assert_true(scheduler_told_ms(t.s) == STAGE_START_MS + 5000);
    stage_lead(&t, 3);
    assert_true(t.s->machine.now_ms == STAGE_START_MS + 5000);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(schedule(&t, "a"), ORDERSCHED_OK);
    stage_pass(&t, 999);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 0);
    stage_pass(&t, 1);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 1);
    stage_pass(&t, 2 * CLOCK_TRUST_US / 1000); /* who leads goes on */
    assert_int_equal(schedule(&t, "b"), ORDERSCHED_OK);
    stage_close(&t);
}

static void what_it_applies_while_it_takes_over_was_told_too(void **state)
{
    struct stage t;

    (void)state;
    open_unguided(&t);
    stage_changed(&t, REPLICA_LEADER, 3);
    (void)stage_run(&t);
    assert_false(scheduler_time_goes(t.s));
    hear(&t, STAGE_START_MS);
    stage_settle(&t);
    assert_true(scheduler_time_goes(t.s));
    stage_close(&t);
}

static void what_was_on_its_own_disk_is_not_what_a_leader_said(void **state)
{
    struct stage t;

    (void)state;
    open_unguided(&t);
    t.s->own_index = 1;
    hear(&t, STAGE_START_MS);
    stage_pass(&t, 5000);
    for (uint64_t term = 3; term < 6; term++) { /* what it stamps itself meanwhile is none either */
        stage_lead(&t, term);
        assert_false(scheduler_time_goes(t.s));
        assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
        assert_int_equal(schedule(&t, "a"), ORDERSCHED_BUSY);
        assert_true(t.s->machine.now_ms == STAGE_START_MS);
        stage_changed(&t, REPLICA_FOLLOWER, term + 1);
        stage_pass(&t, 1000);
    }
    hear(&t, STAGE_START_MS + 8000);
    stage_lead(&t, 7);
    assert_int_equal(schedule(&t, "a"), ORDERSCHED_OK);
    stage_close(&t);
}

static void what_was_said_long_ago_is_not_gone_by(void **state)
{
    struct stage t;

    (void)state;
    open_unguided(&t);
    hear(&t, STAGE_START_MS);
    stage_pass(&t, CLOCK_TRUST_US / 1000);
    assert_true(scheduler_knows_time(t.s));
    stage_pass(&t, 1);
    assert_false(scheduler_knows_time(t.s));
    stage_lead(&t, 3);
    assert_false(scheduler_time_goes(t.s));
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    hear(&t, STAGE_START_MS + 1 + CLOCK_TRUST_US / 1000);
    stage_lead(&t, 5);
    assert_true(scheduler_time_goes(t.s));
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_leader_goes_on_from_what_the_last_one_said),
        cmocka_unit_test(what_it_applies_while_it_takes_over_was_told_too),
        cmocka_unit_test(what_was_on_its_own_disk_is_not_what_a_leader_said),
        cmocka_unit_test(what_was_said_long_ago_is_not_gone_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
