/* batcher_bench.c - see batcher_bench.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "batcher_bench.h"

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

void batcher_bench_init(struct bench *t, uint32_t queued_max, uint64_t bytes_max)
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

void bench_message_init(struct message *m, unsigned n_pays, unsigned n_gets)
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

void bench_message_free(struct message *m)
{
    inbound_release(&m->in);
    buffer_free(&m->bytes);
}

/* Commit and apply the oldest proposal: every operation gets the result OK. */
void batcher_bench_commit(struct bench *t)
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

void batcher_bench_lose(struct bench *t)
{
    unsigned i = t->n_settled++;

    batcher_settled(&t->batcher, t->proposed[i].entry, false);
    free(t->proposed[i].data);
}

uint32_t batcher_bench_operations(const struct bench *t, unsigned i)
{
    struct entry entry;

    assert_int_equal(entry_decode(t->proposed[i].data, t->proposed[i].len, &entry), 0);
    return entry.n_operations;
}
