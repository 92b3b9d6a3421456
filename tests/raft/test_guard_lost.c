/* test_guard_lost.c - a member that lost what it had confirmed, and a leader that commits nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/bench/guard_bench.h"

struct lines {
    unsigned n;
    char last[640];
};

static void keep_line(void *arg, const char *level, const char *sentence)
{
    struct lines *l = arg;

    l->n++;
    snprintf(l->last, sizeof l->last, "%s: %s", level, sentence);
}

static void proposed_cb(struct raft_apply *req, int status, void *result)
{
    (void)req;
    (void)status;
    (void)result;
}

/* Member 1 leads three, and has committed entries 101 to 110 with member 2. */
static struct guard_bench *open_leader(struct lines *l, struct raft_apply reqs[10])
{
    struct guard_bench *b = guard_bench_open(3);

    guard_judge_by(b->guard, &(struct guard_judge){.arg = l, .log = keep_line});
    guard_bench_elect(b);
    for (unsigned i = 0; i < 10; i++) {
        struct raft_buffer buf = {.base = raft_calloc(1, 8), .len = 8};
        assert_int_equal(raft_apply(&b->raft, &reqs[i], &buf, 1, proposed_cb), 0);
        hand_complete_appends(&b->hand);
        hand_complete_sends(&b->hand, 0);
    }
    guard_bench_answer(b, 2, 0, raft_last_index(&b->raft));
    assert_int_equal(b->raft.commit_index, raft_last_index(&b->raft));
    hand_complete_sends(&b->hand, 0);
    return b;
}

static raft_index match_of(struct guard_bench *b, raft_id id)
{
    raft_index match = 0;

    assert_int_equal(raft_match_index(&b->raft, id, &match), 0);
    return match;
}

/* It refuses each heartbeat for so long: its log ends at `ends`. Member 3's answers keep the
 * leadership. */
static void refuse_for(struct guard_bench *b, unsigned ms, raft_index ends)
{
    for (unsigned passed = 0; passed < ms; passed += 50) {
        guard_bench_answer(b, 3, 0, 100);
        guard_bench_answer(b, 2, raft_last_index(&b->raft), ends);
        hand_tick(&b->hand, 50);
        if (hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0) == 0) {
            hand_complete_sends(&b->hand, 0);
        }
    }
}

static void a_member_that_refuses_what_it_confirmed_is_not_counted_and_sent_it_again(void **state)
{
    struct lines l = {0};
    struct raft_apply reqs[10] = {{0}};
    struct guard_bench *b = open_leader(&l, reqs);
    raft_index last = raft_last_index(&b->raft);
    unsigned sent = 0;

    (void)state;
    refuse_for(b, 400, 103);
    assert_false(guard_has_lost(b->guard, 2));
    assert_int_equal(match_of(b, 2), last);
    refuse_for(b, 150, 103);
    assert_true(guard_has_lost(b->guard, 2)); /* without the guard: never */
    assert_int_equal(match_of(b, 2), 0);
    assert_int_equal(l.n, 1);
    assert_non_null(strstr(l.last, "error: member 2 at host:2 has lost what it had confirmed: its "
                                   "log ends at 103"));
    /* It is asked where its log ends, and then sent what it lacks. */
    hand_complete_sends(&b->hand, 0);
    hand_tick(&b->hand, 50);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_APPEND_ENTRIES, 2), 1);
    guard_bench_answer(b, 2, 0, 103);
    assert_int_equal(match_of(b, 2), 103);
    assert_true(guard_has_lost(b->guard, 2));
    for (unsigned i = 0; i < b->hand.n_sends; i++) {
        const struct raft_message *m = &b->hand.sends[i].message;
        if (m->type == RAFT_APPEND_ENTRIES && m->server_id == 2) {
            assert_int_equal(m->append_entries.prev_log_index, 103);
            sent += m->append_entries.n_entries;
        }
    }
    assert_int_equal(sent, last - 103);
    guard_bench_answer(b, 2, 0, last);
    assert_int_equal(match_of(b, 2), last);
    guard_bench_answer(b, 2, 0, last);
    assert_false(guard_has_lost(b->guard, 2));
    assert_non_null(strstr(l.last, "has again what it had lost"));
    guard_bench_close(b);
}

static void a_wiped_member_is_sent_a_snapshot(void **state)
{
    struct lines l = {0};
    struct raft_apply reqs[10] = {{0}};
    struct guard_bench *b = open_leader(&l, reqs);

    (void)state;
    refuse_for(b, 700, 1); /* our log begins at 101 */
    assert_true(guard_has_lost(b->guard, 2));
    assert_int_equal(b->hand.n_gets_ever, 1);
    while (b->hand.n_gets > 0) {
        hand_complete_get(&b->hand, 0);
    }
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    guard_bench_close(b);
}

static void refusals_among_successes_are_stale(void **state)
{
    struct lines l = {0};
    struct raft_apply reqs[10] = {{0}};
    struct guard_bench *b = open_leader(&l, reqs);
    raft_index last = raft_last_index(&b->raft);

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        refuse_for(b, 200, 60);
        guard_bench_answer(b, 2, 0, last);
    }
    assert_false(guard_has_lost(b->guard, 2));
    assert_int_equal(match_of(b, 2), last);
    assert_int_equal(l.n, 0);
    guard_bench_close(b);
}

static void ask_for_vote(struct guard_bench *b, raft_index last, raft_term last_term)
{
    struct raft_message m = {
        .type = RAFT_REQUEST_VOTE,
        .server_id = 2,
        .server_address = "host:2",
        .request_vote = {.version = 2,
                         .term = b->raft.current_term + 1,
                         .candidate_id = 2,
                         .last_log_index = last,
                         .last_log_term = last_term,
                         .disrupt_leader = true},
    };

    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &m);
}

static void who_lost_what_it_confirmed_may_not_lead_before_it_has_it_again(void **state)
{
    struct lines l = {0};
    struct raft_apply reqs[10] = {{0}};
    struct guard_bench *b = open_leader(&l, reqs);
    raft_term term = b->raft.current_term;
    raft_index last = raft_last_index(&b->raft);

    (void)state;
    refuse_for(b, 700, 103);
    b->hand.now_ms += 3000; /* nobody is heard: we no longer lead */
    hand_tick(&b->hand, 50);
    assert_int_not_equal(b->raft.state, RAFT_LEADER);
    term = b->raft.current_term;
    ask_for_vote(b, 103, 5);
    assert_int_equal(b->raft.current_term, term);
    assert_true(guard_has_lost(b->guard, 2));
    ask_for_vote(b, last, term);
    assert_int_equal(b->raft.current_term, term + 1);
    assert_false(guard_has_lost(b->guard, 2));
    guard_bench_close(b);
}

static void its_vote_helps_only_who_has_what_it_lost(void **state)
{
    struct lines l = {0};
    struct raft_apply reqs[10] = {{0}};
    struct guard_bench *b = open_leader(&l, reqs);

    (void)state;
    refuse_for(b, 700, 103);
    b->hand.now_ms += 3000;
    hand_tick(&b->hand, 50);
    guard_bench_elect(b); /* our log reaches so far: member 2's vote counts, or nobody could lead */
    assert_true(guard_has_lost(b->guard, 2));
    guard_bench_close(b);
}

/* --- a leader that commits nothing --- */

static void a_leader_that_commits_nothing_although_it_is_answered_gives_up(void **state)
{
    struct lines l = {0};
    struct raft_apply reqs[10] = {{0}}, one = {0};
    struct guard_bench *b = open_leader(&l, reqs);
    struct raft_buffer buf = {.base = raft_calloc(1, 8), .len = 8};
    unsigned passed_ms = 0;

    (void)state;
    for (unsigned i = 0; i < 400; i++) { /* nothing waits: it stays */
        guard_bench_answer(b, 3, 0, 100);
        hand_tick(&b->hand, 50);
        hand_complete_sends(&b->hand, 0);
    }
    assert_int_equal(b->raft.state, RAFT_LEADER);
    assert_int_equal(raft_apply(&b->raft, &one, &buf, 1, proposed_cb), 0);
    hand_complete_appends(&b->hand);
    while (b->raft.state == RAFT_LEADER && passed_ms < 20000) {
        guard_bench_answer(b, 2, 0, 50); /* both live, and confirm nothing */
        guard_bench_answer(b, 3, 0, 50);
        hand_tick(&b->hand, 50);
        hand_complete_sends(&b->hand, 0);
        passed_ms += 50;
    }
    assert_in_range(passed_ms, 5000, 7000);
    assert_int_equal(l.n, 1);
    assert_non_null(strstr(l.last, "it gives up the leadership"));
    guard_bench_close(b);
}

static void a_leader_whose_followers_catch_up_stays(void **state)
{
    struct lines l = {0};
    struct raft_apply reqs[10] = {{0}}, more[9] = {{0}};
    struct guard_bench *b = open_leader(&l, reqs);

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        struct raft_buffer buf = {.base = raft_calloc(1, 8), .len = 8};
        assert_int_equal(raft_apply(&b->raft, &more[i], &buf, 1, proposed_cb), 0);
    }
    hand_complete_appends(&b->hand);
    for (unsigned i = 0; i < 10; i++) { /* slowly */
        for (unsigned passed = 0; passed < 3000; passed += 50) {
            guard_bench_answer(b, 3, 0, 100 + i);
            hand_tick(&b->hand, 50);
            hand_complete_sends(&b->hand, 0);
        }
    }
    assert_int_equal(b->raft.state, RAFT_LEADER);
    assert_int_equal(l.n, 0);
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_refuses_what_it_confirmed_is_not_counted_and_sent_it_again),
        cmocka_unit_test(a_wiped_member_is_sent_a_snapshot),
        cmocka_unit_test(refusals_among_successes_are_stale),
        cmocka_unit_test(who_lost_what_it_confirmed_may_not_lead_before_it_has_it_again),
        cmocka_unit_test(its_vote_helps_only_who_has_what_it_lost),
        cmocka_unit_test(a_leader_that_commits_nothing_although_it_is_answered_gives_up),
        cmocka_unit_test(a_leader_whose_followers_catch_up_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
