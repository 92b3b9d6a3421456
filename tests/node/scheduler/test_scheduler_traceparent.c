/* test_scheduler_traceparent.c - a traceparent goes into the log where its order's route carries it, and nowhere else: nodes of
 * older versions stop at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../support/scheduler/scheduler_stage.h"

static const uint8_t trace[PROTOCOL_TRACEPARENT_SIZE] = "0123456789abcdef01234567\x01";

static struct operation op_traced(struct stage *t, const char *id, const char *route)
{
    struct operation op = op_schedule(t, id, 1000);

    op.route = stage_text(route);
    op.traceparent = (struct slice){trace, sizeof trace};
    return op;
}

/* Switch it on or off, as `route set` does. */
static int carry(struct stage *t, const char *route, bool on)
{
    static const char *const names[] = {"traceparent"};
    struct route_settings settings = {.traceparent = on};
    struct operation op = {.code = OPERATION_ROUTE_SET,
                           .request_id = stage_request_id(t),
                           .id = stage_text(route)};
    struct buffer changes = {0};

    route_settings_encode_some(&changes, &settings, names, 1);
    op.changes = (struct slice){changes.data, changes.len};
    int error = stage_ask(t, op);
    buffer_free(&changes);
    return error;
}

static bool is_traced(const struct stage *t, const char *id)
{
    const struct order *o = machine_find(&t->s->machine, stage_text(id));

    assert_non_null(o);
    return o->traced;
}

static void it_is_left_out_until_the_route_carries_it(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    assert_int_equal(stage_ask(&t, op_traced(&t, "before", "r")), ORDERSCHED_OK);
    assert_false(is_traced(&t, "before"));
    assert_false(t.s->machine.traced); /* nothing of it is in the log */
    assert_false(machine_carries_traceparents(&t.s->machine));
    assert_int_equal(carry(&t, "r", true), ORDERSCHED_OK);
    assert_true(machine_carries_traceparents(&t.s->machine));
    assert_int_equal(stage_ask(&t, op_traced(&t, "on", "r")), ORDERSCHED_OK);
    assert_true(is_traced(&t, "on"));
    assert_int_equal(carry(&t, "r", false), ORDERSCHED_OK);
    assert_false(machine_carries_traceparents(&t.s->machine));
    assert_int_equal(stage_ask(&t, op_traced(&t, "off", "r")), ORDERSCHED_OK);
    assert_false(is_traced(&t, "off"));
    assert_true(is_traced(&t, "on")); /* what an order has stays */
    stage_pass(&t, 1000);
    stage_settle(&t);
    stage_close(&t);
}

static void each_schedule_of_a_message_goes_by_its_own_route(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    assert_int_equal(stage_ask(&t, op_route(&t, "other")), ORDERSCHED_OK);
    assert_int_equal(carry(&t, "other", true), ORDERSCHED_OK);
    struct operation ops[] = {op_traced(&t, "b", "r"),     op_traced(&t, "c", "other"),
                              op_schedule(&t, "d", 1000),  op_traced(&t, "e", "nowhere"),
                              op_traced(&t, "f", "other"), op_traced(&t, "g", "r")};
    struct stage_message *m = stage_message_new(ops, 6, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(m->results[i].error, i == 3 ? ORDERSCHED_UNKNOWN_ROUTE : ORDERSCHED_OK);
    }
    stage_message_free(m);
    assert_false(is_traced(&t, "b"));
    assert_true(is_traced(&t, "c"));
    assert_false(is_traced(&t, "d"));
    assert_true(is_traced(&t, "f"));
    assert_false(is_traced(&t, "g"));
    stage_close(&t);
}

static void a_delivery_has_it(void **state)
{
    struct stage t;

    (void)state;
    stage_open(&t);
    stage_lead(&t, 3);
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(carry(&t, "r", true), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_traced(&t, "a", "r")), ORDERSCHED_OK);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_held, 1);
    assert_true(t.receiver.held[0]->traced);
    assert_memory_equal(t.receiver.held[0]->traceparent, trace, sizeof trace);
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_left_out_until_the_route_carries_it),
        cmocka_unit_test(each_schedule_of_a_message_goes_by_its_own_route),
        cmocka_unit_test(a_delivery_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
