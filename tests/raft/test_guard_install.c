/* test_guard_install.c - a follower gets one snapshot at a time, whatever libraft asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../support/bench/guard_bench.h"

/* --- snapshots to followers --- */

/* The leader has loaded a snapshot for member 2, and sends it. */
static void begin_transfer(struct guard_bench *b)
{
    guard_bench_elect(b);
    guard_bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0);
}

static void a_silent_follower_is_sent_one_snapshot_only(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    guard_bench_elect(b);
    guard_bench_answer(b, 3, 0, 100);
    guard_bench_need_snapshot(b, 2);
    assert_int_equal(b->hand.n_gets_ever, 0);
    /* It keeps refusing what came before the snapshot, and libraft keeps trying. */
    for (int i = 0; i < 20; i++) {
        hand_tick(&b->hand, 50);
        guard_bench_need_snapshot(b, 2);
        guard_bench_answer(b, 3, 0, 100);
    }
    assert_int_equal(b->hand.n_gets_ever, 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0), 0);
    hand_complete_sends(&b->hand, 0);
    hand_complete_get(&b->hand, 0);
    for (int i = 0; i < 20; i++) {
        hand_tick(&b->hand, 50);
        guard_bench_need_snapshot(b, 2);
        guard_bench_answer(b, 3, 0, 100);
    }
    assert_int_equal(b->hand.n_gets_ever, 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0), 1);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    assert_true(guard_is_installing(b->guard, 2));
    assert_false(guard_is_installing(b->guard, 3));
    assert_int_equal(b->n_fatal, 0);
    guard_bench_close(b);
}

static void two_followers_share_one_loaded_snapshot(void **state)
{
    struct guard_bench *b = guard_bench_open(5);
    const void *base = NULL;

    (void)state;
    for (int i = 0; i < 40 && b->raft.state != RAFT_CANDIDATE; i++) {
        hand_tick(&b->hand, 50);
    }
    hand_complete_sends(&b->hand, 0);
    guard_bench_vote(b, 2);
    guard_bench_vote(b, 3);
    assert_int_equal(b->raft.state, RAFT_LEADER);
    hand_complete_sends(&b->hand, 0);
    guard_bench_need_snapshot(b, 2);
    guard_bench_need_snapshot(b, 4);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets, 1);
    hand_complete_sends(&b->hand, 0);
    hand_complete_get(&b->hand, 0);
    guard_bench_need_snapshot(b, 5); /* comes when the snapshot is there already */
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
    hand_complete_sends(&b->hand, 0); /* frees the snapshot: the sanitizers see it if not */
    guard_bench_close(b);
}

static void a_transfer_is_released_when_the_match_index_moves(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    begin_transfer(b);
    hand_complete_sends(&b->hand, 0);
    assert_true(guard_is_installing(b->guard, 2));
    guard_bench_answer(b, 2, 0, 100);
    hand_tick(&b->hand, 50);
    assert_false(guard_is_installing(b->guard, 2));
    guard_bench_close(b);
}

static void
a_transfer_counts_though_the_match_index_moved_while_its_snapshot_was_loaded(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    guard_bench_elect(b);
    guard_bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 1);
    /* It confirms what was on its way to it, and needs the snapshot all the same. */
    guard_bench_answer(b, 2, 0, 50);
    hand_tick(&b->hand, 50);
    assert_true(guard_is_installing(b->guard, 2));
    hand_complete_get(&b->hand, 0);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    hand_complete_sends(&b->hand, 0);
    for (int i = 0; i < 5; i++) {
        hand_tick(&b->hand, 50);
        assert_true(guard_is_installing(b->guard, 2));
        hand_complete_sends(&b->hand, 0);
    }
    assert_int_equal(b->hand.n_gets_ever, 1);
    guard_bench_answer(b, 2, 0, 100); /* now it has it */
    hand_tick(&b->hand, 50);
    assert_false(guard_is_installing(b->guard, 2));
    guard_bench_close(b);
}

static void a_follower_that_lost_the_snapshot_gets_it_again(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    begin_transfer(b);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    hand_complete_sends(&b->hand, 0); /* written out, and the connection breaks */
    guard_bench_pass(b, GUARD_INSTALL_DOUBT_MS - 500);
    guard_bench_need_snapshot(b, 2); /* too early to tell */
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 1);
    hand_complete_sends(&b->hand, 0);
    guard_bench_pass(b, 1000);
    guard_bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    guard_bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 2);
    hand_complete_get(&b->hand, 0);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    guard_bench_close(b);
}

static void proposed_cb(struct raft_apply *req, int status, void *result)
{
    (void)req;
    (void)status;
    (void)result;
}

/* The leader commits, with member 3, and stores a snapshot of its own at the entry. */
static void take_newer_snapshot(struct guard_bench *b, struct raft_apply *req)
{
    struct raft_buffer buf = {.base = raft_calloc(1, 8), .len = 8};

    raft_set_snapshot_threshold(&b->raft, 1);
    raft_set_snapshot_trailing(&b->raft, 1);
    assert_int_equal(raft_apply(&b->raft, req, &buf, 1, proposed_cb), 0);
    hand_complete_appends(&b->hand);
    guard_bench_answer(b, 3, 0, raft_last_index(&b->raft));
    hand_tick(&b->hand, 50);
    assert_non_null(b->hand.put);
    hand_complete_put(&b->hand, 0);
    hand_complete_sends(&b->hand, 0);
    assert_true(b->raft.trail.snapshot.index > 100);
}

static void a_lost_snapshot_is_sent_again_though_the_leader_has_taken_another(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    struct raft_apply req = {0};

    (void)state;
    begin_transfer(b);
    hand_complete_sends(&b->hand, 0); /* written out, and the connection breaks */
    take_newer_snapshot(b, &req);
    b->hand.snapshot_index = b->raft.trail.snapshot.index;
    /* It refuses libraft's heartbeats, which stand on the newer one. */
    for (unsigned ms = 0; ms < GUARD_INSTALL_DOUBT_MS + 500; ms += 50) {
        assert_true(ms >= GUARD_INSTALL_DOUBT_MS || b->hand.n_gets_ever == 1);
        guard_bench_answer(b, 2, b->raft.trail.snapshot.index, 0);
        guard_bench_answer(b, 3, 0, b->raft.trail.snapshot.index);
        hand_tick(&b->hand, 50);
        hand_complete_sends(&b->hand, 0);
    }
    assert_int_equal(b->hand.n_gets_ever, 2); /* without the guard: after 300 s */
    hand_complete_sends(&b->hand, 0);
    hand_complete_get(&b->hand, 0);
    assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 2), 1);
    guard_bench_close(b);
}

static void a_snapshot_that_could_not_be_written_out_is_sent_again(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    begin_transfer(b);
    hand_complete_sends(&b->hand, RAFT_IOERR);
    assert_false(guard_is_installing(b->guard, 2));
    guard_bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets_ever, 2);
    guard_bench_close(b);
}

static void a_transfer_is_released_after_its_timeout(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    begin_transfer(b);
    hand_complete_sends(&b->hand, 0);
    guard_bench_pass(b, GUARD_INSTALL_TIMEOUT_MS - 1000);
    assert_int_equal(b->raft.state, RAFT_LEADER);
    assert_true(guard_is_installing(b->guard, 2));
    guard_bench_pass(b, 2000);
    assert_false(guard_is_installing(b->guard, 2));
    guard_bench_close(b);
}

static void a_transfer_is_released_when_the_leadership_is_lost(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    begin_transfer(b);
    hand_tick(&b->hand, 2000); /* nobody answers */
    assert_int_not_equal(b->raft.state, RAFT_LEADER);
    assert_false(guard_is_installing(b->guard, 2));
    guard_bench_close(b);
}

static void a_snapshot_is_sent_with_the_term_that_belongs_to_its_index(void **state)
{
    struct guard_bench *b = guard_bench_open(3);
    const struct raft_message *m = NULL;

    (void)state;
    guard_bench_elect(b);
    guard_bench_need_snapshot(b, 2);
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
    guard_bench_close(b);
}

static void change_ended_cb(struct raft_change *req, int status)
{
    (void)status;
    ++*(unsigned *)req->data;
}

/* libraft's message points to an address that goes with the configuration. */
static void a_member_that_left_gets_no_snapshot(void **state)
{
    for (int loading = 0; loading < 2; loading++) {
        struct guard_bench *b = guard_bench_open(3);
        unsigned n = 0;
        struct raft_change req = {.data = &n};

        (void)state;
        guard_bench_elect(b);
        guard_bench_need_snapshot(b, 2);
        if (loading) {
            hand_tick(&b->hand, 50);
            assert_int_equal(b->hand.n_gets, 1);
        }
        assert_int_equal(raft_remove(&b->raft, &req, 2, change_ended_cb), 0);
        hand_tick(&b->hand, 50);
        assert_int_equal(b->hand.n_gets_ever, loading);
        if (loading) {
            hand_complete_get(&b->hand, 0);
        }
        assert_int_equal(hand_count_sends(&b->hand, RAFT_INSTALL_SNAPSHOT, 0), 0);
        assert_false(guard_is_installing(b->guard, 2));
        guard_bench_close(b);
        assert_int_equal(n, 1);
    }
}

static void a_snapshot_that_cannot_be_loaded_is_tried_again_and_then_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    guard_bench_elect(b);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(b->n_fatal, 0);
        guard_bench_answer(b, 3, 0, 100);
        guard_bench_need_snapshot(b, 2);
        guard_bench_need_snapshot(b, 2);
        hand_tick(&b->hand, 50);
        assert_int_equal(b->hand.n_gets_ever, i);
        hand_complete_get(&b->hand, RAFT_IOERR);
        assert_false(guard_is_installing(b->guard, 2));
        hand_complete_sends(&b->hand, 0);
    }
    assert_int_equal(b->n_fatal, 1);
    assert_non_null(strstr(b->fatal, "snapshot"));
    guard_bench_close(b);
}

static void lack_of_memory_for_a_snapshot_is_never_fatal(void **state)
{
    struct guard_bench *b = guard_bench_open(3);

    (void)state;
    guard_bench_elect(b);
    for (unsigned i = 1; i <= 10; i++) {
        guard_bench_answer(b, 3, 0, 100);
        guard_bench_need_snapshot(b, 2);
        guard_bench_need_snapshot(b, 2);
        hand_tick(&b->hand, 50);
        assert_int_equal(b->hand.n_gets_ever, i);
        hand_complete_get(&b->hand, RAFT_NOMEM);
        hand_complete_sends(&b->hand, 0);
    }
    assert_int_equal(b->n_fatal, 0);
    guard_bench_close(b);
}

static void closing_with_transfers_in_every_stage_frees_all(void **state)
{
    struct guard_bench *b = guard_bench_open(5);

    (void)state;
    for (int i = 0; i < 40 && b->raft.state != RAFT_CANDIDATE; i++) {
        hand_tick(&b->hand, 50);
    }
    hand_complete_sends(&b->hand, 0);
    guard_bench_vote(b, 2);
    guard_bench_vote(b, 3);
    guard_bench_need_snapshot(b, 2);
    hand_tick(&b->hand, 50);
    hand_complete_get(&b->hand, 0); /* 2: being sent */
    b->hand.snapshot_index = 100;
    hand_complete_sends(&b->hand, 0);
    guard_bench_need_snapshot(b, 3);
    hand_tick(&b->hand, 50);
    assert_int_equal(b->hand.n_gets, 1); /* 3: being loaded */
    guard_bench_need_snapshot(b, 4);     /* 4: not looked at yet */
    guard_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_follower_is_sent_one_snapshot_only),
        cmocka_unit_test(two_followers_share_one_loaded_snapshot),
        cmocka_unit_test(a_transfer_is_released_when_the_match_index_moves),
        cmocka_unit_test(
            a_transfer_counts_though_the_match_index_moved_while_its_snapshot_was_loaded),
        cmocka_unit_test(a_follower_that_lost_the_snapshot_gets_it_again),
        cmocka_unit_test(a_lost_snapshot_is_sent_again_though_the_leader_has_taken_another),
        cmocka_unit_test(a_snapshot_that_could_not_be_written_out_is_sent_again),
        cmocka_unit_test(a_transfer_is_released_after_its_timeout),
        cmocka_unit_test(a_transfer_is_released_when_the_leadership_is_lost),
        cmocka_unit_test(a_snapshot_is_sent_with_the_term_that_belongs_to_its_index),
        cmocka_unit_test(a_member_that_left_gets_no_snapshot),
        cmocka_unit_test(a_snapshot_that_cannot_be_loaded_is_tried_again_and_then_fatal),
        cmocka_unit_test(lack_of_memory_for_a_snapshot_is_never_fatal),
        cmocka_unit_test(closing_with_transfers_in_every_stage_frees_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
