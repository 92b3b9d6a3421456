/* Group commit: what shares an entry, what waits, and that each message ends in one reply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../support/bench/batcher_bench.h"

static void an_idle_batcher_proposes_at_once(void **state)
{
    struct bench t;
    struct message m;

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    bench_message_init(&m, 2, 0);
    assert_true(batcher_submit(&t.batcher, &m.in));
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 1);
    assert_int_equal(batcher_bench_operations(&t, 0), 2);
    assert_int_equal(m.answers, 0);
    batcher_bench_commit(&t);
    assert_int_equal(m.answers, 1);
    assert_int_equal(m.n_results, 2);
    assert_true(batcher_idle(&t.batcher));
    bench_message_free(&m);
    batcher_close(&t.batcher);
}

static void a_busy_batcher_lets_messages_gather(void **state)
{
    struct bench t;
    struct message m[10];

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    for (unsigned i = 0; i < 10; i++) {
        bench_message_init(&m[i], 1, 0);
        assert_true(batcher_submit(&t.batcher, &m[i].in));
        batcher_pump(&t.batcher);
    }
    assert_int_equal(t.n_proposed, BATCHER_ENTRIES_EAGER);
    batcher_bench_commit(&t);
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, BATCHER_ENTRIES_EAGER + 1);
    assert_int_equal(batcher_bench_operations(&t, BATCHER_ENTRIES_EAGER),
                     10 - BATCHER_ENTRIES_EAGER);
    while (t.n_settled < t.n_proposed) {
        batcher_bench_commit(&t);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(m[i].answers, 1);
        bench_message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

/* n messages of so many operations each come at once. */
static void submit_all(struct bench *t, struct message *m, unsigned n, unsigned operations)
{
    for (unsigned i = 0; i < n; i++) {
        bench_message_init(&m[i], operations, 0);
        assert_true(batcher_submit(&t->batcher, &m[i].in));
    }
    batcher_pump(&t->batcher);
}

/* The leadership ends, and with it the batcher: each of n messages has had its one answer. */
static void lose_all(struct bench *t, struct message *m, unsigned n)
{
    batcher_end_leadership(&t->batcher, ORDERSCHED_NOT_LEADER, NULL);
    while (t->n_settled < t->n_proposed) {
        batcher_bench_lose(t);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(m[i].answers, 1);
        bench_message_free(&m[i]);
    }
    batcher_close(&t->batcher);
}

static void entries_in_flight_and_their_size_are_bounded(void **state)
{
    enum { N = 200 };
    static struct message m[N];
    struct bench t;

    (void)state;
    batcher_bench_init(&t, N, 1 << 24);
    submit_all(&t, m, N, 512);
    assert_int_equal(t.n_proposed, BATCHER_FLIGHT_OPERATIONS / BATCHER_ENTRY_OPERATIONS);
    for (unsigned i = 0; i < t.n_proposed; i++) {
        assert_in_range(batcher_bench_operations(&t, i), 1, BATCHER_ENTRY_OPERATIONS);
        assert_true(t.proposed[i].len <= BATCHER_ENTRY_BYTES + ENTRY_HEADER_SIZE + 8);
    }
    while (t.n_settled < t.n_proposed && t.n_proposed < PROPOSED_MAX) {
        batcher_bench_commit(&t);
    }
    lose_all(&t, m, N);
}

/* Whatever the messages' sizes: an entry that would pass the bound waits. */
static void entries_in_flight_hold_no_more_than_so_many_operations(void **state)
{
    static const unsigned sizes[] = {513, 700, 1000, BATCHER_ENTRY_OPERATIONS - 1};
    enum { N = 20 };
    static struct message m[N];
    struct bench t;

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint64_t operations = 0;
        batcher_bench_init(&t, N, 1 << 24);
        submit_all(&t, m, N, sizes[k]);
        for (unsigned i = 0; i < t.n_proposed; i++) {
            operations += batcher_bench_operations(&t, i);
        }
        assert_in_range(operations, BATCHER_FLIGHT_OPERATIONS / 2, BATCHER_FLIGHT_OPERATIONS);
        lose_all(&t, m, N);
    }
}

static void no_more_than_so_many_entries_are_in_flight(void **state)
{
    enum { N = BATCHER_ENTRIES_MAX + 4, EACH = BATCHER_FILL_OPERATIONS };
    static struct message m[N];
    struct bench t;

    (void)state;
    batcher_bench_init(&t, N, 1 << 24);
    for (unsigned i = 0; i < N; i++) { /* each is proposed before the next comes */
        bench_message_init(&m[i], EACH, 0);
        assert_true(batcher_submit(&t.batcher, &m[i].in));
        batcher_pump(&t.batcher);
    }
    assert_int_equal(t.n_proposed, BATCHER_ENTRIES_MAX);
    while (t.n_settled < t.n_proposed) {
        batcher_bench_commit(&t);
        batcher_pump(&t.batcher);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(m[i].answers, 1);
        bench_message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void a_full_queue_takes_no_more(void **state)
{
    struct bench t;
    struct message m[4];

    (void)state;
    batcher_bench_init(&t, 2, 1 << 20);
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    for (unsigned i = 0; i < 4; i++) {
        bench_message_init(&m[i], 1, 0);
        assert_int_equal(batcher_submit(&t.batcher, &m[i].in), i < 2);
    }
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(m[i].answers, i < 2 ? 1 : 0);
        bench_message_free(&m[i]);
    }
    batcher_close(&t.batcher);
    batcher_bench_init(&t, 100, 10); /* by bytes */
    bench_message_init(&m[0], 1, 0);
    assert_false(batcher_submit(&t.batcher, &m[0].in));
    bench_message_free(&m[0]);
    batcher_close(&t.batcher);
}

static void losing_leadership_tells_the_queued_definite_and_the_proposed_unknown(void **state)
{
    struct bench t;
    struct message proposed, queued, read;

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    bench_message_init(&proposed, 1, 0);
    bench_message_init(&read, 0, 1);
    bench_message_init(&queued, 1, 0);
    assert_true(batcher_submit(&t.batcher, &proposed.in));
    batcher_pump(&t.batcher);
    assert_true(batcher_submit(&t.batcher, &read.in));
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 2);
    assert_true(batcher_submit(&t.batcher, &queued.in));
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    assert_int_equal(queued.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(proposed.answers, 0);
    batcher_bench_lose(&t);
    batcher_bench_lose(&t);
    assert_int_equal(proposed.error, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(read.error, ORDERSCHED_NOT_LEADER); /* a read that was not done is definite */
    bench_message_free(&proposed);
    bench_message_free(&queued);
    bench_message_free(&read);
    batcher_close(&t.batcher);
}

static void a_refused_proposal_is_definite(void **state)
{
    struct bench t;
    struct message m;

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    t.refuse_proposals = true;
    bench_message_init(&m, 1, 0);
    assert_true(batcher_submit(&t.batcher, &m.in));
    batcher_pump(&t.batcher);
    assert_int_equal(m.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(m.answers, 1);
    assert_false(t.batcher.open);
    bench_message_free(&m);
    batcher_close(&t.batcher);
}

static void an_entry_of_another_leader_is_not_taken_for_ours(void **state)
{
    struct bench t;
    struct message m;
    struct entry other = {.now_ms = 1, .epoch = 2, .sequence = 1};
    uint8_t bytes[ENTRY_HEADER_SIZE];

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    bench_message_init(&m, 1, 0);
    assert_true(batcher_submit(&t.batcher, &m.in));
    batcher_pump(&t.batcher);
    entry_encode(&other, bytes);
    assert_int_equal(entry_decode(bytes, sizeof bytes, &other), 0);
    assert_null(batcher_results(&t.batcher, &other));
    batcher_bench_commit(&t);
    assert_int_equal(m.answers, 1);
    bench_message_free(&m);
    batcher_close(&t.batcher);
}

static void outcomes_time_and_reads_share_an_entry(void **state)
{
    struct bench t;
    struct message m;
    struct entry entry;
    struct operation op = {.code = OPERATION_OUTCOME,
                           .id = {(const uint8_t *)"x", 1},
                           .outcome = OUTCOME_EXPIRED};

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    bench_message_init(&m, 0, 3);
    assert_true(batcher_submit(&t.batcher, &m.in));
    batcher_submit_internal(&t.batcher, &op);
    batcher_want_time(&t.batcher);
    t.now_ms = 7777;
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 1);
    assert_int_equal(entry_decode(t.proposed[0].data, t.proposed[0].len, &entry), 0);
    assert_int_equal(entry.n_operations, 1);
    assert_int_equal(entry.now_ms, 7777);
    assert_int_equal(entry.epoch, 3);
    batcher_bench_commit(&t);
    assert_int_equal(m.answers, 1);
    assert_true(batcher_idle(&t.batcher));
    bench_message_free(&m);
    batcher_close(&t.batcher);
}

static void outcomes_that_come_all_at_once_are_spread_over_entries_in_their_order(void **state)
{
    enum { N = 5000 };
    struct bench t;
    struct message m;
    uint32_t seen = 0;

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    for (uint32_t i = 1; i <= N; i++) {
        struct operation op = {.code = OPERATION_OUTCOME,
                               .id = {(const uint8_t *)"x", 1},
                               .attempt = i,
                               .outcome = OUTCOME_EXPIRED};
        batcher_submit_internal(&t.batcher, &op);
    }
    bench_message_init(&m, 1, 0);
    assert_true(batcher_submit(&t.batcher, &m.in));
    while (!batcher_idle(&t.batcher)) {
        struct entry entry;
        batcher_pump(&t.batcher);
        assert_int_equal(entry_decode(t.proposed[t.n_settled].data, t.proposed[t.n_settled].len,
                                      &entry),
                         0);
        assert_true(entry.n_operations <= BATCHER_ENTRY_OPERATIONS + 1);
        const uint8_t *at = entry.operations.data;
        for (uint32_t i = 0; i < entry.n_operations; i++) {
            struct operation op;
            assert_int_equal(operation_decode(at, entry.operations.len, &op), ORDERSCHED_OK);
            if (op.code == OPERATION_OUTCOME) {
                assert_int_equal(op.attempt, ++seen);
            }
            at += op.bytes.len;
        }
        batcher_bench_commit(&t);
    }
    assert_int_equal(seen, N);
    assert_int_equal(m.answers, 1);
    bench_message_free(&m);
    batcher_close(&t.batcher);
}

static void the_result_of_an_operation_of_our_own_is_told_by_its_ticket(void **state)
{
    struct bench t;
    struct operation op = {.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1};
    enum { N = BATCHER_ENTRY_OPERATIONS + 10 };
    uint64_t dropped, ticket = 0;

    (void)state;
    batcher_bench_init(&t, 100, 1 << 20);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(batcher_submit_internal(&t.batcher, &op), ++ticket);
    }
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 2);
    assert_int_equal(t.n_tickets, 0);
    batcher_bench_commit(&t);
    assert_int_equal(t.last_ticket, BATCHER_ENTRY_OPERATIONS);
    batcher_bench_commit(&t);
    assert_int_equal(t.last_ticket, N);
    assert_int_equal(t.n_tickets, N);

    /* One that goes with the leadership is never told of, and its ticket is not given out again. */
    dropped = batcher_submit_internal(&t.batcher, &op);
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    batcher_open(&t.batcher);
    assert_int_equal(batcher_submit_internal(&t.batcher, &op), dropped + 1);
    batcher_pump(&t.batcher);
    batcher_bench_commit(&t);
    assert_int_equal(t.n_tickets, N + 1);
    assert_int_equal(t.last_ticket, dropped + 1);
    batcher_close(&t.batcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_result_of_an_operation_of_our_own_is_told_by_its_ticket),
        cmocka_unit_test(an_idle_batcher_proposes_at_once),
        cmocka_unit_test(a_busy_batcher_lets_messages_gather),
        cmocka_unit_test(entries_in_flight_and_their_size_are_bounded),
        cmocka_unit_test(entries_in_flight_hold_no_more_than_so_many_operations),
        cmocka_unit_test(no_more_than_so_many_entries_are_in_flight),
        cmocka_unit_test(a_full_queue_takes_no_more),
        cmocka_unit_test(losing_leadership_tells_the_queued_definite_and_the_proposed_unknown),
        cmocka_unit_test(a_refused_proposal_is_definite),
        cmocka_unit_test(an_entry_of_another_leader_is_not_taken_for_ours),
        cmocka_unit_test(outcomes_time_and_reads_share_an_entry),
        cmocka_unit_test(outcomes_that_come_all_at_once_are_spread_over_entries_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
