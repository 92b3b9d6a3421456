/* guard_bench.c - the guard on a bench. See guard_bench.h. */
#include "guard_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bench_fatal(void *arg, const char *sentence)
{
    struct guard_bench *b = arg;

    b->n_fatal++;
    snprintf(b->fatal, sizeof b->fatal, "%s", sentence);
}

static int bench_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    (void)buf;
    *result = NULL;
    ((struct guard_bench *)fsm->data)->n_applied++;
    return 0;
}

static int bench_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    if (!guard_may_snapshot(((struct guard_bench *)fsm->data)->guard)) {
        return RAFT_BUSY;
    }
    *bufs = raft_calloc(1, sizeof **bufs);
    (*bufs)[0].base = raft_calloc(1, 8);
    (*bufs)[0].len = 8;
    *n_bufs = 1;
    return 0;
}

static int bench_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    raft_free(buf->base);
    ((struct guard_bench *)fsm->data)->n_restored++;
    return 0;
}

/* Member 1 of `n_members`, with everything up to index 100 of term 3 in a snapshot. */
struct guard_bench *guard_bench_open(unsigned n_members)
{
    struct guard_bench *b = calloc(1, sizeof *b);

    hand_io_init(&b->hand);
    b->hand.term = 5;
    b->hand.snapshot_index = 100;
    b->hand.snapshot_term = 3;
    b->hand.n_members = n_members;
    b->fsm = (struct raft_fsm){
        .version = 1,
        .data = b,
        .apply = bench_apply,
        .snapshot = bench_snapshot,
        .restore = bench_restore,
    };
    b->guard = guard_new(&b->hand.io, &b->outer, &b->raft, bench_fatal, b);
    assert_non_null(b->guard);
    assert_int_equal(raft_init(&b->raft, &b->outer, &b->fsm, 1, "host:1"), 0);
    raft_set_heartbeat_timeout(&b->raft, 50);
    raft_set_election_timeout(&b->raft, 500);
    raft_set_install_snapshot_timeout(&b->raft, GUARD_INSTALL_TIMEOUT_MS);
    raft_set_capacity_threshold(&b->raft, 0);
    assert_int_equal(raft_start(&b->raft), 0);
    return b;
}

void guard_bench_closed(struct raft *raft)
{
    struct raft_fsm *fsm = raft->fsm;
    struct guard_bench *b = fsm->data;

    b->closed = true;
}

void guard_bench_close(struct guard_bench *b)
{
    raft_close(&b->raft, guard_bench_closed);
    assert_true(b->closed);
    guard_free(b->guard);
    free(b);
}

void guard_bench_vote(struct guard_bench *b, raft_id from)
{
    struct raft_message m = {
        .type = RAFT_REQUEST_VOTE_RESULT,
        .server_id = from,
        .server_address = "host:2",
        .request_vote_result = {.version = 2, .term = b->raft.current_term, .vote_granted = true},
    };

    hand_receive(&b->hand, &m);
}

void guard_bench_elect(struct guard_bench *b)
{
    for (int i = 0; i < 40 && b->raft.state != RAFT_CANDIDATE; i++) {
        hand_tick(&b->hand, 50);
    }
    assert_int_equal(b->raft.state, RAFT_CANDIDATE);
    hand_complete_sends(&b->hand, 0);
    guard_bench_vote(b, 2);
    assert_int_equal(b->raft.state, RAFT_LEADER);
    hand_complete_sends(&b->hand, 0);
}

/* A follower's answer: rejected = 0 is a success. */
void guard_bench_answer(struct guard_bench *b, raft_id from, raft_index rejected, raft_index last)
{
    struct raft_message m = {
        .type = RAFT_APPEND_ENTRIES_RESULT,
        .server_id = from,
        .server_address = "host:x",
        .append_entries_result = {.version = 2,
                                  .term = b->raft.current_term,
                                  .rejected = rejected,
                                  .last_log_index = last},
    };

    hand_receive(&b->hand, &m);
}

/* Follower `id` has nothing: the leader learns that it needs a snapshot. */
void guard_bench_need_snapshot(struct guard_bench *b, raft_id id)
{
    guard_bench_answer(b, id, 100, 0);
}

/* Time passes; member 3's answers keep the leadership. */
void guard_bench_pass(struct guard_bench *b, unsigned ms)
{
    for (unsigned passed = 0; passed < ms; passed += 250) {
        guard_bench_answer(b, 3, 0, 100);
        for (int i = 0; i < 5; i++) {
            hand_tick(&b->hand, 50);
            for (unsigned j = 0; j < b->hand.n_sends; j++) {
                assert_int_not_equal(b->hand.sends[j].message.type, 0);
            }
            if (hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0) == 0) {
                hand_complete_sends(&b->hand, 0);
            }
        }
    }
}

struct raft_message guard_bench_entries(struct guard_bench *b, raft_index prev, raft_term prev_term,
                                        raft_index commit, unsigned n)
{
    uint8_t *batch = raft_calloc(n > 0 ? n : 1, 64);
    struct raft_message m = {
        .type = RAFT_APPEND_ENTRIES,
        .server_id = 2,
        .server_address = "host:2",
        .append_entries = {.term = b->raft.current_term,
                           .prev_log_index = prev,
                           .prev_log_term = prev_term,
                           .leader_commit = commit,
                           .n_entries = n,
                           .entries = n > 0 ? raft_calloc(n, sizeof(struct raft_entry)) : NULL},
    };

    for (unsigned i = 0; i < n; i++) {
        m.append_entries.entries[i] = (struct raft_entry){
            .term = b->raft.current_term,
            .type = RAFT_COMMAND,
            .buf = {.base = batch + 64 * (size_t)i, .len = 64},
            .batch = batch,
        };
    }
    if (n == 0) {
        raft_free(batch);
    }
    return m;
}

struct raft_buffer guard_bench_change(raft_id other, const char *address)
{
    struct raft_configuration conf;
    struct raft_buffer buf;

    raft_configuration_init(&conf);
    raft_configuration_add(&conf, 1, "host:1", RAFT_VOTER);
    raft_configuration_add(&conf, other, address, RAFT_VOTER);
    assert_int_equal(raft_configuration_encode(&conf, &buf), 0);
    raft_configuration_close(&conf);
    return buf;
}

struct raft_message guard_bench_install(struct guard_bench *b, raft_index index)
{
    struct raft_message m = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .server_id = 2,
        .server_address = "host:2",
        .install_snapshot = {.version = 0,
                             .term = b->raft.current_term,
                             .last_index = index,
                             .last_term = 5,
                             .conf_index = 1},
    };

    raft_configuration_add(&m.install_snapshot.conf, 1, "host:1", RAFT_VOTER);
    raft_configuration_add(&m.install_snapshot.conf, 2, "host:2", RAFT_VOTER);
    m.install_snapshot.data.base = raft_calloc(1, 64);
    m.install_snapshot.data.len = 64;
    return m;
}
