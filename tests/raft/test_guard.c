/* test_guard.c - hazards of libraft, injected with the real library behind the guard: in what is stored
 * and sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../support/bench/guard_bench.h"

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
        cmocka_unit_test(settled_runs_outside_of_the_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
