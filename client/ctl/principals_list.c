/* principals_list.c - the principals, as a table or as JSON. */
#include <inttypes.h>
#include <string.h>

#include "../json/json_rows.h"
#include "../text/table.h"
#include "../text/units.h"
#include "../wire/principal.h"
#include "principals.h"
#include "rows.h"

/* "500/s, 12 of 1000 orders, 88 of 4096 bytes" */
static void quota_as_cell(const struct quota *q, const struct principal_usage *used,
                          struct table *t)
{
    char text[160] = "";
    size_t len = 0;

    if (q->operations_per_s > 0) {
        len = (size_t)snprintf(text, sizeof text, "%" PRIu64 "/s", q->operations_per_s);
    }
    if (q->pending_orders > 0) {
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "%s%" PRIu64 " of %" PRIu64 " orders", len > 0 ? ", " : "",
                                used->orders, q->pending_orders);
    }
    if (q->bytes > 0) {
        snprintf(text + len, sizeof text - len, "%s%" PRIu64 " of %" PRIu64 " bytes",
                 len > 0 ? ", " : "", used->bytes, q->bytes);
    }
    table_text(t, quota_is_set(q) ? text : "-");
}

/* A line for each grant; the name is said once. */
static void row_as_cells(const struct principal_row *r, struct table *t)
{
    char expires[32] = "never", used[32] = "-";

    if (r->expires_ms != 0) {
        units_format_time(r->expires_ms, expires, sizeof expires);
    }
    if (r->used_ms != 0) {
        units_format_time(r->used_ms, used, sizeof used);
    }
    for (uint32_t i = 0; i < r->n_grants; i++) {
        const struct grant *g = &r->grants[i];
        table_bytes(t, r->name.data, i == 0 ? r->name.len : 0);
        table_text(t, i > 0 ? "" : principal_kind_name((enum principal_kind)r->kind));
        table_text(t, grant_role_name(g->role));
        table_bytes(t, g->routes.data, g->routes.len);
        table_bytes(t, g->prefix.len > 0 ? g->prefix.data : (const uint8_t *)"-",
                    g->prefix.len > 0 ? g->prefix.len : 1);
        quota_as_cell(&g->quota, &r->used[i], t);
        if (i > 0 || r->kind != PRINCIPAL_TOKEN) {
            for (unsigned k = 0; k < 4; k++) {
                table_text(t, i > 0 ? "" : "-");
            }
        } else {
            table_printf(t, "%u", r->n_tokens);
            table_text(t, r->n_tokens > 0 ? expires : "-");
            table_text(t, used);
            table_bytes(t, r->from.len > 0 ? r->from.data : (const uint8_t *)"-",
                        r->from.len > 0 ? r->from.len : 1);
        }
    }
}

/* One page. `after` is where the next begins, "" at the end. */
static bool take_page(const struct ask_reply *reply, struct rows *rows,
                      char after[GRANT_NAME_MAX + 1])
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t parts = cursor_array(&c);
    struct slice next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    if (!cursor_ok(&c) || parts != 2 || next.len > GRANT_NAME_MAX) {
        return false;
    }
    snprintf(after, GRANT_NAME_MAX + 1, "%.*s", (int)next.len, (const char *)next.data);
    for (uint32_t i = 0; i < n; i++) {
        struct principal_row r = {.tokens = json_array()};
        bool ok = principal_row_read(&c, &r);
        if (ok && rows_are_json(rows)) {
            rows_add(rows, json_principal_row(&r));
        } else if (ok) {
            row_as_cells(&r, &rows->table);
        }
        json_decref(r.tokens);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static void read_pages(struct ctl *ctl, struct rows *rows, struct ask_reply *reply)
{
    char after[GRANT_NAME_MAX + 1] = "";

    do {
        struct operation op = {.code = OPERATION_GRANT_LIST,
                               .id = {(const uint8_t *)after, strlen(after)}};
        if (ask_leader(ctl->client, &op, ctl->timeout_ms, reply) != ORDERSCHED_OK) {
            return;
        }
        if (!take_page(reply, rows, after)) {
            ctl_malformed(reply);
            return;
        }
        ask_reply_free(reply);
        *reply = (struct ask_reply){0};
    } while (rows_flush(rows) && after[0] != '\0');
}

int ctl_principals_run_list(struct ctl *ctl)
{
    struct rows rows;
    struct ask_reply reply;

    rows_begin(&rows, ctl,
               (const char *const[]){"NAME", "KIND", "ROLE", "ROUTES", "PREFIX", "QUOTA", "TOKENS",
                                     "EXPIRES", "USED", "FROM", NULL});
    read_pages(ctl, &rows, &reply);
    int rv = reply.error == ORDERSCHED_OK ? rows_print(&rows, "principals", NULL)
                                          : ctl_fail(ctl, NULL, NULL, &reply);
    ask_reply_free(&reply);
    rows_free(&rows);
    return rv;
}
