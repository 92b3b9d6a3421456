/* resource_audit.c - see resource_handlers.h. */
#include "resource_handlers.h"

#include "../../client/json/json_in.h"
#include "../../client/json/json_out.h"
#include "../../client/json/json_rows.h"
#include "resource.h"

#define LIST_DEFAULT 100

/* [number to go on behind, are there more, [row, ...]] */
static json_t *page_of(const struct ordersched_answer *answer)
{
    json_t *rows = json_array();
    struct audit_row row;
    struct cursor c;

    cursor_init(&c, answer->body, answer->body_len);
    bool ok = cursor_array(&c) == 3;
    uint64_t cursor = cursor_uint(&c);
    bool more = cursor_bool(&c);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n && ok; i++) {
        ok = audit_row_read(&c, &row);
        if (ok) {
            json_array_append_new(rows, json_audit_row(&row));
        }
    }
    if (!ok || !cursor_ok(&c)) {
        json_decref(rows);
        return NULL;
    }
    json_t *page = json_object();
    json_object_set_new(page, "rows", rows);
    out_number(page, "cursor", cursor);
    json_object_set_new(page, "more", json_boolean(more));
    return page;
}

static void answer_list_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    json_t *page = page_of(&answers[0]);
    if (page == NULL) {
        resource_malformed(x);
    } else {
        exchange_answer(x, 200, page);
    }
}

void resource_audit_list(struct exchange *x)
{
    struct operation op = {.code = OPERATION_AUDIT_LIST};
    struct flaw flaw = {0};
    uint64_t limit = LIST_DEFAULT;

    (void)params_time(x, "since", &flaw, &op.time_ms);
    (void)params_name(x, "who", &flaw, &op.id);
    if (params_text(x, "what", &flaw, &op.route) && op.route.len > AUDIT_WHAT_MAX) {
        params_refuse(&flaw, "what", "must have at most %u bytes", AUDIT_WHAT_MAX);
    }
    (void)params_number(x, "limit", 1, PROTOCOL_LIST_MAX, &flaw, &limit);
    (void)params_number(x, "cursor", 0, JSON_IN_INTEGER_MAX, &flaw, &op.since_ms);
    op.limit = (uint32_t)limit;
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_list_cb);
    }
}
