/* test_guard_admit.c - who is heard, with which terms, and whether what they send is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/bench/guard_bench.h"

#define STRANGER 77

/* --- terms --- */

/* A message of each type, from member 2, that would raise the term. */
static struct raft_message message_of_term(struct guard_bench *b, enum raft_message_type type,
                                           raft_term term)
{
    struct raft_message m = {.type = type, .server_id = 2, .server_address = "host:2"};

    switch (type) {
        case RAFT_APPEND_ENTRIES:
            m = guard_bench_entries(b, 100, 3, 100, 0);
            m.append_entries.term = term;
            break;
        case RAFT_APPEND_ENTRIES_RESULT:
            m.append_entries_result = (struct raft_append_entries_result){.version = 2,
                                                                          .term = term};
            break;
        case RAFT_REQUEST_VOTE:
            m.request_vote = (struct raft_request_vote){.version = 2,
                                                        .term = term,
                                                        .candidate_id = 2,
                                                        .last_log_index = 100,
                                                        .last_log_term = 3,
                                                        .disrupt_leader = true};
            break;
        case RAFT_REQUEST_VOTE_RESULT:
            m.request_vote_result = (struct raft_request_vote_result){.version = 2, .term = term};
            break;
        case RAFT_INSTALL_SNAPSHOT:
            m = guard_bench_install(b, 500);
            m.install_snapshot.term = term;
            break;
        default:
            m.timeout_now = (struct raft_timeout_now){.version = 1,
                                                      .term = term,
                                                      .last_log_index = 100,
                                                      .last_log_term = 3};
            break;
    }
    return m;
}

static const enum raft_message_type types[] = {
    RAFT_APPEND_ENTRIES,      RAFT_APPEND_ENTRIES_RESULT, RAFT_REQUEST_VOTE,
    RAFT_REQUEST_VOTE_RESULT, RAFT_INSTALL_SNAPSHOT,      RAFT_TIMEOUT_NOW,
};
#define TYPES (sizeof types / sizeof types[0])

static void receive_of_term(struct guard_bench *b, enum raft_message_type type, raft_term term)
{
    struct raft_message m = message_of_term(b, type, term);

    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &m);
}

static void a_term_that_leaps_gets_in_by_no_message(void **state)
{
    const raft_term leaps[] = {5 + GUARD_TERM_LEAP_MAX + 1, UINT64_C(1) << 41, UINT64_C(1) << 48,
                               UINT64_MAX};

    (void)state;
    for (unsigned role = 0; role < 2; role++) {
        for (unsigned i = 0; i < TYPES * 4; i++) {
            struct guard_bench *b = guard_bench_open(3);
            if (role == 1) {
                guard_bench_elect(b);
            }
            unsigned stored = b->hand.n_set_term;
            raft_term term = b->raft.current_term;
            receive_of_term(b, types[i / 4], leaps[i % 4]);
            assert_int_equal(b->raft.current_term, term);
            assert_int_equal(b->hand.n_set_term, stored);
            assert_int_equal(b->hand.n_sends, 0); /* not even an answer */
            assert_int_equal(guard_refusals(b->guard), 1);
            guard_bench_close(b);
        }
    }
}

static void a_node_that_was_away_takes_the_term_of_the_others(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    receive_of_term(b, RAFT_APPEND_ENTRIES, 5 + GUARD_TERM_LEAP_MAX);
    assert_int_equal(b->raft.current_term, 5 + GUARD_TERM_LEAP_MAX);
    /* But it cannot be led on from there, step by step. */
    receive_of_term(b, RAFT_REQUEST_VOTE_RESULT, b->raft.current_term + 2);
    assert_int_equal(b->raft.current_term, 5 + GUARD_TERM_LEAP_MAX);
    receive_of_term(b, RAFT_APPEND_ENTRIES, b->raft.current_term + 1); /* an election */
    assert_int_equal(b->raft.current_term, 6 + GUARD_TERM_LEAP_MAX);
    b->hand.now_ms += 10000;
    receive_of_term(b, RAFT_APPEND_ENTRIES, b->raft.current_term + 10 * GUARD_TERM_LEAP_PER_S - 1);
    assert_int_equal(b->raft.current_term, 5 + GUARD_TERM_LEAP_MAX + 10 * GUARD_TERM_LEAP_PER_S);
    guard_bench_close(b);
}

/* --- whoever is not a member --- */

static void receive_from(struct guard_bench *b, raft_id id, struct raft_message m)
{
    m.server_id = id;
    m.server_address = "elsewhere:1";
    if (m.type == RAFT_REQUEST_VOTE) {
        m.request_vote.candidate_id = id;
    }
    hand_complete_sends(&b->hand, 0);
    hand_receive(&b->hand, &m);
}

static void a_stranger_moves_nothing_while_a_member_leads(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m;

    (void)state;
    for (unsigned i = 0; i < TYPES; i++) {
        m = guard_bench_entries(b, 100, 3, 100, 0);
        hand_receive(&b->hand, &m); /* member 2 leads */
        receive_from(b, STRANGER, message_of_term(b, types[i], 6));
        assert_int_equal(b->raft.current_term, 5);
        assert_int_equal(b->raft.follower_state.current_leader.id, 2);
        assert_int_equal(b->hand.n_sends, 0);
        assert_null(b->hand.put);
        assert_int_equal(guard_refusals(b->guard), i + 1);
    }
    guard_bench_elect(b);
    for (unsigned i = 0; i < TYPES; i++) {
        raft_term term = b->raft.current_term;
        receive_from(b, STRANGER, message_of_term(b, types[i], term + 1));
        assert_int_equal(b->raft.state, RAFT_LEADER);
        assert_int_equal(b->raft.current_term, term);
    }
    guard_bench_close(b);
}

static void a_leader_whose_configuration_we_lack_is_heard_and_becomes_a_member(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 100, 3, 101, 1);
    struct raft_buffer buf = guard_bench_change(STRANGER, "new:1");

    (void)state;
    m.append_entries.term = 6;
    m.append_entries.entries[0].type = RAFT_CHANGE;
    m.append_entries.entries[0].buf.len = buf.len;
    memcpy(m.append_entries.entries[0].buf.base, buf.base, buf.len);
    raft_free(buf.base);
    receive_from(b, STRANGER, m);
    assert_int_equal(b->raft.current_term, 6);
    assert_int_equal(b->hand.n_appends, 1);
    hand_complete_appends(&b->hand);
    assert_int_equal(b->raft.follower_state.current_leader.id, STRANGER);
    assert_int_equal(b->raft.configuration.n, 2);
    assert_int_equal(guard_refusals(b->guard), 0);
    receive_from(b, STRANGER, guard_bench_entries(b, 101, 6, 101, 0));
    m = guard_bench_entries(b, 101, 6, 101, 0); /* who left is a stranger now */
    receive_from(b, 2, m);
    assert_int_equal(guard_refusals(b->guard), 1);
    guard_bench_close(b);
}

static void a_leader_unknown_that_brings_nothing_cannot_keep_us_from_electing_one(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    unsigned passed_ms = 0;

    (void)state;
    while (b->raft.state == RAFT_FOLLOWER && passed_ms < 20000) {
        receive_from(b, STRANGER, guard_bench_entries(b, 100, 3, 100, 0));
        hand_tick(&b->hand, 50);
        passed_ms += 50;
    }
    assert_in_range(passed_ms, 5000, 6100); /* without the guard: never */
    assert_int_equal(b->raft.state, RAFT_CANDIDATE);
    receive_from(b, STRANGER, guard_bench_entries(b, 100, 3, 100, 0));
    assert_int_equal(b->raft.state, RAFT_CANDIDATE); /* barred for a while */
    guard_bench_vote(b, 2);
    assert_int_equal(b->raft.state, RAFT_LEADER);
    guard_bench_close(b);
}

static void a_leader_unknown_is_no_reason_to_refuse_a_member_a_vote(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = message_of_term(b, RAFT_REQUEST_VOTE, 6);

    (void)state;
    m.request_vote.disrupt_leader = false;
    receive_from(b, STRANGER, guard_bench_entries(b, 100, 3, 100, 0));
    assert_int_equal(b->raft.follower_state.current_leader.id, STRANGER);
    receive_from(b, 2, m);
    assert_int_equal(b->raft.current_term, 6);
    assert_int_equal(b->raft.voted_for, 2);
    guard_bench_close(b);
}

static void a_candidate_unknown_gets_a_vote_only_with_a_log_ahead_of_ours(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = message_of_term(b, RAFT_REQUEST_VOTE, 6);

    (void)state;
    receive_from(b, STRANGER, m); /* ours, to the entry: it was removed, or lies */
    assert_int_equal(b->raft.current_term, 5);
    assert_int_equal(b->hand.n_sends, 0);
    m.request_vote.last_log_index = 101;
    receive_from(b, STRANGER, m);
    assert_int_equal(b->raft.voted_for, STRANGER);
    assert_int_equal(guard_refusals(b->guard), 1);
    guard_bench_close(b);
}

static void a_log_is_ahead_by_term_first(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_message m = guard_bench_entries(b, 100, 3, 100, 2); /* two entries of term 5 */

    (void)state;
    hand_receive(&b->hand, &m);
    hand_complete_appends(&b->hand);
    b->hand.now_ms += 2000; /* and its leader is gone */
    m = message_of_term(b, RAFT_REQUEST_VOTE, 6);
    m.request_vote.last_log_index = 500;
    m.request_vote.last_log_term = 4;
    receive_from(b, STRANGER, m);
    assert_int_equal(guard_refusals(b->guard), 1);
    m.request_vote.last_log_index = 103;
    m.request_vote.last_log_term = 5;
    receive_from(b, STRANGER, m);
    assert_int_equal(guard_refusals(b->guard), 1);
    guard_bench_close(b);
}

/* --- what is not whole --- */

struct judging {
    unsigned n_commands, n_snapshots, n_lines;
    size_t max;
    bool bad;
    char line[512];
};

static bool judge_command(void *arg, const uint8_t *data, size_t len)
{
    struct judging *j = arg;

    (void)len;
    j->n_commands++;
    return data[0] == 0;
}

static const char *judge_snapshot(void *arg, const uint8_t *data, size_t len, size_t max,
                                  size_t *done)
{
    struct judging *j = arg;

    (void)data;
    j->n_snapshots++;
    j->max = max;
    *done += len / 4; /* four slices */
    return j->bad && *done == len ? "it is damaged" : NULL;
}

static void judge_log(void *arg, const char *level, const char *sentence)
{
    struct judging *j = arg;

    assert_string_equal(level, "warn");
    j->n_lines++;
    snprintf(j->line, sizeof j->line, "%s", sentence);
}

static struct guard_bench *open_judged(struct judging *j)
{
    struct guard_bench *b = guard_bench_open(3);

    guard_judge_by(b->guard, &(struct guard_judge){.arg = j,
                                                   .command = judge_command,
                                                   .snapshot = judge_snapshot,
                                                   .log = judge_log});
    return b;
}

static void a_damaged_entry_is_not_stored_and_said_once(void **state)
{
    struct judging j = {0};
    struct guard_bench *b = open_judged(&j);
    struct raft_message m;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        m = guard_bench_entries(b, 100, 3, 0, 3);
        ((uint8_t *)m.append_entries.entries[2].buf.base)[0] = 1;
        hand_receive(&b->hand, &m);
        assert_int_equal(b->hand.n_appends, 0);
    }
    assert_int_equal(guard_refusals(b->guard), 50);
    assert_int_equal(j.n_lines, 1);
    assert_non_null(strstr(j.line, "from node 2 at host:2"));
    assert_non_null(strstr(j.line, "damaged"));
    b->hand.now_ms += 40000;
    m = guard_bench_entries(b, 100, 3, 0, 1);
    ((uint8_t *)m.append_entries.entries[0].buf.base)[0] = 1;
    hand_receive(&b->hand, &m);
    assert_int_equal(j.n_lines, 2);
    assert_non_null(strstr(j.line, "49 more"));
    m = guard_bench_entries(b, 100, 3, 0, 3); /* whole */
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_appends, 1);
    guard_bench_close(b);
}

static void entries_of_impossible_terms_or_configurations_are_dropped(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct raft_message m = guard_bench_entries(b, 100, 3, 0, 3);
        struct raft_entry *e = m.append_entries.entries;
        if (i == 0) {
            e[1].term = 6; /* above the leader's own */
        } else if (i == 1) {
            e[2].term = 4; /* falling */
        } else if (i == 2) {
            e[0].term = 2; /* below its predecessor's */
        } else if (i == 3) {
            m.append_entries.prev_log_term = UINT64_C(1) << 48;
        } else {
            e[1].type = RAFT_CHANGE; /* zeros */
        }
        hand_receive(&b->hand, &m);
        assert_int_equal(b->hand.n_appends, 0);
        assert_int_equal(guard_refusals(b->guard), i + 1);
    }
    guard_bench_close(b);
}

static void a_snapshot_without_voters_or_of_an_impossible_index_is_dropped(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct raft_message m = guard_bench_install(b, 500);
        if (i == 0) {
            m.install_snapshot.conf.servers[0].role = RAFT_STANDBY;
            m.install_snapshot.conf.servers[1].role = RAFT_SPARE;
        } else if (i == 1) {
            m.install_snapshot.last_term = 6;
        } else if (i == 2) {
            m.install_snapshot.conf_index = 501;
        } else {
            m.install_snapshot.last_index = 0;
        }
        hand_receive(&b->hand, &m);
        assert_null(b->hand.put);
        assert_int_equal(guard_refusals(b->guard), i + 1);
    }
    guard_bench_close(b);
}

static void a_snapshot_is_verified_in_slices_before_it_is_stored(void **state)
{
    struct judging j = {0};
    struct guard_bench *b = open_judged(&j);
    struct raft_message m = guard_bench_install(b, 500);

    (void)state;
    hand_receive(&b->hand, &m);
    assert_int_equal(j.n_snapshots, 1);
    assert_int_equal(j.max, GUARD_VERIFY_SLICE);
    hand_tick(&b->hand, 50);
    assert_int_equal(j.n_snapshots, 2);
    assert_null(b->hand.put);
    /* Meanwhile it lives, and has not lost the snapshot. */
    hand_complete_sends(&b->hand, 0);
    m = guard_bench_entries(b, 500, 5, 100, 0);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->hand.n_sends, 1);
    assert_int_equal(b->hand.sends[0].message.append_entries_result.rejected, 0);
    assert_int_equal(b->hand.sends[0].message.append_entries_result.last_log_index, 0);
    assert_int_equal(j.n_snapshots, 3);
    hand_tick(&b->hand, 50);
    assert_non_null(b->hand.put);
    assert_int_equal(b->hand.put_index, 500);
    hand_complete_put(&b->hand, 0);
    assert_int_equal(b->raft.last_applied, 500);
    guard_bench_close(b);
}

static void a_damaged_snapshot_is_not_stored(void **state)
{
    struct judging j = {.bad = true};
    struct guard_bench *b = open_judged(&j);
    struct raft_message m = guard_bench_install(b, 500);

    (void)state;
    hand_receive(&b->hand, &m);
    for (int i = 0; i < 5; i++) {
        hand_tick(&b->hand, 50);
    }
    assert_null(b->hand.put);
    assert_int_equal(guard_refusals(b->guard), 1);
    assert_non_null(strstr(j.line, "InstallSnapshot"));
    assert_non_null(strstr(j.line, "it is damaged"));
    j.bad = false; /* the next is whole */
    m = guard_bench_install(b, 600);
    hand_receive(&b->hand, &m);
    for (int i = 0; i < 3; i++) {
        hand_tick(&b->hand, 50);
    }
    assert_int_equal(b->hand.put_index, 600);
    hand_complete_put(&b->hand, 0);
    guard_bench_close(b);
}

static void a_snapshot_that_is_being_verified_goes_with_its_leaders_term_or_the_node(void **state)
{
    struct judging j = {0};
    struct guard_bench *b = open_judged(&j);
    struct raft_message m = guard_bench_install(b, 500);

    (void)state;
    hand_receive(&b->hand, &m);
    m = guard_bench_entries(b, 100, 3, 100, 0);
    m.append_entries.term = 6;
    hand_receive(&b->hand, &m);
    for (int i = 0; i < 5; i++) {
        hand_tick(&b->hand, 50);
    }
    assert_null(b->hand.put);
    m = guard_bench_install(b, 500);
    hand_receive(&b->hand, &m);
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_term_that_leaps_gets_in_by_no_message),
        cmocka_unit_test(a_node_that_was_away_takes_the_term_of_the_others),
        cmocka_unit_test(a_stranger_moves_nothing_while_a_member_leads),
        cmocka_unit_test(a_leader_whose_configuration_we_lack_is_heard_and_becomes_a_member),
        cmocka_unit_test(a_leader_unknown_that_brings_nothing_cannot_keep_us_from_electing_one),
        cmocka_unit_test(a_leader_unknown_is_no_reason_to_refuse_a_member_a_vote),
        cmocka_unit_test(a_candidate_unknown_gets_a_vote_only_with_a_log_ahead_of_ours),
        cmocka_unit_test(a_log_is_ahead_by_term_first),
        cmocka_unit_test(a_damaged_entry_is_not_stored_and_said_once),
        cmocka_unit_test(entries_of_impossible_terms_or_configurations_are_dropped),
        cmocka_unit_test(a_snapshot_without_voters_or_of_an_impossible_index_is_dropped),
        cmocka_unit_test(a_snapshot_is_verified_in_slices_before_it_is_stored),
        cmocka_unit_test(a_damaged_snapshot_is_not_stored),
        cmocka_unit_test(a_snapshot_that_is_being_verified_goes_with_its_leaders_term_or_the_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
