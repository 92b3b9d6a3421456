/* front_desk.c - see front_desk.h. */
#include "front_desk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/base/shared_text.h"
#include "../../../client/json/json_write.h"
#include "../../../node/resource/problem.h"
#include "../../../node/resource/resource_table.h"

static struct front_desk *desk_of(struct exchange *x)
{
    return (struct front_desk *)x;
}

/* --- what the resources call --- */

static void keep_response(struct front_desk *d, unsigned status, json_t *body)
{
    assert(!d->answered);
    assert(d->n_asked == 0); /* nothing may come after it */
    d->answered = true;
    d->status = status;
    d->json = body;
    if (body != NULL) {
        json_write(&d->text, body);
    }
    buffer_append(&d->text, "", 1);
    assert(!d->text.failed);
    const char *text = (const char *)d->text.data;
    bool secret = strstr(text, "\"whsec_") != NULL || strstr(text, "\"osdt_") != NULL;
    /* Of none that were asked for: examples, in a page. */
    assert(d->x.shows_secret || d->others_secrets || !secret || d->rounds == 0);
}

void exchange_answer(struct exchange *x, unsigned status, json_t *body)
{
    keep_response(desk_of(x), status, body);
}

void exchange_answer_text(struct exchange *x, unsigned status, const char *type, char *text,
                          size_t len)
{
    struct front_desk *d = desk_of(x);

    buffer_append(&d->text, text, len);
    free(text);
    exchange_header(x, "Content-Type", type);
    keep_response(d, status, NULL);
    if (strcmp(type, "application/json") == 0) {
        d->json = json_loadb((char *)d->text.data, d->text.len - 1, JSON_ALLOW_NUL, NULL);
        assert(d->json != NULL);
    }
}

void exchange_answer_static(struct exchange *x, unsigned status, const char *type, const char *text,
                            size_t len)
{
    char *copy = malloc(len);

    assert(copy != NULL);
    memcpy(copy, text, len);
    exchange_answer_text(x, status, type, copy, len);
}

void exchange_answer_shared(struct exchange *x, unsigned status, const char *type,
                            struct shared_text *text)
{
    exchange_answer_static(x, status, type, text->data, text->len);
}

struct metrics_view *exchange_metrics(struct exchange *x)
{
    return desk_of(x)->metrics;
}

void exchange_header(struct exchange *x, const char *name, const char *value)
{
    struct front_desk *d = desk_of(x);

    assert(!d->answered && d->n_headers < DESK_HEADERS_MAX);
    assert(strpbrk(value, "\r\n") == NULL);
    snprintf(d->headers[d->n_headers][0], sizeof d->headers[0][0], "%s", name);
    snprintf(d->headers[d->n_headers][1], sizeof d->headers[0][1], "%s", value);
    d->n_headers++;
}

static void refuse(struct exchange *x, unsigned status, json_t *problem)
{
    desk_of(x)->problem = json_string_value(json_object_get(problem, "error"));
    assert(desk_of(x)->problem != NULL);
    keep_response(desk_of(x), status, problem);
}

void exchange_problem(struct exchange *x, int error, const char *detail, json_t *order)
{
    unsigned status;
    json_t *problem = problem_of(error, detail, order, &status);

    refuse(x, status, problem);
}

void exchange_refuse(struct exchange *x, unsigned status, const char *name, const char *detail,
                     json_t *extra)
{
    refuse(x, status, problem_named(status, name, detail, extra));
}

static void keep_asked(struct front_desk *d, const struct front_operation *operations, unsigned n,
                       void (*on_done)(struct exchange *x, const struct ordersched_answer *answers,
                                       unsigned n))
{
    assert(!d->answered);
    d->asked = realloc(d->asked, (d->n_asked + n) * sizeof *d->asked);
    for (unsigned i = 0; i < n; i++) {
        struct buffer *b = &d->asked[d->n_asked++];
        struct operation op;
        *b = (struct buffer){0};
        buffer_append(b, operations[i].bytes, operations[i].len);
        int rv = operation_decode(b->data, b->len, &op);
        assert(rv == ORDERSCHED_OK); /* what a node would refuse is refused before */
        assert(op.bytes.len == b->len && op.code == operations[i].code);
    }
    d->on_done = on_done;
    d->rounds++;
}

void exchange_go_on(struct exchange *x, void (*go_on)(struct exchange *x))
{
    struct front_desk *d = desk_of(x);

    assert(!d->answered && d->go_on == NULL);
    d->go_on = go_on;
}

static void take_turns(struct front_desk *d)
{
    while (d->go_on != NULL) {
        void (*go_on)(struct exchange * x) = d->go_on;
        d->go_on = NULL;
        go_on(&d->x);
    }
}

void front_ask(struct exchange *x, const struct front_operation *operations, unsigned n,
               void (*on_done)(struct exchange *x, const struct ordersched_answer *answers,
                               unsigned n))
{
    struct front_desk *d = desk_of(x);

    assert(d->n_asked == 0 && n > 0);
    keep_asked(d, operations, n, on_done);
    d->of_node = false;
}

void front_ask_node(struct exchange *x, uint64_t node, const struct front_operation *operation,
                    void (*on_done)(struct exchange *x, const struct ordersched_answer *answers,
                                    unsigned n))
{
    struct front_desk *d = desk_of(x);

    assert(d->n_asked == 0 || d->of_node); /* several nodes may be asked at a time */
    keep_asked(d, operation, 1, on_done);
    d->of_node = true;
    d->node = node;
}

/* --- what the test calls --- */

static void forget_asked(struct front_desk *d)
{
    for (unsigned i = 0; i < d->n_asked; i++) {
        buffer_free(&d->asked[i]);
    }
    free(d->asked);
    d->asked = NULL;
    d->n_asked = 0;
}

void front_desk_open(struct front_desk *d)
{
    *d = (struct front_desk){.x = {.patience_ms = 5000}};
}

/* "{id}" in the pattern stands for any segment that is not empty. */
static bool pattern_fits(const char *pattern, const struct query *q)
{
    unsigned i = 0;

    for (; *pattern == '/' && pattern[1] != '\0'; i++) {
        size_t len = strcspn(++pattern, "/");
        if (i == q->n_segments) {
            return false;
        }
        struct slice s = q->segments[i];
        if (*pattern == '{' ? s.len == 0 : s.len != len || memcmp(s.data, pattern, len) != 0) {
            return false;
        }
        pattern += len;
    }
    return i == q->n_segments;
}

static const struct resource *find(const char *method, const struct query *q, bool *path_is_known)
{
    *path_is_known = false;
    for (unsigned i = 0; i < resource_table_n; i++) {
        const struct resource *r = &resource_table[i];
        if (pattern_fits(r->pattern, q)) {
            *path_is_known = true;
            if (strcmp(r->method, method) == 0) {
                return r;
            }
        }
    }
    return NULL;
}

static bool is_listed(const char *names, struct slice name)
{
    for (const char *p = names != NULL ? names : ""; *p != '\0'; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (name.len == len && memcmp(name.data, p, len) == 0) {
            return true;
        }
        p += len;
    }
    return false;
}

static bool params_are_known(struct front_desk *d, const struct resource *r)
{
    for (unsigned i = 0; i < d->query.n_params; i++) {
        struct slice name = d->query.params[i].name;
        bool again = false;
        for (unsigned k = 0; k < i; k++) {
            struct slice other = d->query.params[k].name;
            again = again ||
                    (other.len == name.len && memcmp(other.data, name.data, name.len) == 0);
        }
        if (again || !is_listed(r->params, name)) {
            exchange_refuse(&d->x, 400, "UNKNOWN_PARAMETER", "parameter", NULL);
            return false;
        }
    }
    return true;
}

void front_desk_request_bytes(struct front_desk *d, const char *method, const char *target,
                              const void *body, size_t body_len)
{
    bool path_is_known;

    d->target = strdup(target);
    enum query_error error = query_parse(d->target, strlen(target), &d->query, NULL);
    if (error != QUERY_OK) {
        exchange_refuse(&d->x, error == QUERY_TOO_DEEP ? 404 : 400, "INVALID",
                        query_error_text(error), NULL);
        return;
    }
    d->body = malloc(body_len + 1); /* so that a read past its end is seen */
    memcpy(d->body, body_len > 0 ? body : "", body_len);
    d->x.method = method;
    d->x.n_segments = d->query.n_segments;
    memcpy(d->x.segments, d->query.segments, sizeof d->x.segments);
    d->x.n_params = d->query.n_params;
    d->x.params = d->query.params;
    d->x.body = d->body;
    d->x.body_len = body_len;
    const struct resource *r = find(method, &d->query, &path_is_known);
    if (r == NULL) {
        exchange_refuse(&d->x, path_is_known ? 405 : 404,
                        path_is_known ? "METHOD_NOT_ALLOWED" : "NO_SUCH_RESOURCE", NULL, NULL);
    } else if (params_are_known(d, r)) {
        r->handle(&d->x);
        if (!d->x.keeps_body) {
            free(d->body);
            d->body = NULL;
            d->x.body = NULL;
            d->x.body_len = 0;
        }
        take_turns(d);
        assert(d->answered != (d->n_asked > 0));
    }
}

void front_desk_request(struct front_desk *d, const char *method, const char *target,
                        const char *body)
{
    front_desk_request_bytes(d, method, target, body, body != NULL ? strlen(body) : 0);
}

struct operation front_desk_asked(const struct front_desk *d, unsigned i)
{
    struct operation op;

    assert(i < d->n_asked);
    int rv = operation_decode(d->asked[i].data, d->asked[i].len, &op);
    assert(rv == ORDERSCHED_OK);
    return op;
}

void front_desk_answer(struct front_desk *d, const struct ordersched_answer *answers, unsigned n)
{
    assert(n == d->n_asked && n > 0);
    forget_asked(d);
    for (unsigned i = 0; d->of_node && i + 1 < n; i++) { /* each was asked apart */
        d->on_done(&d->x, &answers[i], 1);
        take_turns(d);
        assert(!d->answered);
    }
    d->on_done(&d->x, d->of_node ? &answers[n - 1] : answers, d->of_node ? 1 : n);
    take_turns(d);
    assert(d->answered != (d->n_asked > 0));
}

void front_desk_answer_one(struct front_desk *d, struct ordersched_answer answer)
{
    front_desk_answer(d, &answer, 1);
}

const char *front_desk_header(const struct front_desk *d, const char *name)
{
    for (unsigned i = 0; i < d->n_headers; i++) {
        if (strcmp(d->headers[i][0], name) == 0) {
            return d->headers[i][1];
        }
    }
    return NULL;
}

void front_desk_close(struct front_desk *d)
{
    forget_asked(d);
    if (d->x.free_state != NULL) {
        d->x.free_state(d->x.state);
    }
    json_decref(d->json);
    buffer_free(&d->text);
    free(d->target);
    free(d->body);
}
