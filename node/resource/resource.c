/* resource.c - see resource.h. */
#include "resource.h"

#include <stdlib.h>
#include <string.h>

#include "../../client/wire/grant.h"
#include "../../client/json/json_in.h"
#include "out_order.h"
#include "problem.h"
#include "../../client/json/percent.h"

/* --- the request --- */

static void refuse_text(struct exchange *x, const struct json_flaw *flaw)
{
    json_t *where = json_object();

    out_number(where, "line", flaw->line);
    out_number(where, "column", flaw->column);
    exchange_refuse(x, 400, "INVALID", flaw->why, where);
}

bool resource_body(struct exchange *x, json_t **body)
{
    struct json_flaw flaw;

    *body = json_in_read(x->body, x->body_len, &flaw);
    if (*body == NULL) {
        refuse_text(x, &flaw);
    }
    return *body != NULL;
}

bool resource_body_or_none(struct exchange *x, json_t **body)
{
    if (x->body_len > 0) {
        return resource_body(x, body);
    }
    *body = json_object();
    if (*body == NULL) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
    }
    return *body != NULL;
}

bool resource_no_body(struct exchange *x)
{
    static const char *const none[] = {NULL};
    struct flaw flaw = {0};
    json_t *body;

    if (x->body_len == 0) {
        return true;
    }
    if (!resource_body(x, &body)) {
        return false;
    }
    (void)fields_of(body, "", none, &flaw);
    json_decref(body);
    return resource_sound(x, &flaw);
}

bool resource_unconditional(struct exchange *x)
{
    if (x->has_if_match) {
        exchange_refuse(x, 400, "INVALID", "If-Match is for extend alone", NULL);
    }
    return !x->has_if_match;
}

bool resource_sound(struct exchange *x, const struct flaw *flaw)
{
    if (flaw->name == NULL) {
        return true;
    }
    json_t *where = json_object();
    out_text(where, flaw->in_query ? "parameter" : "pointer", flaw->pointer);
    exchange_refuse(x, flaw->status, flaw->name, flaw->what, where);
    return false;
}

const char *resource_id_problem(struct slice id)
{
    return id.len == 0                             ? "an order's id has at least 1 byte"
           : id.len > ORDERSCHED_ID_MAX            ? "an order's id has at most 128 bytes"
           : memchr(id.data, '\0', id.len) != NULL ? "an order's id with a NUL in it cannot be "
                                                     "used over HTTP: programs would cut it there"
                                                   : NULL;
}

bool resource_id(struct exchange *x, unsigned segment, struct slice *id)
{
    *id = x->segments[segment];
    const char *problem = resource_id_problem(*id);
    if (problem != NULL) {
        exchange_problem(x, ORDERSCHED_BAD_ID, problem, NULL);
    }
    return problem == NULL;
}

bool resource_name(struct exchange *x, unsigned segment, struct slice *name)
{
    *name = x->segments[segment];
    if (!grant_name_is_good(*name)) {
        exchange_problem(x, ORDERSCHED_INVALID,
                         "the name in the path must be 1 to 64 of A-Z a-z 0-9 . _ -", NULL);
        return false;
    }
    return true;
}

bool resource_number(struct exchange *x, unsigned segment, uint64_t min, uint64_t max, uint64_t *n)
{
    struct slice s = x->segments[segment];
    bool digits = s.len > 0 && s.len <= 18;

    *n = 0;
    for (size_t i = 0; digits && i < s.len; i++) {
        digits = s.data[i] >= '0' && s.data[i] <= '9';
        *n = *n * 10 + (uint64_t)(s.data[i] - '0');
    }
    if (!digits || *n < min || *n > max) {
        exchange_problem(x, ORDERSCHED_INVALID, "the number in the path must be that of a node",
                         NULL);
        return false;
    }
    return true;
}

/* --- asking --- */

static bool encode(struct exchange *x, const struct operation *op, struct buffer *b)
{
    operation_encode(b, op);
    if (b->failed) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
    }
    return !b->failed;
}

void resource_ask(struct exchange *x, const struct operation *op, resource_done on_done)
{
    struct buffer b = {.wipes = true}; /* it may hold a route's secret */

    if (encode(x, op, &b)) {
        front_ask(x, &(struct front_operation){op->code, b.data, b.len}, 1, on_done);
    }
    buffer_free(&b);
}

void resource_ask_node(struct exchange *x, uint64_t node, const struct operation *op,
                       resource_done on_done)
{
    struct buffer b = {0};

    if (encode(x, op, &b)) {
        front_ask_node(x, node, &(struct front_operation){op->code, b.data, b.len}, on_done);
    }
    buffer_free(&b);
}

/* --- the answer --- */

bool resource_done_well(struct exchange *x, const struct ordersched_answer *answer, struct slice id)
{
    if (answer->error == ORDERSCHED_OK) {
        return true;
    }
    exchange_problem(x, answer->error, answer->text, id.len > 0 ? out_order(id, answer) : NULL);
    return false;
}

void resource_answer_page(struct exchange *x, const struct ordersched_answer *answer,
                          const char *name, resource_take_page take)
{
    struct slice next;

    if (!resource_done_well(x, answer, (struct slice){0})) {
        return;
    }
    json_t *rows = json_array();
    if (take(answer, rows, &next)) {
        exchange_answer(x, 200, out_page(name, rows, next));
    } else {
        json_decref(rows);
        resource_malformed(x);
    }
}

void resource_answer_results(struct exchange *x, json_t *results, bool read)
{
    if (!read) {
        json_decref(results);
        resource_malformed(x);
        return;
    }
    json_t *body = json_object();
    json_object_set_new(body, "results", results);
    exchange_answer(x, 200, body);
}

void resource_malformed(struct exchange *x)
{
    exchange_refuse(x, 500, "MALFORMED_ANSWER",
                    "the node that answered said something that this one cannot read: is it of a "
                    "newer version?",
                    NULL);
}

void resource_location(struct exchange *x, const char *const *segments, struct slice last)
{
    struct buffer location = {0};

    for (; *segments != NULL; segments++) {
        buffer_append(&location, "/", 1);
        buffer_append(&location, *segments, strlen(*segments));
    }
    buffer_append(&location, "/", 1);
    percent_encode(&location, last);
    buffer_append(&location, "", 1);
    if (!location.failed) {
        exchange_header(x, "Location", (const char *)location.data);
    }
    buffer_free(&location);
}

void resource_created(struct exchange *x, const char *const *segments, struct slice last,
                      json_t *body)
{
    resource_location(x, segments, last);
    exchange_answer(x, 201, body);
}

bool resource_repeated(const struct ordersched_answer *answer)
{
    static const uint8_t yes = 0xc3; /* msgpack's true */

    return answer->body_len == 1 && answer->body[0] == yes;
}
