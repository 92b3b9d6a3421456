/* json_rows.c - see json_rows.h. */
#include "json_rows.h"

#include <stdio.h>

#include "json_out.h"

#define ROUTE_FIELDS 6
#define MEMBER_FIELDS 5

/* --- routes --- */

/* A setting is a number, a string, or a list of such. */
static json_t *decode_setting(struct cursor *c)
{
    struct cursor peek = *c;

    uint64_t number = cursor_uint(&peek);
    if (cursor_ok(&peek)) {
        *c = peek;
        return json_integer((json_int_t)number);
    }
    peek = *c;
    struct slice text = cursor_bytes(&peek);
    if (cursor_ok(&peek)) {
        *c = peek;
        return json_stringn((const char *)text.data, text.len);
    }
    json_t *list = json_array();
    uint32_t n = cursor_array(c);
    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        peek = *c;
        if (cursor_array(&peek) > 0) {
            (void)cursor_skip(c); /* of a newer node */
            continue;
        }
        json_array_append_new(list, decode_setting(c));
    }
    return list;
}

static json_t *decode_settings(struct cursor *c)
{
    json_t *object = json_object();
    uint32_t n = cursor_map(c);

    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        struct slice key = cursor_bytes(c);
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)key.len, (const char *)key.data);
        json_object_set_new(object, name, decode_setting(c));
    }
    json_t *http2 = json_object_get(object, "http2");
    json_object_set_new(object, "http2", json_boolean(json_integer_value(http2) != 0));
    if (json_object_get(object, "traceparent") != NULL) {
        json_object_set_new(object, "traceparent", json_true());
    }
    return object;
}

json_t *json_route_read(struct cursor *c)
{
    json_t *route = json_object();
    uint32_t fields = cursor_array(c);

    out_bytes(route, "name", cursor_bytes(c));
    json_t *settings = decode_settings(c);
    uint64_t secrets = cursor_uint(c);
    json_object_set_new(route, "paused", json_boolean(cursor_bool(c)));
    json_object_update(route, settings);
    json_decref(settings);
    out_number(route, "secrets", secrets);
    out_number(route, "orders", cursor_uint(c));
    out_number(route, "revision", cursor_uint(c));
    if (!cursor_ok(c) || fields != ROUTE_FIELDS) {
        json_decref(route);
        return NULL;
    }
    return route;
}

/* --- principals --- */

static bool read_usage(struct cursor *c, struct principal_row *r)
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

static void read_token(struct cursor *c, struct principal_row *r)
{
    uint32_t parts = cursor_array(c);
    uint64_t created_ms = cursor_uint(c), expires_ms = cursor_uint(c);
    json_t *token = json_object();

    out_time(token, "created", created_ms);
    out_time(token, "expires", expires_ms);
    if (parts == 4) {
        uint64_t used_ms = cursor_uint(c);
        struct slice from = cursor_bytes(c);
        out_time(token, "used", used_ms);
        out_bytes(token, "from", from);
        r->from = used_ms > r->used_ms ? from : r->from;
        r->used_ms = used_ms > r->used_ms ? used_ms : r->used_ms;
    }
    json_array_append_new(r->tokens, token);
    if (r->n_tokens++ == 0) {
        r->expires_ms = expires_ms;
    }
}

bool principal_row_read(struct cursor *c, struct principal_row *r)
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
    uint32_t n = cursor_array(c);
    r->n_tokens = 0;
    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        read_token(c, r);
    }
    return cursor_ok(c) && (fields == 5 || read_usage(c, r));
}

static json_t *quota_row(const struct quota *q, const struct principal_usage *used)
{
    json_t *row = json_object();

    out_number(row, "operations_per_s", q->operations_per_s);
    out_number(row, "pending_orders", q->pending_orders);
    out_number(row, "bytes", q->bytes);
    out_number(row, "pending_orders_used", used->orders);
    out_number(row, "bytes_used", used->bytes);
    return row;
}

json_t *json_principal_row(const struct principal_row *r)
{
    json_t *object = json_object(), *grants = json_array();

    for (uint32_t i = 0; i < r->n_grants; i++) {
        const struct grant *g = &r->grants[i];
        json_t *grant = json_object();
        out_text(grant, "role", grant_role_name(g->role));
        out_bytes(grant, "routes", g->routes);
        out_bytes(grant, "prefix", g->prefix);
        if (quota_is_set(&g->quota)) {
            json_object_set_new(grant, "quota", quota_row(&g->quota, &r->used[i]));
        }
        json_array_append_new(grants, grant);
    }
    out_bytes(object, "name", r->name);
    out_text(object, "kind", principal_kind_name((enum principal_kind)r->kind));
    json_object_set_new(object, "grants", grants);
    json_object_set(object, "tokens", r->tokens);
    out_number(object, "index", r->index);
    return object;
}

/* --- members --- */

bool member_row_read(struct cursor *c, struct member_row *r)
{
    uint32_t fields = cursor_array(c);

    r->id = cursor_uint(c);
    r->address = cursor_bytes(c);
    r->kind = cursor_bytes(c);
    r->leads = cursor_bool(c);
    r->match = cursor_uint(c);
    return cursor_ok(c) && fields == MEMBER_FIELDS;
}

json_t *json_member_row(const struct member_row *r)
{
    json_t *member = json_object();

    out_number(member, "id", r->id);
    out_bytes(member, "address", r->address);
    out_bytes(member, "member", r->kind);
    json_object_set_new(member, "leads", json_boolean(r->leads));
    out_number(member, "match", r->match);
    return member;
}

/* --- the audit trail --- */

static const char *kind_name(enum caller_kind kind)
{
    static const char *const names[] = {"nobody", "token", "certificate", "owner"};

    return names[kind];
}

json_t *json_audit_row(const struct audit_row *r)
{
    struct slice who = audit_who(r);
    json_t *row = json_object();

    out_number(row, "number", r->number);
    out_time(row, "time", r->time_ms);
    out_bytes(row, "who", who);
    out_text(row, "kind", kind_name(r->kind));
    out_bytes(row, "from", r->from);
    out_text(row, "operation", audit_name(r->code));
    out_bytes(row, "about", r->about);
    out_bytes(row, "detail", r->detail);
    out_text(row, "result", ordersched_error_name(r->error));
    out_number(row, "count", r->count);
    out_time(row, "first", r->first_ms);
    out_number(row, "index", r->index);
    return row;
}
