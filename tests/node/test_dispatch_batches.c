/* test_dispatch_batches.c - orders that go together: how many, when, and what becomes of
 * batches that fail as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../support/dispatch_desk.h"

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
    desk_end_all(&t, OUTCOME_EXPIRED);
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

/* A route that waits 50 ms for batches of 3, and an order for it in 10 ms. */
static void open_lingering(struct desk *t)
{
    desk_open(t, 1000);
    desk_epoch(t);
    desk_put(t, "r", (struct route_settings){.window = 100, .batch = 3, .linger_ms = 50});
    desk_order(t, "r", "a", 10);
}

static void a_batch_lingers_to_fill_and_no_longer(void **state)
{
    struct desk t;

    (void)state;
    open_lingering(&t);
    desk_order(&t, "r", "b", 30);
    desk_pass(&t, 10);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    assert_int_equal(desk_wake_in_ms(&t), 50);
    desk_pass(&t, 20); /* another comes: it goes with the first, which does not wait for longer */
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    assert_int_equal(desk_wake_in_ms(&t), 30);
    t.now_ms += 29;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    t.now_ms += 1;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 2);
    assert_int_equal(t.receiver.n_batches, 1);
    assert_int_equal(desk_wake_in_ms(&t), UINT64_MAX);
    desk_orders(&t, "r", 3); /* a full one does not wait */
    desk_pass(&t, 1);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 5);
    assert_int_equal(t.receiver.n_batches, 2);
    desk_close(&t);
}

static void a_batch_lingers_anew_after_a_pause(void **state)
{
    struct desk t;

    (void)state;
    open_lingering(&t);
    desk_pass(&t, 10);
    desk_run(&t);
    assert_int_equal(desk_wake_in_ms(&t), 50);
    desk_pause(&t, "r", true);
    desk_run(&t);
    assert_int_equal(desk_wake_in_ms(&t), UINT64_MAX);
    t.now_ms += 100;
    desk_pause(&t, "r", false);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    assert_int_equal(desk_wake_in_ms(&t), 50);
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
    for (unsigned turns = 0; turns < 40 && desk_state_of(&t, "r-7") == ORDERSCHED_CLOSING;
         turns++) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_takes_as_many_as_it_may_in_order_of_deadline),
        cmocka_unit_test(a_batch_is_no_larger_than_the_window_and_waits_for_a_full_one),
        cmocka_unit_test(each_of_a_batch_has_its_own_outcome),
        cmocka_unit_test(a_batch_lingers_to_fill_and_no_longer),
        cmocka_unit_test(a_batch_lingers_anew_after_a_pause),
        cmocka_unit_test(a_batch_that_is_too_large_is_halved_at_once_down_to_singles),
        cmocka_unit_test(an_order_that_fails_its_batches_fails_alone_in_the_end),
        cmocka_unit_test(others_are_not_put_together_with_those_under_suspicion),
        cmocka_unit_test(no_connection_divides_nothing_but_the_window),
        cmocka_unit_test(divided_batches_are_no_more_requests_than_whole_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
