/* test_guard_receive.c - hazards of libraft, injected with the real library behind the guard: in what
 * comes in, entries, snapshots and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../support/bench/guard_bench.h"

static void an_install_waits_for_our_own_snapshot(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m;

    (void)state;
    raft_set_snapshot_threshold(&b->raft, 2);
    m = guard_bench_entries(b, 100, 3, 0, 4);
    hand_receive(&b->hand, &m);
    hand_complete_appends(&b->hand);
    m = guard_bench_entries(b, 104, 5, 104, 0);
    hand_receive(&b->hand, &m);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->n_applied, 4);
    assert_non_null(b->hand.put);
    assert_int_not_equal(b->hand.put_trailing, 0);
    assert_false(guard_may_snapshot(b->guard));
    /* Without the guard this crashes when our snapshot is stored. */
    m = guard_bench_install(b, 500);
    hand_receive(&b->hand, &m);
    m = guard_bench_install(b, 600); /* a later one takes its place */
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.put_index, 104);
    hand_complete_put(&b->hand, 0);
    assert_non_null(b->hand.put);
    assert_int_equal(b->hand.put_index, 600);
    assert_int_equal(b->hand.put_trailing, 0);
    assert_false(guard_may_snapshot(b->guard));
    hand_complete_put(&b->hand, 0);
    assert_int_equal(b->n_restored, 2); /* at the start, and now */
    assert_int_equal(b->raft.last_applied, 600);
    assert_true(guard_may_snapshot(b->guard));
    assert_int_equal(b->n_fatal, 0);
    guard_bench_close(b);
}

static void an_install_that_is_held_is_freed_on_close(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m;

    (void)state;
    raft_set_snapshot_threshold(&b->raft, 2);
    m = guard_bench_entries(b, 100, 3, 0, 4);
    hand_receive(&b->hand, &m);
    hand_complete_appends(&b->hand);
    m = guard_bench_entries(b, 104, 5, 104, 0);
    hand_receive(&b->hand, &m);
    hand_tick(&b->hand, 50);
    assert_non_null(b->hand.put);
    m = guard_bench_install(b, 500);
    hand_receive(&b->hand, &m);
    guard_bench_close(b);
}

static void a_second_install_is_dropped_and_freed(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_install(b, 500);

    (void)state;
    hand_receive(&b->hand, &m);
    assert_non_null(b->hand.put);
    m = guard_bench_install(b, 600); /* libraft would leak it: the sanitizers would see */
    hand_receive(&b->hand, &m);
    hand_complete_put(&b->hand, 0);
    assert_int_equal(b->raft.last_applied, 500);
    assert_null(b->hand.put);
    guard_bench_close(b);
}

static void a_snapshot_that_cannot_be_stored_is_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_install(b, 500);

    (void)state;
    hand_receive(&b->hand, &m);
    hand_complete_put(&b->hand, RAFT_IOERR);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "snapshot"));
    guard_bench_close(b);
}

static void a_configuration_change_inside_a_batch_counts_as_committed(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 100, 3, 0, 5);
    struct raft_buffer buf = guard_bench_change(2, "host:2");

    (void)state;
    assert_true(buf.len <= 64);
    m.append_entries.entries[2].type = RAFT_CHANGE;
    m.append_entries.entries[2].buf.len = buf.len;
    memcpy(m.append_entries.entries[2].buf.base, buf.base, buf.len);
    raft_free(buf.base);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_appends, 2);
    hand_complete_appends(&b->hand);
    m = guard_bench_entries(b, 105, 5, 105, 0);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.last_applied, 105);
    assert_int_equal(b->n_applied, 4);
    assert_int_equal(b->raft.configuration.n, 2);
    /* Without the guard: 101, for ever, and 1. */
    assert_int_equal(b->raft.configuration_uncommitted_index, 0);
    assert_int_equal(b->raft.configuration_committed_index, 103);
    guard_bench_close(b);
}

static void the_commit_index_never_goes_back(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 100, 3, 105, 5);

    (void)state;
    hand_receive(&b->hand, &m);
    hand_complete_appends(&b->hand);
    assert_int_equal(b->raft.commit_index, 105);
    assert_int_equal(b->raft.last_applied, 105);
    /* The leader did not hear of it, and has committed more since. */
    m = guard_bench_entries(b, 102, 5, 107, 0);
    hand_receive(&b->hand, &m);
    m = guard_bench_entries(b, 100, 3, 107, 3);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.commit_index, 105); /* without the guard: 103 */
    m = guard_bench_entries(b, 105, 5, 107, 1);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.commit_index, 106);
    guard_bench_close(b);
}

static void what_is_in_our_snapshot_is_not_taken_again(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 90, 3, 105, 15); /* 91 to 105 */

    (void)state;
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_appends, 1); /* without the guard: refused */
    hand_complete_appends(&b->hand);
    assert_int_equal(raft_last_index(&b->raft), 105);
    assert_int_equal(b->raft.last_applied, 105);
    m = guard_bench_entries(b, 0, 0, 105, 3);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_appends, 0);
    assert_int_equal(raft_last_index(&b->raft), 105); /* without the guard: 3 */
    m = guard_bench_entries(b, 20, 1, 105, 0);
    hand_receive(&b->hand, &m);
    assert_int_equal(raft_last_index(&b->raft), 105);
    m = guard_bench_entries(b, 105, 5, 106, 1);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_appends, 1);
    assert_int_equal(b->n_fatal, 0);
    guard_bench_close(b);
}

/* What the follower said in answer, last: refused, or up to where it agrees. */
static struct raft_append_entries_result last_answer(const struct guard_bench *b)
{
    assert_true(b->hand.n_sends > 0);
    const struct raft_message *m = &b->hand.sends[b->hand.n_sends - 1].message;
    assert_int_equal(m->type, RAFT_APPEND_ENTRIES_RESULT);
    return m->append_entries_result;
}

static void entries_behind_our_snapshot_are_known_and_not_refused(void **state)
{
    struct guard_bench *b = guard_bench_open(3); /* its snapshot: index 100 of term 3 */
    struct raft_message m = guard_bench_entries(b, 95, 3, 105, 0);

    (void)state;
    hand_receive(&b->hand, &m);
    assert_int_equal(last_answer(b).rejected, 0); /* without the guard: 95 */
    assert_int_equal(last_answer(b).last_log_index, 100);
    m = guard_bench_entries(b, 95, 3, 105, 5); /* just up to it */
    hand_receive(&b->hand, &m);
    assert_int_equal(last_answer(b).rejected, 0);
    assert_int_equal(last_answer(b).last_log_index, 100);
    m = guard_bench_entries(b, 98, 3, 105, 5); /* over its end */
    m.append_entries.entries[0].term = m.append_entries.entries[1].term = 3;
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_appends, 1);
    hand_complete_appends(&b->hand);
    assert_int_equal(last_answer(b).rejected, 0);
    assert_int_equal(last_answer(b).last_log_index, 103);
    assert_int_equal(b->raft.last_applied, 103);
    assert_int_equal(b->n_applied, 3);
    guard_bench_close(b);
}

static void proposed_cb(struct raft_apply *req, int status, void *result)
{
    (void)req;
    (void)status;
    (void)result;
}

static void a_refusal_of_what_was_confirmed_is_stale(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_buffer buf = {.base = raft_calloc(1, 8), .len = 8};
    struct raft_apply req = {0};
    unsigned n_entries = 0;

    (void)state;
    guard_bench_elect(b);
    hand_complete_appends(&b->hand);
    guard_bench_answer(b, 2, 0, 100);
    guard_bench_pass(b, 1500); /* only member 3 is heard: 2 is probed */
    hand_complete_sends(&b->hand, 0);
    guard_bench_answer(b, 2, 100, 60);
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, proposed_cb), 0);
    hand_tick(&b->hand, 50);
    hand_tick(&b->hand, 50);
    for (unsigned i = 0; i < b->hand.n_sends; i++) {
        const struct raft_message *m = &b->hand.sends[i].message;
        if (m->type == RAFT_APPEND_ENTRIES && m->server_id == 2 &&
            m->append_entries.n_entries > 0) {
            n_entries = m->append_entries.n_entries;
            assert_int_equal(m->append_entries.prev_log_index, 100);
        }
    }
    assert_int_equal(n_entries, 1); /* without the guard: none, and a snapshot is asked for */
    assert_int_equal(b->hand.n_gets_ever, 0);
    guard_bench_close(b);
}

/* A copy of member 3's directory, started at another address, asks for votes. */
static void a_member_is_answered_where_it_is_known_to_be(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message ask = {
        .type = RAFT_REQUEST_VOTE,
        .server_id = 3,
        .server_address = "elsewhere:7400",
        .request_vote = {.version = 2,
                         .term = 100,
                         .candidate_id = 3,
                         .last_log_index = 1000,
                         .last_log_term = 3},
    };

    (void)state;
    ask.request_vote.term = b->raft.current_term + 1;
    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &ask);
    assert_int_equal(b->hand.n_sends, 1);
    assert_int_equal(b->hand.sends[0].message.type, RAFT_REQUEST_VOTE_RESULT);
    assert_string_equal(b->hand.sends[0].message.server_address, "host:3");
    guard_bench_close(b);
}

static void several_changes_in_one_batch_are_taken_one_by_one(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 100, 3, 0, 6);
    struct raft_buffer buf = guard_bench_change(2, "host:2");

    (void)state;
    for (unsigned i = 0; i < 6; i += 2) {
        m.append_entries.entries[i].type = RAFT_CHANGE;
        m.append_entries.entries[i].buf.len = buf.len;
        memcpy(m.append_entries.entries[i].buf.base, buf.base, buf.len);
    }
    raft_free(buf.base);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_appends, 3);
    hand_complete_appends(&b->hand);
    m = guard_bench_entries(b, 106, 5, 106, 0);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.last_applied, 106);
    assert_int_equal(b->raft.configuration_uncommitted_index, 0);
    assert_int_equal(b->raft.configuration_committed_index, 105);
    guard_bench_close(b);
}

static void entries_of_impossible_length_or_type_are_dropped(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct raft_message m = guard_bench_entries(b, 100, 3, 0, 2);
        struct raft_entry *e = &m.append_entries.entries[1];
        if (i == 0) {
            e->buf.len = 0;
        } else if (i == 1) {
            e->buf.len = 63;
        } else if (i == 2) {
            e->type = 9;
        } else {
            e->term = 0;
        }
        hand_receive(&b->hand, &m);
        assert_int_equal(b->hand.n_appends, 0);
        assert_int_equal(raft_last_index(&b->raft), 100);
    }
    assert_int_equal(b->n_fatal, 0);
    guard_bench_close(b);
}

/* What entries of the term before, behind `prev`, are answered with. */
static struct raft_append_entries_result answer_to_past_entries(struct guard_bench *b,
                                                                raft_index prev, unsigned n)
{
    struct raft_message m = guard_bench_entries(b, prev, 0, 0, n);

    m.append_entries.term = b->raft.current_term - 1;
    for (unsigned i = 0; i < n; i++) {
        m.append_entries.entries[i].term = 1;
    }
    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_sends, 1);
    assert_int_equal(b->hand.sends[0].message.type, RAFT_APPEND_ENTRIES_RESULT);
    return b->hand.sends[0].message.append_entries_result;
}

static void what_a_past_term_sends_is_refused_with_the_end_of_the_log(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_append_entries_result answer;

    (void)state;
    /* Those in our snapshot may be taken for entries behind it. */
    static const struct {
        raft_index prev;
        unsigned n;
    } sent[] = {{0, 1}, {0, 0}, {40, 1}, {400, 1}};
    for (unsigned i = 0; i < sizeof sent / sizeof sent[0]; i++) {
        answer = answer_to_past_entries(b, sent[i].prev, sent[i].n);
        assert_int_equal(answer.term, b->raft.current_term);
        assert_true(answer.rejected > 0 && answer.rejected >= sent[i].prev);
        assert_int_equal(answer.last_log_index, answer.rejected > 100 ? 100 : answer.rejected - 1);
    }
    guard_bench_close(b);
}

static void a_snapshot_of_a_past_term_is_not_said_to_be_taken(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_install(b, 500);

    (void)state;
    m.install_snapshot.term = b->raft.current_term - 1;
    m.install_snapshot.last_term = 1;
    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &m);
    hand_tick(&b->hand, 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_APPEND_ENTRIES_RESULT, 0), 0);
    assert_int_equal(raft_last_index(&b->raft), 100);
    guard_bench_close(b);
}

static void who_confirms_more_than_the_leader_has_counts_for_nothing(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_buffer buf = {.base = raft_calloc(1, 8), .len = 8};
    struct raft_apply req = {0};
    raft_index match = 0;

    (void)state;
    guard_bench_elect(b);
    hand_complete_appends(&b->hand);
    raft_index last = raft_last_index(&b->raft);
    guard_bench_answer(b, 2, 0, last + 1000);
    assert_int_equal(raft_match_index(&b->raft, 2, &match), 0);
    assert_true(match <= last);
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, proposed_cb), 0);
    hand_complete_appends(&b->hand);
    hand_tick(&b->hand, 50);
    assert_true(b->raft.commit_index <= last); /* libraft's own count: committed by 1 and 2 */
    guard_bench_answer(b, 2, 0, last + 1);
    assert_int_equal(b->raft.commit_index, last + 1);
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_install_waits_for_our_own_snapshot),
        cmocka_unit_test(an_install_that_is_held_is_freed_on_close),
        cmocka_unit_test(a_second_install_is_dropped_and_freed),
        cmocka_unit_test(a_snapshot_that_cannot_be_stored_is_fatal),
        cmocka_unit_test(a_configuration_change_inside_a_batch_counts_as_committed),
        cmocka_unit_test(the_commit_index_never_goes_back),
        cmocka_unit_test(what_is_in_our_snapshot_is_not_taken_again),
        cmocka_unit_test(entries_behind_our_snapshot_are_known_and_not_refused),
        cmocka_unit_test(a_refusal_of_what_was_confirmed_is_stale),
        cmocka_unit_test(several_changes_in_one_batch_are_taken_one_by_one),
        cmocka_unit_test(entries_of_impossible_length_or_type_are_dropped),
        cmocka_unit_test(a_member_is_answered_where_it_is_known_to_be),
        cmocka_unit_test(what_a_past_term_sends_is_refused_with_the_end_of_the_log),
        cmocka_unit_test(a_snapshot_of_a_past_term_is_not_said_to_be_taken),
        cmocka_unit_test(who_confirms_more_than_the_leader_has_counts_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
