/* worker_bench.c - see worker_bench.h. */
#include "worker_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../../client/wire/work.h"

static const struct route_copy settings = {.route = WORKER_ROUTE,
                                           .settings = {.kind = ROUTE_WORKER,
                                                        .timeout_ms = WORKER_LEASE_MS}};

static uint64_t bench_now_us(void *arg)
{
    return ((struct worker_bench *)arg)->now_us;
}

static uint64_t bench_random(void *arg)
{
    return ++((struct worker_bench *)arg)->random_state * 0x9e3779b97f4a7c15;
}

static void bench_answer(void *arg, struct inbound *in, const struct result *result)
{
    struct worker_message *m = in->owner;

    (void)arg;
    m->replies++;
    m->refused = result->error;
    buffer_append(&m->body, result->body.data, result->body.len);
}

static void bench_refuse(void *arg, struct inbound *in, int error, const char *text)
{
    struct worker_message *m = in->owner;

    (void)arg;
    (void)text;
    m->replies++;
    m->refused = error;
}

static uint64_t bench_ticket(void *arg)
{
    return ((struct worker_bench *)arg)->tickets;
}

struct worker_bench *worker_bench_open(void)
{
    struct worker_bench *b = calloc(1, sizeof *b);
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
    callback_worker_init(&b->worker, &host, WORKER_POLLS_MAX);
    callback_worker_open(&b->worker, WORKER_EPOCH);
    return b;
}

void worker_bench_close(struct worker_bench *b)
{
    b->orphans = true;
    callback_worker_leave(&b->worker, ORDERSCHED_NOT_LEADER);
    callback_worker_close(&b->worker);
    free(b);
}

static void delivery_done(struct delivery *d, void *arg)
{
    struct worker_bench *b = arg;

    if (b->orphans) {
        b->n_dropped++;
    } else {
        assert_true(b->tickets < WORKER_LOGGED_MAX);
        memcpy(b->logged[b->tickets].id, d->id, d->id_len);
        b->logged[b->tickets].outcome = d->outcome;
        b->logged[b->tickets].delay_ms = d->delay_ms;
        memcpy(b->logged[b->tickets].reason, d->reason, sizeof d->reason);
        b->tickets += 1 + b->hurries;
    }
    free(d->payload);
    free(d);
}

unsigned worker_room(struct worker_bench *b)
{
    struct receiver *r = &b->worker.receiver;

    return r->room(r, WORKER_SLOT, WORKER_ROUTE);
}

void worker_start_with(struct worker_bench *b, const char *id, const void *payload,
                       size_t payload_len)
{
    struct delivery *d = calloc(1, sizeof *d);

    assert_non_null(d);
    snprintf(d->key, sizeof d->key, "osd_%032d", 5);
    d->fence_epoch = WORKER_EPOCH;
    d->fence_index = 41;
    d->deadline_ms = 1800000000000;
    d->attempt = 2;
    d->route_slot = WORKER_SLOT;
    snprintf(d->route, sizeof d->route, WORKER_ROUTE);
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

void worker_start(struct worker_bench *b, const char *id)
{
    worker_start_with(b, id, NULL, 0);
}

void worker_apply(struct worker_bench *b, uint64_t until)
{
    while (b->applied < until) {
        struct result result = {.state = ORDERSCHED_EXPIRED, .index = 100 + b->applied};
        b->applied++;
        callback_worker_ticket(&b->worker, b->applied, &result);
    }
    callback_worker_applied(&b->worker);
}

uint64_t worker_run(struct worker_bench *b, uint64_t advance_ms)
{
    b->now_us += advance_ms * 1000;
    return callback_worker_run(&b->worker) - b->now_us;
}

void worker_message_reset(struct worker_message *m)
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

void worker_reserve(struct worker_bench *b, struct worker_message *m, unsigned max,
                    unsigned wait_ms)
{
    worker_reserve_of(b, m, WORKER_ROUTE, max, wait_ms);
}

void worker_reserve_of(struct worker_bench *b, struct worker_message *m, const char *route,
                       unsigned max, unsigned wait_ms)
{
    struct buffer bytes = {0};
    struct operation op = {
        .code = OPERATION_RESERVE,
        .route = {(const uint8_t *)route, strlen(route)},
        .limit = max,
        .time_ms = wait_ms,
        .worker = {(const uint8_t *)"w1", 2},
    };

    struct inbound_source *source = m->source;

    worker_message_reset(m);
    m->in.source = source;
    op = over_the_wire(&bytes, &op);
    callback_worker_reserve(&b->worker, &m->in, &op, WORKER_SLOT);
    buffer_free(&bytes);
}

uint32_t worker_jobs_of(const struct worker_message *m, unsigned which, uint8_t *token)
{
    struct cursor c;
    struct work_job job;
    uint32_t n, lease_ms;

    assert_int_equal(m->replies, 1);
    assert_int_equal(m->refused, 0);
    cursor_init(&c, m->body.data, m->body.len);
    assert_true(work_read_jobs_head(&c, &lease_ms, &n));
    assert_int_equal(lease_ms, n > 0 ? WORKER_LEASE_MS : 0);
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

void worker_assert_payload(const struct worker_message *m, const void *payload, size_t len)
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

void worker_settle_many(struct worker_bench *b, struct worker_message *m,
                        const struct work_report *reports, unsigned n)
{
    struct buffer list = {0}, bytes = {0};

    worker_message_reset(m);
    for (unsigned i = 0; i < n; i++) {
        work_write_report(&list, &reports[i]);
    }
    struct operation op = {.code = OPERATION_SETTLE,
                           .n_tokens = n,
                           .tokens = {list.data, list.len}};
    op = over_the_wire(&bytes, &op);
    callback_worker_settle(&b->worker, &m->in, &op);
    buffer_free(&list);
    buffer_free(&bytes);
}

void worker_settle(struct worker_bench *b, struct worker_message *m, const uint8_t *token,
                   enum outcome outcome, uint64_t delay_ms, const char *reason)
{
    struct work_report report = {
        .token = {token, ORDERSCHED_TOKEN_SIZE},
        .outcome = outcome,
        .delay_ms = delay_ms,
        .reason = {(const uint8_t *)reason, strlen(reason)},
    };

    worker_settle_many(b, m, &report, 1);
}

struct work_result worker_result_of(const struct worker_message *m, unsigned which)
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

int worker_extend(struct worker_bench *b, const uint8_t *token)
{
    struct worker_message m = {0};
    struct buffer list = {0}, bytes = {0};
    struct cursor c;

    worker_message_reset(&m);
    write_bin(&list, token, ORDERSCHED_TOKEN_SIZE);
    struct operation op = {.code = OPERATION_LEASE, .n_tokens = 1, .tokens = {list.data, list.len}};
    op = over_the_wire(&bytes, &op);
    callback_worker_lease(&b->worker, &m.in, &op);
    assert_int_equal(m.replies, 1);
    cursor_init(&c, m.body.data, m.body.len);
    assert_int_equal(cursor_array(&c), 1);
    int error = (int)cursor_uint(&c);
    assert_true(cursor_ok(&c));
    buffer_free(&list);
    buffer_free(&bytes);
    worker_message_reset(&m);
    return error;
}

void worker_hold(struct worker_bench *b, const char *id, uint8_t token[ORDERSCHED_TOKEN_SIZE])
{
    struct worker_message m = {0};

    worker_reserve(b, &m, 1, 0);
    assert_int_equal(worker_room(b), 1);
    worker_start(b, id);
    worker_run(b, 0);
    assert_int_equal(worker_jobs_of(&m, 0, token), 1);
    worker_message_reset(&m);
}
