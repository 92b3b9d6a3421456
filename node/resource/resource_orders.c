/* resource_orders.c - see resource_handlers.h. */
#include "resource_handlers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../client/base/must.h"
#include "../../client/wire/cursor.h"
#include "../../client/json/base64.h"
#include "out_order.h"
#include "order_request.h"
#include "request_key.h"
#include "resource.h"

#define LIST_DEFAULT 100

static struct slice id_of(const struct exchange *x)
{
    return x->segments[2];
}

static void answer_order(struct exchange *x, unsigned status,
                         const struct ordersched_answer *answer)
{
    struct buffer text = {0};

    if (out_order_write(&text, id_of(x), answer)) {
        must_hold(!text.failed);
        exchange_answer_text(x, status, "application/json", (char *)text.data, text.len);
    } else {
        exchange_answer(x, status, NULL);
    }
}

static void answer_order_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], id_of(x))) {
        answer_order(x, 200, &answers[0]);
    }
}

/* --- schedule --- */

static void answer_put_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    static const char *const parent[] = {"v1", "orders", NULL};

    (void)n;
    if (!resource_done_well(x, &answers[0], id_of(x))) {
        return;
    }
    if (resource_repeated(&answers[0])) {
        answer_order(x, 200, &answers[0]);
    } else {
        resource_location(x, parent, id_of(x));
        answer_order(x, 201, &answers[0]);
    }
}

void resource_order_put(struct exchange *x)
{
    static const char *const names[] = {ORDER_REQUEST_SCHEDULE, NULL};
    struct order_request r = {0};
    struct flaw flaw = {0};
    json_t *body = NULL;

    if (resource_unconditional(x) && resource_id(x, 2, &r.op.id) && resource_body(x, &body)) {
        struct fields f = fields_of(body, "", names, &flaw);
        order_request_read_schedule(&r, &f);
        if (resource_sound(x, &flaw)) {
            request_key_of_put(x, &r.op, r.request_id);
            r.op.request_id = r.request_id;
            order_request_take_traceparent(&r, x, &f);
            resource_ask(x, &r.op, answer_put_cb);
        }
    }
    order_request_free(&r);
    json_decref(body);
}

/* --- pay, cancel, redrive, drop, extend --- */

static void decide(struct exchange *x, enum operation_code code)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.code = code, .request_id = request_id};

    if (resource_unconditional(x) && resource_id(x, 2, &op.id) && resource_no_body(x)) {
        request_key_make(x, NULL, request_id);
        resource_ask(x, &op, answer_order_cb);
    }
}

void resource_order_pay(struct exchange *x)
{
    decide(x, OPERATION_PAY);
}

void resource_order_cancel(struct exchange *x)
{
    decide(x, OPERATION_CANCEL);
}

void resource_order_redrive(struct exchange *x)
{
    decide(x, OPERATION_DEAD_REDRIVE);
}

void resource_order_drop(struct exchange *x)
{
    decide(x, OPERATION_DEAD_DROP);
}

void resource_order_extend(struct exchange *x)
{
    static const char *const names[] = {ORDER_REQUEST_WHEN, NULL};
    struct order_request r = {0};
    struct flaw flaw = {0};
    json_t *body = NULL;

    if (x->has_if_match && x->if_match == 0) { /* which no order has */
        exchange_problem(x, ORDERSCHED_VERSION_CHANGED, "versions begin with 1", NULL);
        return;
    }
    if (resource_id(x, 2, &r.op.id) && resource_body(x, &body)) {
        struct fields f = fields_of(body, "", names, &flaw);
        order_request_read_extend(&r, &f);
        if (resource_sound(x, &flaw)) {
            request_key_make(x, NULL, r.request_id);
            r.op.request_id = r.request_id;
            r.op.version = x->has_if_match ? x->if_match : 0;
            resource_ask(x, &r.op, answer_order_cb);
        }
    }
    order_request_free(&r);
    json_decref(body);
}

/* --- reading one --- */

/* The leader, or with local=true this node. */
static void read_order(struct exchange *x, enum operation_code code, resource_done on_done)
{
    struct operation op = {.code = code};
    struct flaw flaw = {0};
    bool local = false;

    (void)params_flag(x, "local", &flaw, &local);
    if (!resource_sound(x, &flaw) || !resource_id(x, 2, &op.id)) {
        return;
    }
    if (local) {
        resource_ask_node(x, 0, &op, on_done);
    } else {
        resource_ask(x, &op, on_done);
    }
}

static void answer_get_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    char etag[32];

    (void)n;
    if (!resource_done_well(x, &answers[0], id_of(x))) {
        return;
    }
    json_t *order = out_order(id_of(x), &answers[0]);
    if (!out_order_details(order, &answers[0])) {
        json_decref(order);
        resource_malformed(x);
        return;
    }
    out_order_etag(&answers[0], etag);
    exchange_header(x, "ETag", etag);
    exchange_answer(x, 200, order);
}

void resource_order_get(struct exchange *x)
{
    read_order(x, OPERATION_GET, answer_get_cb);
}

/* [reason, [event, ...]] */
static void answer_history_cb(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n)
{
    (void)n;
    if (!resource_done_well(x, &answers[0], id_of(x))) {
        return;
    }
    json_t *order = out_order(id_of(x), &answers[0]);
    if (!out_order_history(order, &answers[0])) {
        json_decref(order);
        resource_malformed(x);
        return;
    }
    exchange_answer(x, 200, order);
}

void resource_order_history(struct exchange *x)
{
    read_order(x, OPERATION_HISTORY, answer_history_cb);
}

/* --- listing --- */

/* [cursor or "", [[id, state, deadline_ms, route], ...]] */
static bool take_page(const struct ordersched_answer *answer, json_t *orders, struct slice *next)
{
    struct cursor c;

    cursor_init(&c, answer->body, answer->body_len);
    (void)cursor_array(&c);
    *next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n; i++) {
        (void)cursor_array(&c);
        struct slice id = cursor_bytes(&c);
        uint64_t state = cursor_uint(&c);
        uint64_t deadline_ms = cursor_uint(&c);
        struct slice route = cursor_bytes(&c);
        if (!cursor_ok(&c)) {
            return false;
        }
        json_t *order = json_object();
        out_id(order, id);
        out_text(order, "state", ordersched_state_name((int)state));
        out_time(order, "deadline", deadline_ms);
        out_bytes(order, "route", route);
        json_array_append_new(orders, order);
    }
    return cursor_ok(&c);
}

static void answer_list_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    resource_answer_page(x, &answers[0], "orders", take_page);
}

static const char *const state_words[] = {"pending", "closing", "paid", "cancelled",
                                          "expired", "dead",    NULL};

static uint32_t read_state(const struct exchange *x, struct flaw *flaw)
{
    struct slice text;

    if (!params_text(x, "state", flaw, &text)) {
        return 0;
    }
    for (uint32_t i = 0; state_words[i] != NULL; i++) {
        if (text.len == strlen(state_words[i]) &&
            strncasecmp((const char *)text.data, state_words[i], text.len) == 0) {
            return i + 1;
        }
    }
    params_refuse(flaw, "state", "must be pending, closing, paid, cancelled, expired or dead");
    return 0;
}

/* How the ids begin, and the bounds of the deadlines. */
static void read_filters(const struct exchange *x, struct operation *op, struct flaw *flaw)
{
    bool prefix = params_text(x, "prefix", flaw, &op->id);
    bool after = params_time(x, "due_after", flaw, &op->time_ms);
    bool before = params_time(x, "due_before", flaw, &op->since_ms);

    if (prefix && op->id.len > ORDERSCHED_ID_MAX) {
        params_refuse(flaw, "prefix", "must have at most 128 bytes");
    }
    if (before && op->since_ms == 0) { /* which would be no bound */
        params_refuse(flaw, "due_before", "must be after 1970-01-01T00:00:00Z");
    }
    if (prefix || after || before) {
        op->code = OPERATION_FILTERED_LIST;
    }
}

void resource_order_list(struct exchange *x)
{
    struct operation op = {.code = OPERATION_LIST};
    struct flaw flaw = {0};
    uint64_t limit = LIST_DEFAULT;

    op.state = read_state(x, &flaw);
    (void)params_name(x, "route", &flaw, &op.route);
    read_filters(x, &op, &flaw);
    (void)params_number(x, "limit", 1, PROTOCOL_LIST_MAX, &flaw, &limit);
    uint8_t *cursor = params_cursor(x, "cursor", PROTOCOL_CURSOR_MAX, &flaw, &op.cursor.len);
    op.limit = (uint32_t)limit;
    op.cursor.data = cursor;
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_list_cb);
    }
    free(cursor);
}
