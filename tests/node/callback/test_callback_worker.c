/* test_callback_worker.c - workers that pull: how they wait for orders, and who gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../support/bench/worker_bench.h"

static void a_worker_gets_a_payload_as_it_is_whatever_bytes_it_has(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message m = {0};

    (void)state;
    worker_reserve(b, &m, 1, 0);
    assert_int_equal(worker_room(b), 1);
    worker_start_with(b, "a", "{\"sku\":7\0}", 10);
    worker_run(b, 0);
    worker_assert_payload(&m, "{\"sku\":7\0}", 10);
    worker_message_reset(&m);
    worker_bench_close(b);
}

static void a_worker_that_waits_gets_orders_as_soon_as_they_are_due(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message m = {0};

    (void)state;
    assert_int_equal(worker_room(b), 0);
    worker_reserve(b, &m, 10, 5000);
    assert_int_equal(worker_room(b), 10);
    worker_run(b, 4000);
    assert_int_equal(m.replies, 0);
    worker_start(b, "a");
    worker_start(b, "b");
    assert_int_equal(worker_room(b), 8);
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&m, 0, NULL), 2);
    assert_int_equal(worker_room(b), 0);
    worker_message_reset(&m);
    worker_bench_close(b);
}

static void a_worker_that_waited_in_vain_is_told_so_when_its_time_is_up(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message m = {0};

    (void)state;
    worker_reserve(b, &m, 10, 5000);
    assert_int_equal(worker_run(b, 0), 1000000); /* looks for clients that have left */
    assert_int_equal(worker_run(b, 4500), 500000);
    assert_int_equal(m.replies, 0);
    worker_run(b, 500);
    assert_int_equal(worker_jobs_of(&m, 0, NULL), 0);
    assert_int_equal(worker_room(b), 0);
    worker_message_reset(&m);
    worker_bench_close(b);
}

static void
orders_go_to_the_worker_that_waited_longest_and_no_answer_has_more_than_asked(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message first = {0}, second = {0};

    (void)state;
    worker_reserve(b, &first, 2, 5000);
    worker_reserve(b, &second, 2, 5000);
    assert_int_equal(worker_room(b), 4);
    worker_start(b, "a");
    worker_start(b, "b");
    worker_start(b, "c");
    assert_int_equal(worker_room(b), 1);
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&first, 0, NULL), 2);
    assert_int_equal(worker_jobs_of(&second, 0, NULL), 1);
    worker_message_reset(&first);
    worker_message_reset(&second);
    worker_bench_close(b);
}

static void an_answer_takes_no_more_bytes_than_the_protocol_allows(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message m = {0};
    unsigned n = 0;

    (void)state;
    worker_reserve(b, &m, 1000, 5000);
    while (worker_room(b) > 0) {
        worker_start_with(b, "big", NULL, ORDERSCHED_PAYLOAD_MAX);
        n++;
    }
    worker_run(b, 0);
    assert_in_range(n, 900, 999);
    assert_int_equal(worker_jobs_of(&m, 0, NULL), n);
    assert_in_range(m.body.len, PROTOCOL_ANSWER_MAX - 256 * 1024, PROTOCOL_ANSWER_MAX - 4096);
    worker_message_reset(&m);
    worker_bench_close(b);
}

static void more_workers_than_may_wait_are_told_busy(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message m[WORKER_POLLS_MAX + 1] = {0};

    (void)state;
    for (unsigned i = 0; i <= WORKER_POLLS_MAX; i++) {
        worker_reserve(b, &m[i], 1, 5000);
    }
    assert_int_equal(m[WORKER_POLLS_MAX].refused, ORDERSCHED_BUSY);
    assert_int_equal(worker_room(b), WORKER_POLLS_MAX);
    worker_run(b, 5000);
    for (unsigned i = 0; i < WORKER_POLLS_MAX; i++) {
        assert_int_equal(worker_jobs_of(&m[i], 0, NULL), 0);
        worker_message_reset(&m[i]);
    }
    worker_reserve(b, &m[0], 1, 5000);
    assert_int_equal(m[0].replies, 0);
    worker_bench_close(b);
    worker_message_reset(&m[0]);
}

static void reserve_from(struct worker_bench *b, struct worker_message *m,
                         struct inbound_source *source, unsigned wait_ms)
{
    m->source = source;
    worker_reserve(b, m, 1, wait_ms);
}

static void a_connection_that_takes_all_places_has_to_give_them_up(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct inbound_source greedy = {0}, others[WORKER_POLLS_MAX] = {0};
    struct worker_message m[WORKER_POLLS_MAX] = {0}, n[WORKER_POLLS_MAX] = {0};
    unsigned refused = 0;

    (void)state;
    for (unsigned i = 0; i < WORKER_POLLS_MAX; i++) {
        reserve_from(b, &m[i], &greedy, 5000);
    }
    for (unsigned i = 0; i + 1 < WORKER_POLLS_MAX; i++) {
        reserve_from(b, &n[i], &others[i], 5000);
        assert_int_equal(n[i].replies, 0);
        assert_int_equal(m[WORKER_POLLS_MAX - 1 - i].refused, ORDERSCHED_BUSY); /* the newest */
    }
    reserve_from(b, &n[WORKER_POLLS_MAX - 1], &others[WORKER_POLLS_MAX - 1], 5000);
    assert_int_equal(n[WORKER_POLLS_MAX - 1].refused, ORDERSCHED_BUSY); /* each has one */
    assert_int_equal(b->worker.n_polls, WORKER_POLLS_MAX);
    worker_run(b, 5000);
    for (unsigned i = 0; i < WORKER_POLLS_MAX; i++) {
        refused += m[i].refused != 0;
        worker_message_reset(&m[i]);
        worker_message_reset(&n[i]);
    }
    assert_int_equal(refused, WORKER_POLLS_MAX - 1);
    assert_int_equal(greedy.polls, 0);
    worker_bench_close(b);
}

static void the_first_of_each_connection_comes_before_the_second_of_any(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct inbound_source greedy = {0}, modest = {0};
    struct worker_message m[3] = {0}, n = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        reserve_from(b, &m[i], &greedy, 5000);
    }
    reserve_from(b, &n, &modest, 5000);
    worker_start(b, "one");
    worker_start(b, "two");
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&m[0], 0, NULL), 1);
    assert_int_equal(worker_jobs_of(&n, 0, NULL), 1);
    assert_int_equal(m[1].replies, 0);
    worker_start(b, "three");
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&m[1], 0, NULL), 1);
    worker_run(b, 5000);
    for (unsigned i = 0; i < 3; i++) {
        worker_message_reset(&m[i]);
    }
    worker_message_reset(&n);
    worker_bench_close(b);
}

static void who_does_not_want_to_wait_is_answered_at_once_however_many_wait(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message m[WORKER_POLLS_MAX] = {0}, n = {0};

    (void)state;
    for (unsigned i = 0; i < WORKER_POLLS_MAX; i++) {
        worker_reserve(b, &m[i], 1, 5000);
    }
    worker_reserve(b, &n, 1, 0);
    assert_int_equal(n.replies, 0);
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&n, 0, NULL), 0);
    worker_message_reset(&n);
    worker_run(b, 5000);
    for (unsigned i = 0; i < WORKER_POLLS_MAX; i++) {
        worker_message_reset(&m[i]);
    }
    worker_bench_close(b);
}

static void a_client_that_has_left_gets_no_orders(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct worker_message gone = {0}, here = {0};

    (void)state;
    worker_reserve(b, &gone, 5, 60000);
    worker_reserve(b, &here, 5, 60000);
    atomic_store(&gone.gone, true);
    assert_int_equal(worker_room(b), 5);
    assert_int_equal(gone.replies, 1);
    worker_start(b, "a");
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&here, 0, NULL), 1);
    /* Without orders too its place is free within a second. */
    worker_reserve(b, &gone, 5, 60000);
    atomic_store(&gone.gone, true);
    worker_run(b, 1000);
    assert_int_equal(gone.replies, 1);
    worker_message_reset(&here);
    worker_bench_close(b);
}

static void a_poll_for_a_route_that_another_has_taken_the_place_of_gets_nothing_of_it(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct receiver *r = &b->worker.receiver;
    struct worker_message m = {0};

    (void)state;
    worker_reserve(b, &m, 5, 60000);
    assert_int_equal(r->room(r, WORKER_SLOT, "another"), 0);
    assert_int_equal(m.refused, ORDERSCHED_UNKNOWN_ROUTE);
    worker_bench_close(b);
}

/* Behind a good one, where ranks put those of a connection that has asked before. */
static void neither_do_those_that_stand_behind_a_good_one(void **state)
{
    struct worker_bench *b = worker_bench_open();
    struct inbound_source theirs = {0}, ours = {0};
    struct worker_message stale[2] = {{.source = &theirs}, {.source = &theirs}};
    struct worker_message good = {.source = &ours}, gone = {.source = &ours};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        worker_reserve_of(b, &stale[i], "before", 1, 60000);
    }
    worker_reserve(b, &good, 1, 60000);
    worker_reserve(b, &gone, 5, 60000);
    atomic_store(&gone.gone, true);
    assert_int_equal(worker_room(b), 1);
    assert_int_equal(gone.replies, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(stale[i].refused, ORDERSCHED_UNKNOWN_ROUTE);
    }
    worker_start(b, "a");
    assert_int_equal(worker_room(b), 0);
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&good, 0, NULL), 1);
    worker_message_reset(&good);
    worker_bench_close(b);
}

static void a_report_waits_for_its_outcome_and_not_for_what_follows_from_it(void **state)
{
    struct worker_bench *b = worker_bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct worker_message m = {0};

    (void)state;
    worker_hold(b, "a", token);
    b->hurries = true;
    worker_settle(b, &m, token, OUTCOME_FAILED, 1000, "not yet");
    assert_int_equal(b->tickets, 2);
    assert_int_equal(m.replies, 0);
    worker_apply(b, 1);
    assert_int_equal(m.replies, 1);
    assert_int_equal(worker_result_of(&m, 0).index, 100);
    worker_apply(b, 2);
    worker_message_reset(&m);
    worker_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_waits_gets_orders_as_soon_as_they_are_due),
        cmocka_unit_test(a_worker_gets_a_payload_as_it_is_whatever_bytes_it_has),
        cmocka_unit_test(a_worker_that_waited_in_vain_is_told_so_when_its_time_is_up),
        cmocka_unit_test(
            orders_go_to_the_worker_that_waited_longest_and_no_answer_has_more_than_asked),
        cmocka_unit_test(an_answer_takes_no_more_bytes_than_the_protocol_allows),
        cmocka_unit_test(more_workers_than_may_wait_are_told_busy),
        cmocka_unit_test(a_connection_that_takes_all_places_has_to_give_them_up),
        cmocka_unit_test(the_first_of_each_connection_comes_before_the_second_of_any),
        cmocka_unit_test(who_does_not_want_to_wait_is_answered_at_once_however_many_wait),
        cmocka_unit_test(a_client_that_has_left_gets_no_orders),
        cmocka_unit_test(a_poll_for_a_route_that_another_has_taken_the_place_of_gets_nothing_of_it),
        cmocka_unit_test(neither_do_those_that_stand_behind_a_good_one),
        cmocka_unit_test(a_report_waits_for_its_outcome_and_not_for_what_follows_from_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
