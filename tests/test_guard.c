/* test_guard.c - each hazard of libraft is injected, with the real library behind the guard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../raft/guard.h"
#include "support/hand_io.h"

struct bench {
    struct hand_io hand;
    struct raft_io outer;
    struct raft raft;
    struct raft_fsm fsm;
    struct guard *guard;
    unsigned n_fatal;
    char fatal[512];
    unsigned n_applied, n_restored;
    bool closed;
};

static void bench_fatal(void *arg, const char *sentence)
{
    struct bench *b = arg;

    b->n_fatal++;
    snprintf(b->fatal, sizeof b->fatal, "%s", sentence);
}

static int bench_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    (void)buf;
    *result = NULL;
    ((struct bench *)fsm->data)->n_applied++;
    return 0;
}

static int bench_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    if (!guard_may_snapshot(((struct bench *)fsm->data)->guard)) {
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
    ((struct bench *)fsm->data)->n_restored++;
    return 0;
}

/* Member 1 of `n_members`, with everything up to index 100 of term 3 in a snapshot. */
static struct bench *bench_open(unsigned n_members)
{
    struct bench *b = calloc(1, sizeof *b);

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

static void bench_closed(struct raft *raft)
{
    struct bench *b = (struct bench *)((char *)raft - offsetof(struct bench, raft));

    b->closed = true;
}

static void bench_close(struct bench *b)
{
    raft_close(&b->raft, bench_closed);
    assert_true(b->closed);
    guard_free(b->guard);
    free(b);
}

static void bench_vote(struct bench *b, raft_id from)
{
    struct raft_message m = {
        .type = RAFT_REQUEST_VOTE_RESULT,
        .server_id = from,
        .server_address = "host:2",
        .request_vote_result = {.version = 2, .term = b->raft.current_term, .vote_granted = true},
    };

    hand_receive(&b->hand, &m);
}

static void bench_elect(struct bench *b)
{
    for (int i = 0; i < 40 && b->raft.state != RAFT_CANDIDATE; i++) {
        hand_tick(&b->hand, 50);
    }
    assert_int_equal(b->raft.state, RAFT_CANDIDATE);
    hand_complete_sends(&b->hand, 0);
    bench_vote(b, 2);
    assert_int_equal(b->raft.state, RAFT_LEADER);
    hand_complete_sends(&b->hand, 0);
}

/* A follower's answer: rejected = 0 is a success. */
static void bench_answer(struct bench *b, raft_id from, raft_index rejected, raft_index last)
{
    struct raft_message m = {
        .type = RAFT_APPEND_ENTRIES_RESULT,
        .server_id = from,
        .server_address = "host:x",
        .append_entries_result =
            {.version = 2, .term = b->raft.current_term, .rejected = rejected,
             .last_log_index = last},
    };

    hand_receive(&b->hand, &m);
}

/* Follower `id` has nothing: the leader learns that it needs a snapshot. */
static void bench_need_snapshot(struct bench *b, raft_id id)
{
    bench_answer(b, id, 100, 0);
}

/* Time passes; member 3 keeps the leader in office. */
static void bench_pass(struct bench *b, unsigned ms)
{
    for (unsigned passed = 0; passed < ms; passed += 250) {
        bench_answer(b, 3, 0, 100);
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

/* --- term and vote --- */

static void an_unchanged_term_is_not_written_again(void **state)
{
    struct bench *b = bench_open(3);

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
    bench_close(b);
}

static void a_vote_of_an_earlier_term_is_written_again(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    assert_int_equal(b->outer.set_vote(&b->outer, 2), 0);
    assert_int_equal(b->outer.set_term(&b->outer, 6), 0);
    assert_int_equal(b->outer.set_vote(&b->outer, 2), 0);
    assert_int_equal(b->hand.n_set_vote, 2);
    assert_int_equal(b->hand.vote, 2);
    bench_close(b);
}

static void a_term_that_cannot_be_stored_is_fatal(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    b->hand.set_term_error = RAFT_IOERR;
    assert_int_equal(b->outer.set_term(&b->outer, 9), RAFT_IOERR);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "term"));
    /* And it is not taken for stored. */
    b->hand.set_term_error = 0;
    assert_int_equal(b->outer.set_term(&b->outer, 9), 0);
    assert_int_equal(b->hand.n_set_term, 2);
    bench_close(b);
}

static void a_vote_that_cannot_be_stored_is_fatal(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    b->hand.set_vote_error = RAFT_NOSPACE;
    assert_int_equal(b->outer.set_vote(&b->outer, 3), RAFT_NOSPACE);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "vote"));
    bench_close(b);
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
    struct bench *b = bench_open(3);
    struct raft_buffer buf = an_entry(16);
    unsigned n = 0;
    struct raft_apply req = {.data = &n};

    (void)state;
    bench_elect(b);
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, count_apply_cb), 0);
    assert_int_equal(b->hand.n_appends, 1);
    hand_complete_append(&b->hand, RAFT_IOERR);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "append"));
    bench_close(b);
    assert_int_equal(n, 1);
}

static void an_append_that_is_canceled_is_not_fatal(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_buffer buf = an_entry(16);
    unsigned n = 0;
    struct raft_apply req = {.data = &n};

    (void)state;
    bench_elect(b);
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, count_apply_cb), 0);
    raft_close(&b->raft, bench_closed);
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
    struct bench *b = bench_open(3);
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
    bench_close(b);
}

static void an_append_or_truncation_that_is_refused_is_fatal(void **state)
{
    struct bench *b = bench_open(3);
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
    bench_close(b);
}

/* --- messages --- */

static void a_message_that_cannot_be_sent_is_lost_and_nothing_else(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_buffer buf = an_entry(16);
    unsigned n = 0;
    struct raft_apply req = {.data = &n};

    (void)state;
    bench_elect(b);
    bench_answer(b, 2, 0, 100);
    bench_answer(b, 3, 0, 100);
    hand_complete_sends(&b->hand, 0);
    b->hand.send_error = RAFT_NOMEM;
    /* Without the guard this is an error, and the buffer is half-taken. */
    assert_int_equal(raft_apply(&b->raft, &req, &buf, 1, count_apply_cb), 0);
    b->hand.send_error = 0;
    hand_complete_appends(&b->hand);
    hand_tick(&b->hand, 50);
    bench_answer(b, 2, 0, 101);
    assert_int_equal(b->raft.commit_index, 101);
    assert_int_equal(b->n_applied, 1);
    bench_close(b);
}

/* --- snapshots to followers --- */

static void a_silent_follower_is_sent_one_snapshot_only(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    bench_answer(b, 3, 0, 100);
    bench_need_snapshot(b, 2);
    assert_int_equal(b->hand.n_gets_ever, 0);
    /* It keeps refusing what came before the snapshot, and libraft keeps trying. */
    for (int i = 0; i < 20; i++) {
        hand_tick(&b->hand, 50);
        bench_need_snapshot(b, 2);
        bench_answer(b, 3, 0, 100);
    }
    assert_int_equal(b->hand.n_gets_ever, 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0), 0);
    hand_complete_sends(&b->hand, 0);
    hand_complete_get(&b->hand, 0);
    for (int i = 0; i < 20; i++) {
        hand_tick(&b->hand, 50);
        bench_need_snapshot(b, 2);
        bench_answer(b, 3, 0, 100);
    }
    assert_int_equal(b->hand.n_gets_ever, 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0), 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    assert_true(guard_is_installing(b->guard, 2));
    assert_false(guard_is_installing(b->guard, 3));
    assert_int_equal(b->n_fatal, 0);
    bench_close(b);
}

static void two_followers_share_one_loaded_image(void **state)
{
    struct bench *b = bench_open(5);
    const void *base = NULL;

    (void)state;
    for (int i = 0; i < 40 && b->raft.state != RAFT_CANDIDATE; i++) {
        hand_tick(&b->hand, 50);
    }
    hand_complete_sends(&b->hand, 0);
    bench_vote(b, 2);
    bench_vote(b, 3);
    assert_int_equal(b->raft.state, RAFT_LEADER);
    hand_complete_sends(&b->hand, 0);
    bench_need_snapshot(b, 2);
    bench_need_snapshot(b, 4);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets, 1);
    hand_complete_sends(&b->hand, 0);
    hand_complete_get(&b->hand, 0);
    bench_need_snapshot(b, 5); /* comes when the image is there already */
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0), 3);
    for (unsigned i = 0; i < b->hand.n_sends; i++) {
        const struct raft_message *m = &b->hand.sends[i].message;
        if (m->type == RAFT_INSTALL_SNAPSHOT) {
            base = base != NULL ? base : m->install_snapshot.data.base;
            assert_ptr_equal(m->install_snapshot.data.base, base);
            assert_int_equal(m->install_snapshot.conf.n, 5);
        }
    }
    hand_complete_sends(&b->hand, 0); /* frees the image: the sanitizers see it if not */
    bench_close(b);
}

static void a_transfer_is_released_when_the_match_index_moves(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0);
    hand_complete_sends(&b->hand, 0);
    assert_true(guard_is_installing(b->guard, 2));
    bench_answer(b, 2, 0, 100);
    hand_tick(&b->hand, 50);
    assert_false(guard_is_installing(b->guard, 2));
    bench_close(b);
}

static void a_follower_that_lost_the_snapshot_gets_it_again(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    hand_complete_sends(&b->hand, 0); /* written out, and the connection breaks */
    bench_pass(b, GUARD_INSTALL_DOUBT_MS - 500);
    bench_need_snapshot(b, 2); /* too early to tell */
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 1);
    hand_complete_sends(&b->hand, 0);
    bench_pass(b, 1000);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 2);
    hand_complete_get(&b->hand, 0);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    bench_close(b);
}

static void a_snapshot_that_could_not_be_written_out_is_sent_again(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0);
    hand_complete_sends(&b->hand, RAFT_IOERR);
    assert_false(guard_is_installing(b->guard, 2));
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 2);
    bench_close(b);
}

static void a_transfer_is_released_after_its_timeout(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0);
    hand_complete_sends(&b->hand, 0);
    bench_pass(b, GUARD_INSTALL_TIMEOUT_MS - 1000);
    assert_int_equal(b->raft.state, RAFT_LEADER);
    assert_true(guard_is_installing(b->guard, 2));
    bench_pass(b, 2000);
    assert_false(guard_is_installing(b->guard, 2));
    bench_close(b);
}

static void a_transfer_is_released_when_the_office_is_lost(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0);
    hand_tick(&b->hand, 2000); /* nobody answers */
    assert_int_not_equal(b->raft.state, RAFT_LEADER);
    assert_false(guard_is_installing(b->guard, 2));
    bench_close(b);
}

static void a_snapshot_is_sent_with_the_term_that_belongs_to_its_index(void **state)
{
    struct bench *b = bench_open(3);
    const struct raft_message *m = NULL;

    (void)state;
    bench_elect(b);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_sends(&b->hand, 0);
    /* A newer snapshot, of a newer term, was stored before the old one was loaded. */
    b->hand.snapshot_index = 200;
    b->hand.snapshot_term = 5;
    hand_complete_get(&b->hand, 0);
    for (unsigned i = 0; i < b->hand.n_sends; i++) {
        if (b->hand.sends[i].message.type == RAFT_INSTALL_SNAPSHOT) {
            m = &b->hand.sends[i].message;
        }
    }
    assert_non_null(m);
    assert_int_equal(m->install_snapshot.last_index, 200);
    assert_int_equal(m->install_snapshot.last_term, 5);
    assert_int_equal(m->install_snapshot.term, b->raft.current_term);
    assert_string_equal(m->server_address, "host:2");
    bench_close(b);
}

static void a_snapshot_that_cannot_be_loaded_is_tried_again_and_then_fatal(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(b->n_fatal, 0);
        bench_answer(b, 3, 0, 100);
        bench_need_snapshot(b, 2);
        bench_need_snapshot(b, 2);
        hand_tick(&b->hand, 50);
        assert_int_equal(b->hand.n_gets_ever, i);
        hand_complete_get(&b->hand, RAFT_IOERR);
        assert_false(guard_is_installing(b->guard, 2));
        hand_complete_sends(&b->hand, 0);
    }
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "snapshot"));
    bench_close(b);
}

static void lack_of_memory_for_a_snapshot_is_never_fatal(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    bench_elect(b);
    for (unsigned i = 1; i <= 10; i++) {
        bench_answer(b, 3, 0, 100);
        bench_need_snapshot(b, 2);
        bench_need_snapshot(b, 2);
        hand_tick(&b->hand, 50);
        assert_int_equal(b->hand.n_gets_ever, i);
        hand_complete_get(&b->hand, RAFT_NOMEM);
        hand_complete_sends(&b->hand, 0);
    }
    assert_int_equal(b->n_fatal, 0);
    bench_close(b);
}

static void closing_with_transfers_in_every_stage_frees_all(void **state)
{
    struct bench *b = bench_open(5);

    (void)state;
    for (int i = 0; i < 40 && b->raft.state != RAFT_CANDIDATE; i++) {
        hand_tick(&b->hand, 50);
    }
    hand_complete_sends(&b->hand, 0);
    bench_vote(b, 2);
    bench_vote(b, 3);
    bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0); /* 2: being sent */
    b->hand.snapshot_index = 100;
    hand_complete_sends(&b->hand, 0);
    bench_need_snapshot(b, 3);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets, 1); /* 3: being loaded */
    bench_need_snapshot(b, 4);           /* 4: not looked at yet */
    bench_close(b);
}

/* --- what comes in --- */

static struct raft_message entries_message(struct bench *b, raft_index prev, raft_term prev_term,
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

static struct raft_message install_message(struct bench *b, raft_index index)
{
    struct raft_message m = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .server_id = 2,
        .server_address = "host:2",
        .install_snapshot = {.version = 0, .term = b->raft.current_term, .last_index = index,
                             .last_term = 5, .conf_index = 1},
    };

    raft_configuration_add(&m.install_snapshot.conf, 1, "host:1", RAFT_VOTER);
    raft_configuration_add(&m.install_snapshot.conf, 2, "host:2", RAFT_VOTER);
    m.install_snapshot.data.base = raft_calloc(1, 64);
    m.install_snapshot.data.len = 64;
    return m;
}

static void an_install_waits_for_our_own_snapshot(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_message m;

    (void)state;
    raft_set_snapshot_threshold(&b->raft, 2);
    m = entries_message(b, 100, 3, 0, 4);
    hand_receive(&b->hand, &m);
    hand_complete_appends(&b->hand);
    m = entries_message(b, 104, 5, 104, 0);
    hand_receive(&b->hand, &m);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->n_applied, 4);
    assert_non_null(b->hand.put);
    assert_int_not_equal(b->hand.put_trailing, 0);
    assert_false(guard_may_snapshot(b->guard));
    /* Without the guard this crashes when our snapshot is stored. */
    m = install_message(b, 500);
    hand_receive(&b->hand, &m);
    m = install_message(b, 600); /* a later one takes its place */
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
    bench_close(b);
}

static void an_install_that_is_held_is_freed_on_close(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_message m;

    (void)state;
    raft_set_snapshot_threshold(&b->raft, 2);
    m = entries_message(b, 100, 3, 0, 4);
    hand_receive(&b->hand, &m);
    hand_complete_appends(&b->hand);
    m = entries_message(b, 104, 5, 104, 0);
    hand_receive(&b->hand, &m);
    hand_tick(&b->hand, 50);
    assert_non_null(b->hand.put);
    m = install_message(b, 500);
    hand_receive(&b->hand, &m);
    bench_close(b);
}

static void a_second_install_is_dropped_and_freed(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_message m = install_message(b, 500);

    (void)state;
    hand_receive(&b->hand, &m);
    assert_non_null(b->hand.put);
    m = install_message(b, 600); /* libraft would leak it: the sanitizers would see */
    hand_receive(&b->hand, &m);
    hand_complete_put(&b->hand, 0);
    assert_int_equal(b->raft.last_applied, 500);
    assert_null(b->hand.put);
    bench_close(b);
}

static void a_snapshot_that_cannot_be_stored_is_fatal(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_message m = install_message(b, 500);

    (void)state;
    hand_receive(&b->hand, &m);
    hand_complete_put(&b->hand, RAFT_IOERR);
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "snapshot"));
    bench_close(b);
}

static void a_configuration_change_inside_a_batch_counts_as_committed(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_message m = entries_message(b, 100, 3, 0, 5);
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
    m = entries_message(b, 105, 5, 105, 0);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.last_applied, 105);
    assert_int_equal(b->n_applied, 4);
    assert_int_equal(b->raft.configuration.n, 2);
    /* Without the guard: 101, for ever, and 1. */
    assert_int_equal(b->raft.configuration_uncommitted_index, 0);
    assert_int_equal(b->raft.configuration_committed_index, 103);
    bench_close(b);
}

static void several_changes_in_one_batch_are_taken_one_by_one(void **state)
{
    struct bench *b = bench_open(3);
    struct raft_message m = entries_message(b, 100, 3, 0, 6);
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
    m = entries_message(b, 106, 5, 106, 0);
    hand_receive(&b->hand, &m);
    assert_int_equal(b->raft.last_applied, 106);
    assert_int_equal(b->raft.configuration_uncommitted_index, 0);
    assert_int_equal(b->raft.configuration_committed_index, 105);
    bench_close(b);
}

static void entries_of_impossible_length_or_type_are_dropped(void **state)
{
    struct bench *b = bench_open(3);

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct raft_message m = entries_message(b, 100, 3, 0, 2);
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
    bench_close(b);
}

static void settled_count(void *arg)
{
    ++*(unsigned *)arg;
}

static void settled_runs_outside_of_the_step(void **state)
{
    struct bench *b = bench_open(3);
    unsigned n = 0;

    (void)state;
    guard_on_settled(b->guard, settled_count, &n);
    hand_tick(&b->hand, 50);
    assert_int_equal(n, 1);
    bench_elect(b);
    assert_true(n > 1);
    assert_true(guard_last_heard(b->guard, 2) > 0);
    assert_int_equal(guard_last_heard(b->guard, 3), 0);
    bench_close(b);
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
        cmocka_unit_test(a_message_that_cannot_be_sent_is_lost_and_nothing_else),
        cmocka_unit_test(a_silent_follower_is_sent_one_snapshot_only),
        cmocka_unit_test(two_followers_share_one_loaded_image),
        cmocka_unit_test(a_transfer_is_released_when_the_match_index_moves),
        cmocka_unit_test(a_follower_that_lost_the_snapshot_gets_it_again),
        cmocka_unit_test(a_snapshot_that_could_not_be_written_out_is_sent_again),
        cmocka_unit_test(a_transfer_is_released_after_its_timeout),
        cmocka_unit_test(a_transfer_is_released_when_the_office_is_lost),
        cmocka_unit_test(a_snapshot_is_sent_with_the_term_that_belongs_to_its_index),
        cmocka_unit_test(a_snapshot_that_cannot_be_loaded_is_tried_again_and_then_fatal),
        cmocka_unit_test(lack_of_memory_for_a_snapshot_is_never_fatal),
        cmocka_unit_test(closing_with_transfers_in_every_stage_frees_all),
        cmocka_unit_test(an_install_waits_for_our_own_snapshot),
        cmocka_unit_test(an_install_that_is_held_is_freed_on_close),
        cmocka_unit_test(a_second_install_is_dropped_and_freed),
        cmocka_unit_test(a_snapshot_that_cannot_be_stored_is_fatal),
        cmocka_unit_test(a_configuration_change_inside_a_batch_counts_as_committed),
        cmocka_unit_test(several_changes_in_one_batch_are_taken_one_by_one),
        cmocka_unit_test(entries_of_impossible_length_or_type_are_dropped),
        cmocka_unit_test(settled_runs_outside_of_the_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
