/* resource_dead_act.c - redrive or drop many dead letters: those that are named, or those that a filter means.
 *
 *     list a page ──► act on what of it is meant ──► the next page ... until `limit` are done, none is left,
 *                                                    or enough pages were looked at
 *
 * A request that is stopped by its limit, or looks at PAGES_MAX pages, says where to go on. The operations
 * of a page are asked together. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/json/base64.h"
#include "../../client/wire/list.h"
#include "out_order.h"
#include "problem.h"
#include "request_key.h"
#include "resource.h"
#include "resource_handlers.h"

#define PAGES_MAX 64u /* of PROTOCOL_LIST_MAX orders, in a request */
#define NEEDLE_MAX PROTOCOL_REASON_MAX

struct acting {
    enum operation_code code;
    bool by_id;
    bool dry_run;
    char route[ORDERSCHED_ROUTE_NAME_MAX + 1];
    char needle[NEEDLE_MAX + 1]; /* in the reason; "": any */
    uint64_t limit;
    uint64_t matched;
    uint64_t done;
    json_t *failed;
    unsigned pages;
    bool more; /* behind the cursor */
    size_t cursor_len;
    uint8_t cursor[PROTOCOL_CURSOR_MAX];
    struct buffer asked; /* the operations under way, back to back */
    unsigned n_asked;
    struct front_operation operations[PROTOCOL_OPERATIONS_MAX];
};

static void ask_page(struct exchange *x, struct acting *a);

static void acting_free(void *state)
{
    struct acting *a = state;

    json_decref(a->failed);
    buffer_free(&a->asked);
    free(a);
}

/* --- the answer --- */

static void answer(struct exchange *x, struct acting *a)
{
    json_t *body = json_object();

    out_number(body, "matched", a->matched);
    out_number(body, "done", a->done);
    json_object_set(body, "failed", a->failed);
    if (!a->by_id) {
        char *cursor = a->more ? base64url_encode((struct slice){a->cursor, a->cursor_len}) : NULL;
        json_object_set_new(body, "cursor", cursor != NULL ? json_string(cursor) : json_null());
        free(cursor);
    }
    exchange_answer(x, 200, body);
}

/* --- acting --- */

static void take_answer(struct acting *a, const struct front_operation *asked,
                        const struct ordersched_answer *got)
{
    bool gone = got->error == ORDERSCHED_NOT_DEAD || got->error == ORDERSCHED_NOT_FOUND;
    struct operation op;
    unsigned status;

    if (got->error == ORDERSCHED_OK) {
        a->done++;
        return;
    }
    if (gone && !a->by_id) {
        return; /* somebody else acted after it was listed */
    }
    json_t *failure = json_object();
    int rv = operation_decode(asked->bytes, asked->len, &op);
    assert(rv == ORDERSCHED_OK); /* it was encoded here */
    out_id(failure, op.id);
    json_t *problem = problem_of(got->error, got->text, out_order(op.id, got), &status);
    out_number(failure, "status", status);
    json_object_set_new(failure, "problem", problem);
    json_array_append_new(a->failed, failure);
}

static void answer_acted_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct acting *a = x->state;
    bool goes_on = true;

    assert(n == a->n_asked);
    for (unsigned i = 0; i < n; i++) {
        take_answer(a, &a->operations[i], &answers[i]);
        /* What is not known, or refused for all, is not tried on others. */
        goes_on = goes_on && answers[i].error < ORDERSCHED_INVALID;
    }
    if (goes_on && a->more && a->matched < a->limit && a->pages < PAGES_MAX) {
        ask_page(x, a);
    } else {
        answer(x, a);
    }
}

static void add(struct acting *a, const struct exchange *x, struct slice id)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct operation op = {.code = a->code, .request_id = request_id, .id = id};
    size_t before = a->asked.len;

    request_key_make(x, &id, request_id);
    operation_encode(&a->asked, &op);
    a->operations[a->n_asked++] = (struct front_operation){.code = op.code,
                                                           .len = a->asked.len - before};
    a->matched++;
}

/* Ask what was added. */
static void act(struct exchange *x, struct acting *a)
{
    const uint8_t *at = a->asked.data;

    if (a->asked.failed) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
        return;
    }
    for (unsigned i = 0; i < a->n_asked; i++) {
        a->operations[i].bytes = at;
        at += a->operations[i].len;
    }
    if (a->n_asked == 0 || a->dry_run) {
        a->n_asked = 0;
        answer_acted_cb(x, NULL, 0);
    } else {
        front_ask(x, a->operations, a->n_asked, answer_acted_cb);
    }
}

/* --- pages --- */

static bool is_meant(const struct acting *a, const struct dead_letter *letter)
{
    size_t len = strlen(a->needle);

    return len == 0 || (letter->reason.len >= len &&
                        memmem(letter->reason.data, letter->reason.len, a->needle, len) != NULL);
}

/* [cursor or "", [letter, ...]]. A limit in the middle of a page goes on with the same page, of which what was
 * acted on is gone then: a dry run, in which nothing is gone, counts a page to its end. */
static bool take_page(const struct exchange *x, struct acting *a,
                      const struct ordersched_answer *got)
{
    struct dead_letter letter;
    struct cursor c;

    cursor_init(&c, got->body, got->body_len);
    (void)cursor_array(&c);
    struct slice next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    bool cut = false;
    for (uint32_t i = 0; i < n; i++) {
        if (!list_read_letter(&c, &letter)) {
            return false;
        }
        if (is_meant(a, &letter) && (a->matched < a->limit || a->dry_run)) {
            add(a, x, letter.id);
        } else {
            cut = cut || is_meant(a, &letter);
        }
    }
    bool stands = next.len > 0 && next.len == a->cursor_len &&
                  memcmp(next.data, a->cursor, next.len) == 0;
    if (!cursor_ok(&c) || next.len > sizeof a->cursor || stands) {
        return false; /* the same place again would never end */
    }
    a->more = cut || next.len > 0;
    if (!cut && next.len > 0) {
        memcpy(a->cursor, next.data, next.len);
        a->cursor_len = next.len;
    }
    return true;
}

static void answer_page_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct acting *a = x->state;
    uint64_t matched = a->matched;

    (void)n;
    a->n_asked = 0;
    buffer_reset(&a->asked);
    if (answers[0].error == ORDERSCHED_OK && take_page(x, a, &answers[0])) {
        act(x, a);
    } else if (matched > 0) {
        /* Those of earlier pages have been acted on: that is told, and where to go on. */
        a->matched = matched;
        a->more = true;
        answer(x, a);
    } else if (resource_done_well(x, &answers[0], (struct slice){0})) {
        resource_malformed(x);
    }
}

static void ask_page(struct exchange *x, struct acting *a)
{
    struct operation op = {.code = OPERATION_DEAD_LIST,
                           .route = {(const uint8_t *)a->route, strlen(a->route)},
                           .limit = PROTOCOL_LIST_MAX,
                           .cursor = {a->cursor, a->cursor_len}};

    a->pages++;
    resource_ask(x, &op, answer_page_cb);
}

/* --- the request --- */

static void read_text(struct fields *f, const char *name, size_t max, char *out)
{
    struct slice text;

    if (fields_text(f, name, &text)) {
        if (text.len == 0 || text.len > max) {
            fields_refuse(f, name, "INVALID", "must have 1 to %zu bytes", max);
            return;
        }
        memcpy(out, text.data, text.len);
    }
}

static void read_ids(struct exchange *x, struct fields *f, struct acting *a)
{
    const json_t *ids = fields_array(f, "ids", 1, PROTOCOL_OPERATIONS_MAX);

    for (size_t i = 0; ids != NULL && i < json_array_size(ids); i++) {
        const json_t *value = json_array_get(ids, i);
        struct slice id = {(const uint8_t *)json_string_value(value), json_string_length(value)};
        const char *problem = json_is_string(value) ? resource_id_problem(id) : "must be a string";
        if (problem != NULL) {
            fields_refuse(f, "ids", "BAD_ID", "element %zu: %s", i, problem);
            return;
        }
        add(a, x, id);
    }
}

static void read_request(struct exchange *x, struct fields *f, struct acting *a)
{
    size_t len = 0;

    a->by_id = fields_has(f, "ids");
    if (a->by_id) {
        read_ids(x, f, a);
        return;
    }
    fields_need(f, "limit"); /* nobody acts on all of them by leaving something out */
    (void)fields_number(f, "limit", 1, PROTOCOL_LIST_MAX * PAGES_MAX, &a->limit);
    (void)fields_flag(f, "dry_run", &a->dry_run);
    read_text(f, "route", ORDERSCHED_ROUTE_NAME_MAX, a->route);
    read_text(f, "reason_contains", NEEDLE_MAX, a->needle);
    uint8_t *cursor = fields_base64(f, "cursor", true, &len);
    if (cursor != NULL && len <= sizeof a->cursor) {
        memcpy(a->cursor, cursor, len);
        a->cursor_len = len;
    } else if (cursor != NULL) {
        fields_refuse(f, "cursor", "INVALID", "must be a cursor that an earlier answer gave");
    }
    free(cursor);
}

static void act_on_many(struct exchange *x, enum operation_code code)
{
    static const char *const of_ids[] = {"ids", NULL};
    static const char *const of_filters[] = {"route",  "reason_contains", "limit",
                                             "cursor", "dry_run",         NULL};
    struct flaw flaw = {0};
    json_t *body = NULL;

    if (!resource_body(x, &body)) {
        return;
    }
    struct acting *a = calloc(1, sizeof *a);
    if (a == NULL) {
        json_decref(body);
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
        return;
    }
    a->code = code;
    a->failed = json_array();
    x->state = a;
    x->free_state = acting_free;
    struct fields f = fields_of(body, "",
                                json_object_get(body, "ids") != NULL ? of_ids : of_filters, &flaw);
    read_request(x, &f, a);
    if (resource_sound(x, &flaw)) {
        if (a->by_id) {
            act(x, a);
        } else {
            ask_page(x, a);
        }
    }
    json_decref(body);
}

void resource_dead_redrive(struct exchange *x)
{
    act_on_many(x, OPERATION_DEAD_REDRIVE);
}

void resource_dead_drop(struct exchange *x)
{
    act_on_many(x, OPERATION_DEAD_DROP);
}
