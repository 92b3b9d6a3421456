/* Fairness: batches, lingering, rates, first deliveries and retries, windows that adapt, silence
 * that is asked for, paused routes, shares of the caps, and how late things are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/dispatch_desk.h"
#include "support/random.h"

static unsigned count(const struct desk *t, const char *route)
{
    return idle_receiver_count(&t->receiver, route);
}

/* When the dispatcher wants to be called again, in ms from now; UINT64_MAX: it does not. */
static uint64_t wake_in_ms(const struct desk *t)
{
    uint64_t now_us = t->now_ms * 1000;

    return t->dispatch.wake_us == UINT64_MAX ? UINT64_MAX
                                             : (t->dispatch.wake_us - now_us + 999) / 1000;
}

static void end_all(struct desk *t, enum outcome outcome)
{
    while (t->receiver.n_held > 0) {
        idle_receiver_end(&t->receiver, 0, outcome, 0);
    }
}

/* --- batches --- */

static void a_batch_takes_as_many_as_it_may_in_order_of_deadline(void **state)
{
    struct desk t;
    char id[16];

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 100, .batch = 10});
    for (unsigned i = 0; i < 25; i++) {
        snprintf(id, sizeof id, "o-%02u", i);
        desk_order(&t, "r", id, 100 - i); /* the last is due first */
    }
    desk_pass(&t, 200);
    desk_run(&t);
    assert_int_equal(t.receiver.n_batches, 3); /* 10, 10, and the 5 that are left */
    assert_int_equal(t.receiver.n_held, 25);
    for (unsigned i = 0; i < 25; i++) {
        const struct delivery *d = t.receiver.held[i];
        snprintf(id, sizeof id, "o-%02u", 24 - i);
        assert_memory_equal(d->id, id, d->id_len);
        bool last = i == 9 || i == 19 || i == 24;
        assert_ptr_equal(d->batch_next, last ? NULL : t.receiver.held[i + 1]);
        assert_ptr_equal(d->settings, t.receiver.held[0]->settings);
    }
    assert_int_equal(t.dispatch.requests.used, 3);
    desk_close(&t);
}

static void a_batch_is_no_larger_than_the_window_and_waits_for_a_full_one(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 8, .batch = 100});
    desk_orders(&t, "r", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 8);
    assert_int_equal(t.receiver.n_batches, 1);
    for (unsigned i = 0; i < 7; i++) { /* not one at a time as they come back */
        idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
        desk_run(&t);
        assert_int_equal(t.receiver.n_batches, 1);
    }
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 8);
    end_all(&t, OUTCOME_EXPIRED);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 4);
    desk_close(&t);
}

static void each_of_a_batch_has_its_own_outcome(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 8, .batch = 4});
    desk_orders(&t, "r", 4);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.dispatch.requests.used, 1);
    idle_receiver_end(&t.receiver, 2, OUTCOME_PAID, 0);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    idle_receiver_end(&t.receiver, 0, OUTCOME_LATER, 5000);
    assert_int_equal(t.dispatch.requests.used, 1); /* the request is over with its last order */
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    assert_int_equal(t.dispatch.requests.used, 0);
    desk_commit(&t);
    assert_int_equal(desk_state_of(&t, "r-0"), ORDERSCHED_EXPIRED);
    assert_int_equal(desk_state_of(&t, "r-1"), ORDERSCHED_CLOSING);
    assert_int_equal(desk_state_of(&t, "r-2"), ORDERSCHED_PAID);
    assert_int_equal(desk_state_of(&t, "r-3"), ORDERSCHED_CLOSING);
    desk_pass(&t, 2000);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 1); /* the failed one, after its retry delay */
    assert_memory_equal(t.receiver.held[0]->id, "r-3", 3);
    desk_close(&t);
}

static void a_batch_lingers_to_fill_and_no_longer(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 100, .batch = 3, .linger_ms = 50});
    desk_order(&t, "r", "a", 10);
    desk_order(&t, "r", "b", 30);
    desk_pass(&t, 10);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    assert_int_equal(wake_in_ms(&t), 50);
    desk_pass(&t, 20); /* another comes: it goes with the first, which does not wait for longer */
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    assert_int_equal(wake_in_ms(&t), 30);
    t.now_ms += 29;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    t.now_ms += 1;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 2);
    assert_int_equal(t.receiver.n_batches, 1);
    assert_int_equal(wake_in_ms(&t), UINT64_MAX);
    desk_orders(&t, "r", 3); /* a full one does not wait */
    desk_pass(&t, 1);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 5);
    assert_int_equal(t.receiver.n_batches, 2);
    desk_close(&t);
}

/* --- batches that fail as a whole --- */

/* End the request that was started first of those under way, all of it in this way. */
static unsigned end_request(struct desk *t, enum outcome outcome, enum blame blame)
{
    const struct delivery *d = t->receiver.held[0];
    unsigned n = 0;

    for (; d != NULL; d = d->batch_next) {
        n++;
    }
    for (unsigned i = 0; i < n; i++) {
        t->receiver.held[0]->blame = blame;
        t->receiver.held[0]->overloaded = blame == BLAME_NOBODY;
        idle_receiver_end(&t->receiver, 0, outcome, 0);
    }
    desk_commit(t);
    return n;
}

static bool first_request_has(const struct desk *t, const char *id)
{
    for (const struct delivery *d = t->receiver.held[0]; d != NULL; d = d->batch_next) {
        if (d->id_len == strlen(id) && memcmp(d->id, id, d->id_len) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t failures_of(const struct desk *t, const char *id)
{
    const struct order *o = machine_find(&t->machine, desk_text(id));

    return o->extra->failures;
}

static void with_batches(struct desk *t, unsigned n)
{
    desk_open(t, 1000);
    desk_epoch(t);
    desk_put(t, "r", (struct route_settings){.window = 100, .batch = n, .linger_ms = 10000});
    desk_orders(t, "r", n);
    desk_pass(t, 10000);
    desk_run(t);
    desk_pass(t, 10000);
    desk_run(t);
}

static void a_batch_that_is_too_large_is_halved_at_once_down_to_singles(void **state)
{
    static const unsigned sizes[] = {10, 5, 5, 3, 2, 3, 2, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1};
    struct desk t;

    (void)state;
    with_batches(&t, 10);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned n = t.receiver.n_held > 0 ? end_request(&t, OUTCOME_FAILED, BLAME_SIZE) : 0;
        if (n == 0) {
            break;
        }
        assert_true(n == 10 || n <= 5);
        desk_run(&t); /* without lingering, and without a delay unless it was alone */
    }
    for (unsigned i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof id, "r-%u", i);
        assert_int_equal(failures_of(&t, id), 1);
    }
    assert_int_equal(t.receiver.n_held, 0);
    desk_close(&t);
}

static void an_order_that_fails_its_batches_fails_alone_in_the_end(void **state)
{
    struct desk t;
    unsigned alone = 0;

    (void)state;
    with_batches(&t, 20);
    for (unsigned turns = 0; turns < 40 && desk_state_of(&t, "r-7") == ORDERSCHED_CLOSING; turns++) {
        while (t.receiver.n_held > 0) {
            bool poison = first_request_has(&t, "r-7");
            unsigned n = end_request(&t, poison ? OUTCOME_FAILED : OUTCOME_EXPIRED, BLAME_REQUEST);
            alone += poison && n == 1;
        }
        desk_pass(&t, 1000);
        desk_run(&t);
    }
    assert_int_equal(desk_state_of(&t, "r-7"), ORDERSCHED_DEAD);
    assert_int_equal(alone, 3);
    for (unsigned i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "r-%u", i);
        assert_int_equal(desk_state_of(&t, id), i == 7 ? ORDERSCHED_DEAD : ORDERSCHED_EXPIRED);
    }
    desk_close(&t);
}

static void others_are_not_put_together_with_those_under_suspicion(void **state)
{
    struct desk t;

    (void)state;
    with_batches(&t, 4);
    end_request(&t, OUTCOME_FAILED, BLAME_REQUEST);
    for (unsigned i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "new-%u", i);
        desk_order(&t, "r", id, 1);
    }
    desk_pass(&t, 1000);
    desk_run(&t);
    while (t.receiver.n_held > 0) {
        bool fresh = first_request_has(&t, "new-0");
        assert_int_equal(end_request(&t, OUTCOME_EXPIRED, BLAME_ORDER), fresh ? 4 : 2);
        desk_run(&t);
    }
    assert_int_equal(t.receiver.n_batches, 4);
    desk_close(&t);
}

static void no_connection_divides_nothing_but_the_window(void **state)
{
    struct desk t;

    (void)state;
    with_batches(&t, 8);
    for (unsigned i = 0; i < 3; i++) {
        desk_pass(&t, 1); /* what started before the last halving halves nothing */
        assert_int_equal(end_request(&t, OUTCOME_FAILED, BLAME_NOBODY), 8);
        desk_pass(&t, 1000);
        desk_run(&t);
        assert_int_equal(failures_of(&t, "r-0"), 0);
    }
    for (unsigned turns = 0; turns < 20 && failures_of(&t, "r-0") == 0; turns++) {
        while (t.receiver.n_held > 0) {
            end_request(&t, OUTCOME_FAILED, BLAME_NOBODY);
        }
        desk_pass(&t, 12000);
        desk_run(&t);
    }
    assert_true(failures_of(&t, "r-0") > 0); /* one at a time, it counts */
    desk_close(&t);
}

static void divided_batches_are_no_more_requests_than_whole_ones(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 100, .batch = 50});
    desk_orders(&t, "r", 100);
    desk_pass(&t, 1000);
    desk_run(&t);
    assert_int_equal(t.dispatch.requests.used, 2);
    for (unsigned i = 0; i < 300 && t.receiver.n_held > 0; i++) {
        end_request(&t, OUTCOME_FAILED, BLAME_SIZE);
        desk_run(&t);
        assert_true(t.dispatch.requests.used <= 2);
    }
    desk_close(&t);
}

/* --- rates --- */

static void a_rate_is_kept_with_its_burst(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 1000, .rate_per_s = 10, .burst = 3});
    desk_orders(&t, "r", 30);
    desk_pass(&t, 5000);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 3);
    assert_int_equal(wake_in_ms(&t), 100);
    t.now_ms += 99;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 3);
    assert_int_equal(wake_in_ms(&t), 1);
    t.now_ms += 1;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 4);
    for (unsigned i = 0; i < 200; i++) { /* however often it is asked */
        t.now_ms += 10;
        desk_run(&t);
    }
    assert_int_equal(t.receiver.n_started, 24);
    desk_close(&t);
}

static void a_batch_waits_for_the_tokens_of_all_its_orders(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r",
             (struct route_settings){.window = 1000, .batch = 5, .rate_per_s = 10, .burst = 7});
    desk_orders(&t, "r", 20);
    desk_pass(&t, 5000);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 5);
    assert_int_equal(wake_in_ms(&t), 300); /* 2 are left over */
    t.now_ms += 300;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 10);
    desk_put(&t, "r", /* a burst smaller than the batch: batches of that size */
             (struct route_settings){.window = 1000, .batch = 5, .rate_per_s = 10, .burst = 2});
    t.now_ms += 200;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 12);
    desk_close(&t);
}

/* --- first deliveries and retries --- */

/* Orders that have failed once and are ready again, beside new ones. */
static void with_firsts_and_retries(struct desk *t, unsigned n)
{
    char id[16];

    desk_open(t, 4000);
    desk_epoch(t);
    desk_route(t, "r", "http://one/", 4000);
    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof id, "old-%u", i);
        desk_order(t, "r", id, 1);
    }
    desk_pass(t, 10);
    desk_run(t);
    end_all(t, OUTCOME_FAILED);
    desk_commit(t);
    desk_route(t, "r", "http://one/", 1);
    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof id, "new-%u", i);
        desk_order(t, "r", id, 1);
    }
    desk_pass(t, 5000);
}

static void first_deliveries_go_first_and_every_fourth_is_a_retry(void **state)
{
    struct desk t;

    (void)state;
    with_firsts_and_retries(&t, 12);
    for (unsigned i = 0; i < 16; i++) {
        desk_run(&t);
        assert_int_equal(t.receiver.n_held, 1);
        assert_memory_equal(t.receiver.held[0]->id, i % 4 == 3 ? "old" : "new", 3);
        end_all(&t, OUTCOME_EXPIRED);
        desk_commit(&t);
    }
    for (unsigned i = 0; i < 8; i++) { /* now retries alone */
        desk_run(&t);
        assert_memory_equal(t.receiver.held[0]->id, "old", 3);
        end_all(&t, OUTCOME_EXPIRED);
        desk_commit(&t);
    }
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 0);
    desk_close(&t);
}

static void a_batch_mixes_them_in_the_same_measure(void **state)
{
    struct desk t;
    unsigned old = 0;

    (void)state;
    with_firsts_and_retries(&t, 12);
    desk_put(&t, "r", (struct route_settings){.window = 12, .batch = 12});
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 12);
    for (unsigned i = 0; i < 12; i++) {
        old += memcmp(t.receiver.held[i]->id, "old", 3) == 0;
    }
    assert_int_equal(old, 3);
    desk_close(&t);
}

/* --- pace --- */

static void an_overloaded_receiver_gets_less_and_then_more_again(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 16);
    desk_orders(&t, "r", 500);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 16);
    t.now_ms += 10;
    while (idle_receiver_overload(&t.receiver, "r", 0)) { /* one bad moment */
    }
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 8);
    t.now_ms += 10;
    idle_receiver_overload(&t.receiver, "r", 0);
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 7); /* nothing new until it is below 4 */
    end_all(&t, OUTCOME_EXPIRED);
    desk_run(&t);
    unsigned window = count(&t, "r");
    assert_in_range(window, 4, 6);
    for (unsigned i = 0; i < 150; i++) {
        idle_receiver_end_of(&t.receiver, "r", OUTCOME_EXPIRED, 0);
        desk_run(&t);
        assert_true(count(&t, "r") >= window);
        window = count(&t, "r");
    }
    assert_int_equal(window, 16);
    desk_close(&t);
}

static void failures_that_are_no_overload_leave_the_window_alone(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 16);
    desk_orders(&t, "r", 100);
    desk_pass(&t, 100);
    for (unsigned i = 0; i < 50; i++) {
        desk_run(&t);
        assert_int_equal(count(&t, "r"), 16);
        t.now_ms += 1;
        idle_receiver_end_of(&t.receiver, "r", OUTCOME_FAILED, 7000);
    }
    desk_close(&t);
}

static void silence_asked_for_closes_the_route_and_not_another(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_route(&t, "s", "http://two/", 4);
    desk_orders(&t, "r", 20);
    desk_orders(&t, "s", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    idle_receiver_overload(&t.receiver, "r", 30000);
    idle_receiver_end_of(&t.receiver, "s", OUTCOME_FAILED, 30000); /* one order's business */
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 3);
    assert_int_equal(count(&t, "s"), 4);
    assert_int_equal(wake_in_ms(&t), 30000);
    end_all(&t, OUTCOME_EXPIRED);
    t.now_ms += 29999;
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 0);
    assert_int_equal(count(&t, "s"), 4);
    t.now_ms += 1;
    desk_run(&t);
    assert_true(count(&t, "r") >= 2);
    desk_close(&t);
}

static void whoever_puts_the_route_again_ends_the_silence(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_orders(&t, "r", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    t.now_ms += 1;
    while (idle_receiver_overload(&t.receiver, "r", 3600000)) {
    }
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 0);
    desk_route(&t, "r", "http://elsewhere/", 4);
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 2);
    desk_close(&t);
}

/* A receiver that refuses at once: its orders' attempts must not be burnt in a tight loop. */
static void a_receiver_that_is_away_is_asked_a_few_times_a_second(void **state)
{
    struct desk t;
    unsigned before = 0;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 64);
    desk_orders(&t, "r", 2000);
    desk_pass(&t, 100);
    for (unsigned ms = 0; ms < 20000; ms++) {
        desk_run(&t);
        while (idle_receiver_overload(&t.receiver, "r", 0)) {
        }
        t.now_ms++;
        if (ms == 1000) {
            before = t.receiver.n_started;
        }
    }
    assert_in_range(t.receiver.n_started - before, 8, 20);
    desk_close(&t);
}

/* --- paused routes --- */

static void a_paused_route_keeps_its_due_orders(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 100);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_orders(&t, "r", 10);
    desk_pass(&t, 100);
    desk_run(&t);
    desk_apply(&t,
               (struct operation){
                   .code = OPERATION_ROUTE_PAUSE, .id = desk_text("r"), .paused = true},
               ORDERSCHED_OK);
    end_all(&t, OUTCOME_EXPIRED); /* what was under way ends as ever */
    desk_commit(&t);
    desk_pass(&t, 3600000);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 0);
    assert_int_equal(t.machine.stored.closing, 6);
    desk_apply(&t, (struct operation){.code = OPERATION_ROUTE_PAUSE, .id = desk_text("r")},
               ORDERSCHED_OK);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 4);
    desk_close(&t);
}

/* --- what all routes share --- */

static void a_dead_route_leaves_a_quarter_of_the_cap_to_others(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 100);
    desk_epoch(&t);
    desk_route(&t, "dead", "http://one/", 65536);
    desk_route(&t, "live", "http://two/", 64);
    desk_orders(&t, "dead", 1000);
    desk_pass(&t, 100);
    desk_run(&t); /* nobody else wants anything at the moment */
    assert_int_equal(count(&t, "dead"), 75);
    desk_orders(&t, "live", 300);
    desk_pass(&t, 100);
    for (unsigned i = 0; i < 200; i++) {
        desk_run(&t);
        assert_int_equal(count(&t, "dead"), 75);
        assert_int_equal(count(&t, "live"), 25);
        idle_receiver_end_of(&t.receiver, "live", OUTCOME_EXPIRED, 0);
    }
    desk_close(&t);
}

static void a_route_alone_has_the_whole_cap(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 100);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 65536);
    desk_orders(&t, "r", 300);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 100);
    desk_close(&t);
}

static void requests_have_a_cap_of_their_own(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    t.dispatch.requests.max = 8;
    desk_epoch(&t);
    desk_put(&t, "batched", (struct route_settings){.window = 1000, .batch = 10});
    desk_put(&t, "work", (struct route_settings){.kind = ROUTE_WORKER, .window = 1000});
    desk_orders(&t, "batched", 200);
    desk_orders(&t, "work", 40);
    desk_pass(&t, 100);
    t.receiver.room = 30;
    desk_run(&t);
    assert_int_equal(count(&t, "batched"), 60); /* 6 of 8: the rest is for others */
    assert_int_equal(count(&t, "work"), 30);    /* no requests: no sockets */
    assert_int_equal(t.dispatch.requests.used, 6);
    desk_close(&t);
    assert_int_equal(t.dispatch.requests.used, 0);
}

static void memory_has_a_cap_and_one_delivery_always_fits(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    t.dispatch.bytes.max = 10 * sizeof(struct delivery);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 1000, .batch = 100});
    desk_orders(&t, "r", 200);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 10);
    end_all(&t, OUTCOME_EXPIRED);
    assert_int_equal(t.dispatch.bytes.used, 0);
    t.dispatch.bytes.max = 1;
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 1);
    desk_close(&t);
}

static void workers_get_what_they_have_room_for(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "work", (struct route_settings){.kind = ROUTE_WORKER, .window = 50, .batch = 9});
    desk_orders(&t, "work", 100);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 0); /* nobody asks: nothing is held */
    assert_int_equal(t.dispatch.inflight.used, 0);
    t.receiver.room = 7;
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 7);
    assert_int_equal(t.receiver.n_batches, 7);
    t.receiver.room = 1000;
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 50);
    desk_close(&t);
}

static void the_receiver_is_told_to_end_orphans(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 8, .batch = 4});
    desk_lose_office(&t);
    assert_int_equal(t.receiver.n_abandoned, 0); /* there were none */
    desk_epoch(&t);
    desk_orders(&t, "r", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.dispatch.requests.used, 2);
    desk_lose_office(&t);
    assert_int_equal(t.receiver.n_abandoned, 1);
    desk_epoch(&t);
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 2); /* the orphans take up the rest */
    for (unsigned i = 0; i < 8; i++) {
        idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    }
    assert_int_equal(t.dispatch.inflight.used, 2);
    assert_int_equal(t.dispatch.requests.used, 1);
    desk_run(&t);
    assert_int_equal(count(&t, "r"), 6);
    desk_close(&t);
}

/* The cost of a run is bounded by the routes and the deliveries it starts, not by their product
 * nor by what waits. The bound is far above what it takes and far below what a scan would. */
static void a_run_over_1024_routes_is_short_whatever_waits(void **state)
{
    enum { ROUTES = MACHINE_ROUTES_MAX, DEAD = 20000 };
    struct desk t;
    char name[16];
    struct timespec begin, end;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_route(&t, "dead", "http://one/", 1);
    for (unsigned i = 1; i < ROUTES; i++) {
        snprintf(name, sizeof name, "r%u", i);
        desk_route(&t, name, "http://two/", 100);
    }
    desk_orders(&t, "dead", DEAD);
    desk_pass(&t, 100);
    while (dispatch_run(&t.dispatch, t.now_ms * 1000)) {
    }
    assert_int_equal(t.receiver.n_held, 1);
    desk_orders(&t, "r512", 200);
    desk_pass(&t, 100);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (unsigned i = 0; i < 1000; i++) {
        idle_receiver_end_of(&t.receiver, "r512", OUTCOME_EXPIRED, 0);
        while (dispatch_run(&t.dispatch, t.now_ms * 1000)) {
        }
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    double ms = (double)(end.tv_sec - begin.tv_sec) * 1e3 +
                (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
    printf("# 1000 runs over %d routes, %d orders waiting: %.1f ms\n", ROUTES, DEAD, ms);
    assert_true(t.receiver.n_started >= 200);
    assert_true(ms < 2000);
    desk_close(&t);
}

/* --- lateness --- */

static const struct histogram *part(const struct desk *t, const char *route, enum lateness_part p)
{
    uint16_t slot = (uint16_t)(machine_find_route(&t->machine, desk_text(route)) -
                               t->machine.routes);

    return &t->dispatch.lanes[slot].lateness->parts[p];
}

static void lateness_is_split_into_its_parts(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 1);
    desk_order(&t, "r", "a", 1000);
    t.now_ms += 1003;
    t.machine.clock_us = (t.now_ms + 7) * 1000; /* its entry took 7 ms to be applied */
    desk_pass(&t, 0);
    t.machine.clock_us = (t.now_ms + 9) * 1000; /* a later entry does not count */
    desk_pass(&t, 8);
    t.now_ms += 12;
    desk_run(&t);
    t.now_ms += 40;
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    assert_int_equal(part(&t, "r", LATENESS_TIMER)->max, 3000);
    assert_int_equal(part(&t, "r", LATENESS_COMMIT)->max, 7000);
    assert_int_equal(part(&t, "r", LATENESS_QUEUE)->max, 13000);
    assert_int_equal(part(&t, "r", LATENESS_CALLBACK)->max, 40000);
    assert_int_equal(part(&t, "r", LATENESS_TOTAL)->max, 63000);
    desk_commit(&t);
    desk_pass(&t, 5000); /* the retry is on time by its own schedule: it makes nothing later */
    desk_run(&t);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    assert_int_equal(part(&t, "r", LATENESS_TOTAL)->n, 1);
    assert_int_equal(part(&t, "r", LATENESS_CALLBACK)->n, 2);
    assert_int_equal(t.dispatch.lateness->parts[LATENESS_TOTAL].max, 63000);
    desk_close(&t);
}

static void a_route_of_another_name_in_the_same_place_starts_afresh(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_orders(&t, "r", 1);
    desk_pass(&t, 100);
    desk_run(&t);
    idle_receiver_overload(&t.receiver, "r", 86400000);
    desk_commit(&t);
    for (unsigned i = 0; i < 2; i++) { /* to its end */
        desk_route(&t, "r", "http://one/", 4);
        desk_pass(&t, 90000000);
        desk_run(&t);
        end_all(&t, OUTCOME_EXPIRED);
        if (t.batcher.n_internal > 0) {
            desk_commit(&t);
        }
    }
    desk_pass(&t, 2000000); /* past the retention, and forgotten */
    desk_apply(&t, (struct operation){.code = OPERATION_ROUTE_DELETE, .id = desk_text("r")},
               ORDERSCHED_OK);
    desk_route(&t, "s", "http://one/", 9);
    desk_orders(&t, "s", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(count(&t, "s"), 9);
    assert_null(t.dispatch.lanes[0].lateness);
    desk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_takes_as_many_as_it_may_in_order_of_deadline),
        cmocka_unit_test(a_batch_is_no_larger_than_the_window_and_waits_for_a_full_one),
        cmocka_unit_test(each_of_a_batch_has_its_own_outcome),
        cmocka_unit_test(a_batch_lingers_to_fill_and_no_longer),
        cmocka_unit_test(a_batch_that_is_too_large_is_halved_at_once_down_to_singles),
        cmocka_unit_test(an_order_that_fails_its_batches_fails_alone_in_the_end),
        cmocka_unit_test(others_are_not_put_together_with_those_under_suspicion),
        cmocka_unit_test(no_connection_divides_nothing_but_the_window),
        cmocka_unit_test(divided_batches_are_no_more_requests_than_whole_ones),
        cmocka_unit_test(a_rate_is_kept_with_its_burst),
        cmocka_unit_test(a_batch_waits_for_the_tokens_of_all_its_orders),
        cmocka_unit_test(first_deliveries_go_first_and_every_fourth_is_a_retry),
        cmocka_unit_test(a_batch_mixes_them_in_the_same_measure),
        cmocka_unit_test(an_overloaded_receiver_gets_less_and_then_more_again),
        cmocka_unit_test(failures_that_are_no_overload_leave_the_window_alone),
        cmocka_unit_test(silence_asked_for_closes_the_route_and_not_another),
        cmocka_unit_test(whoever_puts_the_route_again_ends_the_silence),
        cmocka_unit_test(a_receiver_that_is_away_is_asked_a_few_times_a_second),
        cmocka_unit_test(a_paused_route_keeps_its_due_orders),
        cmocka_unit_test(a_dead_route_leaves_a_quarter_of_the_cap_to_others),
        cmocka_unit_test(a_route_alone_has_the_whole_cap),
        cmocka_unit_test(requests_have_a_cap_of_their_own),
        cmocka_unit_test(memory_has_a_cap_and_one_delivery_always_fits),
        cmocka_unit_test(workers_get_what_they_have_room_for),
        cmocka_unit_test(the_receiver_is_told_to_end_orphans),
        cmocka_unit_test(a_run_over_1024_routes_is_short_whatever_waits),
        cmocka_unit_test(lateness_is_split_into_its_parts),
        cmocka_unit_test(a_route_of_another_name_in_the_same_place_starts_afresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
