/* test_guard_timeout_now.c - hazards of libraft, injected with the real library behind the guard: a leadership
 * that is handed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/bench/guard_bench.h"

/* Follower 1 of three has its log up to `stored`, and three more entries on their way to its disk, when
 * leader 2 hands its leadership over. */
static struct guard_bench *handed_over(void)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 100, 3, 100, 3);

    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    m = (struct raft_message){.type = RAFT_TIMEOUT_NOW,
                              .server_id = 2,
                              .server_address = "host:2",
                              .timeout_now = {.version = 1,
                                              .term = b->raft.current_term,
                                              .last_log_index = 103,
                                              .last_log_term = b->raft.current_term}};
    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.state, RAFT_FOLLOWER); /* its log is not on its disk */
    return b;
}

static void a_leadership_is_taken_up_once_the_log_is_stored(void **state)
{
    struct guard_bench *b = handed_over();
    raft_term term = b->raft.current_term;

    (void)state;
    hand_complete_appends(&b->hand);
    assert_int_equal(b->raft.state, RAFT_CANDIDATE);
    assert_int_equal(b->raft.current_term, term + 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_REQUEST_VOTE, 3), 1);
    guard_bench_close(b);
}

static void it_is_taken_up_behind_heartbeats_too(void **state)
{
    struct guard_bench *b = handed_over();
    struct raft_message m = guard_bench_entries(b, 103, b->raft.current_term, 100, 0);

    (void)state;
    hand_receive(&b->hand, &m);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    hand_complete_appends(&b->hand);
    assert_int_equal(b->raft.state, RAFT_CANDIDATE);
    guard_bench_close(b);
}

/* The leader has given it up then, and goes on. */
static void it_is_not_taken_up_after_an_election_timeout(void **state)
{
    struct guard_bench *b = handed_over();

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct raft_message m = guard_bench_entries(b, 103, b->raft.current_term, 100, 0);
        hand_tick(&b->hand, 50);
        hand_receive(&b->hand, &m);
    }
    hand_complete_appends(&b->hand);
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    guard_bench_close(b);
}

static void it_is_not_taken_up_in_a_later_term(void **state)
{
    struct guard_bench *b = handed_over();

    (void)state;
    b->raft.current_term++; /* the disk is not asked for what is not looked at */
    struct raft_message m = guard_bench_entries(b, 103, b->raft.current_term - 1, 100, 0);
    hand_receive(&b->hand, &m);
    hand_complete_appends(&b->hand);
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leadership_is_taken_up_once_the_log_is_stored),
        cmocka_unit_test(it_is_taken_up_behind_heartbeats_too),
        cmocka_unit_test(it_is_not_taken_up_after_an_election_timeout),
        cmocka_unit_test(it_is_not_taken_up_in_a_later_term),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
