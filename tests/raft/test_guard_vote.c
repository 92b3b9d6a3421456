/* test_guard_vote.c - hazards of libraft, injected with the real library behind the guard: in votes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/bench/guard_bench.h"

/* Does this member, a follower of 2, give the candidate the vote it asks for? */
static bool is_given_a_vote_by(struct guard_bench *b, raft_id candidate, bool pre_vote)
{
    struct raft_message m = {
        .type = RAFT_REQUEST_VOTE,
        .server_id = candidate,
        .server_address = "host:3",
        .request_vote = {.version = 2,
                         .term = b->raft.current_term + 1,
                         .candidate_id = candidate,
                         .last_log_index = 100,
                         .last_log_term = 3,
                         .pre_vote = pre_vote},
    };
    bool granted = false;

    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &m);
    for (unsigned i = 0; i < b->hand.n_sends; i++) {
        const struct raft_message *answer = &b->hand.sends[i].message;
        granted = granted || (answer->type == RAFT_REQUEST_VOTE_RESULT &&
                              answer->request_vote_result.vote_granted);
    }
    return granted;
}

/* 3, which is behind the present term, asks whether it would be voted for. The term it is shown. */
static raft_term term_shown_to_an_old_candidate(struct guard_bench *b, raft_term asked)
{
    struct raft_message ask = {
        .type = RAFT_REQUEST_VOTE,
        .server_id = 3,
        .server_address = "node3:7400",
        .request_vote = {.version = 2,
                         .term = asked,
                         .candidate_id = 3,
                         .last_log_index = 1000,
                         .last_log_term = 3,
                         .pre_vote = true},
    };

    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &ask);
    assert_int_equal(b->hand.n_sends, 1);
    const struct raft_request_vote_result *answer = &b->hand.sends[0].message.request_vote_result;
    assert_false(answer->vote_granted);
    assert_true(answer->pre_vote);
    return answer->term;
}

static void the_refusal_of_a_pre_vote_for_a_term_that_is_over_shows_the_later_one(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    guard_bench_elect(b);
    guard_bench_answer(b, 3, 0, 100);
    raft_term now = b->raft.current_term;
    assert_int_equal(term_shown_to_an_old_candidate(b, now - 1), now);
    guard_bench_close(b);
}

static bool is_given_a_vote(struct guard_bench *b, bool pre_vote)
{
    return is_given_a_vote_by(b, 3, pre_vote);
}

static void a_leader_silent_for_the_minimum_timeout_is_no_reason_to_refuse_a_vote(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    for (int i = 0; i < 3; i++) { /* a heartbeat, and then 350 ms of silence */
        struct raft_message m = guard_bench_entries(b, 100, 3, 100, 0);
        hand_receive(&b->hand, &m);
        for (int j = 0; j < 7; j++) {
            assert_false(is_given_a_vote(b, true));
            hand_tick(&b->hand, 50);
        }
    }
    hand_tick(&b->hand, 50); /* 400; our own patience lasts for 500 to 1,000 */
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    assert_int_equal(b->raft.follower_state.current_leader.id, 2);
    assert_true(is_given_a_vote(b, true));
    assert_true(is_given_a_vote(b, false));
    assert_int_equal(b->raft.current_term, 6);
    guard_bench_close(b);
}

static void a_member_that_does_not_know_yet_that_it_is_a_voter_votes(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    b->raft.configuration.servers[0].role = RAFT_STANDBY;
    assert_true(is_given_a_vote(b, true));
    assert_true(is_given_a_vote(b, false));
    assert_int_equal(b->hand.vote, 3);
    assert_int_equal(b->raft.configuration.servers[0].role, RAFT_STANDBY);
    struct raft_message m = guard_bench_entries(b, 100, 3, 100, 0);
    hand_receive(&b->hand, &m); /* 2 leads... */
    assert_int_equal(b->raft.follower_state.current_leader.id, 2);
    assert_true(is_given_a_vote_by(b, 2, true)); /* ...and is a candidate again */
    guard_bench_pass(b, 3000);                   /* but it does not stand for election itself */
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    guard_bench_close(b);
}

/* Follow 2, which has just been heard. */
static void follow(struct guard_bench *b)
{
    struct raft_message m = guard_bench_entries(b, 100, 3, 100, 0);

    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.follower_state.current_leader.id, 2);
}

static unsigned pre_votes_sent(const struct guard_bench *b)
{
    unsigned n = 0;

    for (unsigned i = 0; i < b->hand.n_sends; i++) {
        const struct raft_message *m = &b->hand.sends[i].message;
        n += m->type == RAFT_REQUEST_VOTE && m->request_vote.pre_vote;
    }
    return n;
}

static void
after_a_leader_whose_death_is_told_followers_stand_in_turn_and_vote_at_once(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    unsigned wait_ms = 0;

    (void)state;
    raft_set_pre_vote(&b->raft, true);
    follow(b);
    assert_false(is_given_a_vote(b, true));
    assert_true(guard_peer_gone(b->guard, 2, &wait_ms));
    assert_int_equal(wait_ms, 500 / 50 + 500 / 20); /* 3 comes first, then 1 */
    assert_true(is_given_a_vote(b, true));
    hand_complete_sends(&b->hand, 0);
    assert_true(guard_stand(b->guard, 2));
    assert_int_equal(b->raft.state, RAFT_CANDIDATE);
    assert_int_equal(pre_votes_sent(b), 2); /* whoever still hears the leader refuses */
    guard_bench_close(b);
    b = guard_bench_open(3);
    follow(b);
    assert_true(guard_peer_gone(b->guard, 2, &wait_ms));
    b->raft.configuration.servers[2].role = RAFT_STANDBY; /* who does not stand takes no turn */
    assert_true(guard_peer_gone(b->guard, 2, &wait_ms));
    assert_int_equal(wait_ms, 500 / 50);
    guard_bench_close(b);
}

static void who_has_voted_for_another_since_it_was_told_does_not_stand_against_it(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    unsigned wait_ms;

    (void)state;
    follow(b);
    assert_true(guard_peer_gone(b->guard, 2, &wait_ms));
    assert_true(is_given_a_vote(b, false));
    assert_true(guard_stand(b->guard, 2));
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    for (int i = 0; i < 9; i++) { /* nor before its own timeout is over */
        hand_tick(&b->hand, 50);
        assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    }
    guard_bench_close(b);
}

static void whose_log_is_not_on_its_disk_yet_stands_when_it_is(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    unsigned wait_ms;

    (void)state;
    follow(b);
    struct raft_message m = guard_bench_entries(b, 100, 3, 100, 1);
    hand_receive(&b->hand, &m);
    assert_true(guard_peer_gone(b->guard, 2, &wait_ms));
    raft_time started = b->raft.election_timer_start;
    hand_tick(&b->hand, 20);
    assert_false(guard_stand(b->guard, 2));
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    assert_int_equal(b->raft.election_timer_start, started); /* it goes on counting */
    hand_complete_append(&b->hand, 0);
    assert_true(guard_stand(b->guard, 2));
    assert_int_equal(b->raft.state, RAFT_CANDIDATE);
    guard_bench_close(b);
}

static void a_leader_that_is_heard_again_was_not_gone(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    unsigned wait_ms;

    (void)state;
    assert_false(guard_peer_gone(b->guard, 2, &wait_ms)); /* nobody leads yet */
    follow(b);
    assert_false(guard_peer_gone(b->guard, 3, &wait_ms));
    assert_true(guard_peer_gone(b->guard, 2, &wait_ms));
    follow(b);
    assert_true(guard_stand(b->guard, 2));
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    assert_false(is_given_a_vote(b, true));
    for (int i = 0; i < 7; i++) {
        hand_tick(&b->hand, 50);
        assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    }
    guard_bench_close(b);
}

static void a_vote_for_who_does_not_stand_changes_no_term(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message vote = {
        .type = RAFT_REQUEST_VOTE_RESULT,
        .server_id = 2,
        .server_address = "host:2",
        .request_vote_result = {.version = 2, .vote_granted = true, .pre_vote = true},
    };

    (void)state;
    raft_term term = b->raft.current_term;
    vote.request_vote_result.term = term + 1; /* what it would be voted for in */
    hand_receive(&b->hand, &vote);
    /* A follower without a leader: it was taken over. */
    assert_int_equal(b->raft.current_term, term);
    guard_bench_elect(b);
    term = b->raft.current_term;
    vote.request_vote_result.term = term + 1;
    hand_receive(&b->hand, &vote);
    assert_int_equal(b->raft.current_term, term);
    assert_int_equal(b->raft.state, RAFT_LEADER); /* it would have stepped down */
    guard_bench_close(b);
}

static struct {
    int min, max;
} asked;

static int note_range(struct raft_io *io, int min, int max)
{
    (void)io;
    asked.min = min;
    asked.max = max;
    return max;
}

/* Of [500, 1000] the voter with this id of so many asks for a number between these. */
static void expect_turn(struct guard_bench *b, raft_id id, int min, int max)
{
    raft_id own = b->raft.id;

    b->raft.id = id;
    assert_int_equal(b->outer.random(&b->outer, 500, 1000), max);
    assert_int_equal(asked.min, min);
    assert_int_equal(asked.max, max);
    b->raft.id = own;
}

static void voters_that_take_turns_have_timeouts_apart_from_each_other(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    b->hand.io.random = note_range;
    expect_turn(b, 1, 500, 1000); /* they do not take turns */
    guard_take_turns(b->guard);
    expect_turn(b, 1, 500, 583);
    expect_turn(b, 2, 666, 749);
    expect_turn(b, 3, 832, 915);
    expect_turn(b, 9, 500, 1000); /* no voter */
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voters_that_take_turns_have_timeouts_apart_from_each_other),
        cmocka_unit_test(a_member_that_does_not_know_yet_that_it_is_a_voter_votes),
        cmocka_unit_test(the_refusal_of_a_pre_vote_for_a_term_that_is_over_shows_the_later_one),
        cmocka_unit_test(a_leader_silent_for_the_minimum_timeout_is_no_reason_to_refuse_a_vote),
        cmocka_unit_test(
            after_a_leader_whose_death_is_told_followers_stand_in_turn_and_vote_at_once),
        cmocka_unit_test(who_has_voted_for_another_since_it_was_told_does_not_stand_against_it),
        cmocka_unit_test(whose_log_is_not_on_its_disk_yet_stands_when_it_is),
        cmocka_unit_test(a_leader_that_is_heard_again_was_not_gone),
        cmocka_unit_test(a_vote_for_who_does_not_stand_changes_no_term),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
