/* http_answer.c - see http_answer.h. */
#include "http_answer.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of docs/http.md's table: what has another status than its class would have it. */
static const struct {
    int error;
    unsigned status;
} statuses[] = {
    {ORDERSCHED_NOT_FOUND, 404},       {ORDERSCHED_EXISTS, 409},        {ORDERSCHED_DECIDED, 409},
    {ORDERSCHED_STALE_REQUEST, 409},   {ORDERSCHED_EXHAUSTED, 409},     {ORDERSCHED_TOO_LATE, 410},
    {ORDERSCHED_VERSION_CHANGED, 412}, {ORDERSCHED_BAD_DEADLINE, 422},  {ORDERSCHED_BUSY, 429},
    {ORDERSCHED_NOT_LEADER, 503},      {ORDERSCHED_SHUTTING_DOWN, 503}, {ORDERSCHED_TIMEOUT, 504},
    {ORDERSCHED_UNKNOWN_OUTCOME, 504}, {ORDERSCHED_NO_SPACE, 507},
};

__attribute__((format(printf, 2, 3))) static void flaw(struct asked *a, const char *format, ...)
{
    va_list args;

    if (a->http.flaw[0] == '\0') {
        va_start(args, format);
        vsnprintf(a->http.flaw, sizeof a->http.flaw, format, args);
        va_end(args);
    }
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name)); /* of null: 0 */

    return n > 0 ? (uint64_t)n : 0;
}

static int state_number(const char *name)
{
    for (int state = ORDERSCHED_STATE_NONE; state <= ORDERSCHED_DEAD; state++) {
        if (strcmp(ordersched_state_name(state), name) == 0) {
            return state;
        }
    }
    return -1;
}

static int error_number(const char *name)
{
    if (strcmp(name, "NO_LEADER") == 0) {
        return ORDERSCHED_NOT_LEADER;
    }
    if (strcmp(name, "REQUEST_TIMEOUT") == 0) { /* the node was stopped while it came */
        return ORDERSCHED_UNREACHABLE;
    }
    for (int error = 1; error < 128; error++) {
        if (strcmp(ordersched_error_name(error), name) == 0) {
            return error;
        }
    }
    return -1;
}

static void take_order(const json_t *order, struct asked *a)
{
    int state = state_number(text_of(order, "state"));

    if (state < ORDERSCHED_PENDING) {
        flaw(a, "an order without its state");
        return;
    }
    a->state = state;
    a->deadline_ms = number_of(order, "deadline_ms");
    a->remaining_ms = number_of(order, "remaining_ms");
    a->index = number_of(order, "index");
}

/* The version stands twice. */
static void take_version(const json_t *order, struct asked *a)
{
    a->http.version = number_of(order, "version");
    if (a->http.version == 0 || a->http.etag[0] != '"' ||
        strtoull(a->http.etag + 1, NULL, 10) != a->http.version) {
        flaw(a, "the ETag %s of version %llu", a->http.etag, (unsigned long long)a->http.version);
    }
}

static void check_status(unsigned status, int error, struct asked *a)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].error == error && statuses[i].status != status) {
            flaw(a, "status %u with %s", status, ordersched_error_name(error));
        }
    }
}

static void take_problem(unsigned status, const json_t *problem, struct asked *a)
{
    const char *name = text_of(problem, "error"), *class = text_of(problem, "class");
    const json_t *order = json_object_get(problem, "order");
    bool unknown = strcmp(class, "unknown") == 0;
    int error = error_number(name);

    if (!unknown && strcmp(class, "definite") != 0) {
        flaw(a, "the class \"%.20s\"", class);
        unknown = true;
    }
    if (number_of(problem, "status") != status) {
        flaw(a, "status %u, and %u in its body", status, (unsigned)number_of(problem, "status"));
    }
    if (error < 0) {
        flaw(a, "the error \"%.40s\"", name);
        error = unknown ? ORDERSCHED_UNKNOWN_OUTCOME : ORDERSCHED_INVALID;
    }
    if (unknown != (ordersched_error_class(error) == ORDERSCHED_UNKNOWN)) {
        flaw(a, "%s is %s", name, class);
    }
    check_status(status, error, a);
    a->error = error;
    snprintf(a->text, sizeof a->text, "%s", text_of(problem, "detail"));
    if (order != NULL) {
        take_order(order, a);
    }
}

void http_answer_read(unsigned status, const char *body, size_t len,
                      enum ordersched_operation_kind kind, struct asked *a)
{
    json_t *read = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);

    a->http.status = status;
    if (read == NULL) {
        a->error = ORDERSCHED_UNKNOWN_OUTCOME;
        flaw(a, "status %u and no JSON", status);
    } else if (status == 200 || (status == 201 && kind == ORDERSCHED_SCHEDULE)) {
        a->error = ORDERSCHED_OK;
        take_order(read, a);
        if (kind == ORDERSCHED_GET) {
            take_version(read, a);
            snprintf(a->traceparent, sizeof a->traceparent, "%s", text_of(read, "traceparent"));
        }
    } else if (status < 400) {
        a->error = ORDERSCHED_UNKNOWN_OUTCOME;
        flaw(a, "status %u", status);
    } else {
        take_problem(status, read, a);
    }
    json_decref(read);
}
