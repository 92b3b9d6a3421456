/* resource_batch.c - see resource_handlers.h.
 *
 * What is wrong with one operation is that operation's answer; the others go on. They are asked all
 * at once and are concurrent, as the operations of a message are (docs/protocol.md). */
#include "resource_handlers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/json/json_out.h"
#include "../../client/json/json_write.h"
#include "out_order.h"
#include "order_request.h"
#include "problem.h"
#include "request_key.h"
#include "resource.h"

struct batch {
    unsigned n;
    struct buffer bytes; /* of the operations that are asked, back to back */
    unsigned n_asked;
    struct front_operation asked[PROTOCOL_OPERATIONS_MAX];
    json_t *refused[PROTOCOL_OPERATIONS_MAX]; /* by place: the problem of one that is not asked */
    /* of the answer, as far as it is written */
    struct buffer text;
    unsigned place, at; /* the next one; and how many of `answers` stand in front of it */
    const struct ordersched_answer *answers;
    struct ordersched_answer *kept; /* NULL: they need not outlive the call that brought them */
    struct buffer kept_bytes;
};

/* At a time, of an answer: half a millisecond, and a result more. */
#define SLICE_RESULTS 64u
#define SLICE_BYTES (64u * 1024)

static void batch_free(void *state)
{
    struct batch *b = state;

    for (unsigned i = 0; i < b->n; i++) {
        json_decref(b->refused[i]);
    }
    buffer_free(&b->bytes);
    buffer_free(&b->text);
    buffer_free(&b->kept_bytes);
    free(b->kept);
    free(b);
}

/* --- the answer --- */

static json_t *result_of_problem(unsigned status, json_t *problem)
{
    json_t *result = json_object();

    out_number(result, "status", status);
    json_object_set_new(result, "problem", problem);
    return result;
}

static unsigned status_of_done(const struct front_operation *asked,
                               const struct ordersched_answer *answer)
{
    return asked->code == OPERATION_SCHEDULE && !resource_repeated(answer) ? 201 : 200;
}

static json_t *result_of(const struct front_operation *asked,
                         const struct ordersched_answer *answer)
{
    struct operation op;
    unsigned status;

    int rv = operation_decode(asked->bytes, asked->len, &op);
    assert(rv == ORDERSCHED_OK || answer->error != ORDERSCHED_OK); /* it was encoded here */
    json_t *order = rv == ORDERSCHED_OK ? out_order(op.id, answer) : NULL;
    if (answer->error != ORDERSCHED_OK) {
        json_t *problem = problem_of(answer->error, answer->text, order, &status);
        return result_of_problem(status, problem);
    }
    if (op.code == OPERATION_GET && !out_order_details(order, answer)) {
        json_decref(order);
        return result_of_problem(500, problem_named(500, "MALFORMED_ANSWER",
                                                    "what a node said cannot be read", NULL));
    }
    json_t *result = json_object();
    out_number(result, "status", status_of_done(asked, answer));
    json_object_set_new(result, "order", order);
    return result;
}

/* Nearly all are of this kind. */
static bool write_done(struct buffer *text, const struct front_operation *asked,
                       const struct ordersched_answer *answer)
{
    struct operation op;

    if (answer->error != ORDERSCHED_OK || answer->state == ORDERSCHED_STATE_NONE ||
        asked->code == OPERATION_GET) {
        return false;
    }
    int rv = operation_decode(asked->bytes, asked->len, &op);
    assert(rv == ORDERSCHED_OK); /* it was encoded here */
    json_write_text(text, "{\"status\":");
    json_write_number(text, status_of_done(asked, answer));
    json_write_text(text, ",\"order\":");
    (void)out_order_write(text, op.id, answer);
    json_write_text(text, "}");
    return true;
}

static json_t *result_at(const struct batch *b)
{
    json_t *problem = b->refused[b->place];

    if (problem == NULL) {
        return result_of(&b->asked[b->at], &b->answers[b->at]);
    }
    json_int_t status = json_integer_value(json_object_get(problem, "status"));
    return result_of_problem((unsigned)status, json_incref(problem));
}

/* A slice of the text: payloads may be long, and six times as long in JSON. Are there more? */
static bool compose(struct batch *b)
{
    size_t begin = b->text.len;

    for (unsigned n = 0; b->place < b->n && n < SLICE_RESULTS && b->text.len - begin < SLICE_BYTES;
         n++) {
        buffer_append(&b->text, ",", b->place > 0 ? 1 : 0);
        if (b->refused[b->place] != NULL ||
            !write_done(&b->text, &b->asked[b->at], &b->answers[b->at])) {
            json_t *result = result_at(b);
            json_write(&b->text, result);
            json_decref(result);
        }
        b->at += b->refused[b->place] == NULL;
        b->place++;
    }
    return b->place < b->n;
}

static void answer_text(struct exchange *x)
{
    struct batch *b = x->state;
    struct buffer text = b->text;

    buffer_append(&text, "]}", 2);
    must_hold(!text.failed);
    b->text = (struct buffer){0};
    exchange_answer_text(x, 200, "application/json", (char *)text.data, text.len);
}

/* The answers outlive the call that brought them. */
static void keep_answers(struct batch *b)
{
    struct buffer bytes = {0};

    buffer_append(&bytes, "", 1); /* so that there are some */
    for (unsigned i = b->at; i < b->n_asked; i++) {
        const struct ordersched_answer *a = &b->answers[i];
        buffer_append(&bytes, a->body, a->body_len);
        buffer_append(&bytes, a->text, a->text != NULL ? strlen(a->text) + 1 : 0);
    }
    b->kept = must_have(malloc(b->n_asked * sizeof b->kept[0]));
    must_hold(!bytes.failed);
    const uint8_t *at = bytes.data + 1;
    for (unsigned i = b->at; i < b->n_asked; i++) {
        struct ordersched_answer *a = &b->kept[i];
        *a = b->answers[i];
        a->body = at;
        at += a->body_len;
        a->text = a->text != NULL ? (const char *)at : NULL;
        at += a->text != NULL ? strlen(a->text) + 1 : 0;
    }
    b->kept_bytes = bytes;
    b->answers = b->kept;
}

static void compose_more(struct exchange *x)
{
    if (compose(x->state)) {
        exchange_go_on(x, compose_more);
    } else {
        answer_text(x);
    }
}

static void answer_batch_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct batch *b = x->state;

    assert(n == b->n_asked);
    b->answers = answers;
    buffer_append(&b->text, "{\"results\":[", strlen("{\"results\":["));
    if (compose(b)) {
        keep_answers(b);
        exchange_go_on(x, compose_more);
    } else {
        answer_text(x);
    }
}

/* --- the request --- */

static const char *const words[] = {"schedule", "pay", "cancel", "extend", "get", NULL};
static const enum operation_code codes[] = {OPERATION_SCHEDULE, OPERATION_PAY, OPERATION_CANCEL,
                                            OPERATION_EXTEND, OPERATION_GET};

/* Each with what it has; "op" is asked for first. */
#define ALL "op", "id", "id_base64"
#define SCHEDULE ALL, "idempotency_key", ORDER_REQUEST_SCHEDULE, "traceparent"
static const char *const names_any[] = {SCHEDULE, NULL};
static const char *const names_schedule[] = {SCHEDULE, NULL};
static const char *const names_decide[] = {ALL, "idempotency_key", NULL};
static const char *const names_extend[] = {ALL, "idempotency_key", ORDER_REQUEST_WHEN, NULL};
static const char *const names_get[] = {ALL, NULL};
static const char *const *const names_of[] = {names_schedule, names_decide, names_decide,
                                              names_extend, names_get};

static void read_key(const struct exchange *x, struct order_request *r, struct fields *f,
                     unsigned place)
{
    struct slice key = {NULL, 0};

    if (r->op.code == OPERATION_GET) {
        return;
    }
    if (fields_text(f, "idempotency_key", &key) && !request_key_is_good(key)) {
        fields_refuse(f, "idempotency_key", "INVALID", "must be 1 to 128 printable ASCII");
    }
    if (f->flaw->name == NULL) {
        request_key_of_operation(x, key, place, &r->op, r->request_id);
    }
    r->op.request_id = r->request_id;
}

static void read_operation(const struct exchange *x, const json_t *value, unsigned place,
                           struct order_request *r, struct flaw *flaw)
{
    char at[32];
    unsigned which = 0;

    snprintf(at, sizeof at, "/operations/%u", place);
    struct fields f = fields_of(value, at, names_any, flaw);
    fields_need(&f, "op");
    if (!fields_word(&f, "op", words, &which)) {
        return;
    }
    f = fields_of(value, at, names_of[which], flaw);
    r->op.code = codes[which];
    order_request_read_id(r, &f);
    if (r->op.code == OPERATION_SCHEDULE) {
        order_request_read_schedule(r, &f);
    } else if (r->op.code == OPERATION_EXTEND) {
        order_request_read_extend(r, &f);
    }
    read_key(x, r, &f, place);
    if (r->op.code == OPERATION_SCHEDULE) {
        order_request_take_traceparent(r, x, &f);
    }
}

/* One operation into the batch: among those that are asked, or refused. */
static void take_operation(const struct exchange *x, struct batch *b, const json_t *value,
                           unsigned place)
{
    struct order_request r = {0};
    struct flaw flaw = {0};

    read_operation(x, value, place, &r, &flaw);
    if (flaw.name != NULL) {
        b->refused[place] = problem_of_flaw(&flaw);
    } else {
        size_t before = b->bytes.len;
        operation_encode(&b->bytes, &r.op);
        b->asked[b->n_asked++] = (struct front_operation){.code = r.op.code,
                                                          .len = b->bytes.len - before};
    }
    order_request_free(&r);
}

/* The buffer moves no more. */
static void settle_places(struct batch *b)
{
    const uint8_t *at = b->bytes.data;

    for (unsigned i = 0; i < b->n_asked; i++) {
        b->asked[i].bytes = at;
        at += b->asked[i].len;
    }
}

static void ask(struct exchange *x, const json_t *operations)
{
    struct batch *b = calloc(1, sizeof *b);

    if (b == NULL) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
        return;
    }
    x->state = b;
    x->free_state = batch_free;
    b->n = (unsigned)json_array_size(operations);
    for (unsigned i = 0; i < b->n; i++) {
        take_operation(x, b, json_array_get(operations, i), i);
    }
    if (b->bytes.failed) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
        return;
    }
    settle_places(b);
    if (b->n_asked == 0) {
        answer_batch_cb(x, NULL, 0);
    } else {
        front_ask(x, b->asked, b->n_asked, answer_batch_cb);
    }
}

void resource_batch(struct exchange *x)
{
    static const char *const names[] = {"operations", NULL};
    struct flaw flaw = {0};
    json_t *body;

    if (!resource_body(x, &body)) {
        return;
    }
    struct fields f = fields_of(body, "", names, &flaw);
    fields_need(&f, "operations");
    const json_t *operations = fields_array(&f, "operations", 0, PROTOCOL_OPERATIONS_MAX);
    if (resource_sound(x, &flaw)) {
        ask(x, operations);
    }
    json_decref(body);
}
