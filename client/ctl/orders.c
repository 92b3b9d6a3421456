/* orders.c - the shop's commands: schedule, pay, cancel, extend, get. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../wire/cursor.h"
#include "../wire/traceparent.h"
#include "orderctl.h"
#include "history.h"
#include "../survey/survey.h"
#include "../text/table.h"
#include "../text/units.h"

static const struct flag schedule_flags[] = {
    {CTL_IN, "in", 0, "DURATION", "the deadline, from now: 30m"},
    {CTL_AT, "at", 0, "TIME", "or the deadline itself: 2026-11-23T12:00:00Z"},
    {CTL_ROUTE, "route", 0, "NAME", "the callback route that is told when it is due"},
    {CTL_PAYLOAD, "payload", 0, "TEXT", "handed to the callback, at most 4096 bytes"},
    {CTL_PAYLOAD_FILE, "payload-file", 0, "FILE", "the payload from a file, - for stdin"},
    {CTL_TRACEPARENT, "traceparent", 0, "00-HEX-HEX-HEX",
     "of the trace that it belongs to, for its webhooks, if the route carries it"},
    {CTL_REQUEST_ID, "request-id", 0, "HEX", "of an earlier try, to repeat it safely"},
    {0},
};

static const struct flag decide_flags[] = {
    {CTL_REQUEST_ID, "request-id", 0, "HEX", "of an earlier try, to repeat it safely"},
    {0},
};

static const struct flag extend_flags[] = {
    {CTL_IN, "in", 0, "DURATION", "the new deadline, from now"},
    {CTL_AT, "at", 0, "TIME", "or the new deadline itself"},
    {CTL_REQUEST_ID, "request-id", 0, "HEX", "of an earlier try, to repeat it safely"},
    {0},
};

static const struct flag get_flags[] = {
    {CTL_HISTORY, "history", 0, NULL, "and what happened to it: attempts, answers, the decision"},
    {CTL_LOCAL, "local", 0, NULL, "ask the first endpoint for its own, possibly older, state"},
    {0},
};

/* ---- arguments ---- */

static int refuse_argument(const struct ctl *ctl, const char *subject, int error, size_t len,
                           size_t max)
{
    struct ask_reply reply = {.error = error};

    snprintf(reply.text, sizeof reply.text, "%zu bytes, where at most %zu are allowed%s", len, max,
             error == ORDERSCHED_BAD_ID ? " and at least 1 is needed" : "");
    return ctl_fail(ctl, subject, NULL, &reply);
}

static int check_id(struct ctl *ctl)
{
    size_t len = strlen(ctl->operands[0]);

    if (len == 0 || len > ORDERSCHED_ID_MAX) {
        return refuse_argument(ctl, NULL, ORDERSCHED_BAD_ID, len, ORDERSCHED_ID_MAX);
    }
    return CTL_DONE;
}

static bool parse_request_id(const char *hex, uint8_t out[ORDERSCHED_REQUEST_ID_SIZE])
{
    if (strlen(hex) != 2 * ORDERSCHED_REQUEST_ID_SIZE ||
        strspn(hex, "0123456789abcdefABCDEF") != strlen(hex)) {
        return false;
    }
    for (size_t i = 0; i < ORDERSCHED_REQUEST_ID_SIZE; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static int check_change(struct ctl *ctl)
{
    const char *hex = ctl_value(ctl, CTL_REQUEST_ID);
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];

    if (hex != NULL && !parse_request_id(hex, id)) {
        return ctl_usage(ctl, "--request-id \"%s\" has not %d hex digits", hex,
                         2 * ORDERSCHED_REQUEST_ID_SIZE);
    }
    return check_id(ctl);
}

/* --in and --at, one of them. */
static int read_deadline(const struct ctl *ctl, struct ordersched_operation *op)
{
    const char *in = ctl_value(ctl, CTL_IN);
    const char *at = ctl_value(ctl, CTL_AT);

    if ((in == NULL) == (at == NULL)) {
        return ctl_usage(ctl, "give the deadline with either --in or --at");
    }
    op->relative = in != NULL;
    if (in != NULL && !units_parse_duration(in, &op->time_ms)) {
        return ctl_usage(ctl, "--in must be a duration such as 30m, not \"%s\"", in);
    }
    if (at != NULL && !units_parse_time(at, &op->time_ms)) {
        return ctl_usage(ctl,
                         "--at must be an RFC 3339 time such as 2026-11-23T12:00:00Z, not \"%s\"",
                         at);
    }
    return CTL_DONE;
}

static int check_schedule(struct ctl *ctl)
{
    struct ordersched_operation op;
    const char *payload = ctl_value(ctl, CTL_PAYLOAD);

    int rv = read_deadline(ctl, &op);
    if (rv != CTL_DONE) {
        return rv;
    }
    if (ctl_value(ctl, CTL_ROUTE) == NULL) {
        return ctl_usage(ctl, "--route NAME is missing");
    }
    if (payload != NULL && ctl_value(ctl, CTL_PAYLOAD_FILE) != NULL) {
        return ctl_usage(ctl, "--payload and --payload-file exclude each other");
    }
    const char *traceparent = ctl_value(ctl, CTL_TRACEPARENT);
    uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE];
    if (traceparent != NULL &&
        !traceparent_parse((struct slice){(const uint8_t *)traceparent, strlen(traceparent)},
                           bytes)) {
        return ctl_usage(ctl, "--traceparent \"%s\" is none (W3C Trace Context)", traceparent);
    }
    rv = check_change(ctl);
    if (rv == CTL_DONE && payload != NULL && strlen(payload) > ORDERSCHED_PAYLOAD_MAX) {
        rv = refuse_argument(ctl, ctl->operands[0], ORDERSCHED_PAYLOAD_TOO_LARGE, strlen(payload),
                             ORDERSCHED_PAYLOAD_MAX);
    }
    return rv;
}

static int check_extend(struct ctl *ctl)
{
    struct ordersched_operation op;

    int rv = read_deadline(ctl, &op);
    return rv != CTL_DONE ? rv : check_change(ctl);
}

/* Read at most one byte more than is allowed, so that too much is seen as such. */
static int read_payload_file(const struct ctl *ctl, const char *path,
                             uint8_t out[ORDERSCHED_PAYLOAD_MAX + 1], size_t *len)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");

    if (file == NULL) {
        return ctl_usage(ctl, "--payload-file %s: %s", path, strerror(errno));
    }
    *len = fread(out, 1, ORDERSCHED_PAYLOAD_MAX + 1, file);
    int failed = ferror(file);
    int number = errno;
    if (file != stdin) {
        fclose(file);
    }
    if (failed) {
        return ctl_usage(ctl, "--payload-file %s: %s", path, strerror(number));
    }
    if (*len > ORDERSCHED_PAYLOAD_MAX) {
        return refuse_argument(ctl, ctl->operands[0], ORDERSCHED_PAYLOAD_TOO_LARGE, *len,
                               ORDERSCHED_PAYLOAD_MAX);
    }
    return CTL_DONE;
}

/* ---- one order ---- */

/* What GET adds: [route, attempts, next_attempt_ms, payload, version, schedule_index, decided_ms],
 * and maybe a traceparent. */
struct order_details {
    struct slice route;
    struct slice payload;
    uint64_t attempts;
    uint64_t next_attempt_ms;
    uint64_t version;
    uint64_t schedule_index;
    uint64_t decided_ms;
    char traceparent[TRACEPARENT_TEXT_SIZE]; /* "": none */
};

static bool decode_details(const struct ask_reply *reply, struct order_details *d)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = cursor_array(&c);
    d->route = cursor_bytes(&c);
    d->attempts = cursor_uint(&c);
    d->next_attempt_ms = cursor_uint(&c);
    d->payload = cursor_bytes(&c);
    d->version = cursor_uint(&c);
    d->schedule_index = cursor_uint(&c);
    d->decided_ms = cursor_uint(&c);
    d->traceparent[0] = '\0';
    struct slice traceparent = n > 7 ? cursor_bytes(&c) : (struct slice){0};
    if (traceparent_is_good(traceparent)) {
        traceparent_format(traceparent.data, d->traceparent);
    }
    return cursor_ok(&c) && n >= 7;
}

static int print_order_json(const struct ctl *ctl, const struct ask_reply *reply,
                            const struct order_details *d, const struct ask_reply *history,
                            const char *request)
{
    json_t *object = json_object();
    const char *id = ctl->operands[0];

    json_object_set_new(object, "command", json_string(ctl->command->name));
    ctl_json_bytes(object, "order_id", id, strlen(id));
    json_object_set_new(object, "error", json_string("OK"));
    json_object_set_new(object, "state", json_string(ordersched_state_name(reply->state)));
    ctl_json_time(object, "deadline_ms", "deadline", reply->deadline_ms);
    json_object_set_new(object, "remaining_ms", json_integer((json_int_t)reply->remaining_ms));
    json_object_set_new(object, "index", json_integer((json_int_t)reply->index));
    if (request != NULL) {
        json_object_set_new(object, "request_id", json_string(request));
    }
    if (d != NULL) {
        ctl_json_bytes(object, "route", d->route.data, d->route.len);
        json_object_set_new(object, "attempts", json_integer((json_int_t)d->attempts));
        ctl_json_time(object, "next_attempt_ms", "next_attempt", d->next_attempt_ms);
        ctl_json_bytes(object, "payload", d->payload.data, d->payload.len);
        json_object_set_new(object, "version", json_integer((json_int_t)d->version));
        json_object_set_new(object, "schedule_index", json_integer((json_int_t)d->schedule_index));
        ctl_json_time(object, "decided_ms", "decided", d->decided_ms);
        if (d->traceparent[0] != '\0') {
            json_object_set_new(object, "traceparent", json_string(d->traceparent));
        }
    }
    if (history != NULL) {
        ctl_history_as_json(history, object);
    }
    return ctl_print_json(object);
}

static void orders_row(struct table *t, const char *key, const char *value)
{
    table_text(t, key);
    table_text(t, value);
}

static void row_time(struct table *t, const char *key, uint64_t ms)
{
    char text[32];

    if (ms != 0) {
        units_format_time(ms, text, sizeof text);
        orders_row(t, key, text);
    }
}

static void row_number(struct table *t, const char *key, uint64_t n)
{
    table_text(t, key);
    table_printf(t, "%llu", (unsigned long long)n);
}

static void rows_of_details(struct table *t, const struct order_details *d)
{
    table_text(t, "route");
    table_bytes(t, d->route.data, d->route.len);
    row_number(t, "attempts", d->attempts);
    row_time(t, "next attempt", d->next_attempt_ms);
    row_number(t, "version", d->version);
    row_number(t, "scheduled at index", d->schedule_index);
    row_time(t, "decided", d->decided_ms);
    if (d->traceparent[0] != '\0') {
        orders_row(t, "traceparent", d->traceparent);
    }
    if (d->payload.len > 0) {
        table_text(t, "payload");
        table_bytes(t, d->payload.data, d->payload.len);
    }
}

static int print_order(const struct ctl *ctl, const struct ask_reply *reply,
                       const struct order_details *d, const struct ask_reply *history,
                       const char *request)
{
    struct table t;
    char text[32];

    if (ctl->json) {
        return print_order_json(ctl, reply, d, history, request);
    }
    table_init(&t, (const char *const[]){"order", ctl->operands[0], NULL});
    orders_row(&t, "state", ordersched_state_name(reply->state));
    row_time(&t, "deadline", reply->deadline_ms);
    if (reply->remaining_ms > 0 && reply->state == ORDERSCHED_PENDING) {
        units_format_duration(reply->remaining_ms, text, sizeof text);
        orders_row(&t, "remaining", text);
    }
    if (reply->index > 0) {
        row_number(&t, "decided at index", reply->index);
    }
    if (d != NULL) {
        rows_of_details(&t, d);
    }
    int rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    table_free(&t);
    if (rv == CTL_DONE && history != NULL) {
        printf("\n");
        rv = ctl_history_print(history);
    }
    return rv;
}

/* Send an operation that changes an order. The request id is made first, so that an unknown
 * outcome can be asked about again. */
static int change_order(struct ctl *ctl, struct ordersched_operation *op)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    char request[2 * ORDERSCHED_REQUEST_ID_SIZE + 1];
    const char *given = ctl_value(ctl, CTL_REQUEST_ID);
    struct ask_reply reply = {0};

    op->id = ctl->operands[0];
    op->id_len = strlen(op->id);
    if (given == NULL) {
        if (ctl_make_request_id(ctl, request_id, &reply) != ORDERSCHED_OK) {
            return ctl_fail(ctl, op->id, NULL, &reply);
        }
    } else if (!parse_request_id(given, request_id)) {
        return ctl_usage(ctl, "--request-id \"%s\" is malformed", given);
    }
    op->request_id = request_id;
    ctl_hex(request_id, sizeof request_id, request);
    int rv = ask_operation(ctl->client, op, ctl->timeout_ms, &reply) == ORDERSCHED_OK
                 ? print_order(ctl, &reply, NULL, NULL, request)
                 : ctl_fail(ctl, op->id, request_id, &reply);
    ask_reply_free(&reply);
    return rv;
}

static int run_schedule(struct ctl *ctl)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE};
    uint8_t from_file[ORDERSCHED_PAYLOAD_MAX + 1];
    const char *payload = ctl_value(ctl, CTL_PAYLOAD);
    const char *path = ctl_value(ctl, CTL_PAYLOAD_FILE);

    int rv = read_deadline(ctl, &op);
    if (rv == CTL_DONE && path != NULL) {
        rv = read_payload_file(ctl, path, from_file, &op.payload_len);
    }
    if (rv != CTL_DONE) {
        return rv;
    }
    op.route = ctl_value(ctl, CTL_ROUTE);
    op.traceparent = ctl_value(ctl, CTL_TRACEPARENT);
    if (path != NULL) {
        op.payload = from_file;
    } else if (payload != NULL) {
        op.payload = payload;
        op.payload_len = strlen(payload);
    }
    return change_order(ctl, &op);
}

static int run_pay(struct ctl *ctl)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY};

    return change_order(ctl, &op);
}

static int run_cancel(struct ctl *ctl)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_CANCEL};

    return change_order(ctl, &op);
}

static int run_extend(struct ctl *ctl)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_EXTEND};

    int rv = read_deadline(ctl, &op);
    return rv != CTL_DONE ? rv : change_order(ctl, &op);
}

static int run_get(struct ctl *ctl)
{
    const char *id = ctl->operands[0];
    struct operation op = {.code = OPERATION_GET, .id = {(const uint8_t *)id, strlen(id)}};
    char first[PROTOCOL_ADDRESS_MAX];
    struct ask ask = {.target = first};
    struct ask_reply history = {0};
    struct order_details d;
    bool told = ctl_value(ctl, CTL_HISTORY) != NULL;
    int rv;

    if (ctl_value(ctl, CTL_LOCAL) != NULL) {
        ctl_first_endpoint(ctl, first);
        ask_nodes(ctl->client, &op, ctl->timeout_ms, &ask, 1);
    } else {
        ask_leader(ctl->client, &op, ctl->timeout_ms, &ask.reply);
    }
    if (ask.reply.error == ORDERSCHED_OK && !decode_details(&ask.reply, &d)) {
        ctl_malformed(&ask.reply);
    }
    if (told && ask.reply.error == ORDERSCHED_OK) {
        ctl_history_ask(ctl, id, ctl_value(ctl, CTL_LOCAL) != NULL ? first : NULL, &history);
    }
    if (ask.reply.error != ORDERSCHED_OK || history.error != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, id, NULL, ask.reply.error != ORDERSCHED_OK ? &ask.reply : &history);
    } else {
        rv = print_order(ctl, &ask.reply, &d, told ? &history : NULL, NULL);
    }
    ask_reply_free(&history);
    ask_reply_free(&ask.reply);
    return rv;
}

const struct ctl_command ctl_order_commands[] = {
    {.name = "schedule",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Watch an order: it expires unless it is paid or cancelled in time",
     .details = "A deadline given with --in counts from the moment the cluster takes it up.",
     .flags = schedule_flags,
     .check = check_schedule,
     .run = run_schedule},
    {.name = "pay",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Decide that the order is paid, if its deadline has not passed",
     .flags = decide_flags,
     .check = check_change,
     .run = run_pay},
    {.name = "cancel",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Decide that the order is cancelled, if its deadline has not passed",
     .flags = decide_flags,
     .check = check_change,
     .run = run_cancel},
    {.name = "extend",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Move the order's deadline to a later time",
     .flags = extend_flags,
     .check = check_extend,
     .run = run_extend},
    {.name = "get",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Show an order",
     .flags = get_flags,
     .check = check_id,
     .run = run_get},
    {0},
};
