/* scheduler_stage.c - see scheduler_stage.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler_stage.h"

static uint64_t stage_wall_us(void *impl)
{
    struct stage *t = impl;

    return STAGE_START_MS * 1000 + t->us + t->wall_ahead_us;
}

static uint64_t stage_monotonic_us(void *impl)
{
    return ((struct stage *)impl)->us;
}

static uint64_t stage_random(void *impl)
{
    (void)impl;
    return 7;
}

static void stage_secret(void *impl, uint8_t *out, size_t len)
{
    (void)impl;
    memset(out, 9, len);
}

static void stage_fatal(void *arg, const char *sentence)
{
    (void)arg;
    fail_msg("fatal: %s", sentence);
}

uint64_t stage_run(struct stage *t)
{
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t sleep_us = scheduler_run(t->s);
        if (sleep_us > 0) {
            return sleep_us;
        }
    }
    fail_msg("the scheduler never sleeps");
    return 0;
}

void stage_changed(struct stage *t, enum replica_role role, uint64_t term)
{
    t->r->leads = role == REPLICA_LEADER;
    t->r->leader = t->r->leads ? 1 : 0;
    t->r->callbacks.changed(t->s, role, term);
}

void stage_settle(struct stage *t)
{
    (void)stage_run(t);
    while (t->r->n_proposed > 0) {
        fake_replica_commit(t->r);
        (void)stage_run(t);
    }
}

void stage_lead(struct stage *t, uint64_t term)
{
    stage_changed(t, REPLICA_LEADER, term);
    stage_settle(t);
    assert_true(scheduler_leads(t->s));
}

void stage_pass(struct stage *t, uint64_t ms)
{
    t->us += ms * 1000;
}

void stage_open(struct stage *t)
{
    struct scheduler_config config = {
        .replica = {.id = 1, .address = "10.0.0.1:7400"},
        .cluster = "c",
        .retention_ms = 3600000,
        .max_orders = 2000,
        .max_bytes = 1u << 30,
        .max_deliveries = 100,
        .max_queued = 100,
        .max_queued_bytes = 64u << 20,
        .max_polls = 100,
        .fatal = stage_fatal,
    };
    char err[128];

    memset(t, 0, sizeof *t);
    idle_receiver_init(&t->receiver);
    t->environment = (struct environment){.impl = t,
                                          .wall_us = stage_wall_us,
                                          .monotonic_us = stage_monotonic_us,
                                          .random = stage_random,
                                          .secret = stage_secret};
    t->s = scheduler_new(&config, NULL, &t->environment, &t->receiver.receiver, err, sizeof err);
    assert_non_null(t->s);
    t->r = t->s->replica;
    assert_int_equal(scheduler_start(t->s, err, sizeof err), 0);
}

void stage_closed(void *arg)
{
    ((struct stage *)arg)->closed = true;
}

void stage_drained(void *arg)
{
    ((struct stage *)arg)->drained = true;
}

void stage_close(struct stage *t)
{
    if (t->r->close_cb == NULL) {
        scheduler_close(t->s, stage_closed, t);
    }
    t->r->close_cb(t->r->close_arg);
    assert_true(t->closed);
    while (t->receiver.n_held > 0) {
        idle_receiver_end(&t->receiver, 0, OUTCOME_FAILED, 0);
    }
    machine_check(&t->s->machine);
    scheduler_free(t->s);
}

static void message_reply(struct inbound *in, const uint8_t *data, size_t len)
{
    struct stage_message *m = in->owner;
    size_t used, at = 0;

    m->replies++;
    m->answer_len = len;
    buffer_append(&m->received, data, len);
    assert_int_equal(answer_decode(m->received.data, len, &m->answer), ORDERSCHED_OK);
    for (uint32_t i = 0; i < m->answer.n_results; i++) {
        assert_int_equal(result_decode(m->answer.results.data + at, m->answer.results.len - at,
                                       &m->results[i], &used),
                         ORDERSCHED_OK);
        at += used;
    }
    if (m->answer.n_results > 0) {
        const struct slice *body = &m->results[0].body;
        snprintf(m->first_body, sizeof m->first_body, "%.*s", (int)body->len,
                 (const char *)body->data);
    }
    inbound_release(in);
}

struct stage_message *stage_message_new(const struct operation *ops, unsigned n, uint32_t flags)
{
    return stage_message_by(NULL, ops, n, flags);
}

struct stage_message *stage_message_by(const char *token, const struct operation *ops, unsigned n,
                                       uint32_t flags)
{
    struct stage_message *m = calloc(1, sizeof *m);
    char why[128];

    request_encode_head(&m->bytes, "c", token != NULL ? flags | PROTOCOL_TOKEN : flags, n);
    for (unsigned i = 0; i < n; i++) {
        operation_encode(&m->bytes, &ops[i]);
    }
    if (token != NULL) {
        request_encode_token(&m->bytes, token);
    }
    m->in.message = m->bytes.data;
    m->in.message_len = m->bytes.len;
    m->in.owner = m;
    m->in.reply = message_reply;
    assert_int_equal(inbound_check(&m->in, "c", why, sizeof why), ORDERSCHED_OK);
    return m;
}

void stage_message_free(struct stage_message *m)
{
    assert_int_equal(m->replies, 1);
    buffer_free(&m->bytes);
    buffer_free(&m->received);
    free(m);
}

struct slice stage_text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

const uint8_t *stage_request_id(struct stage *t)
{
    static uint8_t ids[2048][ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t *id = ids[t->n_requests % 2048];
    uint8_t random[10] = {(uint8_t)t->n_requests, (uint8_t)(t->n_requests >> 8)};

    t->n_requests++;
    request_id_make(id, STAGE_START_MS + t->us / 1000, random);
    return id;
}

struct operation op_schedule(struct stage *t, const char *id, uint64_t delay_ms)
{
    return (struct operation){.code = OPERATION_SCHEDULE,
                              .request_id = stage_request_id(t),
                              .id = stage_text(id),
                              .relative = true,
                              .time_ms = delay_ms,
                              .route = stage_text("r")};
}

struct operation op_route(struct stage *t, const char *name)
{
    return (struct operation){.code = OPERATION_ROUTE_PUT,
                              .request_id = stage_request_id(t),
                              .id = stage_text(name),
                              .settings = {.url = stage_text("http://example.com/"),
                                           .timeout_ms = 5000,
                                           .window = 50}};
}

struct operation op_get(const char *id)
{
    return (struct operation){.code = OPERATION_GET, .id = stage_text(id)};
}

struct stage_message *stage_send(struct stage *t, struct operation op)
{
    struct stage_message *m = stage_message_new(&op, 1, 0);

    scheduler_submit(t->s, &m->in);
    return m;
}

int stage_ask(struct stage *t, struct operation op)
{
    struct stage_message *m = stage_send(t, op);

    stage_settle(t);
    assert_int_equal(m->replies, 1);
    int error = m->answer.error != ORDERSCHED_OK ? m->answer.error : m->results[0].error;
    stage_message_free(m);
    return error;
}

int stage_state_of(struct stage *t, const char *id)
{
    struct order *o = machine_find(&t->s->machine, stage_text(id));

    return o == NULL ? ORDERSCHED_STATE_NONE : order_state(o, t->s->machine.now_ms);
}

void stage_with_order(struct stage *t)
{
    stage_open(t);
    stage_lead(t, 3);
    assert_int_equal(stage_ask(t, op_route(t, "r")), ORDERSCHED_OK);
    assert_int_equal(stage_ask(t, op_schedule(t, "a", 1000)), ORDERSCHED_OK);
}

void stage_with_delivery(struct stage *t)
{
    stage_with_order(t);
    stage_pass(t, 1000);
    stage_settle(t);
    assert_int_equal(t->receiver.n_held, 1);
}
