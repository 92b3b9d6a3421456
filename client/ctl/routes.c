/* routes.c - callback routes: list, pause, resume, rotate, delete. */
#include <stdlib.h>
#include <string.h>

#include "../wire/cursor.h"
#include "route.h"
#include "../text/table.h"
#include "../text/units.h"

/* Ask, and say what became of the route. */
static int change_route(struct ctl *ctl, struct operation *op, const char *done)
{
    struct ask_reply reply;

    int rv = ctl_route_ask(ctl, op, &reply);
    if (rv != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    } else if (ctl->json) {
        rv = ctl_print_json(json_pack("{ss, ss, ss}", "command", ctl->command->name, "route",
                                      ctl->operands[0], "error", "OK"));
    } else {
        printf("route %s %s\n", ctl->operands[0], done);
        rv = CTL_DONE;
    }
    ask_reply_free(&reply);
    return rv;
}

static int run_delete(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_DELETE};

    return change_route(ctl, &op, "is deleted");
}

static int run_pause(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_PAUSE, .paused = true};

    return change_route(ctl, &op, "is paused: due orders are kept, none is delivered");
}

static int run_resume(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_PAUSE, .paused = false};

    return change_route(ctl, &op, "is resumed");
}

static int run_retry(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_RETRY};

    return change_route(ctl, &op, "is retried: its orders do not wait for their next attempt");
}

/* ---- rotate ---- */

static const struct flag rotate_flags[] = {
    {CTL_SECRET, "secret", 0, "whsec_...|@FILE|-",
     "the new secret; else one is made and shown once"},
    {CTL_KEEP, "keep", 0, "N", "older secrets to sign with as well, 0 to 3 (1)"},
    {0},
};

static int read_rotate(struct ctl *ctl, struct operation *op)
{
    const char *secret = ctl_value(ctl, CTL_SECRET);
    const char *keep = ctl_value(ctl, CTL_KEEP);
    uint64_t n = 1;

    if (ctl->flags[CTL_SECRET].n > 1) {
        return ctl_usage(ctl, "--secret is given twice");
    }
    if (keep != NULL && !ctl_parse_number(keep, 0, PROTOCOL_SECRETS_MAX - 1, &n)) {
        return ctl_usage(ctl, "--keep must be a number from 0 to %d, not \"%s\"",
                         PROTOCOL_SECRETS_MAX - 1, keep);
    }
    op->keep = (uint32_t)n;
    if (secret != NULL) {
        op->secret = (struct slice){(const uint8_t *)secret, strlen(secret)};
        if (!route_secret_is_good(op->secret)) {
            return ctl_usage(ctl, "--secret is not whsec_ and base64 of 24 to 64 bytes");
        }
    }
    return CTL_DONE;
}

static int check_rotate(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_ROTATE};

    int rv = ctl_route_check_name(ctl);
    return rv != CTL_DONE ? rv : read_rotate(ctl, &op);
}

static int print_rotated(const struct ctl *ctl, const char *made)
{
    if (ctl->json) {
        return ctl_print_json(json_pack("{ss, ss, ss, ss?}", "command", ctl->command->name, "route",
                                        ctl->operands[0], "error", "OK", "made_secret", made));
    }
    printf("route %s signs with its new secret\n", ctl->operands[0]);
    if (made != NULL) {
        ctl_route_show_secret(made);
    }
    return CTL_DONE;
}

static int run_rotate(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_ROTATE};
    struct ask_reply reply;
    char *made = NULL;

    int rv = read_rotate(ctl, &op);
    if (rv != CTL_DONE) {
        return rv;
    }
    if (op.secret.len == 0) {
        made = ctl_route_make_secret();
        if (made == NULL) {
            fprintf(stderr,
                    "orderctl: route rotate: no random bytes for a secret; nothing was done\n");
            return CTL_REFUSED;
        }
        op.secret = (struct slice){(const uint8_t *)made, strlen(made)};
    }
    rv = ctl_route_ask(ctl, &op, &reply);
    rv = rv == ORDERSCHED_OK ? print_rotated(ctl, made)
                             : ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    if (made != NULL && ordersched_error_class(reply.error) == ORDERSCHED_UNKNOWN) {
        /* Whether it holds is not known: the receiver needs it in any case. */
        fprintf(stderr, "orderctl: route rotate: the secret may be in place: %s\n", made);
    }
    ask_reply_free(&reply);
    free(made);
    return rv;
}

/* ---- list ---- */

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

static int run_routes(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_LIST};
    struct ask_reply reply;
    struct table t;
    json_t *routes = json_array();
    int rv;

    table_init(&t, (const char *const[]){"ROUTE", "KIND", "TARGET", "STATE", "SECRETS", "TIMEOUT",
                                         "WINDOW", "RATE", "BATCH", "RETRIES", "ORDERS", NULL});
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

const struct ctl_command ctl_route_commands[] = {
    {.name = "route put",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1 + PROTOCOL_COMMAND_MAX,
     .summary = "Create a callback route, or change the settings that are named",
     .details = "Orders of the route are told to its URL when they are due, signed with every one\n"
                "of its secrets (Standard Webhooks). Without --secret one is made and shown once.\n"
                "Of kind worker: they wait for workers. Of kind exec: the leader runs a program,\n"
                "given after all flags: orderctl route put NAME --kind exec -- /PATH [ARG...]\n"
                "After \"route put\", --timeout is that of a delivery; before it, of the command.",
     .flags = ctl_route_put_flags,
     .check = ctl_route_put_check,
     .run = ctl_route_put_run},
    {.name = "route set",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1 + PROTOCOL_COMMAND_MAX,
     .summary = "Change settings of an existing callback route",
     .details =
         "What is not named stays as it is; a list (--secret, --header, --retry) is replaced\n"
         "as a whole. Its kind stays. A program is given as with route put.",
     .flags = ctl_route_put_flags,
     .check = ctl_route_set_check,
     .run = ctl_route_set_run},
    {.name = "route list",
     .summary = "Show the callback routes, without their secrets and the values of their headers",
     .run = run_routes},
    {.name = "route pause",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Keep a route's due orders instead of delivering them",
     .details = "Deliveries under way go on to their end. Nothing is lost, and nothing fails.",
     .check = ctl_route_check_name,
     .run = run_pause},
    {.name = "route resume",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Deliver a paused route's orders again",
     .check = ctl_route_check_name,
     .run = run_resume},
    {.name = "route retry-now",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Deliver at once what waits for its next attempt on a route",
     .details =
         "A put, set or rotate that changes where or how the route delivers does this by itself.\n"
         "Dead letters stay: see dead redrive.",
     .check = ctl_route_check_name,
     .run = run_retry},
    {.name = "route rotate",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Sign a route's deliveries with a new secret, and for now with older ones as well",
     .details =
         "Once the receiver has the new secret, drop the older ones: rotate again, with the\n"
         "same secret and --keep 0.",
     .flags = rotate_flags,
     .check = check_rotate,
     .run = run_rotate},
    {.name = "route delete",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Delete a callback route that no known order points to",
     .check = ctl_route_check_name,
     .run = run_delete},
    {0},
};
