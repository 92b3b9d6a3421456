/* test_machine_dead.c - the rules of docs/semantics.md, "Dead letters" and "History". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/wire/cursor.h"
#include "../../raft/core/snapshot.h"
#include "../support/answers.h"
#include "../support/bed.h"

#define T BED_T0
#define RETENTION MACHINE_RETENTION_DEFAULT_MS

static int setup(void **state)
{
    *state = bed_open();
    return 0;
}

static int teardown(void **state)
{
    bed_close(*state);
    return 0;
}

static struct operation dead_op(struct bed *b, enum operation_code code, const char *id)
{
    return (struct operation){.code = code,
                              .request_id = bed_request(b, b->m.now_ms),
                              .id = bed_text(id)};
}

static struct result redrive(struct bed *b, uint64_t now_ms, const char *id)
{
    return bed_apply(b, now_ms, dead_op(b, OPERATION_DEAD_REDRIVE, id));
}

static struct result drop(struct bed *b, uint64_t now_ms, const char *id)
{
    return bed_apply(b, now_ms, dead_op(b, OPERATION_DEAD_DROP, id));
}

static void fail_once(struct bed *b, uint64_t now_ms, const char *id, const char *reason)
{
    struct order *o = bed_order(b, id);
    struct operation op = bed_outcome(b, id, o->version, o->extra ? o->extra->attempts + 1 : 1,
                                      OUTCOME_FAILED, 0);

    op.reason = bed_text(reason);
    op.node_id = 2;
    assert_int_equal(bed_apply(b, now_ms, op).error, ORDERSCHED_OK);
}

/* An order that is due after 100 ms, and DEAD after 1000 by three failures (the route has two
 * retries). The first of a bed is due at T + 100. */
static void bury(struct bed *b, const char *id)
{
    uint64_t now_ms = b->m.now_ms;

    bed_apply(b, now_ms, bed_schedule(b, id, now_ms + 100));
    for (unsigned i = 0; i < 3; i++) {
        fail_once(b, now_ms + 1000, id, i < 2 ? "503" : "the last answer");
    }
    assert_int_equal(bed_get(b, id).state, ORDERSCHED_DEAD);
}

/* --- redrive and drop --- */

static void only_dead_orders_are_redriven_or_dropped(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_schedule(b, "pending", T + 5000));
    bed_apply(b, T, bed_schedule(b, "closing", T + 100));
    bed_apply(b, T, bed_schedule(b, "paid", T + 100));
    bed_apply(b, T, bed_pay(b, "paid"));
    uint64_t paid = b->index;
    assert_answer(redrive(b, T + 200, "nobody"), ORDERSCHED_NOT_FOUND, 0, 0, 0);
    assert_answer(redrive(b, T + 200, "pending"), ORDERSCHED_NOT_DEAD, ORDERSCHED_PENDING, T + 5000,
                  0);
    assert_answer(drop(b, T + 200, "closing"), ORDERSCHED_NOT_DEAD, ORDERSCHED_CLOSING, T + 100, 0);
    assert_answer(drop(b, T + 200, "paid"), ORDERSCHED_NOT_DEAD, ORDERSCHED_PAID, T + 100, paid);
}

static void a_redriven_order_is_delivered_at_once_with_all_attempts(void **state)
{
    struct bed *b = *state;
    struct operation op;
    struct result first;

    bury(b, "a");
    assert_null(bed_take(b, 0));
    op = dead_op(b, OPERATION_DEAD_REDRIVE, "a");
    first = bed_apply(b, T + 9000, op);
    assert_answer(first, ORDERSCHED_OK, ORDERSCHED_CLOSING, T + 100, 0);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_int_equal(bed_order(b, "a")->extra->failures, 0);
    assert_int_equal(bed_order(b, "a")->extra->attempts, 3);
    for (unsigned i = 0; i < 2; i++) {
        fail_once(b, T + 9000, "a", "again");
        assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CLOSING);
    }
    fail_once(b, T + 9000, "a", "again");
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_DEAD);
    /* A copy of the redrive has no second effect. */
    assert_answer(bed_apply(b, T + 9000, op), first.error, first.state, T + 100, 0);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_DEAD);
}

static void an_old_outcome_does_not_count_after_a_redrive(void **state)
{
    struct bed *b = *state;

    bury(b, "a");
    redrive(b, T + 2000, "a");
    assert_int_equal(bed_apply(b, T + 2000, bed_outcome(b, "a", 1, 3, OUTCOME_EXPIRED, 0)).error,
                     ORDERSCHED_DECIDED);
    assert_int_equal(bed_apply(b, T + 2000, bed_outcome(b, "a", 1, 4, OUTCOME_EXPIRED, 0)).error,
                     ORDERSCHED_OK);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_EXPIRED);
}

static void a_redriven_order_is_overdue_since_its_redrive(void **state)
{
    struct bed *b = *state;

    bury(b, "a");
    bed_apply(b, T + 1000, bed_schedule(b, "b", T + 3000));
    redrive(b, T + 2000, "a");
    bed_pass(b, T + 4000);
    assert_true(machine_advance(&b->m, 100));
    machine_check(&b->m);
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 2000);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "b")); /* a first delivery */
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
}

static void a_redrive_comes_after_those_that_are_due_but_not_yet_moved(void **state)
{
    struct bed *b = *state;

    bury(b, "a");
    bed_apply(b, T + 1000, bed_schedule(b, "b", T + 1500));
    bed_pass(b, T + 2000); /* "b" is due, and still in the wheel */
    redrive(b, T + 2000, "a");
    while (!machine_advance(&b->m, 1)) {
        machine_check(&b->m);
    }
    machine_check(&b->m);
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 500);
}

static void a_dropped_order_ends_cancelled_and_is_forgotten_in_time(void **state)
{
    struct bed *b = *state;
    struct result r;

    bury(b, "a");
    assert_int_equal(bed_apply(b, T + 2000, bed_route_delete(b, BED_ROUTE)).error,
                     ORDERSCHED_ROUTE_IN_USE);
    r = drop(b, T + 2000, "a");
    assert_answer(r, ORDERSCHED_OK, ORDERSCHED_CANCELLED, T + 100, b->index);
    assert_int_equal(bed_apply(b, T + 2000, bed_pay(b, "a")).error, ORDERSCHED_DECIDED);
    assert_int_equal(redrive(b, T + 2000, "a").error, ORDERSCHED_NOT_DEAD);
    assert_null(bed_take(b, 0));
    bed_pass(b, T + 2000 + RETENTION - 1);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CANCELLED);
    bed_pass(b, T + 2000 + RETENTION);
    assert_int_equal(bed_get(b, "a").error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(bed_apply(b, T + 2000 + RETENTION, bed_route_delete(b, BED_ROUTE)).error,
                     ORDERSCHED_OK);
}

static void an_order_without_room_for_requests_can_still_be_redriven_and_dropped(void **state)
{
    struct bed *b = *state;
    struct operation op;
    struct result r;

    bury(b, "a");
    for (unsigned i = 0; i < ORDER_REQUESTS_MAX; i++) {
        assert_int_equal(bed_apply(b, T + 1000, bed_pay(b, "a")).error, ORDERSCHED_TOO_LATE);
    }
    for (unsigned k = 0; k < ORDER_CARRIED_OUT_MAX + 5; k++) {
        assert_int_equal(redrive(b, T + 1000, "a").error, ORDERSCHED_OK);
        for (unsigned i = 0; i < 3; i++) {
            fail_once(b, T + 1000, "a", "again");
        }
    }
    assert_int_equal(bed_order(b, "a")->extra->n_requests,
                     ORDER_REFUSALS_MAX + ORDER_CARRIED_OUT_MAX - 1);
    op = dead_op(b, OPERATION_DEAD_DROP, "a");
    r = bed_apply(b, T + 1000, op);
    assert_int_equal(r.error, ORDERSCHED_OK);
    assert_answer(bed_apply(b, T + 1000, op), r.error, r.state, r.deadline_ms, r.index);
}

/* --- histories --- */

struct told {
    struct buffer body;
    struct slice reason;
    uint32_t n;
    struct history_event events[32];
};

static void history_of(struct bed *b, const char *id, struct told *t)
{
    struct operation op = {.code = OPERATION_HISTORY, .id = bed_text(id)};
    struct result result;
    struct cursor c;

    memset(t, 0, sizeof *t);
    machine_read(&b->m, &op, &t->body, &result);
    assert_int_equal(result.error, ORDERSCHED_OK);
    cursor_init(&c, result.body.data, result.body.len);
    assert_int_equal(cursor_array(&c), 2);
    t->reason = cursor_bytes(&c);
    t->n = cursor_array(&c);
    assert_true(t->n <= 32);
    for (uint32_t i = 0; i < t->n; i++) {
        size_t used;
        assert_int_equal(history_event_decode(c.at, (size_t)(c.end - c.at), &t->events[i], &used),
                         ORDERSCHED_OK);
        c.at += used;
    }
    assert_true(cursor_ok(&c) && c.at == c.end);
}

static void assert_event(const struct history_event *e, enum history_kind kind, uint64_t time_ms,
                         uint64_t value)
{
    assert_int_equal(e->kind, kind);
    assert_int_equal(e->time_ms, time_ms);
    assert_int_equal(e->value, value);
}

static void a_history_tells_all_that_happened_in_its_order(void **state)
{
    struct bed *b = *state;
    struct told t;

    bed_apply(b, T, bed_schedule(b, "a", T + 50));
    bed_apply(b, T + 10, bed_extend(b, "a", T + 100));
    bed_apply(b, T + 500, bed_outcome(b, "a", 2, 1, OUTCOME_LATER, 5000));
    for (unsigned i = 0; i < 3; i++) {
        fail_once(b, T + 6000, "a", "503 from the shop");
    }
    history_of(b, "a", &t);
    assert_int_equal(t.n, 7);
    assert_int_equal(t.reason.len, 17);
    assert_event(&t.events[0], HISTORY_SCHEDULED, T, T + 50);
    assert_int_equal(t.events[0].index, bed_order(b, "a")->schedule_index);
    assert_event(&t.events[1], HISTORY_EXTENDED, T + 10, T + 100);
    assert_event(&t.events[2], HISTORY_DUE, T + 100, 0);
    assert_event(&t.events[3], HISTORY_ATTEMPT, T + 500, T + 5500);
    assert_int_equal(t.events[3].outcome, OUTCOME_LATER);
    assert_event(&t.events[4], HISTORY_ATTEMPT, T + 6000, T + 7000);
    assert_int_equal(t.events[4].attempt, 2);
    assert_int_equal(t.events[4].node, 2);
    assert_int_equal(t.events[4].reason.len, 17);
    assert_event(&t.events[6], HISTORY_ATTEMPT, T + 6000, 0); /* the last: DEAD */
    assert_int_equal(t.events[6].index, b->index);
    buffer_free(&t.body);
    redrive(b, T + 7000, "a");
    drop(b, T + 7000, "a"); /* it is CLOSING: refused */
    bed_apply(b, T + 7000, bed_outcome(b, "a", 2, 5, OUTCOME_EXPIRED, 0));
    history_of(b, "a", &t);
    assert_int_equal(t.n, 10);
    assert_int_equal(t.reason.len, 0);
    assert_event(&t.events[7], HISTORY_REDRIVEN, T + 7000, 0);
    assert_event(&t.events[8], HISTORY_ATTEMPT, T + 7000, 0);
    assert_event(&t.events[9], HISTORY_DECIDED, T + 7000, 0);
    assert_int_equal(t.events[9].outcome, ORDERSCHED_EXPIRED);
    assert_int_equal(t.events[9].index, b->index);
    buffer_free(&t.body);
}

static void an_order_paid_in_time_was_never_due(void **state)
{
    struct bed *b = *state;
    struct told t;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T + 50, bed_pay(b, "a"));
    bed_pass(b, T + 5000);
    history_of(b, "a", &t);
    assert_int_equal(t.n, 2);
    assert_event(&t.events[0], HISTORY_SCHEDULED, T, T + 100);
    assert_event(&t.events[1], HISTORY_DECIDED, T + 50, 0);
    assert_int_equal(t.events[1].outcome, ORDERSCHED_PAID);
    assert_null(bed_order(b, "a")->extra ? bed_order(b, "a")->extra->history : NULL);
    buffer_free(&t.body);
}

static void a_dropped_order_says_so(void **state)
{
    struct bed *b = *state;
    struct told t;

    bury(b, "a");
    drop(b, T + 2000, "a");
    history_of(b, "a", &t);
    assert_event(&t.events[t.n - 1], HISTORY_DECIDED, T + 2000, 0);
    assert_int_equal(t.events[t.n - 1].outcome, ORDERSCHED_CANCELLED);
    assert_int_equal(t.events[t.n - 1].reason.len, strlen("dropped by operator"));
    assert_memory_equal(t.reason.data, "dropped by operator", t.reason.len);
    buffer_free(&t.body);
}

static void a_long_history_has_a_gap(void **state)
{
    struct bed *b = *state;
    struct told t;
    unsigned gap = 0;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    for (uint32_t i = 1; i <= 40; i++) {
        bed_apply(b, T + 200, bed_outcome(b, "a", 1, i, OUTCOME_LATER, 1000));
    }
    history_of(b, "a", &t);
    assert_int_equal(t.n, 2 + HISTORY_EVENTS_MAX + 1);
    for (uint32_t i = 0; i < t.n; i++) {
        gap = t.events[i].kind == HISTORY_GAP ? i : gap;
    }
    assert_int_equal(gap, 2 + HISTORY_HEAD);
    assert_int_equal(t.events[gap].value, 40 - HISTORY_EVENTS_MAX);
    assert_int_equal(t.events[gap - 1].attempt, HISTORY_HEAD);
    assert_int_equal(t.events[t.n - 1].attempt, 40);
    buffer_free(&t.body);
}

static void an_outcome_of_old_logs_counts_without_a_reason(void **state)
{
    struct bed *b = *state;
    struct told t;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_pass(b, T + 200);
    write_array(&b->operations, 8);
    write_uint(&b->operations, OPERATION_OUTCOME);
    write_bin(&b->operations, "a", 1);
    write_uint(&b->operations, b->m.epoch);
    write_uint(&b->operations, 1);
    write_uint(&b->operations, 1);
    write_uint(&b->operations, OUTCOME_FAILED);
    write_uint(&b->operations, 0);
    write_uint(&b->operations, 0);
    b->n = 1;
    assert_int_equal(bed_commit(b, T + 200)[0].error, ORDERSCHED_OK);
    history_of(b, "a", &t);
    assert_int_equal(t.n, 3);
    assert_event(&t.events[2], HISTORY_ATTEMPT, T + 200, T + 1200);
    assert_int_equal(t.events[2].node, 0);
    buffer_free(&t.body);
}

/* --- the list --- */

static void the_list_of_the_dead_shows_why_and_since_when(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_DEAD_LIST, .route = bed_text(BED_ROUTE)};
    struct buffer body = {0};
    struct result result;
    struct cursor c;

    bury(b, "a");
    bury(b, "b");
    bed_apply(b, T + 2000, bed_schedule(b, "c", T + 9000));
    drop(b, T + 2000, "b");
    machine_read(&b->m, &op, &body, &result);
    assert_int_equal(result.error, ORDERSCHED_OK);
    cursor_init(&c, result.body.data, result.body.len);
    assert_int_equal(cursor_array(&c), 2);
    assert_int_equal(cursor_bytes(&c).len, 0);
    assert_int_equal(cursor_array(&c), 1);
    assert_int_equal(cursor_array(&c), 6);
    assert_memory_equal(cursor_bytes(&c).data, "a", 1);
    assert_int_equal(cursor_uint(&c), T + 100);
    assert_memory_equal(cursor_bytes(&c).data, BED_ROUTE, strlen(BED_ROUTE));
    assert_int_equal(cursor_uint(&c), 3);
    assert_int_equal(cursor_uint(&c), T + 1000);
    struct slice reason = cursor_bytes(&c);
    assert_int_equal(reason.len, strlen("the last answer"));
    assert_true(cursor_ok(&c) && c.at == c.end);
    op.route = bed_text("nowhere");
    buffer_reset(&body);
    machine_read(&b->m, &op, &body, &result);
    assert_int_equal(result.error, ORDERSCHED_UNKNOWN_ROUTE);
    buffer_free(&body);
}

/* --- snapshots --- */

static void dead_letters_and_histories_survive_a_snapshot(void **state)
{
    struct bed *b = *state;
    uint8_t *snapshot;
    size_t len;

    bury(b, "a");
    bury(b, "b");
    bury(b, "c");
    bed_apply(b, T + 3000, bed_schedule(b, "d", T + 3500));
    redrive(b, T + 4000, "b");
    drop(b, T + 4000, "c");
    uint64_t digest = machine_digest(&b->m);
    assert_int_equal(snapshot_encode(&b->m, malloc, &snapshot, &len), 0);
    assert_int_equal(snapshot_restore(&b->m, snapshot, len), SNAPSHOT_OK);
    free(snapshot);
    assert_int_equal(machine_digest(&b->m), digest);
    machine_check(&b->m);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "d")); /* due before the redrive, and the first */
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "b"));
    assert_int_equal(redrive(b, T + 4000, "a").error, ORDERSCHED_OK);
    fail_once(b, T + 4000, "b", "x");
    assert_int_not_equal(machine_digest(&b->m), digest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_dead_orders_are_redriven_or_dropped),
        TEST(a_redriven_order_is_delivered_at_once_with_all_attempts),
        TEST(an_old_outcome_does_not_count_after_a_redrive),
        TEST(a_redriven_order_is_overdue_since_its_redrive),
        TEST(a_redrive_comes_after_those_that_are_due_but_not_yet_moved),
        TEST(a_dropped_order_ends_cancelled_and_is_forgotten_in_time),
        TEST(an_order_without_room_for_requests_can_still_be_redriven_and_dropped),
        TEST(a_history_tells_all_that_happened_in_its_order),
        TEST(an_order_paid_in_time_was_never_due),
        TEST(a_dropped_order_says_so),
        TEST(a_long_history_has_a_gap),
        TEST(an_outcome_of_old_logs_counts_without_a_reason),
        TEST(the_list_of_the_dead_shows_why_and_since_when),
        TEST(dead_letters_and_histories_survive_a_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
