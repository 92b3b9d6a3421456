/* test_scheduler_reads.c - reads are answered in slices, of one moment, and keep nobody waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "../../../client/wire/cursor.h"
#include "../../support/scheduler/scheduler_stage.h"

/* 1,000 orders, so that a list that matches none of them has to look at all. */
static void stage_with_many_orders(struct stage *t)
{
    stage_with_order(t);
    for (unsigned i = 0; i < 10; i++) {
        struct operation ops[100];
        char ids[100][16];
        for (unsigned k = 0; k < 100; k++) {
            snprintf(ids[k], sizeof ids[k], "many%u", 100 * i + k);
            ops[k] = op_schedule(t, ids[k], 60000);
        }
        struct stage_message *m = stage_message_new(ops, 100, 0);
        scheduler_submit(t->s, &m->in);
        stage_settle(t);
        assert_int_equal(m->results[99].error, ORDERSCHED_OK);
        stage_message_free(m);
    }
}

/* Nobody is DEAD. */
static struct stage_message *heavy_message(unsigned n)
{
    struct operation ops[200];

    for (unsigned i = 0; i < n; i++) {
        ops[i] = (struct operation){.code = OPERATION_DEAD_LIST};
    }
    return stage_message_new(ops, n, PROTOCOL_LOCAL);
}

static void reads_that_take_long_go_on_over_many_turns(void **state)
{
    struct stage t;
    unsigned turns = 0;

    (void)state;
    stage_with_many_orders(&t);
    struct stage_message *m = heavy_message(100); /* 100 times 1,001 looks of 250 ns */
    scheduler_submit(t.s, &m->in);
    for (; m->replies == 0; turns++) {
        uint64_t sleep_us = scheduler_run(t.s);
        assert_true(sleep_us == 0 || m->replies == 1); /* to be called again at once */
    }
    assert_true(turns >= 100 * 1001 * 250 / READER_TURN_NS / 2);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(m->results[i].error, ORDERSCHED_OK);
    }
    stage_message_free(m);
    stage_close(&t);
}

/* A loop runs it before it polls and behind. */
static void what_runs_again_in_a_turn_reads_within_the_same_budget(void **state)
{
    struct stage t;
    unsigned turns = 0;

    (void)state;
    stage_with_many_orders(&t);
    struct stage_message *m = heavy_message(100);
    scheduler_submit(t.s, &m->in);
    for (; m->replies == 0; turns++) {
        (void)scheduler_run(t.s);
        for (unsigned i = 0; i < 3 && m->replies == 0; i++) {
            assert_int_equal(scheduler_run_on(t.s), 0); /* the next turn is to come at once */
        }
    }
    assert_true(turns >= 100 * 1001 * 250 / READER_TURN_NS / 2);
    stage_message_free(m);
    stage_close(&t);
}

static void a_small_read_does_not_wait_for_what_others_read(void **state)
{
    struct stage t;
    struct inbound_source sources[51] = {0};
    struct stage_message *heavy[50];
    struct operation get = op_get("a");

    (void)state;
    stage_with_many_orders(&t);
    for (unsigned i = 0; i < 50; i++) { /* five for each of ten clients */
        heavy[i] = heavy_message(100);
        heavy[i]->in.source = &sources[i % 10];
        scheduler_submit(t.s, &heavy[i]->in);
    }
    struct stage_message *small = stage_message_new(&get, 1, PROTOCOL_LOCAL);
    small->in.source = &sources[50];
    scheduler_submit(t.s, &small->in);
    for (unsigned i = 0; i < 4; i++) { /* eleven shares, of sixteen that a turn has */
        (void)scheduler_run(t.s);
    }
    assert_int_equal(small->replies, 1);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(heavy[i]->replies, 0);
    }
    (void)stage_run(&t);
    for (unsigned i = 0; i < 50; i++) {
        stage_message_free(heavy[i]);
    }
    stage_message_free(small);
    stage_close(&t);
}

static void writes_go_on_while_others_read(void **state)
{
    struct stage t;

    (void)state;
    stage_with_many_orders(&t);
    struct stage_message *heavy = heavy_message(200);
    scheduler_submit(t.s, &heavy->in);
    struct stage_message *pay = stage_send(&t,
                                           (struct operation){.code = OPERATION_PAY,
                                                              .request_id = stage_request_id(&t),
                                                              .id = stage_text("many7")});
    (void)scheduler_run(t.s);
    fake_replica_commit(t.r);
    assert_int_equal(pay->replies, 1);
    assert_int_equal(pay->results[0].error, ORDERSCHED_OK);
    assert_int_equal(heavy->replies, 0);
    (void)stage_run(&t);
    stage_message_free(heavy);
    stage_message_free(pay);
    stage_close(&t);
}

static void one_digest_is_made_for_all_that_ask_before_it_is_begun(void **state)
{
    struct stage t;
    struct operation digest = {.code = OPERATION_DIGEST};
    struct stage_message *m[100];

    (void)state;
    stage_with_many_orders(&t);
    uint64_t made = t.s->digests_made;
    for (unsigned i = 0; i < 50; i++) {
        m[i] = stage_message_new(&digest, 1, PROTOCOL_LOCAL);
        scheduler_submit(t.s, &m[i]->in);
    }
    (void)scheduler_run(t.s); /* begins */
    assert_int_equal(m[0]->replies, 0);
    for (unsigned i = 50; i < 100; i++) {
        m[i] = stage_message_new(&digest, 1, PROTOCOL_LOCAL);
        scheduler_submit(t.s, &m[i]->in);
    }
    struct operation op = op_schedule(&t, "late", 60000);
    assert_int_equal(stage_ask(&t, op), ORDERSCHED_OK);
    (void)stage_run(&t);
    assert_int_equal(t.s->digests_made, made + 2);
    for (unsigned i = 0; i < 100; i++) {
        struct cursor c;
        assert_int_equal(m[i]->results[0].error, ORDERSCHED_OK);
        cursor_init(&c, m[i]->results[0].body.data, m[i]->results[0].body.len);
        assert_int_equal(cursor_array(&c), 2);
        uint64_t applied = cursor_uint(&c);
        uint64_t value = cursor_uint(&c);
        assert_true(applied < t.s->machine.applied || value == machine_digest(&t.s->machine));
        stage_message_free(m[i]);
    }
    stage_close(&t);
}

static void a_list_of_routes_that_change_meanwhile_is_of_one_moment(void **state)
{
    struct stage t;
    struct operation ops[100];
    char names[100][16];

    (void)state;
    stage_with_order(&t);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "route%02u", i);
        ops[i] = op_route(&t, names[i]);
    }
    struct stage_message *m = stage_message_new(ops, 100, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    stage_message_free(m);
    t.s->reader.turn_ns = 20000; /* some eight routes a turn */
    reader_turn(&t.s->reader);
    m = stage_message_new(&(struct operation){.code = OPERATION_ROUTE_LIST}, 1, PROTOCOL_LOCAL);
    scheduler_submit(t.s, &m->in);
    (void)scheduler_run(t.s);
    assert_int_equal(m->replies, 0);
    struct stage_message *deletion =
        stage_send(&t, (struct operation){.code = OPERATION_ROUTE_DELETE,
                                          .request_id = stage_request_id(&t),
                                          .id = stage_text(names[0])});
    (void)scheduler_run(t.s);
    assert_int_equal(m->replies, 0);
    fake_replica_commit(t.r);
    assert_int_equal(deletion->results[0].error, ORDERSCHED_OK);
    stage_message_free(deletion);
    (void)stage_run(&t);
    struct cursor c;
    cursor_init(&c, m->results[0].body.data, m->results[0].body.len);
    assert_int_equal(cursor_array(&c), 100); /* "r" and the 99 */
    for (unsigned i = 0; i < 100; i++) {
        (void)cursor_skip(&c);
    }
    assert_true(cursor_ok(&c) && c.at == c.end);
    stage_message_free(m);
    stage_close(&t);
}

static void nothing_is_read_for_who_does_not_take_answers_nor_for_who_is_gone(void **state)
{
    struct stage t;
    struct inbound_source deaf = {0};
    atomic_bool gone = true;

    (void)state;
    stage_with_many_orders(&t);
    atomic_store(&deaf.unread, READER_UNREAD_MAX);
    struct stage_message *m = heavy_message(1);
    m->in.source = &deaf;
    scheduler_submit(t.s, &m->in);
    assert_int_equal(stage_run(&t), 5000); /* looks again then */
    assert_int_equal(m->replies, 0);
    atomic_store(&deaf.unread, 0);
    (void)stage_run(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    stage_message_free(m);
    m = heavy_message(200);
    m->in.gone = &gone;
    scheduler_submit(t.s, &m->in);
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_BUSY);
    stage_message_free(m);
    stage_close(&t);
}

static void reads_under_way_are_answered_at_the_end(void **state)
{
    struct stage t;
    struct operation mixed[3];

    (void)state;
    stage_with_many_orders(&t);
    struct stage_message *heavy = heavy_message(200);
    mixed[0] = op_schedule(&t, "last", 60000);
    mixed[1] = (struct operation){.code = OPERATION_DIGEST};
    mixed[2] = (struct operation){.code = OPERATION_DEAD_LIST};
    struct stage_message *m = stage_message_new(mixed, 3, 0);
    scheduler_submit(t.s, &heavy->in);
    scheduler_submit(t.s, &m->in);
    (void)scheduler_run(t.s);
    fake_replica_commit(t.r);
    scheduler_close(t.s, stage_closed, &t);
    assert_int_equal(heavy->replies, 1);
    assert_int_equal(heavy->results[199].error, ORDERSCHED_BUSY);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK); /* it was logged */
    assert_int_equal(m->results[1].error, ORDERSCHED_BUSY);
    stage_message_free(heavy);
    stage_message_free(m);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_that_take_long_go_on_over_many_turns),
        cmocka_unit_test(what_runs_again_in_a_turn_reads_within_the_same_budget),
        cmocka_unit_test(a_small_read_does_not_wait_for_what_others_read),
        cmocka_unit_test(writes_go_on_while_others_read),
        cmocka_unit_test(one_digest_is_made_for_all_that_ask_before_it_is_begun),
        cmocka_unit_test(a_list_of_routes_that_change_meanwhile_is_of_one_moment),
        cmocka_unit_test(nothing_is_read_for_who_does_not_take_answers_nor_for_who_is_gone),
        cmocka_unit_test(reads_under_way_are_answered_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
