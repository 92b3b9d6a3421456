/* route_list.c - what callback routes there are, and how each of them is set: nothing secret. */
#include <stdlib.h>
#include <string.h>

#include "../wire/cursor.h"
#include "route.h"
#include "rows.h"
#include "../json/json_rows.h"
#include "../text/table.h"
#include "../text/units.h"

static uint64_t number_in(const json_t *route, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(route, key));
}

static const char *text_in(const json_t *route, const char *key)
{
    const char *text = json_string_value(json_object_get(route, key));

    return text != NULL ? text : "";
}

static void route_as_row(const json_t *r, struct table *t)
{
    const json_t *command = json_array_get(json_object_get(r, "command"), 0);
    const char *target = command != NULL ? json_string_value(command) : text_in(r, "url");
    char timeout[32];

    units_format_duration(number_in(r, "timeout_ms"), timeout, sizeof timeout);
    table_text(t, text_in(r, "name"));
    table_text(t, text_in(r, "kind"));
    table_text(t, target != NULL ? target : "");
    table_text(t, json_is_true(json_object_get(r, "paused")) ? "paused" : "open");
    table_printf(t, "%llu", (unsigned long long)number_in(r, "secrets"));
    table_printf(t, "%zu", json_array_size(json_object_get(r, "public_keys")));
    table_text(t, timeout);
    table_printf(t, "%llu", (unsigned long long)number_in(r, "window"));
    if (number_in(r, "rate_per_s") == 0) {
        table_text(t, "-");
    } else {
        table_printf(t, "%llu/s", (unsigned long long)number_in(r, "rate_per_s"));
    }
    table_printf(t, "%llu", (unsigned long long)number_in(r, "batch"));
    table_printf(t, "%zu", json_array_size(json_object_get(r, "retries_ms")));
    table_printf(t, "%llu", (unsigned long long)number_in(r, "orders"));
}

static bool take_routes(const struct ask_reply *reply, json_t *routes)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n; i++) {
        json_t *route = json_route_read(&c);
        if (route == NULL) {
            return false;
        }
        json_array_append_new(routes, route);
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
    struct rows rows;
    json_t *routes = json_array();

    rows_begin(&rows, ctl, route_columns);
    ask_leader(ctl->client, &op, ctl->timeout_ms, &reply);
    if (reply.error == ORDERSCHED_OK && !take_routes(&reply, routes)) {
        ctl_malformed(&reply);
    }
    for (size_t i = 0; i < json_array_size(routes); i++) {
        if (rows_are_json(&rows)) {
            rows_add(&rows, json_incref(json_array_get(routes, i)));
        } else {
            route_as_row(json_array_get(routes, i), &rows.table);
        }
    }
    int rv = reply.error == ORDERSCHED_OK ? rows_print(&rows, "routes", NULL)
                                          : ctl_fail(ctl, NULL, NULL, &reply);
    ask_reply_free(&reply);
    rows_free(&rows);
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
    json_t *routes = json_array();

    ask_leader(ctl->client, &op, ctl->timeout_ms, &reply);
    if (reply.error == ORDERSCHED_OK && !take_routes(&reply, routes)) {
        ctl_malformed(&reply);
    }
    int rv = reply.error == ORDERSCHED_OK ? print_route(ctl, routes) : -1;
    if (rv < 0) {
        reply.error = reply.error == ORDERSCHED_OK ? ORDERSCHED_NOT_FOUND : reply.error;
        rv = ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    }
    ask_reply_free(&reply);
    json_decref(routes);
    return rv;
}
