/* client_world.c - see client_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client_world.h"

const struct said from_leader_a = {.node = 1, .leader = 1, .address = A, .term = 5};

static bool world_send(void *arg, unsigned slot, const char *address, const uint8_t *message,
                       size_t len, uint64_t handle, unsigned timeout_ms)
{
    struct world *w = arg;
    struct request request;

    if (w->refuse_sends > 0) {
        w->refuse_sends--;
        return false;
    }
    assert_true(w->n_sent < SENT_MAX);
    assert_true(slot < CLIENT_ENDPOINTS_MAX);
    assert_true(timeout_ms > 0);
    struct sent *s = &w->sent[w->n_sent++];
    memset(s, 0, sizeof *s);
    strcpy(s->address, address);
    s->handle = handle;
    s->at_ms = w->now_ms;
    s->timeout_ms = timeout_ms;
    s->bytes = malloc(len);
    s->len = len;
    memcpy(s->bytes, message, len);
    assert_int_equal(request_decode(s->bytes, len, &request), ORDERSCHED_OK);
    assert_true(request.cluster.len == 4 && memcmp(request.cluster.data, "test", 4) == 0);
    s->flags = request.flags;
    s->n = request.n_operations;
    const uint8_t *at = request.operations.data;
    size_t left = request.operations.len;
    for (uint32_t i = 0; i < s->n; i++) {
        struct operation op;
        assert_int_equal(operation_decode(at, left, &op), ORDERSCHED_OK);
        at += op.bytes.len;
        left -= op.bytes.len;
        if (i == 0) {
            s->op = op;
        }
    }
    assert_int_equal(left, 0);
    return true;
}

static void world_random(void *arg, void *out, size_t len)
{
    struct world *w = arg;
    uint8_t *at = out;

    for (size_t i = 0; i < len; i++) {
        w->random_state = w->random_state * 1664525u + 1013904223u;
        at[i] = (uint8_t)(w->random_state >> 24);
    }
}

struct world *world_new(const struct client_logic_config *over, const char *first, ...)
{
    struct world *w = calloc(1, sizeof *w);
    struct client_logic_config config = {0};
    struct client_io io = {.arg = w, .send = world_send, .random = world_random};
    va_list ap;

    if (over != NULL) {
        config = *over;
    }
    strcpy(config.cluster, "test");
    w->now_ms = 1000;
    w->random_state = 1;
    w->budget.calls_max = 65536;
    w->budget.bytes_max = 64u << 20;
    assert_true(client_logic_init(&w->logic, &config, &io));
    va_start(ap, first);
    for (const char *address = first; address != NULL; address = va_arg(ap, const char *)) {
        assert_int_equal(client_logic_add_endpoint(&w->logic, address), ORDERSCHED_OK);
    }
    va_end(ap);
    return w;
}

void world_free(struct world *w)
{
    client_logic_close(&w->logic);
    assert_int_equal(atomic_load(&w->budget.calls), 0);
    assert_int_equal(atomic_load(&w->budget.bytes), 0);
    for (unsigned i = 0; i < w->n_sent; i++) {
        free(w->sent[i].bytes);
    }
    free(w);
}

void world_tick(struct world *w)
{
    client_logic_tick(&w->logic, w->now_ms);
}

/* Let time pass, with every tick that the logic asks for. */
void world_pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->now_ms + ms;

    for (;;) {
        uint64_t wake = client_logic_next_wake_ms(&w->logic, w->now_ms);
        if (wake > end) {
            break;
        }
        assert_true(wake >= w->now_ms || wake < w->now_ms);
        w->now_ms = wake > w->now_ms ? wake : w->now_ms;
        world_tick(w);
        assert_true(client_logic_next_wake_ms(&w->logic, w->now_ms) > w->now_ms);
    }
    w->now_ms = end;
    world_tick(w);
}

struct sent *world_last(struct world *w)
{
    assert_true(w->n_sent > 0);
    return &w->sent[w->n_sent - 1];
}

unsigned world_count_open(const struct world *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->n_sent; i++) {
        n += !w->sent[i].ended;
    }
    return n;
}

void world_deliver(struct world *w, struct sent *s, const struct said *said,
                   const struct result *results, uint32_t n)
{
    struct buffer body = {0};
    struct buffer b = {0};
    uint8_t identity[PROTOCOL_IDENTITY_SIZE] = {said->identity};

    for (uint32_t i = 0; i < n; i++) {
        result_encode(&body, &results[i]);
    }
    struct answer answer = {
        .error = said->error,
        .node_id = said->node,
        .leader_id = said->leader,
        .leader_address = {(const uint8_t *)said->address,
                           said->address != NULL ? strlen(said->address) : 0},
        .term = said->term,
        .now_ms = said->now_ms != 0 ? said->now_ms : NOW + w->now_ms,
        .n_results = n,
        .results = {body.data, body.len},
        .text = {(const uint8_t *)said->text, said->text != NULL ? strlen(said->text) : 0},
        .identified = (s->flags & PROTOCOL_IDENTIFY) != 0 && said->identity != 0,
        .identity = {identity, sizeof identity},
    };
    answer_encode(&b, &answer);
    s->ended = true;
    client_logic_on_answer(&w->logic, s->handle, b.data, b.len, w->now_ms);
    world_tick(w);
    buffer_free(&b);
    buffer_free(&body);
}

/* Every operation of the message gets this result. */
void world_answer(struct world *w, struct sent *s, const struct said *said,
                  const struct result *result)
{
    struct result *results = calloc(s->n + 1, sizeof *results);

    for (uint32_t i = 0; i < s->n; i++) {
        results[i] = result != NULL ? *result : (struct result){0};
    }
    world_deliver(w, s, said, results, said->error == ORDERSCHED_OK ? s->n : 0);
    free(results);
}

void world_answer_error(struct world *w, struct sent *s, int error)
{
    struct result result = {.error = error};

    world_answer(w, s, &from_leader_a, &result);
}

void world_answer_ok(struct world *w, struct sent *s)
{
    struct result result = {.state = ORDERSCHED_PAID, .deadline_ms = NOW + 5, .index = 77};

    world_answer(w, s, &from_leader_a, &result);
}

void world_drop(struct world *w, struct sent *s, bool unknown)
{
    s->ended = true;
    client_logic_on_send_failed(&w->logic, s->handle, unknown ? CLIENT_LOST : CLIENT_UNSENT,
                                w->now_ms);
    world_tick(w);
}

void world_silence(struct world *w, struct sent *s)
{
    s->ended = true;
    client_logic_on_send_failed(&w->logic, s->handle, CLIENT_SILENT, w->now_ms);
    world_tick(w);
}

void world_ended(void *arg, const struct ordersched_answer *answer)
{
    struct ending *o = arg;

    o->calls++;
    o->error = answer->error;
    o->state = answer->state;
    o->index = answer->index;
    o->remaining_ms = answer->remaining_ms;
    o->at_ms = o->world->now_ms;
    o->body_len = answer->body_len;
    assert_true(answer->body_len <= sizeof o->body);
    if (answer->body_len > 0) {
        memcpy(o->body, answer->body, answer->body_len);
    }
    assert_true((answer->error == ORDERSCHED_OK) == (answer->text == NULL));
    strcpy(o->text, answer->text != NULL ? answer->text : "");
    if (o->resubmit) {
        o->resubmit = false;
        assert_int_equal(world_submit(o->world, o, OPERATION_PAY, NULL, NULL, 1000), ORDERSCHED_OK);
    }
}

int world_submit(struct world *w, struct ending *o, enum operation_code code,
                 const uint8_t *request_id, const char *target, unsigned timeout_ms)
{
    static const uint8_t zero[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.code = code,
                           .id = {(const uint8_t *)"order", 5},
                           .node_id = 9,
                           .address = {(const uint8_t *)A, sizeof A - 1}};
    struct buffer b = {0};
    struct call *call;

    if (operation_is_logged(code)) {
        op.request_id = request_id != NULL ? request_id : zero;
    }
    operation_encode(&b, &op);
    o->world = w;
    bool changes_members = code > OPERATION_MEMBER_LIST && code <= OPERATION_TRANSFER;
    int error = call_new(&w->budget, b.data, b.len, changes_members, target, world_ended, o, &call);
    buffer_free(&b);
    if (error == ORDERSCHED_OK) {
        error = client_logic_submit(&w->logic, call, w->now_ms + timeout_ms);
        if (error != ORDERSCHED_OK) {
            call_free(call);
        }
    }
    return error;
}

void world_pay(struct world *w, struct ending *o)
{
    assert_int_equal(world_submit(w, o, OPERATION_PAY, NULL, NULL, 10000), ORDERSCHED_OK);
}

/* A world whose client has found the leader A. */
struct world *world_with_leader(const struct client_logic_config *over)
{
    struct world *w = world_new(over, A, B, C, NULL);
    struct ending o = {0};

    assert_int_equal(world_submit(w, &o, OPERATION_GET, NULL, NULL, 1000), ORDERSCHED_OK);
    world_tick(w);
    world_answer(w, world_last(w), &from_leader_a, NULL);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.calls, 1);
    assert_int_equal(world_count_open(w), 0);
    return w;
}

struct sent *world_open_message(struct world *w, bool probe)
{
    for (unsigned i = 0; i < w->n_sent; i++) {
        if (!w->sent[i].ended && (w->sent[i].n == 0) == probe) {
            return &w->sent[i];
        }
    }
    return NULL;
}
