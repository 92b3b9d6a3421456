/* resource_dead.c - see resource_handlers.h; acting on many is in resource_dead_act.c. */
#include "resource_handlers.h"

#include <stdlib.h>

#include "../../client/wire/list.h"
#include "out_order.h"
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
    (void)n;
    resource_answer_page(x, &answers[0], "orders", take_page);
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
