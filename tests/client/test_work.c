/* What workers say and hear: its bytes and limits, and how the client treats calls that wait at the
 * leader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/work.h"
#include "../support/client_world.h"

static uint8_t token[ORDERSCHED_TOKEN_SIZE] = "0123456789abcdef0123456";

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static struct operation reserve_of(unsigned max, uint64_t wait_ms, const char *worker)
{
    return (struct operation){.code = OPERATION_RESERVE,
                              .route = text("jobs"),
                              .limit = max,
                              .time_ms = wait_ms,
                              .worker = text(worker)};
}

static int decode_of(const struct operation *op, struct operation *out, struct buffer *b)
{
    buffer_reset(b);
    operation_encode(b, op);
    return operation_decode(b->data, b->len, out);
}

/* ---- bytes ---- */

static void a_reserve_comes_back_as_it_was_and_keeps_its_limits(void **state)
{
    char long_name[PROTOCOL_WORKER_MAX + 2];
    struct operation op = reserve_of(1000, PROTOCOL_WAIT_MAX_MS, "w1"), out;
    struct buffer b = {0};

    (void)state;
    memset(long_name, 'w', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.limit, 1000);
    assert_int_equal(out.time_ms, PROTOCOL_WAIT_MAX_MS);
    assert_memory_equal(out.route.data, "jobs", 4);
    assert_memory_equal(out.worker.data, "w1", 2);
    const struct operation wrong[] = {reserve_of(0, 0, "w"), reserve_of(1001, 0, "w"),
                                      reserve_of(1, PROTOCOL_WAIT_MAX_MS + 1, "w"),
                                      reserve_of(1, 0, long_name)};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(decode_of(&wrong[i], &out, &b), ORDERSCHED_INVALID);
    }
    op.route = text("no spaces");
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    buffer_free(&b);
}

static struct operation settle_of(struct buffer *list, uint32_t n, const struct work_report *report)
{
    buffer_reset(list);
    for (uint32_t i = 0; i < n; i++) {
        work_write_report(list, report);
    }
    return (struct operation){.code = OPERATION_SETTLE,
                              .n_tokens = n,
                              .tokens = {list->data, list->len}};
}

static void a_settle_comes_back_as_it_was_and_keeps_its_limits(void **state)
{
    struct buffer list = {0}, b = {0};
    char reason[PROTOCOL_REASON_MAX + 2];
    struct work_report good = {.token = {token, sizeof token},
                               .outcome = OUTCOME_LATER,
                               .delay_ms = 7,
                               .reason = text("why")};
    struct work_report back;
    struct operation out;
    struct cursor c;

    (void)state;
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    struct operation op = settle_of(&list, 3, &good);
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_OK);
    assert_int_equal(out.n_tokens, 3);
    cursor_init(&c, out.tokens.data, out.tokens.len);
    for (unsigned i = 0; i < 3; i++) {
        work_read_report(&c, &back);
        assert_memory_equal(back.token.data, token, sizeof token);
        assert_int_equal(back.outcome, OUTCOME_LATER);
        assert_int_equal(back.delay_ms, 7);
        assert_int_equal(back.reason.len, 3);
    }
    assert_ptr_equal(c.at, c.end);
    op = settle_of(&list, 0, &good);
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    op = settle_of(&list, PROTOCOL_TOKENS_MAX + 1, &good);
    assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    struct work_report wrong[4] = {good, good, good, good};
    wrong[0].token.len--;
    wrong[1].outcome = (enum outcome)5;
    wrong[2].delay_ms = ORDERSCHED_DEADLINE_MAX_MS + 1;
    wrong[3].reason = text(reason);
    for (unsigned i = 0; i < 4; i++) {
        op = settle_of(&list, 1, &wrong[i]);
        assert_int_equal(decode_of(&op, &out, &b), ORDERSCHED_INVALID);
    }
    buffer_free(&list);
    buffer_free(&b);
}

static void what_is_cut_short_or_changed_is_never_read_past_its_end(void **state)
{
    struct buffer list = {0}, b = {0};
    struct work_report report = {.token = {token, sizeof token},
                                 .outcome = OUTCOME_FAILED,
                                 .reason = text("because")};
    struct operation op = settle_of(&list, 2, &report), out;

    (void)state;
    operation_encode(&b, &op);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len + 1); /* so that a sanitizer sees the end */
        assert_non_null(cut);
        memcpy(cut, b.data, len);
        uint8_t *exact = realloc(cut, len > 0 ? len : 1);
        assert_non_null(exact);
        assert_int_not_equal(operation_decode(exact, len, &out), ORDERSCHED_OK);
        free(exact);
    }
    for (size_t i = 0; i < b.len; i++) {
        for (unsigned v = 0; v < 256; v++) {
            uint8_t before = b.data[i];
            b.data[i] = (uint8_t)v;
            if (operation_decode(b.data, b.len, &out) == ORDERSCHED_OK &&
                out.code == OPERATION_SETTLE) {
                struct cursor c;
                cursor_init(&c, out.tokens.data, out.tokens.len);
                for (uint32_t k = 0; k < out.n_tokens; k++) {
                    work_read_report(&c, &report);
                    assert_true(cursor_ok(&c));
                    assert_int_equal(report.token.len, ORDERSCHED_TOKEN_SIZE);
                }
            }
            b.data[i] = before;
        }
    }
    buffer_free(&list);
    buffer_free(&b);
}

/* ---- the client ---- */

static void submit(struct world *w, struct ending *o, const struct operation *op, bool mutating,
                   unsigned timeout_ms)
{
    struct buffer b = {0};
    struct call *call;

    *o = (struct ending){.world = w};
    operation_encode(&b, op);
    assert_int_equal(call_new(&w->budget, b.data, b.len, mutating, NULL, world_ended, o, &call),
                     ORDERSCHED_OK);
    assert_int_equal(client_logic_submit(&w->logic, call, w->now_ms + timeout_ms), ORDERSCHED_OK);
    buffer_free(&b);
    world_tick(w);
}

static void workers_that_wait_take_no_place_from_other_calls(void **state)
{
    enum { POLLS = 30 };
    struct world *w = world_with_leader(NULL);
    struct operation reserve = reserve_of(10, 20000, "w");
    static struct ending polls[POLLS], pays[2];

    (void)state;
    for (unsigned i = 0; i < POLLS; i++) {
        submit(w, &polls[i], &reserve, false, 25000);
        struct sent *s = world_last(w);
        assert_int_equal(s->n, 1);
        assert_int_equal(s->op.code, OPERATION_RESERVE);
    }
    assert_int_equal(world_count_open(w), POLLS);
    world_pay(w, &pays[0]);
    world_tick(w);
    assert_int_equal(world_count_open(w), POLLS + 1);
    assert_int_equal(world_last(w)->op.code, OPERATION_PAY);
    world_answer_ok(w, world_last(w));
    assert_int_equal(pays[0].error, ORDERSCHED_OK);
    while (world_open_message(w, false) != NULL) {
        world_answer_ok(w, world_open_message(w, false));
    }
    for (unsigned i = 0; i < POLLS; i++) {
        assert_int_equal(polls[i].calls, 1);
    }
    world_pay(w, &pays[1]); /* and the window is what it was */
    world_tick(w);
    world_answer_ok(w, world_last(w));
    assert_int_equal(pays[1].calls, 1);
    assert_int_equal(w->logic.in_flight, 0);
    world_free(w);
}

static void a_reserve_is_given_its_wait_and_what_an_answer_takes(void **state)
{
    struct world *w = world_with_leader(NULL);
    struct operation reserve = reserve_of(10, 20000, "w");
    struct ending o;

    (void)state;
    submit(w, &o, &reserve, false, 60000);
    assert_int_equal(world_last(w)->timeout_ms, 22000);
    world_drop(w, world_last(w), true); /* its leader died: it is asked again, elsewhere */
    assert_int_equal(o.calls, 0);
    world_free(w);
}

static void a_report_whose_answer_was_lost_is_repeated(void **state)
{
    struct world *w = world_with_leader(NULL);
    struct buffer list = {0};
    struct work_report report = {.token = {token, sizeof token}, .outcome = OUTCOME_EXPIRED};
    struct operation settle = settle_of(&list, 1, &report);
    struct ending o;

    (void)state;
    submit(w, &o, &settle, true, 30000);
    assert_int_equal(world_last(w)->op.code, OPERATION_SETTLE);
    world_drop(w, world_last(w), true);
    assert_int_equal(o.calls, 0);
    for (unsigned i = 0; i < 100 && (world_open_message(w, false) == NULL); i++) {
        struct sent *probe = world_open_message(w, true);
        if (probe != NULL) {
            world_deliver(w, probe, &from_leader_a, NULL, 0);
        }
        world_pass(w, 50);
    }
    struct sent *again = world_open_message(w, false);
    assert_non_null(again);
    assert_int_equal(again->op.code, OPERATION_SETTLE);
    world_answer_ok(w, again);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_OK);
    buffer_free(&list);
    world_free(w);
}

static void a_report_that_nobody_answers_may_have_been_recorded(void **state)
{
    struct world *w = world_with_leader(NULL);
    struct buffer list = {0};
    struct work_report report = {.token = {token, sizeof token}, .outcome = OUTCOME_EXPIRED};
    struct operation settle = settle_of(&list, 1, &report);
    struct ending o;

    (void)state;
    submit(w, &o, &settle, true, 1000);
    world_pass(w, 1100);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_TIMEOUT);
    assert_int_equal(ordersched_error_class(o.error), ORDERSCHED_UNKNOWN);
    buffer_free(&list);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reserve_comes_back_as_it_was_and_keeps_its_limits),
        cmocka_unit_test(a_settle_comes_back_as_it_was_and_keeps_its_limits),
        cmocka_unit_test(what_is_cut_short_or_changed_is_never_read_past_its_end),
        cmocka_unit_test(workers_that_wait_take_no_place_from_other_calls),
        cmocka_unit_test(a_reserve_is_given_its_wait_and_what_an_answer_takes),
        cmocka_unit_test(a_report_whose_answer_was_lost_is_repeated),
        cmocka_unit_test(a_report_that_nobody_answers_may_have_been_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
