/* test_scheduler_room.c - what there is room for: memory, floods, the queue, an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../../raft/core/recent.h"
#include "../../support/scheduler/scheduler_stage.h"

static int stage_ask_from(struct stage *t, struct inbound_source *source, struct operation op)
{
    struct stage_message *m = stage_message_new(&op, 1, 0);

    m->in.source = source;
    scheduler_submit(t->s, &m->in);
    stage_settle(t);
    int error = m->results[0].error;
    stage_message_free(m);
    return error;
}

static struct operation op_pay(struct stage *t, const char *id)
{
    return (struct operation){.code = OPERATION_PAY,
                              .request_id = stage_request_id(t),
                              .id = stage_text(id)};
}

static void a_flood_of_refusals_leaves_room_for_those_of_others(void **state)
{
    struct inbound_source greedy = {.address = 5}, modest = {.address = 6};
    struct stage t;
    unsigned n = 0;

    (void)state;
    stage_with_order(&t);
    recent_set_limit(t.s->machine.recent, 160);
    refusals_init(&t.s->refusals, 160);
    while (n < 160 && stage_ask_from(&t, &greedy, op_pay(&t, "x")) == ORDERSCHED_NOT_FOUND) {
        n++;
    }
    assert_in_range(n, 75, 85); /* half of it */
    assert_int_equal(stage_ask_from(&t, &greedy, op_schedule(&t, "a", 9)), ORDERSCHED_BUSY);
    assert_int_equal(stage_ask_from(&t, &greedy, op_schedule(&t, "b", 900000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "b")), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    assert_int_equal(stage_ask_from(&t, &modest, op_schedule(&t, "a", 9)), ORDERSCHED_EXISTS);
    stage_pass(&t, PROTOCOL_REQUEST_LIFETIME_MS);
    stage_settle(&t);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    stage_close(&t);
}

static struct operation op_delete_route(struct stage *t, const char *name)
{
    return (struct operation){.code = OPERATION_ROUTE_DELETE,
                              .request_id = stage_request_id(t),
                              .id = stage_text(name)};
}

static struct operation op_pause_route(struct stage *t, const char *name, bool paused)
{
    return (struct operation){.code = OPERATION_ROUTE_PAUSE,
                              .request_id = stage_request_id(t),
                              .id = stage_text(name),
                              .paused = paused};
}

static void a_flood_of_route_operations_leaves_room_for_others(void **state)
{
    struct inbound_source greedy = {.address = 5}, modest = {.address = 6};
    struct stage t;
    unsigned n = 0;

    (void)state;
    stage_with_order(&t);
    recent_set_limit(t.s->machine.recent, 160);
    refusals_init(&t.s->refusals, 160);
    refusals_init(&t.s->changes, 160);
    while (n < 160 &&
           stage_ask_from(&t, &greedy, op_delete_route(&t, "no")) == ORDERSCHED_NOT_FOUND) {
        n++;
    }
    assert_in_range(n, 75, 85); /* half of it */
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "x")), ORDERSCHED_BUSY);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pause_route(&t, "r", false)), ORDERSCHED_BUSY);
    /* An operator at the same address is not held up... */
    assert_int_equal(stage_ask_from(&t, &greedy, op_pause_route(&t, "r", true)), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    /* ...but for so many changes that there is no room for others. */
    for (n = 0; n < 160 && stage_ask_from(&t, &greedy, op_pause_route(&t, "r", n % 2 != 0)) ==
                               ORDERSCHED_OK;) {
        n++;
    }
    assert_in_range(n, 9, 12); /* a share */
    assert_int_equal(stage_ask_from(&t, &greedy, op_schedule(&t, "b", 900000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    assert_int_equal(stage_ask_from(&t, &modest, op_route(&t, "new")), ORDERSCHED_OK);
    stage_close(&t);
}

static void a_flood_on_one_decided_order_is_one_of_refusals(void **state)
{
    struct inbound_source greedy = {.address = 5}, modest = {.address = 6};
    struct stage t;
    unsigned n = 0;

    (void)state;
    stage_with_order(&t);
    recent_set_limit(t.s->machine.recent, 160);
    refusals_init(&t.s->refusals, 160);
    assert_int_equal(stage_ask_from(&t, &greedy, op_pay(&t, "a")), ORDERSCHED_OK);
    while (n < 300 && stage_ask_from(&t, &greedy, op_pay(&t, "a")) == ORDERSCHED_OK) {
        n++;
    }
    assert_in_range(n, 80, 180); /* half of it, and what goes with the order */
    assert_int_equal(stage_ask_from(&t, &modest, op_pay(&t, "x")), ORDERSCHED_NOT_FOUND);
    stage_close(&t);
}

static struct operation op_on(struct stage *t, enum operation_code code, const char *id)
{
    return (struct operation){.code = code,
                              .request_id = stage_request_id(t),
                              .id = stage_text(id),
                              .relative = code == OPERATION_EXTEND,
                              .time_ms = code == OPERATION_EXTEND ? 2000 : 0};
}

static void what_adds_to_known_orders_ends_a_while_after_the_memory_is_full(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.max_bytes = t.s->machine.memory;
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_EXTEND, "a")), ORDERSCHED_OK);
    t.s->config.max_bytes = t.s->machine.memory * 8 / 9 - 1;
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_EXTEND, "a")), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_PAY, "nobody")), ORDERSCHED_NOT_FOUND);
    struct operation pay = op_on(&t, OPERATION_PAY, "a");
    assert_int_equal(stage_ask(&t, pay), ORDERSCHED_OK); /* in time: always taken */
    t.s->config.max_bytes = t.s->machine.memory * 8 / 9 - 1;
    assert_int_equal(stage_ask(&t, pay), ORDERSCHED_OK); /* a copy */
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_PAY, "a")), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_on(&t, OPERATION_CANCEL, "a")), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_OK);
    stage_close(&t);
}

static void routes_are_set_right_though_no_order_fits(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.max_orders = 1;
    t.s->config.max_bytes = t.s->machine.memory;
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_FULL);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_route(&t, "another")), ORDERSCHED_OK);
    t.s->config.max_bytes = t.s->machine.memory * 8 / 9 - 1;
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_FULL);
    stage_close(&t);
}

/* An order whose request id lies ahead can go only once that is stale: until then an entry for the time gives nothing
 * back, and none follows another at once. */
static void what_is_kept_for_its_requests_is_waited_for_and_not_asked_for(void **state)
{
    uint8_t ahead[ORDERSCHED_REQUEST_ID_SIZE];
    struct stage t;

    (void)state;
    stage_open(&t);
    t.s->config.retention_ms = 60000;
    t.s->config.max_orders = 1;
    stage_lead(&t, 3);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    struct operation schedule = op_schedule(&t, "a", 900000);
    request_id_make(ahead, t.s->machine.now_ms + 9000, (const uint8_t[10]){1});
    schedule.request_id = ahead;
    assert_int_equal(stage_ask(&t, schedule), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_pay(&t, "a")), ORDERSCHED_OK);
    stage_pass(&t, 62000);
    uint64_t before = t.s->machine.applied;
    for (unsigned i = 0; i < 100; i++) {
        (void)stage_run(&t);
        stage_settle(&t);
    }
    assert_in_range(t.s->machine.applied - before, 1, 2);
    assert_int_equal(t.s->machine.store.n, 1);
    stage_pass(&t, 9000);
    stage_settle(&t);
    assert_int_equal(t.s->machine.store.n, 0);
    stage_close(&t);
}

static void memory_that_is_held_in_vain_counts(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.max_bytes = 1u << 30;
    t.s->machine.slab.n_blocks += 1u << 16; /* of 32 KiB */
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_FULL);
    t.s->machine.slab.n_blocks -= 1u << 16;
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_OK);
    stage_close(&t);
}

static void a_full_queue_is_busy_and_empties_again(void **state)
{
    struct stage t;
    struct stage_message *m[101];

    (void)state;
    stage_with_order(&t);
    for (unsigned i = 0; i < 101; i++) {
        m[i] = stage_send(&t, op_get("a"));
    }
    assert_int_equal(m[100]->answer.error, ORDERSCHED_BUSY);
    stage_settle(&t);
    for (unsigned i = 0; i < 101; i++) {
        assert_int_equal(m[i]->answer.error, i < 100 ? ORDERSCHED_OK : ORDERSCHED_BUSY);
        stage_message_free(m[i]);
    }
    stage_close(&t);
}

static void an_answer_never_exceeds_its_limit(void **state)
{
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    static struct operation ops[1024];
    struct stage t;
    unsigned done = 0;

    (void)state;
    stage_with_order(&t);
    struct operation big = op_schedule(&t, "big", 1000000);
    big.payload = (struct slice){payload, sizeof payload};
    assert_int_equal(stage_ask(&t, big), ORDERSCHED_OK);
    for (unsigned i = 0; i < 1024; i++) {
        ops[i] = op_get("big");
    }
    struct stage_message *m = stage_message_new(ops, 1024, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    assert_int_equal(m->answer.n_results, 1024);
    assert_true(m->answer_len <= PROTOCOL_ANSWER_MAX);
    for (unsigned i = 0; i < 1024; i++) {
        done += m->results[i].error == ORDERSCHED_OK;
        assert_int_equal(m->results[i].error, i < done ? ORDERSCHED_OK : ORDERSCHED_BUSY);
    }
    assert_in_range(done, 500, 1000);
    stage_message_free(m);
    stage_close(&t);
}

/* Five hundred large orders come to half the limit; the routes' list, the largest answer there
 * is, does not fit behind them. */
static void the_largest_list_at_the_end_of_a_message_keeps_the_limit(void **state)
{
    static uint8_t url[PROTOCOL_URL_MAX];
    static char names[1024][ORDERSCHED_ROUTE_NAME_MAX + 1];
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    static struct operation ops[512];
    struct stage t;

    (void)state;
    stage_with_order(&t);
    struct operation big = op_schedule(&t, "big", 1000000);
    big.payload = (struct slice){payload, sizeof payload};
    assert_int_equal(stage_ask(&t, big), ORDERSCHED_OK);
    memset(url, 'u', sizeof url);
    memcpy(url, "http://h/", 9);
    for (unsigned i = 0; i < 1023; i++) {
        snprintf(names[i], sizeof names[i], "%064u", i);
        struct operation put = op_route(&t, names[i]);
        put.settings.url = (struct slice){url, PROTOCOL_URL_MAX - 1};
        assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    }
    for (unsigned i = 0; i < 500; i++) {
        ops[i] = op_get("big");
    }
    ops[500] = (struct operation){.code = OPERATION_ROUTE_LIST};
    struct stage_message *m = stage_message_new(ops, 501, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    assert_int_equal(m->answer.n_results, 501);
    assert_true(m->answer_len <= PROTOCOL_ANSWER_MAX);
    assert_int_equal(m->results[499].error, ORDERSCHED_OK);
    assert_int_equal(m->results[500].error, ORDERSCHED_BUSY);
    stage_message_free(m);
    m = stage_send(&t, ops[500]); /* alone it fits */
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    stage_message_free(m);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_adds_to_known_orders_ends_a_while_after_the_memory_is_full),
        cmocka_unit_test(routes_are_set_right_though_no_order_fits),
        cmocka_unit_test(what_is_kept_for_its_requests_is_waited_for_and_not_asked_for),
        cmocka_unit_test(memory_that_is_held_in_vain_counts),
        cmocka_unit_test(a_flood_of_refusals_leaves_room_for_those_of_others),
        cmocka_unit_test(a_flood_of_route_operations_leaves_room_for_others),
        cmocka_unit_test(a_flood_on_one_decided_order_is_one_of_refusals),
        cmocka_unit_test(a_full_queue_is_busy_and_empties_again),
        cmocka_unit_test(an_answer_never_exceeds_its_limit),
        cmocka_unit_test(the_largest_list_at_the_end_of_a_message_keeps_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
