/* Workers that pull: long polls, leases, reports, and what becomes of all of them with the office. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../client/work.h"
#include "../node/callback_worker.h"
#include "support/random.h"

#define EPOCH 7
#define LEASE_MS 1000
#define SLOT 3
#define ROUTE "stock"
#define POLLS_MAX 4
#define LOGGED_MAX 4096

static const struct route_copy settings = {
    .route = ROUTE, .settings = {.kind = ROUTE_WORKER, .timeout_ms = LEASE_MS}};

/* The leader around the receiver, played by the test: a clock, and a log of outcomes that are
 * applied when the test says so. */
struct bench {
    struct callback_worker worker;
    uint64_t now_us;
    uint64_t chance;
    uint64_t tickets;
    uint64_t applied;
    bool orphans; /* the office is over: outcomes are dropped */
    bool hurries; /* an operation that delivers the order at once follows each outcome */
    struct {
        char id[ORDERSCHED_ID_MAX];
        enum outcome outcome;
        uint64_t delay_ms;
        char reason[160];
    } logged[LOGGED_MAX]; /* by ticket - 1 */
    unsigned n_dropped;
};

/* A worker's message, and what came back. */
struct message {
    struct inbound in;
    struct inbound_source *source; /* NULL: not known */
    atomic_bool gone;
    unsigned replies;
    int refused; /* with this error; 0: answered */
    struct buffer body;
};

static uint64_t bench_now_us(void *arg)
{
    return ((struct bench *)arg)->now_us;
}

static uint64_t bench_random(void *arg)
{
    return ++((struct bench *)arg)->chance * 0x9e3779b97f4a7c15;
}

static void bench_answer(void *arg, struct inbound *in, const struct result *result)
{
    struct message *m = in->owner;

    (void)arg;
    m->replies++;
    m->refused = result->error;
    buffer_append(&m->body, result->body.data, result->body.len);
}

static void bench_refuse(void *arg, struct inbound *in, int error, const char *text)
{
    struct message *m = in->owner;

    (void)arg;
    (void)text;
    m->replies++;
    m->refused = error;
}

static uint64_t bench_ticket(void *arg)
{
    return ((struct bench *)arg)->tickets;
}

static struct bench *bench_open(void)
{
    struct bench *b = calloc(1, sizeof *b);
    struct callback_worker_host host = {
        .arg = b,
        .monotonic_us = bench_now_us,
        .random = bench_random,
        .answer = bench_answer,
        .refuse = bench_refuse,
        .ticket = bench_ticket,
    };

    assert_non_null(b);
    b->now_us = 1000000;
    callback_worker_init(&b->worker, &host, POLLS_MAX);
    callback_worker_open(&b->worker, EPOCH);
    return b;
}

static void bench_close(struct bench *b)
{
    b->orphans = true;
    callback_worker_leave(&b->worker, ORDERSCHED_NOT_LEADER);
    callback_worker_close(&b->worker);
    free(b);
}

static void delivery_done(struct delivery *d, void *arg)
{
    struct bench *b = arg;

    if (b->orphans) {
        b->n_dropped++;
    } else {
        assert_true(b->tickets < LOGGED_MAX);
        memcpy(b->logged[b->tickets].id, d->id, d->id_len);
        b->logged[b->tickets].outcome = d->outcome;
        b->logged[b->tickets].delay_ms = d->delay_ms;
        memcpy(b->logged[b->tickets].reason, d->reason, sizeof d->reason);
        b->tickets += 1 + b->hurries;
    }
    free(d->payload);
    free(d);
}

static unsigned room(struct bench *b)
{
    struct receiver *r = &b->worker.receiver;

    return r->room(r, SLOT, ROUTE);
}

/* What the dispatcher does with one ready order. */
static void start_with(struct bench *b, const char *id, const void *payload, size_t payload_len)
{
    struct delivery *d = calloc(1, sizeof *d);

    assert_non_null(d);
    snprintf(d->key, sizeof d->key, "osd_%032d", 5);
    d->fence_epoch = EPOCH;
    d->fence_index = 41;
    d->deadline_ms = 1800000000000;
    d->attempt = 2;
    d->route_slot = SLOT;
    snprintf(d->route, sizeof d->route, ROUTE);
    d->settings = &settings;
    d->id_len = strlen(id);
    memcpy(d->id, id, d->id_len);
    d->payload = calloc(1, payload_len + 1);
    assert_non_null(d->payload);
    if (payload != NULL) {
        memcpy(d->payload, payload, payload_len);
    }
    d->payload_len = payload_len;
    d->done = delivery_done;
    d->done_arg = b;
    b->worker.receiver.start(&b->worker.receiver, d);
}

static void start(struct bench *b, const char *id)
{
    start_with(b, id, NULL, 0);
}

/* The outcomes up to this many in all are applied as one entry. */
static void apply(struct bench *b, uint64_t until)
{
    while (b->applied < until) {
        struct result result = {.state = ORDERSCHED_EXPIRED, .index = 100 + b->applied};
        b->applied++;
        callback_worker_ticket(&b->worker, b->applied, &result);
    }
    callback_worker_applied(&b->worker);
}

/* Time passes. Returns in how many microseconds there is work again. */
static uint64_t run(struct bench *b, uint64_t advance_ms)
{
    b->now_us += advance_ms * 1000;
    return callback_worker_run(&b->worker) - b->now_us;
}

static void message_reset(struct message *m)
{
    buffer_free(&m->body);
    memset(m, 0, sizeof *m);
    m->in.owner = m;
    m->in.gone = &m->gone;
}

/* Encoded and decoded, as if it came over the wire. */
static struct operation over_the_wire(struct buffer *b, const struct operation *op)
{
    struct operation out;

    operation_encode(b, op);
    assert_int_equal(operation_decode(b->data, b->len, &out), ORDERSCHED_OK);
    return out;
}

static void reserve(struct bench *b, struct message *m, unsigned max, unsigned wait_ms)
{
    struct buffer bytes = {0};
    struct operation op = {
        .code = OPERATION_RESERVE,
        .route = {(const uint8_t *)ROUTE, strlen(ROUTE)},
        .limit = max,
        .time_ms = wait_ms,
        .worker = {(const uint8_t *)"w1", 2},
    };

    struct inbound_source *source = m->source;

    message_reset(m);
    m->in.source = source;
    op = over_the_wire(&bytes, &op);
    callback_worker_reserve(&b->worker, &m->in, &op, SLOT);
    buffer_free(&bytes);
}

/* The orders that a RESERVE brought: how many, and the token of one of them. */
static uint32_t jobs_of(const struct message *m, unsigned which, uint8_t *token)
{
    struct cursor c;
    struct work_job job;
    uint32_t n, lease_ms;

    assert_int_equal(m->replies, 1);
    assert_int_equal(m->refused, 0);
    cursor_init(&c, m->body.data, m->body.len);
    assert_true(work_read_jobs_head(&c, &lease_ms, &n));
    assert_int_equal(lease_ms, n > 0 ? LEASE_MS : 0);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(work_read_job(&c, &job));
        assert_int_equal(job.fence.len, 4);
        assert_memory_equal(job.fence.data, "7.41", 4);
        assert_int_equal(job.attempt, 2);
        if (i == which && token != NULL) {
            memcpy(token, job.token.data, ORDERSCHED_TOKEN_SIZE);
        }
    }
    assert_ptr_equal(c.at, c.end);
    return n;
}

/* The one order that a RESERVE brought has this payload. */
static void assert_payload(const struct message *m, const void *payload, size_t len)
{
    struct cursor c;
    struct work_job job;
    uint32_t n, lease_ms;

    cursor_init(&c, m->body.data, m->body.len);
    assert_true(work_read_jobs_head(&c, &lease_ms, &n));
    assert_int_equal(n, 1);
    assert_true(work_read_job(&c, &job));
    assert_int_equal(job.payload.len, len);
    assert_memory_equal(job.payload.data, payload, len);
}

static void settle_many(struct bench *b, struct message *m, const struct work_report *reports,
                        unsigned n)
{
    struct buffer list = {0}, bytes = {0};

    message_reset(m);
    for (unsigned i = 0; i < n; i++) {
        work_write_report(&list, &reports[i]);
    }
    struct operation op = {
        .code = OPERATION_SETTLE, .n_tokens = n, .tokens = {list.data, list.len}};
    op = over_the_wire(&bytes, &op);
    callback_worker_settle(&b->worker, &m->in, &op);
    buffer_free(&list);
    buffer_free(&bytes);
}

static void settle(struct bench *b, struct message *m, const uint8_t *token, enum outcome outcome,
                   uint64_t delay_ms, const char *reason)
{
    struct work_report report = {
        .token = {token, ORDERSCHED_TOKEN_SIZE},
        .outcome = outcome,
        .delay_ms = delay_ms,
        .reason = {(const uint8_t *)reason, strlen(reason)},
    };

    settle_many(b, m, &report, 1);
}

static struct work_result result_of(const struct message *m, unsigned which)
{
    struct cursor c;
    struct work_result result = {0};

    assert_int_equal(m->replies, 1);
    assert_int_equal(m->refused, 0);
    cursor_init(&c, m->body.data, m->body.len);
    assert_true(cursor_array(&c) > which);
    for (unsigned i = 0; i <= which; i++) {
        assert_true(work_read_result(&c, &result));
    }
    return result;
}

static int extend(struct bench *b, const uint8_t *token)
{
    struct message m = {0};
    struct buffer list = {0}, bytes = {0};
    struct cursor c;

    message_reset(&m);
    write_bin(&list, token, ORDERSCHED_TOKEN_SIZE);
    struct operation op = {
        .code = OPERATION_LEASE, .n_tokens = 1, .tokens = {list.data, list.len}};
    op = over_the_wire(&bytes, &op);
    callback_worker_lease(&b->worker, &m.in, &op);
    assert_int_equal(m.replies, 1);
    cursor_init(&c, m.body.data, m.body.len);
    assert_int_equal(cursor_array(&c), 1);
    int error = (int)cursor_uint(&c);
    assert_true(cursor_ok(&c));
    buffer_free(&list);
    buffer_free(&bytes);
    message_reset(&m);
    return error;
}

/* A worker that holds one order. */
static void hold(struct bench *b, const char *id, uint8_t token[ORDERSCHED_TOKEN_SIZE])
{
    struct message m = {0};

    reserve(b, &m, 1, 0);
    assert_int_equal(room(b), 1);
    start(b, id);
    run(b, 0);
    assert_int_equal(jobs_of(&m, 0, token), 1);
    message_reset(&m);
}

/* ---- waiting ---- */

static void a_worker_gets_a_payload_as_it_is_whatever_bytes_it_has(void **state)
{
    struct bench *b = bench_open();
    struct message m = {0};

    (void)state;
    reserve(b, &m, 1, 0);
    assert_int_equal(room(b), 1);
    start_with(b, "a", "{\"sku\":7\0}", 10);
    run(b, 0);
    assert_payload(&m, "{\"sku\":7\0}", 10);
    message_reset(&m);
    bench_close(b);
}

static void a_worker_that_waits_gets_orders_as_soon_as_they_are_due(void **state)
{
    struct bench *b = bench_open();
    struct message m = {0};

    (void)state;
    assert_int_equal(room(b), 0);
    reserve(b, &m, 10, 5000);
    assert_int_equal(room(b), 10);
    run(b, 4000);
    assert_int_equal(m.replies, 0);
    start(b, "a");
    start(b, "b");
    assert_int_equal(room(b), 8);
    run(b, 0);
    assert_int_equal(jobs_of(&m, 0, NULL), 2);
    assert_int_equal(room(b), 0);
    message_reset(&m);
    bench_close(b);
}

static void a_worker_that_waited_in_vain_is_told_so_when_its_time_is_up(void **state)
{
    struct bench *b = bench_open();
    struct message m = {0};

    (void)state;
    reserve(b, &m, 10, 5000);
    assert_int_equal(run(b, 0), 1000000); /* looks for clients that have left */
    assert_int_equal(run(b, 4500), 500000);
    assert_int_equal(m.replies, 0);
    run(b, 500);
    assert_int_equal(jobs_of(&m, 0, NULL), 0);
    assert_int_equal(room(b), 0);
    message_reset(&m);
    bench_close(b);
}

static void orders_go_to_the_worker_that_waited_longest_and_no_answer_has_more_than_asked(
    void **state)
{
    struct bench *b = bench_open();
    struct message first = {0}, second = {0};

    (void)state;
    reserve(b, &first, 2, 5000);
    reserve(b, &second, 2, 5000);
    assert_int_equal(room(b), 4);
    start(b, "a");
    start(b, "b");
    start(b, "c");
    assert_int_equal(room(b), 1);
    run(b, 0);
    assert_int_equal(jobs_of(&first, 0, NULL), 2);
    assert_int_equal(jobs_of(&second, 0, NULL), 1);
    message_reset(&first);
    message_reset(&second);
    bench_close(b);
}

static void an_answer_takes_no_more_bytes_than_the_protocol_allows(void **state)
{
    struct bench *b = bench_open();
    struct message m = {0};
    unsigned n = 0;

    (void)state;
    reserve(b, &m, 1000, 5000);
    while (room(b) > 0) {
        start_with(b, "big", NULL, ORDERSCHED_PAYLOAD_MAX);
        n++;
    }
    run(b, 0);
    assert_in_range(n, 900, 999);
    assert_int_equal(jobs_of(&m, 0, NULL), n);
    assert_in_range(m.body.len, PROTOCOL_ANSWER_MAX - 256 * 1024, PROTOCOL_ANSWER_MAX - 4096);
    message_reset(&m);
    bench_close(b);
}

static void more_workers_than_may_wait_are_told_busy(void **state)
{
    struct bench *b = bench_open();
    struct message m[POLLS_MAX + 1] = {0};

    (void)state;
    for (unsigned i = 0; i <= POLLS_MAX; i++) {
        reserve(b, &m[i], 1, 5000);
    }
    assert_int_equal(m[POLLS_MAX].refused, ORDERSCHED_BUSY);
    assert_int_equal(room(b), POLLS_MAX);
    run(b, 5000);
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        assert_int_equal(jobs_of(&m[i], 0, NULL), 0);
        message_reset(&m[i]);
    }
    reserve(b, &m[0], 1, 5000);
    assert_int_equal(m[0].replies, 0);
    bench_close(b);
    message_reset(&m[0]);
}

static void reserve_from(struct bench *b, struct message *m, struct inbound_source *source,
                         unsigned wait_ms)
{
    m->source = source;
    reserve(b, m, 1, wait_ms);
}

static void a_connection_that_takes_all_places_has_to_give_them_up(void **state)
{
    struct bench *b = bench_open();
    struct inbound_source greedy = {0}, others[POLLS_MAX] = {0};
    struct message m[POLLS_MAX] = {0}, n[POLLS_MAX] = {0};
    unsigned refused = 0;

    (void)state;
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        reserve_from(b, &m[i], &greedy, 5000);
    }
    for (unsigned i = 0; i + 1 < POLLS_MAX; i++) {
        reserve_from(b, &n[i], &others[i], 5000);
        assert_int_equal(n[i].replies, 0);
        assert_int_equal(m[POLLS_MAX - 1 - i].refused, ORDERSCHED_BUSY); /* the newest */
    }
    reserve_from(b, &n[POLLS_MAX - 1], &others[POLLS_MAX - 1], 5000);
    assert_int_equal(n[POLLS_MAX - 1].refused, ORDERSCHED_BUSY); /* each has one */
    assert_int_equal(b->worker.n_polls, POLLS_MAX);
    run(b, 5000);
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        refused += m[i].refused != 0;
        message_reset(&m[i]);
        message_reset(&n[i]);
    }
    assert_int_equal(refused, POLLS_MAX - 1);
    assert_int_equal(greedy.polls, 0);
    bench_close(b);
}

static void the_first_of_each_connection_comes_before_the_second_of_any(void **state)
{
    struct bench *b = bench_open();
    struct inbound_source greedy = {0}, modest = {0};
    struct message m[3] = {0}, n = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        reserve_from(b, &m[i], &greedy, 5000);
    }
    reserve_from(b, &n, &modest, 5000);
    start(b, "one");
    start(b, "two");
    run(b, 0);
    assert_int_equal(jobs_of(&m[0], 0, NULL), 1);
    assert_int_equal(jobs_of(&n, 0, NULL), 1);
    assert_int_equal(m[1].replies, 0);
    start(b, "three");
    run(b, 0);
    assert_int_equal(jobs_of(&m[1], 0, NULL), 1);
    run(b, 5000);
    for (unsigned i = 0; i < 3; i++) {
        message_reset(&m[i]);
    }
    message_reset(&n);
    bench_close(b);
}

static void who_does_not_want_to_wait_is_answered_at_once_however_many_wait(void **state)
{
    struct bench *b = bench_open();
    struct message m[POLLS_MAX] = {0}, n = {0};

    (void)state;
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        reserve(b, &m[i], 1, 5000);
    }
    reserve(b, &n, 1, 0);
    assert_int_equal(n.replies, 0);
    run(b, 0);
    assert_int_equal(jobs_of(&n, 0, NULL), 0);
    message_reset(&n);
    run(b, 5000);
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        message_reset(&m[i]);
    }
    bench_close(b);
}

static void a_client_that_has_left_gets_no_orders(void **state)
{
    struct bench *b = bench_open();
    struct message gone = {0}, here = {0};

    (void)state;
    reserve(b, &gone, 5, 60000);
    reserve(b, &here, 5, 60000);
    atomic_store(&gone.gone, true);
    assert_int_equal(room(b), 5);
    assert_int_equal(gone.replies, 1);
    start(b, "a");
    run(b, 0);
    assert_int_equal(jobs_of(&here, 0, NULL), 1);
    /* Without orders too its place is free within a second. */
    reserve(b, &gone, 5, 60000);
    atomic_store(&gone.gone, true);
    run(b, 1000);
    assert_int_equal(gone.replies, 1);
    message_reset(&here);
    bench_close(b);
}

static void a_poll_for_a_route_that_another_has_taken_the_place_of_gets_nothing_of_it(void **state)
{
    struct bench *b = bench_open();
    struct receiver *r = &b->worker.receiver;
    struct message m = {0};

    (void)state;
    reserve(b, &m, 5, 60000);
    assert_int_equal(r->room(r, SLOT, "another"), 0);
    assert_int_equal(m.refused, ORDERSCHED_UNKNOWN_ROUTE);
    bench_close(b);
}

static void a_report_waits_for_its_outcome_and_not_for_what_follows_from_it(void **state)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct message m = {0};

    (void)state;
    hold(b, "a", token);
    b->hurries = true;
    settle(b, &m, token, OUTCOME_FAILED, 1000, "not yet");
    assert_int_equal(b->tickets, 2);
    assert_int_equal(m.replies, 0);
    apply(b, 1);
    assert_int_equal(m.replies, 1);
    assert_int_equal(result_of(&m, 0).index, 100);
    apply(b, 2);
    message_reset(&m);
    bench_close(b);
}

/* ---- leases ---- */

static void a_lease_that_runs_out_is_a_failed_attempt(void **state)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct message m = {0};

    (void)state;
    hold(b, "a", token);
    assert_int_equal(run(b, LEASE_MS - 1), 1000);
    assert_int_equal(b->tickets, 0);
    run(b, 1);
    assert_int_equal(b->tickets, 1);
    assert_int_equal(b->logged[0].outcome, OUTCOME_FAILED);
    assert_string_equal(b->logged[0].reason, "lease ran out at worker w1");
    settle(b, &m, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(result_of(&m, 0).error, ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(b->tickets, 1);
    assert_int_equal(extend(b, token), ORDERSCHED_STALE_RESERVATION);
    message_reset(&m);
    bench_close(b);
}

static void a_lease_that_is_extended_goes_on(void **state)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];

    (void)state;
    hold(b, "a", token);
    for (unsigned i = 0; i < 10; i++) {
        run(b, LEASE_MS - 1);
        assert_int_equal(extend(b, token), ORDERSCHED_OK);
    }
    assert_int_equal(b->tickets, 0);
    b->now_us += LEASE_MS * 1000; /* over, although nobody has looked yet */
    assert_int_equal(extend(b, token), ORDERSCHED_STALE_RESERVATION);
    bench_close(b);
}

static void leases_end_in_order_whatever_was_extended(void **state)
{
    struct random random = random_start();
    struct bench *b = bench_open();
    enum { N = 200 };
    struct {
        uint8_t token[ORDERSCHED_TOKEN_SIZE];
        char id[8];
        uint64_t until_us;
    } held[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        snprintf(held[i].id, sizeof held[i].id, "o%u", i);
        hold(b, held[i].id, held[i].token);
        held[i].until_us = b->now_us + LEASE_MS * 1000;
        b->now_us += random_below(&random, 2000);
    }
    for (unsigned step = 0; step < 3000; step++) {
        unsigned i = (unsigned)random_below(&random, N);
        bool over = held[i].until_us <= b->now_us;
        assert_int_equal(extend(b, held[i].token),
                         over ? ORDERSCHED_STALE_RESERVATION : ORDERSCHED_OK);
        held[i].until_us = over ? held[i].until_us : b->now_us + LEASE_MS * 1000;
        b->now_us += random_below(&random, 5000);
        run(b, 0);
        unsigned ended = 0;
        for (unsigned k = 0; k < N; k++) {
            ended += held[k].until_us <= b->now_us;
        }
        assert_int_equal(b->tickets, ended);
    }
    assert_true(b->tickets > N / 10);
    bench_close(b);
}

/* ---- reports ---- */

static void a_report_is_answered_when_its_outcome_is_applied(void **state)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct message m = {0};

    (void)state;
    hold(b, "a", token);
    settle(b, &m, token, OUTCOME_LATER, 2500, "");
    assert_int_equal(b->tickets, 1);
    assert_int_equal(b->logged[0].outcome, OUTCOME_LATER);
    assert_int_equal(b->logged[0].delay_ms, 2500);
    run(b, 10 * LEASE_MS); /* no lease runs any more */
    assert_int_equal(m.replies, 0);
    assert_int_equal(b->tickets, 1);
    apply(b, 1);
    assert_int_equal(result_of(&m, 0).error, ORDERSCHED_OK);
    assert_int_equal(result_of(&m, 0).state, ORDERSCHED_EXPIRED);
    assert_int_equal(result_of(&m, 0).index, 100);
    message_reset(&m);
    bench_close(b);
}

static void each_order_of_a_report_has_its_own_outcome_and_answer(void **state)
{
    struct bench *b = bench_open();
    uint8_t tokens[3][ORDERSCHED_TOKEN_SIZE];
    struct message m = {0};

    (void)state;
    hold(b, "a", tokens[0]);
    hold(b, "b", tokens[1]);
    memcpy(tokens[2], tokens[1], sizeof tokens[2]);
    tokens[2][23] ^= 1; /* guessed */
    struct work_report reports[3];
    for (unsigned i = 0; i < 3; i++) {
        reports[i] = (struct work_report){.token = {tokens[i], ORDERSCHED_TOKEN_SIZE},
                                          .outcome = i == 0 ? OUTCOME_PAID : OUTCOME_FAILED,
                                          .reason = {(const uint8_t *)"no stock", 8}};
    }
    settle_many(b, &m, reports, 3);
    assert_int_equal(b->tickets, 2);
    assert_int_equal(b->logged[0].outcome, OUTCOME_PAID);
    assert_string_equal(b->logged[0].reason, "");
    assert_int_equal(b->logged[1].outcome, OUTCOME_FAILED);
    assert_string_equal(b->logged[1].reason, "no stock");
    apply(b, 1);
    assert_int_equal(m.replies, 0);
    apply(b, 2);
    assert_int_equal(result_of(&m, 0).index, 100);
    assert_int_equal(result_of(&m, 1).index, 101);
    assert_int_equal(result_of(&m, 2).error, ORDERSCHED_STALE_RESERVATION);
    message_reset(&m);
    bench_close(b);
}

static void a_late_copy_of_a_report_gets_the_same_answer_and_has_no_effect(void **state)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct message m = {0}, early_copy = {0}, late_copy = {0};

    (void)state;
    hold(b, "a", token);
    settle(b, &m, token, OUTCOME_EXPIRED, 0, "");
    settle(b, &early_copy, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(b->tickets, 1);
    apply(b, 1);
    settle(b, &late_copy, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(b->tickets, 1);
    assert_int_equal(result_of(&m, 0).index, 100);
    assert_int_equal(result_of(&early_copy, 0).error, ORDERSCHED_OK);
    assert_int_equal(result_of(&early_copy, 0).index, 100);
    assert_int_equal(result_of(&late_copy, 0).error, ORDERSCHED_OK);
    assert_int_equal(result_of(&late_copy, 0).index, 100);
    assert_int_equal(extend(b, token), ORDERSCHED_STALE_RESERVATION);
    message_reset(&m);
    message_reset(&early_copy);
    message_reset(&late_copy);
    bench_close(b);
}

static int error_of_second_word(enum outcome first, enum outcome second)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct message m = {0}, early = {0}, late = {0};

    hold(b, "a", token);
    settle(b, &m, token, first, 0, "");
    settle(b, &early, token, second, 0, "");
    apply(b, 1);
    settle(b, &late, token, second, 0, "");
    assert_int_equal(b->tickets, 1);
    assert_int_equal(result_of(&m, 0).error, ORDERSCHED_OK);
    int error = result_of(&early, 0).error;
    assert_int_equal(result_of(&late, 0).error, error);
    assert_int_equal(result_of(&late, 0).index, result_of(&m, 0).index);
    message_reset(&m);
    message_reset(&early);
    message_reset(&late);
    bench_close(b);
    return error;
}

static void another_word_on_what_was_settled_is_never_told_success(void **state)
{
    (void)state;
    for (int first = OUTCOME_EXPIRED; first <= OUTCOME_FAILED; first++) {
        for (int second = OUTCOME_EXPIRED; second <= OUTCOME_FAILED; second++) {
            bool settles = first == OUTCOME_EXPIRED || first == OUTCOME_PAID;
            int wanted = first == second ? ORDERSCHED_OK
                         : settles       ? ORDERSCHED_DECIDED
                                         : ORDERSCHED_STALE_RESERVATION;
            assert_int_equal(error_of_second_word((enum outcome)first, (enum outcome)second),
                             wanted);
        }
    }
}

static void only_so_many_settled_ones_are_remembered(void **state)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE], first[ORDERSCHED_TOKEN_SIZE];
    struct message m = {0};

    (void)state;
    for (unsigned i = 0; i < WORKER_SETTLED_MAX + 1; i++) {
        b->tickets = 0; /* the test's own memory is small */
        b->applied = 0;
        b->worker.applied_ticket = 0;
        hold(b, "a", i == 0 ? first : token);
        settle(b, &m, i == 0 ? first : token, OUTCOME_EXPIRED, 0, "");
        apply(b, 1);
        assert_int_equal(result_of(&m, 0).error, ORDERSCHED_OK);
    }
    assert_int_equal(b->worker.leases.n_settled, WORKER_SETTLED_MAX);
    settle(b, &m, token, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(result_of(&m, 0).error, ORDERSCHED_OK);
    settle(b, &m, first, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(result_of(&m, 0).error, ORDERSCHED_STALE_RESERVATION);
    message_reset(&m);
    bench_close(b);
}

/* ---- the office ---- */

static void with_the_office_everything_ends_and_old_tokens_are_stale(void **state)
{
    struct bench *b = bench_open();
    uint8_t held[ORDERSCHED_TOKEN_SIZE], reported[ORDERSCHED_TOKEN_SIZE];
    struct message poll = {0}, report = {0}, late = {0};

    (void)state;
    hold(b, "held", held);
    hold(b, "reported", reported);
    settle(b, &report, reported, OUTCOME_EXPIRED, 0, "");
    reserve(b, &poll, 5, 60000);
    b->orphans = true;
    callback_worker_leave(&b->worker, ORDERSCHED_NOT_LEADER);
    assert_int_equal(poll.refused, ORDERSCHED_NOT_LEADER);
    assert_int_equal(report.refused, ORDERSCHED_UNKNOWN_OUTCOME);
    assert_int_equal(b->n_dropped, 1);
    assert_int_equal(b->tickets, 1);
    assert_int_equal(room(b), 0);

    b->orphans = false;
    callback_worker_open(&b->worker, EPOCH + 1);
    apply(b, 1); /* the old office's outcome was committed after all */
    settle(b, &late, held, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(result_of(&late, 0).error, ORDERSCHED_STALE_RESERVATION);
    settle(b, &late, reported, OUTCOME_EXPIRED, 0, "");
    assert_int_equal(result_of(&late, 0).error, ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(extend(b, held), ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(b->tickets, 1);
    message_reset(&late);
    bench_close(b);
}

static void a_node_that_stops_sends_waiting_workers_away_and_takes_reports(void **state)
{
    struct bench *b = bench_open();
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct message poll = {0}, report = {0};

    (void)state;
    hold(b, "a", token);
    reserve(b, &poll, 5, 60000);
    callback_worker_stop(&b->worker, ORDERSCHED_SHUTTING_DOWN);
    assert_int_equal(poll.refused, ORDERSCHED_SHUTTING_DOWN);
    assert_int_equal(extend(b, token), ORDERSCHED_OK);
    settle(b, &report, token, OUTCOME_EXPIRED, 0, "");
    apply(b, 1);
    assert_int_equal(result_of(&report, 0).error, ORDERSCHED_OK);
    message_reset(&report);
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_waits_gets_orders_as_soon_as_they_are_due),
        cmocka_unit_test(a_worker_gets_a_payload_as_it_is_whatever_bytes_it_has),
        cmocka_unit_test(a_worker_that_waited_in_vain_is_told_so_when_its_time_is_up),
        cmocka_unit_test(
            orders_go_to_the_worker_that_waited_longest_and_no_answer_has_more_than_asked),
        cmocka_unit_test(an_answer_takes_no_more_bytes_than_the_protocol_allows),
        cmocka_unit_test(more_workers_than_may_wait_are_told_busy),
        cmocka_unit_test(a_connection_that_takes_all_places_has_to_give_them_up),
        cmocka_unit_test(the_first_of_each_connection_comes_before_the_second_of_any),
        cmocka_unit_test(who_does_not_want_to_wait_is_answered_at_once_however_many_wait),
        cmocka_unit_test(a_client_that_has_left_gets_no_orders),
        cmocka_unit_test(
            a_poll_for_a_route_that_another_has_taken_the_place_of_gets_nothing_of_it),
        cmocka_unit_test(a_report_waits_for_its_outcome_and_not_for_what_follows_from_it),
        cmocka_unit_test(a_lease_that_runs_out_is_a_failed_attempt),
        cmocka_unit_test(a_lease_that_is_extended_goes_on),
        cmocka_unit_test(leases_end_in_order_whatever_was_extended),
        cmocka_unit_test(a_report_is_answered_when_its_outcome_is_applied),
        cmocka_unit_test(each_order_of_a_report_has_its_own_outcome_and_answer),
        cmocka_unit_test(a_late_copy_of_a_report_gets_the_same_answer_and_has_no_effect),
        cmocka_unit_test(another_word_on_what_was_settled_is_never_told_success),
        cmocka_unit_test(only_so_many_settled_ones_are_remembered),
        cmocka_unit_test(with_the_office_everything_ends_and_old_tokens_are_stale),
        cmocka_unit_test(a_node_that_stops_sends_waiting_workers_away_and_takes_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
