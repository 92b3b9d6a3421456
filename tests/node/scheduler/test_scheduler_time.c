/* test_scheduler_time.c - a node whose wall clock nobody confirms comes to lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

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

/* Another voter's clock, as the node's owner sees it. */
static struct scheduler_clock_voter other;
static unsigned others_heard, looks;

static void look_at_other(void *arg, struct scheduler_clock *out)
{
    (void)arg;
    looks++;
    *out = (struct scheduler_clock){.error_max_ms = 200, .n = others_heard};
    out->voters[0] = other;
}

/* A node with a right clock, which hears of no other. */
static void open_unguided(struct stage *t)
{
    stage_open(t);
    t->environment.guide = nobody_agrees;
}

/* Its clock is an hour ahead, and the other's is off by this. */
static void open_wrong(struct stage *t, int64_t other_off_ms)
{
    open_unguided(t);
    t->wall_ahead_us = HOUR_US;
    t->s->config.clock = look_at_other;
    other = (struct scheduler_clock_voter){.id = 2,
                                           .offset_ms = other_off_ms - (int64_t)HOUR_US / 1000};
    others_heard = 1;
    looks = 0;
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
    stage_pass(&t, 2 * CLOCK_DRIFT_US / 1000); /* who leads goes on */
    assert_int_equal(schedule(&t, "b"), ORDERSCHED_OK);
    stage_close(&t);
}

/* It was away, and gets old entries when it is back: its time would be behind, and all that is set meanwhile
 * early, once time catches up. */
static void what_was_told_late_is_not_gone_by(void **state)
{
    struct stage t;

    (void)state;
    open_unguided(&t);
    hear(&t, STAGE_START_MS - 501);
    assert_false(scheduler_knows_time(t.s));
    stage_lead(&t, 3);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(scheduler_time_goes(t.s));
        assert_int_equal(schedule(&t, "a"), ORDERSCHED_BUSY);
        assert_true(t.s->machine.now_ms == STAGE_START_MS - 501);
        stage_pass(&t, 60000);
    }
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    hear(&t, STAGE_START_MS + 180000 - 500);
    assert_true(scheduler_knows_time(t.s));
    stage_lead(&t, 5);
    assert_int_equal(schedule(&t, "a"), ORDERSCHED_OK);
    stage_close(&t);
}

static void another_voters_clock_confirms_what_was_told(void **state)
{
    struct stage t;

    (void)state;
    open_wrong(&t, 200);
    hear(&t, STAGE_START_MS);
    assert_true(scheduler_knows_time(t.s));
    stage_lead(&t, 3);
    assert_true(scheduler_time_goes(t.s));
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(schedule(&t, "a"), ORDERSCHED_OK);
    others_heard = 0; /* it was confirmed once, and goes on */
    stage_pass(&t, 60000);
    assert_int_equal(schedule(&t, "b"), ORDERSCHED_OK);
    stage_close(&t);
}

static void another_voters_clock_that_is_off_does_not(void **state)
{
    struct stage t;

    (void)state;
    open_wrong(&t, 201);
    hear(&t, STAGE_START_MS);
    stage_lead(&t, 3);
    assert_false(scheduler_time_goes(t.s));
    stage_close(&t);
}

static void it_counts_as_soon_as_the_other_is_heard(void **state)
{
    struct stage t;

    (void)state;
    open_wrong(&t, 0);
    others_heard = 0;
    hear(&t, STAGE_START_MS);
    stage_lead(&t, 3);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    stage_pass(&t, 7000);
    assert_int_equal(schedule(&t, "a"), ORDERSCHED_BUSY);
    unsigned looked = looks;
    for (unsigned i = 0; i < 49; i++) {
        stage_pass(&t, 1);
        (void)scheduler_now_ms(t.s);
    }
    assert_int_equal(looks, looked);
    others_heard = 1;
    stage_pass(&t, 1);
    assert_true(scheduler_now_ms(t.s) == STAGE_START_MS + 7050);
    assert_int_equal(schedule(&t, "a"), ORDERSCHED_OK);
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
    stage_pass(&t, CLOCK_DRIFT_US / 1000);
    assert_true(scheduler_knows_time(t.s));
    stage_pass(&t, 1);
    assert_false(scheduler_knows_time(t.s));
    stage_lead(&t, 3);
    assert_false(scheduler_time_goes(t.s));
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    hear(&t, STAGE_START_MS + 1 + CLOCK_DRIFT_US / 1000);
    stage_lead(&t, 5);
    assert_true(scheduler_time_goes(t.s));
    stage_close(&t);
}

/* Nobody had a time since the cluster was founded: the leader says so, in the words of the protocol. */
static void a_cluster_that_never_had_a_time_begins_at_its_first_millisecond(void **state)
{
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE], random_bytes[10] = {1};
    struct stage t;

    (void)state;
    open_unguided(&t);
    assert_true(scheduler_told_ms(t.s) == 0);
    stage_lead(&t, 1);
    assert_true(scheduler_told_ms(t.s) == 1);
    struct stage_message *m = stage_send(&t, op_schedule(&t, "a", 1000));
    stage_settle(&t);
    assert_int_equal(m->answer.now_ms, 1);
    assert_int_equal(m->results[0].error, ORDERSCHED_BUSY);
    assert_non_null(strstr(m->first_body, "what time it is is not known"));
    stage_message_free(m);
    request_id_make(id, 1, random_bytes);
    struct operation pay = {.code = OPERATION_PAY, .request_id = id, .id = stage_text("a")};
    assert_int_equal(stage_ask(&t, pay), ORDERSCHED_NOT_FOUND);
    assert_true(t.s->machine.now_ms == 0);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_leader_goes_on_from_what_the_last_one_said),
        cmocka_unit_test(what_was_told_late_is_not_gone_by),
        cmocka_unit_test(another_voters_clock_confirms_what_was_told),
        cmocka_unit_test(another_voters_clock_that_is_off_does_not),
        cmocka_unit_test(it_counts_as_soon_as_the_other_is_heard),
        cmocka_unit_test(what_it_applies_while_it_takes_over_was_told_too),
        cmocka_unit_test(what_was_on_its_own_disk_is_not_what_a_leader_said),
        cmocka_unit_test(what_was_said_long_ago_is_not_gone_by),
        cmocka_unit_test(a_cluster_that_never_had_a_time_begins_at_its_first_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
