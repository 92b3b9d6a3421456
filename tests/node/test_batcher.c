/* Group commit: what shares an entry, what waits, and that each message ends in one reply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../node/commit/batcher.h"

#define PROPOSED_MAX 64

/* A host that keeps what is proposed, so that the test decides when and how it ends. */
struct bench {
    struct batcher batcher;
    uint64_t now_ms;
    uint64_t term;
    bool refuse_proposals;
    unsigned n_proposed; /* so far */
    unsigned n_settled;
    uint64_t last_ticket; /* told by internal() */
    unsigned n_tickets;
    struct {
        uint8_t *data;
        size_t len;
        void *entry;
    } proposed[PROPOSED_MAX];
};

/* A message with `n` pays; its reply is counted. */
struct message {
    struct inbound in;
    struct buffer bytes;
    unsigned answers;
    int error; /* of the refusal, or -1 when answered */
    unsigned n_results;
    int first_error;
};

static uint64_t bench_now_ms(void *arg)
{
    return ((struct bench *)arg)->now_ms;
}

static uint64_t bench_term(void *arg)
{
    return ((struct bench *)arg)->term;
}

static uint64_t bench_committed(void *arg)
{
    (void)arg;
    return 77;
}

static uint8_t *bench_alloc(void *arg, size_t len)
{
    (void)arg;
    return malloc(len);
}

static bool bench_propose(void *arg, uint8_t *data, size_t len, void *entry)
{
    struct bench *t = arg;

    if (t->refuse_proposals) {
        free(data);
        return false;
    }
    assert_true(t->n_proposed < PROPOSED_MAX);
    assert_int_equal(len % 8, 0);
    t->proposed[t->n_proposed].data = data;
    t->proposed[t->n_proposed].len = len;
    t->proposed[t->n_proposed++].entry = entry;
    return true;
}

static void bench_answer(void *arg, struct inbound *in, const struct result *logged)
{
    struct message *m = in->owner;

    (void)arg;
    m->answers++;
    m->error = -1;
    m->n_results = in->n_logged;
    m->first_error = in->n_logged > 0 ? logged[0].error : -1;
}

static void bench_refuse(void *arg, struct inbound *in, int error, const char *text)
{
    struct message *m = in->owner;

    (void)arg;
    (void)text;
    m->answers++;
    m->error = error;
}

static void bench_internal(void *arg, uint64_t ticket, const struct result *result)
{
    struct bench *t = arg;

    assert_non_null(result);
    assert_true(ticket > t->last_ticket);
    t->last_ticket = ticket;
    t->n_tickets++;
}

static void bench_init(struct bench *t, uint32_t queued_max, uint64_t bytes_max)
{
    struct batcher_host host = {.arg = t,
                                .now_ms = bench_now_ms,
                                .term = bench_term,
                                .committed = bench_committed,
                                .alloc = bench_alloc,
                                .propose = bench_propose,
                                .answer = bench_answer,
                                .refuse = bench_refuse,
                                .internal = bench_internal};

    memset(t, 0, sizeof *t);
    t->now_ms = 1000;
    t->term = 3;
    batcher_init(&t->batcher, &host, queued_max, bytes_max);
    batcher_open(&t->batcher);
}

static void message_init(struct message *m, unsigned n_pays, unsigned n_gets)
{
    static const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE] = {1};
    char why[128];
    struct operation op = {.request_id = request_id, .id = {(const uint8_t *)"x", 1}};

    memset(m, 0, sizeof *m);
    request_encode_head(&m->bytes, "c", 0, n_pays + n_gets);
    for (unsigned i = 0; i < n_pays + n_gets; i++) {
        op.code = i < n_pays ? OPERATION_PAY : OPERATION_GET;
        op.request_id = i < n_pays ? request_id : NULL;
        operation_encode(&m->bytes, &op);
    }
    m->in.message = m->bytes.data;
    m->in.message_len = m->bytes.len;
    m->in.owner = m;
    assert_int_equal(inbound_check(&m->in, "c", why, sizeof why), ORDERSCHED_OK);
    assert_int_equal(m->in.n_logged, n_pays);
}

static void message_free(struct message *m)
{
    inbound_release(&m->in);
    buffer_free(&m->bytes);
}

/* Commit and apply the oldest proposal: every operation gets the result OK. */
static void bench_commit(struct bench *t)
{
    struct entry entry;
    unsigned i = t->n_settled++;

    assert_true(i < t->n_proposed);
    assert_int_equal(entry_decode(t->proposed[i].data, t->proposed[i].len, &entry), 0);
    struct machine_results *results = batcher_results(&t->batcher, &entry);
    assert_non_null(results);
    free(results->results);
    results->results = calloc(entry.n_operations + 1, sizeof *results->results);
    results->n = entry.n_operations;
    batcher_applied(&t->batcher);
    batcher_settled(&t->batcher, t->proposed[i].entry, true);
    free(t->proposed[i].data);
}

static void bench_lose(struct bench *t)
{
    unsigned i = t->n_settled++;

    batcher_settled(&t->batcher, t->proposed[i].entry, false);
    free(t->proposed[i].data);
}

static uint32_t operations_of(const struct bench *t, unsigned i)
{
    struct entry entry;

    assert_int_equal(entry_decode(t->proposed[i].data, t->proposed[i].len, &entry), 0);
    return entry.n_operations;
}

static void an_idle_batcher_proposes_at_once(void **state)
{
    struct bench t;
    struct message m;

    (void)state;
    bench_init(&t, 100, 1 << 20);
    message_init(&m, 2, 0);
    assert_true(batcher_submit(&t.batcher, &m.in));
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 1);
    assert_int_equal(operations_of(&t, 0), 2);
    assert_int_equal(m.answers, 0);
    bench_commit(&t);
    assert_int_equal(m.answers, 1);
    assert_int_equal(m.n_results, 2);
    assert_true(batcher_idle(&t.batcher));
    message_free(&m);
    batcher_close(&t.batcher);
}

static void a_busy_batcher_lets_messages_gather(void **state)
{
    struct bench t;
    struct message m[10];

    (void)state;
    bench_init(&t, 100, 1 << 20);
    for (unsigned i = 0; i < 10; i++) {
        message_init(&m[i], 1, 0);
        assert_true(batcher_submit(&t.batcher, &m[i].in));
        batcher_pump(&t.batcher);
    }
    assert_int_equal(t.n_proposed, BATCHER_ENTRIES_EAGER);
    bench_commit(&t);
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, BATCHER_ENTRIES_EAGER + 1);
    assert_int_equal(operations_of(&t, BATCHER_ENTRIES_EAGER), 10 - BATCHER_ENTRIES_EAGER);
    while (t.n_settled < t.n_proposed) {
        bench_commit(&t);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(m[i].answers, 1);
        message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void message_by(struct message *m, unsigned n_pays, unsigned n_gets, uint8_t *hash)
{
    message_init(m, n_pays, n_gets);
    m->in.caller = (struct caller){hash ? CALLER_TOKEN : CALLER_NOBODY, {hash, hash ? 32 : 0}};
}

/* One letter for each operation of an entry: who asks (a, b, 0: nobody), or . */
static void letters_of(const struct bench *t, unsigned i, char *out)
{
    struct operation op;
    struct entry entry;
    size_t at = 0;

    assert_int_equal(entry_decode(t->proposed[i].data, t->proposed[i].len, &entry), 0);
    for (uint32_t k = 0; k < entry.n_operations; k++, at += op.bytes.len) {
        int rv = operation_decode(entry.operations.data + at, entry.operations.len - at, &op);
        assert_int_equal(rv, 0);
        bool says = op.code == OPERATION_CALLER;
        *out++ = !says ? '.' : op.kind == CALLER_NOBODY ? '0' : (char)op.secret.data[0];
    }
    assert_int_equal(at, entry.operations.len);
    *out = '\0';
}

static void who_asks_stands_in_front_of_what_another_asks(void **state)
{
    uint8_t a[TOKEN_HASH_SIZE] = "a", same[TOKEN_HASH_SIZE] = "a", b[TOKEN_HASH_SIZE] = "b";
    struct operation own = {.code = OPERATION_HURRY, .id = {(const uint8_t *)"x", 1}, .epoch = 1};
    struct message m[9];
    struct bench t;
    char letters[64];

    (void)state;
    bench_init(&t, 100, 1 << 20);
    message_by(&m[0], 1, 0, NULL);
    message_by(&m[1], 2, 0, a);
    message_by(&m[2], 0, 1, b); /* reads: nothing of it is in the log */
    message_by(&m[3], 1, 1, same);
    message_by(&m[4], 1, 0, b);
    message_by(&m[5], 1, 0, NULL);
    message_by(&m[6], 1, 0, NULL);
    message_by(&m[7], 1, 0, a);
    message_by(&m[8], 1, 0, a);
    (void)batcher_submit_internal(&t.batcher, &own);
    for (unsigned i = 0; i < 8; i++) {
        assert_true(batcher_submit(&t.batcher, &m[i].in));
    }
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 1);
    letters_of(&t, 0, letters);
    assert_string_equal(letters, "..a...b.0..a.");
    assert_true(batcher_submit(&t.batcher, &m[8].in));
    batcher_pump(&t.batcher);
    letters_of(&t, 1, letters);
    assert_string_equal(letters, "a."); /* an entry begins with nobody */
    bench_commit(&t);
    bench_commit(&t);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(m[i].answers, 1);
        message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void a_full_entry_has_room_for_who_asks(void **state)
{
    enum { N = 4 };
    uint8_t hashes[N][TOKEN_HASH_SIZE] = {"a", "b", "c", "d"};
    static struct message m[N];
    struct bench t;

    (void)state;
    bench_init(&t, N, 1 << 24);
    for (unsigned i = 0; i < N; i++) {
        message_by(&m[i], i == 0 ? BATCHER_ENTRY_OPERATIONS : 512, 0, hashes[i]);
        assert_true(batcher_submit(&t.batcher, &m[i].in));
    }
    batcher_pump(&t.batcher);
    assert_int_equal(operations_of(&t, 0), BATCHER_ENTRY_OPERATIONS + 1);
    assert_int_equal(operations_of(&t, 1), 513); /* two more with their callers are one too many */
    for (; t.n_settled < t.n_proposed; batcher_pump(&t.batcher)) {
        bench_commit(&t);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(m[i].answers, 1);
        message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void entries_in_flight_and_their_size_are_bounded(void **state)
{
    enum { N = 200 };
    static struct message m[N];
    struct bench t;

    (void)state;
    bench_init(&t, N, 1 << 24);
    for (unsigned i = 0; i < N; i++) {
        message_init(&m[i], 512, 0);
        assert_true(batcher_submit(&t.batcher, &m[i].in));
    }
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, BATCHER_FLIGHT_OPERATIONS / BATCHER_ENTRY_OPERATIONS);
    for (unsigned i = 0; i < t.n_proposed; i++) {
        assert_in_range(operations_of(&t, i), 1, BATCHER_ENTRY_OPERATIONS);
        assert_true(t.proposed[i].len <= BATCHER_ENTRY_BYTES + ENTRY_HEADER_SIZE + 8);
    }
    while (t.n_settled < t.n_proposed && t.n_proposed < PROPOSED_MAX) {
        bench_commit(&t);
    }
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    while (t.n_settled < t.n_proposed) {
        bench_lose(&t);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(m[i].answers, 1);
        message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void no_more_than_so_many_entries_are_in_flight(void **state)
{
    enum { N = BATCHER_ENTRIES_MAX + 4, EACH = BATCHER_FILL_OPERATIONS };
    static struct message m[N];
    struct bench t;

    (void)state;
    bench_init(&t, N, 1 << 24);
    for (unsigned i = 0; i < N; i++) { /* each is proposed before the next comes */
        message_init(&m[i], EACH, 0);
        assert_true(batcher_submit(&t.batcher, &m[i].in));
        batcher_pump(&t.batcher);
    }
    assert_int_equal(t.n_proposed, BATCHER_ENTRIES_MAX);
    while (t.n_settled < t.n_proposed) {
        bench_commit(&t);
        batcher_pump(&t.batcher);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(m[i].answers, 1);
        message_free(&m[i]);
    }
    batcher_close(&t.batcher);
}

static void a_full_queue_takes_no_more(void **state)
{
    struct bench t;
    struct message m[4];

    (void)state;
    bench_init(&t, 2, 1 << 20);
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    for (unsigned i = 0; i < 4; i++) {
        message_init(&m[i], 1, 0);
        assert_int_equal(batcher_submit(&t.batcher, &m[i].in), i < 2);
    }
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(m[i].answers, i < 2 ? 1 : 0);
        message_free(&m[i]);
    }
    batcher_close(&t.batcher);
    bench_init(&t, 100, 10); /* by bytes */
    message_init(&m[0], 1, 0);
    assert_false(batcher_submit(&t.batcher, &m[0].in));
    message_free(&m[0]);
    batcher_close(&t.batcher);
}

static void losing_leadership_tells_the_queued_definite_and_the_proposed_unknown(void **state)
{
    struct bench t;
    struct message proposed, queued, read;

    (void)state;
    bench_init(&t, 100, 1 << 20);
    message_init(&proposed, 1, 0);
    message_init(&read, 0, 1);
    message_init(&queued, 1, 0);
    assert_true(batcher_submit(&t.batcher, &proposed.in));
    batcher_pump(&t.batcher);
    assert_true(batcher_submit(&t.batcher, &read.in));
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 2);
    assert_true(batcher_submit(&t.batcher, &queued.in));
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    assert_int_equal(queued.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(proposed.answers, 0);
    bench_lose(&t);
    bench_lose(&t);
    assert_int_equal(proposed.error, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(read.error, ORDERSCHED_NOT_LEADER); /* a read that was not done is definite */
    message_free(&proposed);
    message_free(&queued);
    message_free(&read);
    batcher_close(&t.batcher);
}

static void a_refused_proposal_is_definite(void **state)
{
    struct bench t;
    struct message m;

    (void)state;
    bench_init(&t, 100, 1 << 20);
    t.refuse_proposals = true;
    message_init(&m, 1, 0);
    assert_true(batcher_submit(&t.batcher, &m.in));
    batcher_pump(&t.batcher);
    assert_int_equal(m.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(m.answers, 1);
    assert_false(t.batcher.open);
    message_free(&m);
    batcher_close(&t.batcher);
}

static void an_entry_of_another_leader_is_not_taken_for_ours(void **state)
{
    struct bench t;
    struct message m;
    struct entry other = {.now_ms = 1, .epoch = 2, .sequence = 1};
    uint8_t bytes[ENTRY_HEADER_SIZE];

    (void)state;
    bench_init(&t, 100, 1 << 20);
    message_init(&m, 1, 0);
    assert_true(batcher_submit(&t.batcher, &m.in));
    batcher_pump(&t.batcher);
    entry_encode(&other, bytes);
    assert_int_equal(entry_decode(bytes, sizeof bytes, &other), 0);
    assert_null(batcher_results(&t.batcher, &other));
    bench_commit(&t);
    assert_int_equal(m.answers, 1);
    message_free(&m);
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
    bench_init(&t, 100, 1 << 20);
    message_init(&m, 0, 3);
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
    bench_commit(&t);
    assert_int_equal(m.answers, 1);
    assert_true(batcher_idle(&t.batcher));
    message_free(&m);
    batcher_close(&t.batcher);
}

static void outcomes_that_come_all_at_once_are_spread_over_entries_in_their_order(void **state)
{
    enum { N = 5000 };
    struct bench t;
    struct message m;
    uint32_t seen = 0;

    (void)state;
    bench_init(&t, 100, 1 << 20);
    for (uint32_t i = 1; i <= N; i++) {
        struct operation op = {.code = OPERATION_OUTCOME,
                               .id = {(const uint8_t *)"x", 1},
                               .attempt = i,
                               .outcome = OUTCOME_EXPIRED};
        batcher_submit_internal(&t.batcher, &op);
    }
    message_init(&m, 1, 0);
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
        bench_commit(&t);
    }
    assert_int_equal(seen, N);
    assert_int_equal(m.answers, 1);
    message_free(&m);
    batcher_close(&t.batcher);
}

static void the_result_of_an_operation_of_our_own_is_told_by_its_ticket(void **state)
{
    struct bench t;
    struct operation op = {.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1};
    enum { N = BATCHER_ENTRY_OPERATIONS + 10 };
    uint64_t dropped, ticket = 0;

    (void)state;
    bench_init(&t, 100, 1 << 20);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(batcher_submit_internal(&t.batcher, &op), ++ticket);
    }
    batcher_pump(&t.batcher);
    assert_int_equal(t.n_proposed, 2);
    assert_int_equal(t.n_tickets, 0);
    bench_commit(&t);
    assert_int_equal(t.last_ticket, BATCHER_ENTRY_OPERATIONS);
    bench_commit(&t);
    assert_int_equal(t.last_ticket, N);
    assert_int_equal(t.n_tickets, N);

    /* One that goes with the leadership is never told of, and its ticket is not given out again. */
    dropped = batcher_submit_internal(&t.batcher, &op);
    batcher_end_leadership(&t.batcher, ORDERSCHED_NOT_LEADER, NULL);
    batcher_open(&t.batcher);
    assert_int_equal(batcher_submit_internal(&t.batcher, &op), dropped + 1);
    batcher_pump(&t.batcher);
    bench_commit(&t);
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
        cmocka_unit_test(who_asks_stands_in_front_of_what_another_asks),
        cmocka_unit_test(a_full_entry_has_room_for_who_asks),
        cmocka_unit_test(entries_in_flight_and_their_size_are_bounded),
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
