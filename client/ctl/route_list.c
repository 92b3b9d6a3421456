/* route_list.c - what callback routes there are, and how each of them is set: nothing secret. */
#include <stdlib.h>
#include <string.h>

#include "../wire/cursor.h"
#include "route.h"
#include "../text/table.h"
#include "../text/units.h"

/* [name, {settings without secrets}, number of secrets, paused, orders, revision] */
struct route_row {
    struct slice name;
    json_t *settings; /* owned */
    uint64_t secrets;
    bool paused;
    uint64_t orders;
    uint64_t revision;
};

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
    return object;
}

static bool decode_route(struct cursor *c, struct route_row *r)
{
    uint32_t fields = cursor_array(c);

    r->name = cursor_bytes(c);
    r->settings = decode_settings(c);
    r->secrets = cursor_uint(c);
    r->paused = cursor_bool(c);
    r->orders = cursor_uint(c);
    r->revision = cursor_uint(c);
    return cursor_ok(c) && fields == 6;
}

static json_t *route_as_json(const struct route_row *r)
{
    json_t *object = json_object();

    ctl_json_bytes(object, "name", r->name.data, r->name.len);
    json_object_set_new(object, "paused", json_boolean(r->paused));
    json_object_update(object, r->settings);
    json_object_set_new(object, "secrets", json_integer((json_int_t)r->secrets));
    json_object_set_new(object, "orders", json_integer((json_int_t)r->orders));
    json_object_set_new(object, "revision", json_integer((json_int_t)r->revision));
    return object;
}

static uint64_t number_in(const struct route_row *r, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(r->settings, key));
}

static const char *text_in(const struct route_row *r, const char *key)
{
    const char *text = json_string_value(json_object_get(r->settings, key));

    return text != NULL ? text : "";
}

static void route_as_row(const struct route_row *r, struct table *t)
{
    const json_t *command = json_array_get(json_object_get(r->settings, "command"), 0);
    const char *target = command != NULL ? json_string_value(command) : text_in(r, "url");
    char timeout[32];

    units_format_duration(number_in(r, "timeout_ms"), timeout, sizeof timeout);
    table_bytes(t, r->name.data, r->name.len);
    table_text(t, text_in(r, "kind"));
    table_text(t, target != NULL ? target : "");
    table_text(t, r->paused ? "paused" : "open");
    table_printf(t, "%llu", (unsigned long long)r->secrets);
    table_printf(t, "%zu", json_array_size(json_object_get(r->settings, "public_keys")));
    table_text(t, timeout);
    table_printf(t, "%llu", (unsigned long long)number_in(r, "window"));
    if (number_in(r, "rate_per_s") == 0) {
        table_text(t, "-");
    } else {
        table_printf(t, "%llu/s", (unsigned long long)number_in(r, "rate_per_s"));
    }
    table_printf(t, "%llu", (unsigned long long)number_in(r, "batch"));
    table_printf(t, "%zu", json_array_size(json_object_get(r->settings, "retries_ms")));
    table_printf(t, "%llu", (unsigned long long)r->orders);
}

static bool take_routes(const struct ask_reply *reply, json_t *routes, struct table *t)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n; i++) {
        struct route_row r;
        bool ok = decode_route(&c, &r);
        if (ok) {
            json_array_append_new(routes, route_as_json(&r));
            route_as_row(&r, t);
        }
        json_decref(r.settings);
        if (!ok) {
            return false;
        }
    }
    return cursor_ok(&c);
}

static const char *const route_columns[] = {"ROUTE",   "KIND",    "TARGET", "STATE", "SECRETS",
                                            "KEYS",    "TIMEOUT", "WINDOW", "RATE",  "BATCH",
                                            "RETRIES", "ORDERS",  NULL};

int ctl_route_list_run(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_LIST};
    struct ask_reply reply;
    struct table t;
    json_t *routes = json_array();
    int rv;

    table_init(&t, route_columns);
    ask_leader(ctl->client, &op, ctl->timeout_ms, &reply);
    if (reply.error == ORDERSCHED_OK && !take_routes(&reply, routes, &t)) {
        reply.error = ORDERSCHED_INVALID;
        snprintf(reply.text, sizeof reply.text, "the node's answer is malformed");
    }
    if (reply.error != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, NULL, NULL, &reply);
    } else if (ctl->json) {
        rv = ctl_print_json(json_pack("{sO}", "routes", routes));
    } else {
        rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    }
    ask_reply_free(&reply);
    table_free(&t);
    json_decref(routes);
    return rv;
}

/* ---- one of them ---- */

/* A list's values one after the other, with commas. */
static void print_value(const json_t *value)
{
    size_t i;
    const json_t *element;

    if (json_is_array(value)) {
        json_array_foreach (value, i, element) {
            printf("%s", i > 0 ? ", " : "");
            print_value(element);
        }
    } else if (json_is_string(value)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
        size_t len = text != NULL ? strlen(text) : 0;
        printf("%.*s", len > 2 ? (int)len - 2 : 0, len > 2 ? text + 1 : "");
        free(text);
    } else if (json_is_boolean(value)) {
        printf("%s", json_is_true(value) ? "yes" : "no");
    } else {
        printf("%lld", (long long)json_integer_value(value));
    }
}

static int print_route(const struct ctl *ctl, json_t *routes)
{
    const char *key;
    json_t *value;

    for (size_t i = 0; i < json_array_size(routes); i++) {
        json_t *route = json_array_get(routes, i);
        const char *name = json_string_value(json_object_get(route, "name"));
        if (name == NULL || strcmp(name, ctl->operands[0]) != 0) {
            continue;
        }
        if (ctl->json) {
            return ctl_print_json(json_incref(route));
        }
        json_object_foreach (route, key, value) {
            printf("%-20s ", key);
            print_value(value);
            printf("\n");
        }
        return CTL_DONE;
    }
    return -1;
}

int ctl_route_show_run(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_LIST};
    struct ask_reply reply;
    struct table t;
    json_t *routes = json_array();

    table_init(&t, route_columns);
    ask_leader(ctl->client, &op, ctl->timeout_ms, &reply);
    if (reply.error == ORDERSCHED_OK && !take_routes(&reply, routes, &t)) {
        reply.error = ORDERSCHED_INVALID;
        snprintf(reply.text, sizeof reply.text, "the node's answer is malformed");
    }
    int rv = reply.error == ORDERSCHED_OK ? print_route(ctl, routes) : -1;
    if (rv < 0) {
        reply.error = reply.error == ORDERSCHED_OK ? ORDERSCHED_NOT_FOUND : reply.error;
        rv = ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    }
    ask_reply_free(&reply);
    table_free(&t);
    json_decref(routes);
    return rv;
}
