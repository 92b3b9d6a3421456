/* What is on its way to a member is not sent again: with the real libraft, and a network worked by
 * hand. Members 2 and 3 have everything up to 100; the leader's log goes on from there. */
#include "../support/bench/guard_bench.h"

#include <stdlib.h>
#include <string.h>

static void applied_cb(struct raft_apply *req, int status, void *result)
{
    (void)status;
    (void)result;
    free(req);
}

/* The leader proposes n entries of 8 bytes. */
static void propose(struct guard_bench *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct raft_apply *req = calloc(1, sizeof *req);
        struct raft_buffer buf = {.base = raft_calloc(1, 8), .len = 8};

        assert_int_equal(raft_apply(&b->raft, req, &buf, 1, applied_cb), 0);
    }
}

/* What the last messages to a member carried: entries first..last, or none. */
struct carried {
    unsigned messages;
    unsigned entries;
    raft_index first, last;
    raft_index prev; /* of the last message */
};

static struct carried carried_to(struct guard_bench *b, raft_id id)
{
    struct carried c = {0};

    for (unsigned i = 0; i < b->hand.n_sends; i++) {
        const struct raft_message *m = &b->hand.sends[i].message;
        if (m->type != RAFT_APPEND_ENTRIES || m->server_id != id) {
            continue;
        }
        const struct raft_append_entries *args = &m->append_entries;
        c.messages++;
        c.entries += args->n_entries;
        c.prev = args->prev_log_index;
        if (args->n_entries > 0) {
            c.first = c.first == 0 ? args->prev_log_index + 1 : c.first;
            c.last = args->prev_log_index + args->n_entries;
        }
    }
    hand_complete_sends(&b->hand, 0);
    return c;
}

/* A leader with entries 101 (its own) to 110, of which member 2 was never heard. */
static struct guard_bench *bench_with_log(void)
{
    struct guard_bench *b = guard_bench_open(3);

    guard_bench_elect(b);
    guard_bench_answer(b, 3, 0, 100);
    propose(b, 9);
    (void)carried_to(b, 2);
    guard_bench_answer(b, 2, 0, 100); /* it is there: pipeline */
    return b;
}

static void tick(struct guard_bench *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        guard_bench_answer(b, 3, 0, 100); /* keeps the leadership */
        hand_tick(&b->hand, 50);
    }
}

static void what_was_not_confirmed_is_not_sent_again_with_each_heartbeat(void **state)
{
    struct guard_bench *b = bench_with_log();
    struct carried c;

    (void)state;
    guard_bench_answer(b, 2, 110, 100); /* it has lost them: probed from 101 on */
    c = carried_to(b, 2);
    assert_int_equal(c.first, 101);
    raft_index last = c.last;
    assert_true(last >= 101);
    for (unsigned i = 0; i < 10; i++) {
        tick(b, 1);
        c = carried_to(b, 2);
        assert_int_equal(c.entries, 0);
        assert_true(c.messages >= 1); /* but it is shown that we are there */
        assert_int_equal(c.prev, 100);
    }
    guard_bench_close(b);
}

static void what_follows_is_sent_behind_it(void **state)
{
    struct guard_bench *b = bench_with_log();

    (void)state;
    guard_bench_answer(b, 2, 110, 100);
    struct carried c = carried_to(b, 2);
    raft_index last = c.last;
    propose(b, 5);
    tick(b, 1);
    c = carried_to(b, 2);
    assert_int_equal(c.first, last + 1);
    assert_int_equal(c.entries, 5);
    guard_bench_close(b);
}

static void a_refusal_lets_all_of_it_go_again(void **state)
{
    struct guard_bench *b = bench_with_log();

    (void)state;
    guard_bench_answer(b, 2, 110, 100);
    struct carried c = carried_to(b, 2);
    raft_index last = c.last;
    guard_bench_answer(b, 2, 105, 100); /* what followed came without it */
    tick(b, 1);
    c = carried_to(b, 2);
    assert_true(c.last >= last && c.entries > 0);
    guard_bench_close(b);
}

static void silence_lets_all_of_it_go_again(void **state)
{
    struct guard_bench *b = bench_with_log();

    (void)state;
    guard_bench_answer(b, 2, 110, 100);
    struct carried c = carried_to(b, 2);
    raft_index last = c.last;
    unsigned ticks = 0;
    do {
        tick(b, 1);
        c = carried_to(b, 2);
        ticks++;
    } while (c.entries == 0 && ticks < 100);
    assert_in_range(ticks, 15, 25); /* two election timeouts of 500 ms */
    assert_int_equal(c.first, 101);
    assert_int_equal(c.last, last);
    guard_bench_close(b);
}

static void a_message_that_could_not_be_sent_is_not_on_its_way(void **state)
{
    struct guard_bench *b = bench_with_log();

    (void)state;
    b->hand.send_error = RAFT_NOCONNECTION;
    guard_bench_answer(b, 2, 110, 100);
    tick(b, 1);
    b->hand.send_error = 0;
    (void)carried_to(b, 2);
    tick(b, 2);
    assert_int_equal(carried_to(b, 2).first, 101);
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_confirmed_is_not_sent_again_with_each_heartbeat),
        cmocka_unit_test(what_follows_is_sent_behind_it),
        cmocka_unit_test(a_refusal_lets_all_of_it_go_again),
        cmocka_unit_test(silence_lets_all_of_it_go_again),
        cmocka_unit_test(a_message_that_could_not_be_sent_is_not_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
