/* principals_list.c - the principals, as a table or as JSON. */
#include <inttypes.h>
#include <string.h>

#include "../text/table.h"
#include "../text/units.h"
#include "../wire/principal.h"
#include "principals.h"

/* [name, kind, index, [grant, ...], [[created_ms, expires_ms, and maybe used_ms, from], ...]], and maybe
 * [[orders, bytes], ...] */
struct row {
    struct slice name;
    uint64_t kind, index;
    uint32_t n_grants, n_tokens;
    struct grant grants[GRANT_MAX];
    struct usage {
        uint64_t orders, bytes;
    } used[GRANT_MAX];   /* of their quotas */
    uint64_t expires_ms; /* of the newest token */
    uint64_t used_ms;    /* of the one that was used last; 0: none was */
    struct slice from;
    json_t *tokens;
};

static bool decode_usage(struct cursor *c, struct row *r)
{
    if (cursor_array(c) != r->n_grants) {
        return false;
    }
    for (uint32_t i = 0; i < r->n_grants; i++) {
        (void)cursor_array(c);
        r->used[i].orders = cursor_uint(c);
        r->used[i].bytes = cursor_uint(c);
    }
    return cursor_ok(c);
}

static bool decode_row(struct cursor *c, struct row *r)
{
    uint32_t fields = cursor_array(c);

    r->name = cursor_bytes(c);
    r->kind = cursor_uint(c);
    r->index = cursor_uint(c);
    r->n_grants = cursor_array(c);
    if (!cursor_ok(c) || (fields != 5 && fields != 6) || r->n_grants > GRANT_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < r->n_grants; i++) {
        grant_read(c, &r->grants[i]);
    }
    r->n_tokens = cursor_array(c);
    for (uint32_t i = 0; i < r->n_tokens && cursor_ok(c); i++) {
        uint32_t parts = cursor_array(c);
        uint64_t created_ms = cursor_uint(c), expires_ms = cursor_uint(c);
        json_t *token = json_object();
        ctl_json_time(token, "created_ms", "created", created_ms);
        ctl_json_time(token, "expires_ms", "expires", expires_ms);
        if (parts == 4) {
            uint64_t used_ms = cursor_uint(c);
            struct slice from = cursor_bytes(c);
            ctl_json_time(token, "used_ms", "used", used_ms);
            ctl_json_bytes(token, "from", from.data, from.len);
            r->from = used_ms > r->used_ms ? from : r->from;
            r->used_ms = used_ms > r->used_ms ? used_ms : r->used_ms;
        }
        json_array_append_new(r->tokens, token);
        r->expires_ms = i == 0 ? expires_ms : r->expires_ms;
    }
    return cursor_ok(c) && (fields == 5 || decode_usage(c, r));
}

static json_t *quota_as_json(const struct quota *q, const struct usage *used)
{
    return json_pack("{sI, sI, sI, sI, sI}", "operations_per_s", (json_int_t)q->operations_per_s,
                     "pending_orders", (json_int_t)q->pending_orders, "bytes", (json_int_t)q->bytes,
                     "pending_orders_used", (json_int_t)used->orders, "bytes_used",
                     (json_int_t)used->bytes);
}

/* "500/s, 12 of 1000 orders, 88 of 4096 bytes" */
static void quota_as_cell(const struct quota *q, const struct usage *used, struct table *t)
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

static json_t *row_as_json(const struct row *r)
{
    json_t *object = json_object(), *grants = json_array();

    for (uint32_t i = 0; i < r->n_grants; i++) {
        const struct grant *g = &r->grants[i];
        json_t *grant = json_object();
        json_object_set_new(grant, "role", json_string(grant_role_name(g->role)));
        ctl_json_bytes(grant, "routes", g->routes.data, g->routes.len);
        ctl_json_bytes(grant, "prefix", g->prefix.data, g->prefix.len);
        if (quota_is_set(&g->quota)) {
            json_object_set_new(grant, "quota", quota_as_json(&g->quota, &r->used[i]));
        }
        json_array_append_new(grants, grant);
    }
    ctl_json_bytes(object, "name", r->name.data, r->name.len);
    json_object_set_new(object, "kind",
                        json_string(principal_kind_name((enum principal_kind)r->kind)));
    json_object_set_new(object, "grants", grants);
    json_object_set(object, "tokens", r->tokens);
    json_object_set_new(object, "index", json_integer((json_int_t)r->index));
    return object;
}

/* A line for each grant; the name is said once. */
static void row_as_cells(const struct row *r, struct table *t)
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
static bool take_page(const struct ask_reply *reply, json_t *rows, struct table *t,
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
        struct row r = {.tokens = json_array()};
        bool ok = decode_row(&c, &r);
        if (ok) {
            json_array_append_new(rows, row_as_json(&r));
            row_as_cells(&r, t);
        }
        json_decref(r.tokens);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static void read_pages(struct ctl *ctl, json_t *rows, struct table *t, struct ask_reply *reply)
{
    char after[GRANT_NAME_MAX + 1] = "";

    do {
        struct operation op = {.code = OPERATION_GRANT_LIST,
                               .id = {(const uint8_t *)after, strlen(after)}};
        if (ask_leader(ctl->client, &op, ctl->timeout_ms, reply) != ORDERSCHED_OK) {
            return;
        }
        if (!take_page(reply, rows, t, after)) {
            reply->error = ORDERSCHED_INVALID;
            snprintf(reply->text, sizeof reply->text, "the node's answer is malformed");
            return;
        }
        ask_reply_free(reply);
        *reply = (struct ask_reply){0};
    } while (after[0] != '\0');
}

int ctl_principals_run_list(struct ctl *ctl)
{
    json_t *rows = json_array();
    struct ask_reply reply;
    struct table t;
    int rv;

    table_init(&t, (const char *const[]){"NAME", "KIND", "ROLE", "ROUTES", "PREFIX", "QUOTA",
                                         "TOKENS", "EXPIRES", "USED", "FROM", NULL});
    read_pages(ctl, rows, &t, &reply);
    if (reply.error != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, NULL, NULL, &reply);
    } else if (ctl->json) {
        rv = ctl_print_json(json_pack("{sO}", "principals", rows));
    } else {
        rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    }
    ask_reply_free(&reply);
    table_free(&t);
    json_decref(rows);
    return rv;
}
