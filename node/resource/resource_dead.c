/* resource_dead.c - see resource_handlers.h; acting on many is in resource_dead_act.c. */
#include "resource_handlers.h"

#include <stdlib.h>

#include "../../client/wire/list.h"
#include "out_order.h"
#include "request_key.h"
#include "resource.h"

#define LIST_DEFAULT 100

/* --- the list --- */

/* [cursor or "", [letter, ...]] */
static bool take_page(const struct ordersched_answer *answer, json_t *orders, struct slice *next)
{
    struct dead_letter letter;
    struct cursor c;

    cursor_init(&c, answer->body, answer->body_len);
    (void)cursor_array(&c);
    *next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n; i++) {
        if (!list_read_letter(&c, &letter)) {
            return false;
        }
        json_t *order = json_object();
        out_id(order, letter.id);
        out_text(order, "state", ordersched_state_name(ORDERSCHED_DEAD));
        out_time(order, "deadline", letter.deadline_ms);
        out_bytes(order, "route", letter.route);
        out_number(order, "attempts", letter.attempts);
        out_time(order, "died", letter.died_ms);
        out_bytes(order, "reason", letter.reason);
        json_array_append_new(orders, order);
    }
    return cursor_ok(&c);
}

static void answer_list_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct slice next;
    json_t *orders = json_array();

    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        json_decref(orders);
    } else if (!take_page(&answers[0], orders, &next)) {
        json_decref(orders);
        resource_malformed(x);
    } else {
        exchange_answer(x, 200, out_page("orders", orders, next));
    }
}

void resource_dead_list(struct exchange *x)
{
    struct operation op = {.code = OPERATION_DEAD_LIST};
    struct flaw flaw = {0};
    uint64_t limit = LIST_DEFAULT;

    (void)params_name(x, "route", &flaw, &op.route);
    (void)params_number(x, "limit", 1, PROTOCOL_LIST_MAX, &flaw, &limit);
    uint8_t *cursor = params_cursor(x, "cursor", PROTOCOL_CURSOR_MAX, &flaw, &op.cursor.len);
    op.limit = (uint32_t)limit;
    op.cursor.data = cursor;
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_list_cb);
    }
    free(cursor);
}

/* --- one --- */

static void answer_order_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct slice id = x->segments[2];

    (void)n;
    if (resource_done_well(x, &answers[0], id)) {
        exchange_answer(x, 200, out_order(id, &answers[0]));
    }
}

static void act_on_one(struct exchange *x, enum operation_code code)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.code = code, .request_id = request_id};

    if (resource_unconditional(x) && resource_id(x, 2, &op.id) && resource_no_body(x)) {
        request_key_make(x, NULL, request_id);
        resource_ask(x, &op, answer_order_cb);
    }
}

void resource_order_redrive(struct exchange *x)
{
    act_on_one(x, OPERATION_DEAD_REDRIVE);
}

void resource_order_drop(struct exchange *x)
{
    act_on_one(x, OPERATION_DEAD_DROP);
}
