/* test_scheduler_metrics.c - what a scheduler counts, and tells of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/scheduler/scheduler_stage.h"

static struct metrics *metrics_open(struct stage *t)
{
    struct metrics *m = metrics_new();

    stage_open(t);
    t->s->config.metrics = t->s->dispatch.metrics = m;
    stage_lead(t, 3);
    return m;
}

static struct metrics_sample *sample_of(struct stage *t)
{
    struct metrics_sample *out = calloc(1, sizeof *out);
    uint32_t slot = 0;

    out->routes = calloc(METRICS_ROUTES_MAX, sizeof *out->routes);
    scheduler_sample(t->s, out);
    do {
        slot = scheduler_sample_routes(t->s, slot, 2, out);
    } while (slot != 0);
    return out;
}

static void sample_free(struct metrics_sample *s)
{
    free(s->routes);
    free(s);
}

static uint64_t n_of(const struct metrics_counts *c)
{
    uint64_t n = 0;

    for (unsigned i = 0; i <= METRICS_BOUNDS; i++) {
        n += c->counts[i];
    }
    return n;
}

static void the_leadership_is_told(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);
    struct metrics_sample *s = sample_of(&t);

    (void)state;
    assert_int_equal(s->node, 1);
    assert_int_equal(s->leader, 1);
    assert_true(s->is_leader);
    assert_int_equal(s->term, 3);
    assert_int_equal(s->leader_changes, 1);
    assert_true(s->proposals_committed >= 1);
    assert_int_equal(n_of(&s->commit), s->proposals_committed);
    sample_free(s);
    (void)stage_send(&t, op_route(&t, "lost"));
    (void)stage_run(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_replica_lose_all(t.r);
    (void)stage_run(&t);
    s = sample_of(&t);
    assert_false(s->is_leader);
    assert_int_equal(s->leader, 0);
    assert_int_equal(s->proposals_failed, 1);
    sample_free(s);
    stage_close(&t);
    metrics_free(m);
}

static void operations_are_counted_by_what_came_of_them(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);

    (void)state;
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 1000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 1000)), ORDERSCHED_EXISTS);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_get("b")), ORDERSCHED_NOT_FOUND);
    scheduler_set_disk(t.s, SCHEDULER_DISK_FULL);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_NO_SPACE);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    (void)stage_run(&t);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_NOT_LEADER);
    assert_int_equal(m->operations[OPERATION_ROUTE_PUT][METRICS_DONE], 1);
    assert_int_equal(m->operations[OPERATION_SCHEDULE][METRICS_DONE], 1);
    assert_int_equal(m->operations[OPERATION_SCHEDULE][METRICS_DECIDED], 1);
    assert_int_equal(m->operations[OPERATION_SCHEDULE][METRICS_REFUSED], 1);
    assert_int_equal(m->operations[OPERATION_GET][METRICS_DONE], 1);
    assert_int_equal(m->operations[OPERATION_GET][METRICS_DECIDED], 1);
    assert_int_equal(m->operations[OPERATION_GET][METRICS_REFUSED], 1);
    stage_close(&t);
    metrics_free(m);
}

static void busy_has_its_cause(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);
    struct stage_message *waits[101];

    (void)state;
    for (unsigned i = 0; i < 101; i++) { /* the stage's queue holds 100 */
        waits[i] = stage_send(&t, op_get("a"));
    }
    assert_int_equal(m->busy[METRICS_BUSY_QUEUE], 1);
    assert_int_equal(m->operations[OPERATION_GET][METRICS_REFUSED], 1);
    stage_settle(&t);
    for (unsigned i = 0; i < 101; i++) {
        stage_message_free(waits[i]);
    }
    stage_close(&t);
    metrics_free(m);
}

static void a_routes_orders_and_deliveries_are_told(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);

    (void)state;
    for (unsigned i = 0; i < 5; i++) { /* more than a slice */
        char name[2] = {(char)('q' + i), 0};
        assert_int_equal(stage_ask(&t, op_route(&t, name)), ORDERSCHED_OK);
    }
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 1000)), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "b", 1000)), ORDERSCHED_OK);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_held, 2);
    stage_pass(&t, 20);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    struct metrics_sample *s = sample_of(&t);
    assert_int_equal(s->n_routes, 5);
    const struct metrics_sample_route *r = &s->routes[1];
    assert_string_equal(r->name, "r");
    assert_true(r->active && r->measured && !r->paused);
    assert_int_equal(r->orders, 2);
    assert_int_equal(r->in_flight, 1);
    assert_int_equal(r->window, 50);
    assert_int_equal(r->outcomes[OUTCOME_EXPIRED], 1);
    assert_int_equal(n_of(&r->lateness[LATENESS_TOTAL]), 1);
    assert_int_equal(r->lateness[LATENESS_CALLBACK].sum_us, 20000);
    assert_false(s->routes[0].active || s->routes[0].measured);
    assert_int_equal(s->orders[1], 1); /* closing */
    assert_int_equal(s->orders[4], 1); /* expired */
    assert_int_equal(s->deliveries_in_flight, 1);
    assert_int_equal(s->oldest_overdue_us, 20000);
    sample_free(s);
    stage_close(&t);
    metrics_free(m);
}

/* Nothing is written, and yet the order is overdue for longer and longer: it is how one sees that a
 * cluster stands still. */
static void what_is_overdue_grows_without_an_entry(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);

    (void)state;
    assert_int_equal(stage_ask(&t, op_route(&t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 1000)), ORDERSCHED_OK);
    stage_pass(&t, 60000);
    (void)stage_run(&t); /* what it proposes is not committed */
    stage_pass(&t, 60000);
    struct metrics_sample *s = sample_of(&t);
    assert_in_range(s->oldest_overdue_us, 100000000, 119000000);
    assert_int_equal(s->proposals_pending, 1);
    sample_free(s);
    stage_close(&t);
    metrics_free(m);
}

static void dead_letters_are_counted_by_route(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);
    struct operation put = op_route(&t, "r");

    (void)state;
    put.settings.attempts = 1;
    assert_int_equal(stage_ask(&t, put), ORDERSCHED_OK);
    assert_int_equal(stage_ask(&t, op_schedule(&t, "a", 1000)), ORDERSCHED_OK);
    stage_pass(&t, 1000);
    stage_settle(&t);
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    stage_settle(&t);
    struct metrics_sample *s = sample_of(&t);
    assert_int_equal(s->routes[0].dead, 1);
    assert_int_equal(s->orders[5], 1);
    assert_int_equal(s->routes[0].outcomes[OUTCOME_FAILED], 1);
    sample_free(s);
    struct operation drop = {.code = OPERATION_DEAD_DROP,
                             .request_id = stage_request_id(&t),
                             .id = stage_text("a")};
    assert_int_equal(stage_ask(&t, drop), ORDERSCHED_OK);
    s = sample_of(&t);
    assert_int_equal(s->routes[0].dead, 0);
    assert_int_equal(s->orders[3], 1);
    sample_free(s);
    stage_close(&t);
    metrics_free(m);
}

static void members_and_their_lag_are_told(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);

    (void)state;
    t.r->members[0] = (struct replica_member){.id = 1, .address = "a", .voter = true, .self = true};
    t.r->members[1] = (struct replica_member){.id = 2, .address = "b", .voter = true, .match = 1};
    t.r->members[2] = (struct replica_member){.id = 3, .address = "c", .lost = true};
    t.r->n_members = 3;
    metrics_note_round_trip(m, 2, 10, 700);
    struct metrics_sample *s = sample_of(&t);
    assert_int_equal(s->voters, 2);
    assert_int_equal(s->lost, 1);
    assert_int_equal(s->standbys, 0);
    assert_int_equal(s->n_peers, 2);
    assert_int_equal(s->peers[0].id, 2);
    assert_true(s->peers[0].lags && s->peers[0].measured && !s->peers[1].measured);
    assert_int_equal(s->peers[0].lag_entries, s->last_index - 1);
    assert_int_equal(n_of(&s->peers[0].round_trip), 1);
    sample_free(s);
    stage_close(&t);
    metrics_free(m);
}

/* --- the canary --- */

static struct metrics *canary_open(struct stage *t)
{
    struct metrics *m = metrics_open(t);

    t->s->config.canary_ms = 5000;
    return m;
}

/* Until now has come, a second at a time, everything committed. */
static void let_pass(struct stage *t, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        stage_settle(t);
        stage_pass(t, 1000);
        stage_settle(t);
    }
}

static void a_canary_is_settled_every_few_seconds(void **state)
{
    struct stage t;
    struct metrics *m = canary_open(&t);

    (void)state;
    let_pass(&t, 31);
    struct metrics_sample *s = sample_of(&t);
    assert_in_range(t.s->machine.canary.settled, 6, 7);
    assert_int_equal(n_of(&s->canary), t.s->machine.canary.settled);
    assert_true(s->canary_seen);
    assert_in_range(s->canary_age_us, 0, 5000000);
    assert_in_range(s->canary.sum_us, 0, 7 * 1000000);
    assert_int_equal(s->orders[0] + s->orders[1], 0);
    assert_int_equal(s->oldest_overdue_us, 0);
    assert_int_equal(t.receiver.n_held, 0);
    sample_free(s);
    stage_close(&t);
    metrics_free(m);
}

static void none_is_sent_where_it_is_off_or_another_leads(void **state)
{
    struct stage t;
    struct metrics *m = metrics_open(&t);

    (void)state;
    let_pass(&t, 20);
    assert_int_equal(t.s->machine.canary.settled, 0);
    t.s->config.canary_ms = 5000;
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    let_pass(&t, 20);
    assert_int_equal(t.s->machine.canary.settled, 0);
    stage_close(&t);
    metrics_free(m);
}

/* The log stands still: one canary is out, no other is sent, and its age grows. */
static void where_nothing_is_committed_its_age_grows(void **state)
{
    struct stage t;
    struct metrics *m = canary_open(&t);

    (void)state;
    let_pass(&t, 12);
    uint64_t settled = t.s->machine.canary.settled;
    assert_true(settled >= 2);
    (void)stage_run(&t);
    for (unsigned i = 0; i < 60; i++) {
        stage_pass(&t, 1000);
        (void)stage_run(&t);
    }
    assert_true(t.r->n_proposed <= 3);
    struct metrics_sample *s = sample_of(&t);
    assert_int_equal(t.s->machine.canary.settled, settled);
    assert_in_range(s->canary_age_us, 60000000, 66000000);
    sample_free(s);
    stage_settle(&t);
    assert_true(t.s->machine.canary.settled > settled);
    assert_in_range(t.s->machine.canary.lateness_ms, 50000, 66000);
    stage_close(&t);
    metrics_free(m);
}

/* What the leader before sent is settled by the next one. */
static void a_canary_survives_its_leader(void **state)
{
    struct stage t;
    struct metrics *m = canary_open(&t);

    (void)state;
    stage_settle(&t);
    assert_true(machine_canary_is_out(&t.s->machine));
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_replica_lose_all(t.r);
    (void)stage_run(&t);
    stage_pass(&t, 3000);
    stage_lead(&t, 5);
    stage_settle(&t);
    assert_int_equal(t.s->machine.canary.settled, 1);
    assert_in_range(t.s->machine.canary.lateness_ms, 1000, 3000);
    stage_close(&t);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_leadership_is_told),
        cmocka_unit_test(operations_are_counted_by_what_came_of_them),
        cmocka_unit_test(busy_has_its_cause),
        cmocka_unit_test(a_routes_orders_and_deliveries_are_told),
        cmocka_unit_test(what_is_overdue_grows_without_an_entry),
        cmocka_unit_test(dead_letters_are_counted_by_route),
        cmocka_unit_test(members_and_their_lag_are_told),
        cmocka_unit_test(a_canary_is_settled_every_few_seconds),
        cmocka_unit_test(none_is_sent_where_it_is_off_or_another_leads),
        cmocka_unit_test(where_nothing_is_committed_its_age_grows),
        cmocka_unit_test(a_canary_survives_its_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
