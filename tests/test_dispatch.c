/* Deliveries: windows and the cap, turns, never early, orphans, keys, and what goes back into the
 * log; over a real machine and batcher whose entries the test applies by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../node/dispatch.h"
#include "support/idle_receiver.h"
#include "support/random.h"

#define START_MS 1764000000000ull

struct bed {
    struct machine machine;
    struct batcher batcher;
    struct dispatch dispatch;
    struct idle_receiver receiver;
    struct environment environment;
    uint64_t now_ms;
    uint64_t term;
    uint64_t random;
    uint64_t n_requests;
    unsigned n_woken;
    uint8_t *proposed; /* at most one entry at a time */
    size_t proposed_len;
    void *entry;
};

static uint64_t bed_now_ms(void *arg)
{
    return ((struct bed *)arg)->now_ms;
}

static uint64_t bed_term(void *arg)
{
    return ((struct bed *)arg)->term;
}

static uint8_t *bed_alloc(void *arg, size_t len)
{
    (void)arg;
    return malloc(len);
}

static bool bed_propose(void *arg, uint8_t *data, size_t len, void *entry)
{
    struct bed *t = arg;

    assert_null(t->proposed);
    t->proposed = data;
    t->proposed_len = len;
    t->entry = entry;
    return true;
}

static uint64_t bed_us(void *impl)
{
    return ((struct bed *)impl)->now_ms * 1000;
}

static uint64_t bed_random(void *impl)
{
    return ((struct bed *)impl)->random;
}

static void bed_woken(void *arg)
{
    ((struct bed *)arg)->n_woken++;
}

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* Apply one operation as an entry of its own. */
static void bed_apply(struct bed *t, struct operation op, int expected)
{
    struct buffer b = {0};
    struct machine_results results = {0};
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t random[10] = {0};

    memcpy(random, &t->n_requests, sizeof t->n_requests);
    t->n_requests++;
    request_id_make(id, t->now_ms, random);
    op.request_id = op.code < OPERATION_EPOCH ? id : NULL;
    operation_encode(&b, &op);
    struct entry e = {.now_ms = t->now_ms,
                      .epoch = t->term,
                      .n_operations = 1,
                      .operations = {b.data, b.len}};
    uint8_t *data = malloc(entry_size(b.len));
    entry_encode(&e, data);
    assert_int_equal(machine_apply(&t->machine, t->machine.applied + 1, data, entry_size(b.len),
                                   &results),
                     0);
    assert_int_equal(results.results[0].error, expected);
    while (!machine_advance(&t->machine, 1000)) {
    }
    free(results.results);
    free(data);
    buffer_free(&b);
}

static void bed_route(struct bed *t, const char *name, const char *url, uint32_t window)
{
    bed_apply(t,
              (struct operation){.code = OPERATION_ROUTE_PUT,
                                 .id = text(name),
                                 .settings = {.url = text(url),
                                              .timeout_ms = 1000,
                                              .window = window,
                                              .n_retries = 2,
                                              .retries_ms = {1000, 20000}}},
              ORDERSCHED_OK);
}

static void bed_order(struct bed *t, const char *route, const char *id, uint64_t delay_ms)
{
    bed_apply(t,
              (struct operation){.code = OPERATION_SCHEDULE,
                                 .id = text(id),
                                 .relative = true,
                                 .time_ms = delay_ms,
                                 .route = text(route),
                                 .payload = text("{}")},
              ORDERSCHED_OK);
}

static void bed_orders(struct bed *t, const char *route, unsigned n)
{
    char id[64];

    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%s-%u", route, i);
        bed_order(t, route, id, 1);
    }
}

static void bed_epoch(struct bed *t)
{
    t->term++;
    bed_apply(t, (struct operation){.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1000000},
              ORDERSCHED_OK);
    dispatch_open(&t->dispatch);
    batcher_open(&t->batcher);
}

static void bed_lose_office(struct bed *t)
{
    dispatch_close_office(&t->dispatch);
    batcher_close_office(&t->batcher, ORDERSCHED_NOT_LEADER, NULL);
}

/* Let time pass, by an entry that changes nothing. */
static void bed_pass(struct bed *t, uint64_t ms)
{
    t->now_ms += ms;
    bed_apply(t, (struct operation){.code = OPERATION_PAY, .id = text("nobody")},
              ORDERSCHED_NOT_FOUND);
}

/* Commit and apply the outcomes that are queued. */
static void bed_commit(struct bed *t)
{
    batcher_pump(&t->batcher);
    assert_non_null(t->proposed);
    struct machine_results *results =
        batcher_results(&t->batcher, t->proposed, t->proposed_len);
    assert_non_null(results);
    assert_int_equal(machine_apply(&t->machine, t->machine.applied + 1, t->proposed,
                                   t->proposed_len, results),
                     0);
    batcher_applied(&t->batcher);
    free(t->proposed);
    t->proposed = NULL;
    batcher_settled(&t->batcher, t->entry, true);
    while (!machine_advance(&t->machine, 1000)) {
    }
}

static void bed_run(struct bed *t)
{
    while (dispatch_run(&t->dispatch, t->now_ms)) {
    }
    assert_true(t->dispatch.inflight <= t->dispatch.max);
    assert_int_equal(t->dispatch.inflight, t->receiver.n_held);
    machine_check(&t->machine);
}

static void bed_open(struct bed *t, unsigned max)
{
    struct batcher_host host = {.arg = t,
                                .now_ms = bed_now_ms,
                                .term = bed_term,
                                .alloc = bed_alloc,
                                .propose = bed_propose};

    memset(t, 0, sizeof *t);
    t->now_ms = START_MS;
    t->environment = (struct environment){t, bed_us, bed_us, bed_random};
    idle_receiver_init(&t->receiver);
    machine_init(&t->machine);
    batcher_init(&t->batcher, &host, 100, 1 << 20);
    dispatch_init(&t->dispatch);
    t->dispatch.machine = &t->machine;
    t->dispatch.batcher = &t->batcher;
    t->dispatch.receiver = &t->receiver.receiver;
    t->dispatch.environment = &t->environment;
    t->dispatch.cluster = "c";
    t->dispatch.max = max;
    t->dispatch.woken = bed_woken;
    t->dispatch.woken_arg = t;
}

static void bed_close(struct bed *t)
{
    bed_lose_office(t);
    while (t->receiver.n_held > 0) {
        idle_receiver_end(&t->receiver, 0, OUTCOME_FAILED, 0);
    }
    assert_null(t->dispatch.deliveries);
    assert_int_equal(t->dispatch.inflight, 0);
    machine_check(&t->machine);
    batcher_close(&t->batcher);
    machine_close(&t->machine);
}

static int state_of(const struct bed *t, const char *id)
{
    return order_state(machine_find(&t->machine, text(id)), t->machine.now_ms);
}

/* The only operation that is queued for the log. */
static struct operation queued(const struct bed *t)
{
    struct operation op;

    assert_int_equal(t->batcher.n_internal, 1);
    assert_int_equal(
        operation_decode(t->batcher.internal.data, t->batcher.internal.len, &op), ORDERSCHED_OK);
    assert_int_equal(op.code, OPERATION_OUTCOME);
    return op;
}

/* A route "r" and its order "a", due and under way. */
static void bed_with_delivery(struct bed *t)
{
    bed_open(t, 10);
    bed_epoch(t);
    bed_route(t, "r", "http://one/", 5);
    bed_order(t, "r", "a", 1000);
    bed_pass(t, 1000);
    bed_run(t);
    assert_int_equal(t->receiver.n_held, 1);
}

static void nothing_starts_out_of_office_nor_before_the_deadline(void **state)
{
    struct bed t;

    (void)state;
    bed_open(&t, 10);
    bed_route(&t, "r", "http://one/", 5);
    bed_order(&t, "r", "a", 1000);
    bed_order(&t, "r", "b", 2000);
    bed_pass(&t, 1500);
    bed_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    bed_epoch(&t);
    t.now_ms += 10000; /* this node's clock says so, the log does not yet */
    bed_run(&t);
    assert_int_equal(t.receiver.n_started, 1);
    assert_memory_equal(t.receiver.held[0]->id, "a", 1);
    bed_close(&t);
}

static void a_route_keeps_its_window(void **state)
{
    struct bed t;

    (void)state;
    bed_open(&t, 100);
    bed_epoch(&t);
    bed_route(&t, "r", "http://one/", 3);
    bed_orders(&t, "r", 10);
    bed_pass(&t, 100);
    bed_run(&t);
    assert_int_equal(t.receiver.n_held, 3);
    idle_receiver_end(&t.receiver, 1, OUTCOME_EXPIRED, 0);
    assert_int_equal(t.n_woken, 1);
    bed_run(&t); /* a place is free as soon as the receiver has answered */
    assert_int_equal(t.receiver.n_held, 3);
    bed_route(&t, "r", "http://one/", 1); /* smaller: what runs goes on, nothing is added */
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    bed_run(&t);
    assert_int_equal(t.receiver.n_held, 2);
    bed_close(&t);
}

static void routes_take_turns_under_the_cap_of_all(void **state)
{
    static const char *const names[] = {"x", "y", "z"};
    struct bed t;

    (void)state;
    bed_open(&t, 9);
    bed_epoch(&t);
    for (unsigned i = 0; i < 3; i++) {
        bed_route(&t, names[i], "http://one/", 100);
        bed_orders(&t, names[i], i == 0 ? 200 : 20); /* the first is flooded */
    }
    bed_pass(&t, 100);
    bed_run(&t);
    assert_int_equal(t.receiver.n_held, 9);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(idle_receiver_count(&t.receiver, names[i]), 3);
    }
    for (unsigned i = 0; i < 30; i++) { /* one place at a time: the turns go on */
        idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
        bed_run(&t);
        for (unsigned j = 0; j < 3; j++) {
            assert_in_range(idle_receiver_count(&t.receiver, names[j]), 2, 4);
        }
    }
    bed_close(&t);
}

static void a_route_that_stands_still_does_not_hold_up_another(void **state)
{
    struct bed t;

    (void)state;
    bed_open(&t, 10);
    bed_epoch(&t);
    bed_route(&t, "dead", "http://one/", 2);
    bed_route(&t, "live", "http://two/", 2);
    bed_orders(&t, "dead", 50);
    bed_orders(&t, "live", 50);
    bed_pass(&t, 100);
    bed_run(&t);
    for (unsigned done = 0; done < 50; done++) {
        unsigned i = 0;
        while (strcmp(t.receiver.held[i]->route, "live") != 0) {
            i++;
            assert_true(i < t.receiver.n_held);
        }
        idle_receiver_end(&t.receiver, i, OUTCOME_EXPIRED, 0);
        bed_commit(&t);
        bed_run(&t);
    }
    assert_int_equal(machine_find_route(&t.machine, text("live"))->orders, 50);
    assert_int_equal(t.machine.stored.expired, 50);
    assert_int_equal(idle_receiver_count(&t.receiver, "dead"), 2);
    bed_close(&t);
}

static void one_call_starts_no_more_than_its_bound(void **state)
{
    struct bed t;

    (void)state;
    bed_open(&t, 1000);
    bed_epoch(&t);
    bed_route(&t, "r", "http://one/", 1000);
    bed_orders(&t, "r", 300);
    bed_pass(&t, 100);
    assert_true(dispatch_run(&t.dispatch, t.now_ms));
    assert_int_equal(t.receiver.n_held, 256);
    assert_false(dispatch_run(&t.dispatch, t.now_ms));
    assert_int_equal(t.receiver.n_held, 300);
    bed_close(&t);
}

static void a_delivery_carries_all_it_needs(void **state)
{
    struct bed t;

    (void)state;
    bed_with_delivery(&t);
    const struct delivery *v = t.receiver.held[0];
    assert_int_equal(v->fence_epoch, 1);
    assert_int_equal(v->fence_index, t.machine.applied);
    assert_int_equal(v->deadline_ms, START_MS + 1000);
    assert_int_equal(v->started_ms, t.now_ms);
    assert_int_equal(v->version, 1);
    assert_int_equal(v->attempt, 1);
    assert_string_equal(v->route, "r");
    assert_int_equal(v->timeout_ms, 1000);
    assert_memory_equal(v->id, "a", v->id_len);
    assert_memory_equal(v->payload, "{}", v->payload_len);
    assert_int_equal(strlen(v->key), 36);
    bed_route(&t, "r", "http://two/", 5); /* the next attempt goes there */
    assert_string_equal(v->url, "http://one/");
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    bed_commit(&t);
    bed_pass(&t, 5000);
    bed_run(&t);
    assert_string_equal(t.receiver.held[0]->url, "http://two/");
    bed_close(&t);
}

static void each_answer_becomes_its_outcome(void **state)
{
    static const struct {
        enum outcome outcome;
        uint64_t delay_ms;
        int after;
    } cases[] = {
        {OUTCOME_EXPIRED, 0, ORDERSCHED_EXPIRED},
        {OUTCOME_PAID, 0, ORDERSCHED_PAID},
        {OUTCOME_LATER, 7000, ORDERSCHED_CLOSING},
        {OUTCOME_FAILED, 3000, ORDERSCHED_CLOSING},
    };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct bed t;
        bed_with_delivery(&t);
        idle_receiver_end(&t.receiver, 0, cases[i].outcome, cases[i].delay_ms);
        struct operation op = queued(&t);
        assert_memory_equal(op.id.data, "a", op.id.len);
        assert_int_equal(op.epoch, 1);
        assert_int_equal(op.version, 1);
        assert_int_equal(op.attempt, 1);
        assert_int_equal(op.outcome, cases[i].outcome);
        assert_int_equal(op.delay_ms, cases[i].delay_ms);
        bed_run(&t); /* not again while its outcome is on its way */
        assert_int_equal(t.receiver.n_started, 1);
        bed_commit(&t);
        assert_int_equal(state_of(&t, "a"), cases[i].after);
        bed_run(&t);
        assert_int_equal(t.receiver.n_started, 1);
        bed_close(&t);
    }
}

static void jitter_only_delays_and_by_a_tenth_at_most(void **state)
{
    static const uint64_t randoms[] = {0, 1, 50, 99, 100, 101, UINT64_MAX, 12345678901234567ull};

    (void)state;
    for (unsigned i = 0; i < sizeof randoms / sizeof *randoms; i++) {
        struct bed t;
        bed_with_delivery(&t);
        t.random = randoms[i];
        idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
        assert_in_range(queued(&t).jitter_ms, 0, 100);
        bed_commit(&t);
        assert_in_range(machine_next_ms(&t.machine) - t.machine.now_ms, 1000, 1100);
        bed_pass(&t, 999);
        bed_run(&t);
        assert_int_equal(t.receiver.n_started, 1);
        bed_pass(&t, 101);
        bed_run(&t);
        assert_int_equal(t.receiver.n_started, 2);
        idle_receiver_end(&t.receiver, 0, OUTCOME_LATER, 4000);
        assert_int_equal(queued(&t).jitter_ms, 0); /* as the receiver asked */
        bed_close(&t);
    }
}

static void the_key_is_the_orders_at_each_attempt_until_its_deadline_changes(void **state)
{
    struct bed t;
    char key[37], other[37];

    (void)state;
    bed_with_delivery(&t);
    memcpy(key, t.receiver.held[0]->key, sizeof key);
    assert_memory_equal(key, "osd_", 4);
    assert_int_equal(strspn(key + 4, "0123456789abcdef"), 32);
    for (uint32_t attempt = 2; attempt <= 3; attempt++) { /* failed, then later, then a failover */
        uint64_t fence = t.receiver.held[0]->fence_index;
        idle_receiver_end(&t.receiver, 0, attempt == 2 ? OUTCOME_FAILED : OUTCOME_LATER, 0);
        bed_commit(&t);
        bed_pass(&t, 5000);
        bed_run(&t);
        assert_int_equal(t.receiver.held[0]->attempt, attempt);
        assert_string_equal(t.receiver.held[0]->key, key);
        assert_true(t.receiver.held[0]->fence_index > fence);
    }
    bed_order(&t, "r", "b", 1000);
    dispatch_key("c", machine_find(&t.machine, text("b")), other);
    assert_string_not_equal(other, key);
    memcpy(key, other, sizeof key);
    dispatch_key("d", machine_find(&t.machine, text("b")), other);
    assert_string_not_equal(other, key);
    bed_apply(&t,
              (struct operation){
                  .code = OPERATION_EXTEND, .id = text("b"), .relative = true, .time_ms = 2000},
              ORDERSCHED_OK);
    dispatch_key("c", machine_find(&t.machine, text("b")), other);
    assert_string_not_equal(other, key);
    bed_close(&t);
}

static void the_office_lost_makes_orphans_whose_outcomes_are_dropped(void **state)
{
    struct bed t;
    char key[37];

    (void)state;
    bed_with_delivery(&t);
    memcpy(key, t.receiver.held[0]->key, sizeof key);
    bed_lose_office(&t);
    bed_run(&t);
    assert_int_equal(t.receiver.n_started, 1);
    bed_epoch(&t);
    bed_run(&t);
    assert_int_equal(t.receiver.n_started, 2);
    assert_string_equal(t.receiver.held[1]->key, key);
    assert_int_equal(t.receiver.held[1]->fence_epoch, 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_PAID, 0);
    assert_int_equal(t.batcher.n_internal, 0);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    bed_commit(&t);
    assert_int_equal(state_of(&t, "a"), ORDERSCHED_EXPIRED);
    bed_close(&t);
}

static void orphans_take_places_of_the_cap_but_not_of_a_window(void **state)
{
    struct bed t;

    (void)state;
    bed_open(&t, 5);
    bed_epoch(&t);
    bed_route(&t, "r", "http://one/", 3);
    bed_orders(&t, "r", 10);
    bed_pass(&t, 100);
    bed_run(&t);
    assert_int_equal(t.receiver.n_held, 3);
    bed_lose_office(&t);
    bed_epoch(&t);
    bed_run(&t);
    assert_int_equal(t.receiver.n_held, 5);
    assert_int_equal(idle_receiver_count(&t.receiver, "r"), 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0); /* an orphan */
    bed_run(&t);
    assert_int_equal(idle_receiver_count(&t.receiver, "r"), 3);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0); /* another: the window holds now */
    bed_run(&t);
    assert_int_equal(idle_receiver_count(&t.receiver, "r"), 3);
    bed_close(&t);
}

/* Random answers, losses of the office with outcomes queued, and changes of routes: windows and
 * the cap hold, and each order is decided in the end. */
static void whatever_happens_each_order_is_settled(void **state)
{
    static const char *const names[] = {"x", "y", "z"};
    enum { N = 60 };
    struct random rng = random_start();
    struct bed t;
    uint32_t window[3] = {2, 5, 9};

    (void)state;
    bed_open(&t, 11);
    bed_epoch(&t);
    for (unsigned i = 0; i < 3; i++) {
        bed_route(&t, names[i], "http://one/", window[i]);
        bed_orders(&t, names[i], N);
    }
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t dice = random_below(&rng, 100);
        t.random = random_next(&rng);
        if (dice < 60 && t.receiver.n_held > 0) {
            uint64_t o = random_below(&rng, 10);
            idle_receiver_end(&t.receiver, (unsigned)random_below(&rng, t.receiver.n_held),
                              o < 5   ? OUTCOME_EXPIRED
                              : o < 6 ? OUTCOME_PAID
                              : o < 8 ? OUTCOME_LATER
                                      : OUTCOME_FAILED,
                              random_below(&rng, 3000));
        } else if (dice < 85 && t.batcher.n_internal > 0) {
            bed_commit(&t);
        } else if (dice < 88) {
            bed_lose_office(&t);
            bed_epoch(&t);
        } else if (dice < 90) {
            unsigned i = (unsigned)random_below(&rng, 3);
            window[i] = 1 + (uint32_t)random_below(&rng, 9);
            bed_route(&t, names[i], "http://two/", window[i]);
        } else {
            bed_pass(&t, random_below(&rng, 2000));
        }
        unsigned before[3];
        for (unsigned i = 0; i < 3; i++) {
            before[i] = idle_receiver_count(&t.receiver, names[i]);
        }
        bed_run(&t);
        for (unsigned i = 0; i < 3; i++) {
            unsigned now = idle_receiver_count(&t.receiver, names[i]);
            assert_true(now <= window[i] || now == before[i]);
        }
    }
    assert_int_equal(t.machine.stored.pending + t.machine.stored.closing, 0);
    bed_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_starts_out_of_office_nor_before_the_deadline),
        cmocka_unit_test(a_route_keeps_its_window),
        cmocka_unit_test(routes_take_turns_under_the_cap_of_all),
        cmocka_unit_test(a_route_that_stands_still_does_not_hold_up_another),
        cmocka_unit_test(one_call_starts_no_more_than_its_bound),
        cmocka_unit_test(a_delivery_carries_all_it_needs),
        cmocka_unit_test(each_answer_becomes_its_outcome),
        cmocka_unit_test(jitter_only_delays_and_by_a_tenth_at_most),
        cmocka_unit_test(the_key_is_the_orders_at_each_attempt_until_its_deadline_changes),
        cmocka_unit_test(the_office_lost_makes_orphans_whose_outcomes_are_dropped),
        cmocka_unit_test(orphans_take_places_of_the_cap_but_not_of_a_window),
        cmocka_unit_test(whatever_happens_each_order_is_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
