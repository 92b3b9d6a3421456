/* test_guard.c - hazards of libraft, injected with the real library behind the guard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "support/guard_bench.h"

/* --- term and vote --- */

static void an_unchanged_term_is_not_written_again(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    assert_int_equal(b->outer.set_term(&b->outer, 5), 0);
    assert_int_equal(b->hand.n_set_term, 0);
    assert_int_equal(b->outer.set_term(&b->outer, 6), 0);
    assert_int_equal(b->outer.set_vote(&b->outer, 2), 0);
    assert_int_equal(b->outer.set_term(&b->outer, 6), 0);
    assert_int_equal(b->outer.set_vote(&b->outer, 2), 0);
    assert_int_equal(b->hand.n_set_term, 1);
    assert_int_equal(b->hand.n_set_vote, 1);
    assert_int_equal(b->hand.vote, 2);
    assert_int_equal(b->n_fatal, 0);
    guard_bench_close(b);
}

static void a_vote_of_an_earlier_term_is_written_again(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    assert_int_equal(b->outer.set_vote(&b->outer, 2), 0);
    assert_int_equal(b->outer.set_term(&b->outer, 6), 0);
    assert_int_equal(b->outer.set_vote(&b->outer, 2), 0);
    assert_int_equal(b->hand.n_set_vote, 2);
    assert_int_equal(b->hand.vote, 2);
    guard_bench_close(b);
}

static void a_term_that_cannot_be_stored_is_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    b->hand.set_term_error = RAFT_IOERR;
    assert_int_equal(b->outer.set_term(&b->outer, 9), RAFT_IOERR);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "term"));
    /* And it is not taken for stored. */
    b->hand.set_term_error = 0;
    assert_int_equal(b->outer.set_term(&b->outer, 9), 0);
    assert_int_equal(b->hand.n_set_term, 2);
    guard_bench_close(b);
}

static void a_vote_that_cannot_be_stored_is_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    b->hand.set_vote_error = RAFT_NOSPACE;
    assert_int_equal(b->outer.set_vote(&b->outer, 3), RAFT_NOSPACE);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "vote"));
    guard_bench_close(b);
}

/* --- the log --- */

static struct raft_buffer an_entry(size_t len)
{
    return (struct raft_buffer){.base = raft_calloc(1, len), .len = len};
}

static void count_apply_cb(struct raft_apply *req, int status, void *result)
{
    (void)result;
    (void)status;
    ++*(unsigned *)req->data;
}

static void an_append_that_fails_is_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_buffer buf = an_entry(16);
    unsigned n = 0;
    struct raft_apply req = {.data = &n};

    (void)state;
    guard_bench_elect(b);
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, count_apply_cb), 0);
    assert_int_equal(b->hand.n_appends, 1);
    hand_complete_append(&b->hand, RAFT_IOERR);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "append"));
    guard_bench_close(b);
    assert_int_equal(n, 1);
}

static void an_append_that_is_canceled_is_not_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_buffer buf = an_entry(16);
    unsigned n = 0;
    struct raft_apply req = {.data = &n};

    (void)state;
    guard_bench_elect(b);
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, count_apply_cb), 0);
    raft_close(&b->raft, guard_bench_closed);
    assert_true(b->closed);
    assert_int_equal(b->n_fatal, 0);
    assert_int_equal(n, 1);
    guard_free(b->guard);
    free(b);
}

static void append_ignored_cb(struct raft_io_append *req, int status)
{
    (void)req;
    (void)status;
}

static void an_entry_of_impossible_length_never_reaches_the_disk(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    uint64_t bytes[2] = {0};
    struct raft_entry e = {.term = 5, .type = RAFT_COMMAND, .buf = {.base = bytes, .len = 12}};
    struct raft_io_append req = {0};

    (void)state;
    assert_int_not_equal(b->outer.append(&b->outer, &req, &e, 1, append_ignored_cb), 0);
    assert_int_equal(b->n_fatal, 1);
    e.buf.len = 0;
    assert_int_not_equal(b->outer.append(&b->outer, &req, &e, 1, append_ignored_cb), 0);
    assert_int_equal(b->n_fatal, 2);
    assert_int_equal(b->hand.n_appends, 0);
    guard_bench_close(b);
}

static void an_append_or_truncation_that_is_refused_is_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    uint64_t bytes[1] = {0};
    struct raft_entry e = {.term = 5, .type = RAFT_COMMAND, .buf = {.base = bytes, .len = 8}};
    struct raft_io_append req = {0};

    (void)state;
    b->hand.append_error = RAFT_NOMEM;
    assert_int_equal(b->outer.append(&b->outer, &req, &e, 1, append_ignored_cb), RAFT_NOMEM);
    assert_int_equal(b->n_fatal, 1);
    b->hand.truncate_error = RAFT_NOMEM;
    assert_int_equal(b->outer.truncate(&b->outer, 101), RAFT_NOMEM);
    assert_int_equal(b->n_fatal, 2);
    guard_bench_close(b);
}

static void what_was_applied_at_the_start_is_not_cut_off(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    guard_keep_applied(b->guard, 100);
    assert_int_equal(b->outer.truncate(&b->outer, 101), 0);
    assert_int_equal(b->n_fatal, 0);
    assert_int_equal(b->outer.truncate(&b->outer, 100), RAFT_CORRUPT);
    assert_int_equal(b->n_fatal, 1);
    guard_bench_close(b);
}

/* --- messages --- */

static void a_message_that_cannot_be_sent_is_lost_and_nothing_else(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_buffer buf = an_entry(16);
    unsigned n = 0;
    struct raft_apply req = {.data = &n};

    (void)state;
    guard_bench_elect(b);
    guard_bench_answer(b, 2, 0, 100);
    guard_bench_answer(b, 3, 0, 100);
    hand_complete_sends(&b->hand, 0);
    b->hand.send_error = RAFT_NOMEM;
    /* Without the guard this is an error, and the buffer is half-taken. */
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, count_apply_cb), 0);
    b->hand.send_error = 0;
    hand_complete_appends(&b->hand);
    hand_tick(&b->hand, 50);
    guard_bench_answer(b, 2, 0, 101);
    assert_int_equal(b->raft.commit_index, 101);
    assert_int_equal(b->n_applied, 1);
    guard_bench_close(b);
}

/* --- what comes in --- */

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
    struct raft_configuration conf;
    struct raft_buffer buf;

    (void)state;
    raft_configuration_init(&conf);
    raft_configuration_add(&conf, 1, "host:1", RAFT_VOTER);
    raft_configuration_add(&conf, 2, "host:2", RAFT_VOTER);
    assert_int_equal(raft_configuration_encode(&conf, &buf), 0);
    raft_configuration_close(&conf);
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

/* Does this member, a follower of 2, give the candidate the vote it asks for? */
static bool is_given_a_vote_by(struct guard_bench *b, raft_id candidate, bool pre_vote)
{
    struct raft_message m = {
        .type = RAFT_REQUEST_VOTE,
        .server_id = candidate,
        .server_address = "host:3",
        .request_vote = {.version = 2, .term = b->raft.current_term + 1, .candidate_id = candidate,
                         .last_log_index = 100, .last_log_term = 3, .pre_vote = pre_vote},
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
        .request_vote = {.version = 2, .term = asked, .candidate_id = 3, .last_log_index = 1000,
                         .last_log_term = 3, .pre_vote = true},
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
    guard_bench_pass(b, 3000); /* but it does not stand for election itself */
    assert_int_equal(b->raft.state, RAFT_FOLLOWER);
    guard_bench_close(b);
}

static void several_changes_in_one_batch_are_taken_one_by_one(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 100, 3, 0, 6);
    struct raft_configuration conf;
    struct raft_buffer buf;

    (void)state;
    raft_configuration_init(&conf);
    raft_configuration_add(&conf, 1, "host:1", RAFT_VOTER);
    raft_configuration_add(&conf, 2, "host:2", RAFT_VOTER);
    assert_int_equal(raft_configuration_encode(&conf, &buf), 0);
    raft_configuration_close(&conf);
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

static void settled_count(void *arg)
{
    ++*(unsigned *)arg;
}

static void settled_runs_outside_of_the_step(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    unsigned n = 0;

    (void)state;
    guard_on_settled(b->guard, settled_count, &n);
    hand_tick(&b->hand, 50);
    assert_int_equal(n, 1);
    guard_bench_elect(b);
    assert_true(n > 1);
    assert_true(guard_last_heard(b->guard, 2) > 0);
    assert_int_equal(guard_last_heard(b->guard, 3), 0);
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unchanged_term_is_not_written_again),
        cmocka_unit_test(a_vote_of_an_earlier_term_is_written_again),
        cmocka_unit_test(a_term_that_cannot_be_stored_is_fatal),
        cmocka_unit_test(a_vote_that_cannot_be_stored_is_fatal),
        cmocka_unit_test(an_append_that_fails_is_fatal),
        cmocka_unit_test(an_append_that_is_canceled_is_not_fatal),
        cmocka_unit_test(an_entry_of_impossible_length_never_reaches_the_disk),
        cmocka_unit_test(an_append_or_truncation_that_is_refused_is_fatal),
        cmocka_unit_test(what_was_applied_at_the_start_is_not_cut_off),
        cmocka_unit_test(a_message_that_cannot_be_sent_is_lost_and_nothing_else),
        cmocka_unit_test(an_install_waits_for_our_own_snapshot),
        cmocka_unit_test(an_install_that_is_held_is_freed_on_close),
        cmocka_unit_test(a_second_install_is_dropped_and_freed),
        cmocka_unit_test(a_snapshot_that_cannot_be_stored_is_fatal),
        cmocka_unit_test(a_configuration_change_inside_a_batch_counts_as_committed),
        cmocka_unit_test(the_commit_index_never_goes_back),
        cmocka_unit_test(what_is_in_our_snapshot_is_not_taken_again),
        cmocka_unit_test(entries_behind_our_snapshot_are_known_and_not_refused),
        cmocka_unit_test(a_refusal_of_what_was_confirmed_is_stale),
        cmocka_unit_test(a_member_that_does_not_know_yet_that_it_is_a_voter_votes),
        cmocka_unit_test(the_refusal_of_a_pre_vote_for_a_term_that_is_over_shows_the_later_one),
        cmocka_unit_test(a_leader_silent_for_the_minimum_timeout_is_no_reason_to_refuse_a_vote),
        cmocka_unit_test(several_changes_in_one_batch_are_taken_one_by_one),
        cmocka_unit_test(entries_of_impossible_length_or_type_are_dropped),
        cmocka_unit_test(settled_runs_outside_of_the_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
