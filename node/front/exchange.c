/* exchange.c - one request and its response: see exchange.h for what resources may do with it. */
#include "../resource/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../client/base/clocks.h"
#include "../../client/base/must.h"
#include "../../client/base/trimmed.h"
#include "../../client/json/json_write.h"
#include "../../client/wire/traceparent.h"
#include "../resource/problem.h"
#include "../resource/request_key.h"
#include "content_coding.h"
#include "cors.h"
#include "entity_tag.h"
#include "front_internal.h"

#define EXCHANGE_PATIENCE_MS 5000u
#define EXCHANGE_PATIENCE_MAX_S 60u
#define EXCHANGE_PATIENCE_LEAST_MS 250u /* with wait=0 */
#define PROBLEM_TYPE "urn:orderschedd:error:"
#define TRIMMED_LEAST (64u << 10) /* bytes */

/* --- the request --- */

struct front_exchange *exchange_new(struct front *f, struct visitor *v,
                                    struct MHD_Connection *connection, const char *target)
{
    struct front_exchange *e = calloc(1, sizeof *e);

    if (e == NULL || (e->target = strdup(target)) == NULL) {
        free(e);
        return NULL;
    }
    assert(v->exchange == NULL);
    e->front = f;
    e->visitor = v;
    e->connection = connection;
    v->exchange = e;
    return e;
}

const char *exchange_request_header(const struct front_exchange *e, const char *name)
{
    return MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, name);
}

/* "wait=5", alone or among other preferences (RFC 7240). */
static void take_patience(struct front_exchange *e)
{
    const char *at = exchange_request_header(e, "Prefer");
    unsigned seconds = 0;

    e->x.patience_ms = EXCHANGE_PATIENCE_MS;
    while (at != NULL && *at != '\0') {
        at += strspn(at, " \t,");
        if (strncasecmp(at, "wait=", 5) == 0 && at[5] >= '0' && at[5] <= '9') {
            for (at += 5; *at >= '0' && *at <= '9'; at++) {
                seconds = seconds * 10 + (unsigned)(*at - '0');
                seconds = seconds < EXCHANGE_PATIENCE_MAX_S ? seconds : EXCHANGE_PATIENCE_MAX_S;
            }
            char applied[24];
            snprintf(applied, sizeof applied, "wait=%u", seconds);
            exchange_header(&e->x, "Preference-Applied", applied);
            e->x.patience_ms = seconds > 0 ? seconds * 1000 : EXCHANGE_PATIENCE_LEAST_MS;
            break;
        }
        at += strcspn(at, ",");
    }
    e->x.patience_until_ms = clocks_running_ms() + e->x.patience_ms;
}

/* Who asks: by a token, or by the connection. */
static void take_caller(struct front_exchange *e)
{
    const struct visitor *v = e->visitor;
    const char *text = exchange_request_header(e, "Authorization");

    e->caller.kind = CALLER_NOBODY;
    memcpy(e->caller.from, v->from_text, sizeof e->caller.from);
    if (v->certificate[0] != '\0') {
        e->caller.kind = CALLER_CERTIFICATE;
        memcpy(e->caller.name, v->certificate, sizeof v->certificate);
    }
    if (text == NULL) {
        return;
    }
    if (strncasecmp(text, "Bearer ", 7) != 0) {
        e->refused_token = ORDERSCHED_DENIED;
        return;
    }
    text += 7 + strspn(text + 7, " ");
    struct slice token = {(const uint8_t *)text, strlen(text)};
    if (!token_is_wellformed(token)) {
        e->refused_token = ORDERSCHED_DENIED;
    } else if (!v->tls && !v->loopback) {
        e->refused_token = ORDERSCHED_INSECURE_TOKEN;
    } else {
        e->caller.kind = CALLER_TOKEN;
        memcpy(e->caller.name, text, token.len + 1);
    }
}

void exchange_begin(struct front_exchange *e, const char *method)
{
    e->begun = true;
    e->head = strcmp(method, "HEAD") == 0;
    e->x.method = e->head ? "GET" : method; /* the library's, as long as the exchange */
    e->origin = cors_find(e->front->config.origins, e->front->config.n_origins,
                          exchange_request_header(e, "Origin"));
    take_patience(e);
    take_caller(e);
}

bool exchange_take_body(struct front_exchange *e, const char *data, size_t len)
{
    size_t want = e->x.body_len + len;

    assert(want <= HTTP_BODY_MAX); /* the guard has counted */
    if (want > e->body_cap && !e->too_large) {
        size_t cap = e->body_cap == 0 ? 1024 : e->body_cap;
        while (cap < want) {
            cap *= 2;
        }
        e->body = must_have(realloc(e->body, cap));
        size_t more = cap - e->body_cap;
        e->body_cap = cap;
        visitor_holds_body(e->visitor, more);
    }
    if (!e->too_large) {
        memcpy(e->body + e->x.body_len, data, len);
        e->x.body_len += len;
        e->x.body = e->body;
    }
    return true;
}

void exchange_drop_body(struct front_exchange *e)
{
    api_unfinished_end(&e->front->bodies, &e->visitor->body);
    free(e->body);
    e->body = NULL;
    e->x.body = NULL;
    e->x.body_len = e->body_cap = 0;
}

static bool is_json(const char *type)
{
    size_t len = type != NULL ? strcspn(type, "; \t") : 0;

    return len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0;
}

/* Whatever comes: the header never makes a request fail (W3C Trace Context, 3.2.3). */
static void exchange_take_traceparent(struct front_exchange *e)
{
    const struct front_config *config = &e->front->config;
    const char *text = exchange_request_header(e, "traceparent");

    e->x.traces = config->traces(config->arg);
    e->x.has_traceparent = e->x.traces && text != NULL &&
                           traceparent_parse((struct slice){(const uint8_t *)text, strlen(text)},
                                             e->x.traceparent);
}

/* What the head says of the body, of the order's version and of the request's key. False: it is answered. */
static bool exchange_take_conditions(struct front_exchange *e)
{
    const char *type = exchange_request_header(e, "Content-Type");
    const char *match = exchange_request_header(e, "If-Match");
    const char *key = exchange_request_header(e, "Idempotency-Key");

    /* A few bytes of it may stand for very many. */
    if (e->x.body_len > 0 &&
        !content_coding_is_identity(exchange_request_header(e, "Content-Encoding"))) {
        exchange_header(&e->x, "Accept-Encoding", "identity");
        exchange_refuse(&e->x, 415, "UNSUPPORTED_ENCODING",
                        "A body must come as it is, without a Content-Encoding.", NULL);
        return false;
    }
    /* None is not taken either: pages of other sites may send a body without a type, but none of this one. */
    if (e->x.body_len > 0 && !is_json(type)) {
        exchange_refuse(&e->x, 415, "UNSUPPORTED_MEDIA_TYPE",
                        "A body must have the Content-Type application/json (with curl: --json).",
                        NULL);
        return false;
    }
    if (match != NULL && strcmp(match, "*") != 0) {
        e->x.has_if_match = entity_tag_version(match, &e->x.if_match);
        if (!e->x.has_if_match) {
            exchange_refuse(&e->x, 412, "VERSION_CHANGED",
                            "If-Match must be one entity tag, as an order's ETag is.", NULL);
            return false;
        }
    }
    exchange_take_traceparent(e);
    if (key != NULL) {
        size_t len = strlen(key);
        bool quoted = len >= 2 && key[0] == '"' && key[len - 1] == '"';
        size_t from = quoted ? 1 : 0, n = len - 2 * from;
        bool good = request_key_is_good((struct slice){(const uint8_t *)key + from, n});
        if (!good) {
            exchange_refuse(
                &e->x, 400, "BAD_IDEMPOTENCY_KEY",
                "An Idempotency-Key has 1 to 128 visible ASCII characters, which may be "
                "between quotes.",
                NULL);
            return false;
        }
        e->x.idempotency_key = must_have(strndup(key + from, n));
    }
    return true;
}

static void handle(struct front_exchange *e)
{
    size_t at;

    if (e->visitor->seat.address != NULL) {
        api_seats_busy(&e->front->seats, &e->visitor->seat);
    }
    if (e->front->stopping) {
        exchange_problem(&e->x, ORDERSCHED_SHUTTING_DOWN, NULL, NULL);
        return;
    }
    if (e->too_large) {
        exchange_problem(&e->x, ORDERSCHED_BUSY, "The bodies of other requests take all the room.",
                         NULL);
        return;
    }
    bool all = strcmp(e->target, "*") == 0; /* OPTIONS * */
    enum query_error error = all ? QUERY_OK
                                 : query_parse(e->target, strlen(e->target), &e->query, &at);
    if (error != QUERY_OK && error != QUERY_TOO_DEEP) {
        exchange_refuse(&e->x, 400, "BAD_REQUEST", query_error_text(error), NULL);
        return;
    }
    if (error == QUERY_TOO_DEEP) {
        exchange_refuse(&e->x, 404, "NO_SUCH_RESOURCE", query_error_text(error), NULL);
        return;
    }
    e->x.n_segments = e->query.n_segments;
    memcpy(e->x.segments, e->query.segments, sizeof e->x.segments);
    e->x.n_params = e->query.n_params;
    e->x.params = e->query.params;
    if (exchange_take_conditions(e)) {
        resources_handle(e);
    }
}

void exchange_handle(struct front_exchange *e)
{
    e->complete = true;
    handle(e);
    api_unfinished_end(&e->front->bodies, &e->visitor->body);
    if (!e->x.keeps_body) { /* what is asked is encoded by now */
        exchange_drop_body(e);
    }
}

void exchange_abandon(struct front_exchange *e)
{
    exchange_drop_asks(e);
    exchange_drop_turn(e);
}

void exchange_end(struct front_exchange *e)
{
    exchange_abandon(e);
    if (e->x.free_state != NULL) {
        e->x.free_state(e->x.state);
    }
    for (unsigned i = 0; i < e->n_headers; i++) {
        free(e->headers[i].name);
        free(e->headers[i].value);
    }
    packer_drop(&e->front->packer, &e->job);
    if (e->response != NULL) {
        MHD_destroy_response(e->response);
    }
    exchange_drop_text(e);
    exchange_drop_body(e);
    visitor_exchange_ended(e->visitor);
    explicit_bzero(&e->caller, sizeof e->caller);
    free((char *)e->x.idempotency_key);
    free(e->target);
    free(e);
}

/* --- the response --- */

void exchange_header(struct exchange *x, const char *name, const char *value)
{
    struct front_exchange *e = exchange_of(x);

    assert(!e->answered && e->n_headers < EXCHANGE_HEADERS_MAX);
    e->headers[e->n_headers].name = must_have(strdup(name));
    e->headers[e->n_headers].value = must_have(strdup(value));
    e->n_headers++;
}

/* Is it what the client has already, packed or not? */
static bool is_known(struct front_exchange *e)
{
    const char *known = exchange_request_header(e, "If-None-Match");

    for (unsigned i = 0; known != NULL && i < e->n_headers; i++) {
        if (strcasecmp(e->headers[i].name, "ETag") == 0) {
            return e->status == 200 && strcmp(e->x.method, "GET") == 0 &&
                   entity_tag_is_among(e->headers[i].value, known, &e->packed);
        }
    }
    return false;
}

static void response_header(struct front_exchange *e, const char *name, const char *value)
{
    must_hold(MHD_add_response_header(e->response, name, value) == MHD_YES);
}

/* What a browser wants to know before it shows the answer to the page that asked. */
static void response_origin(struct front_exchange *e)
{
    bool origins = e->front->config.n_origins > 0;

    if (origins || e->packable) {
        response_header(e, "Vary",
                        !origins      ? "Accept-Encoding"
                        : e->packable ? "Origin, Accept-Encoding"
                                      : "Origin");
    }
    if (e->origin != NULL) {
        response_header(e, "Access-Control-Allow-Origin", e->origin);
        response_header(e, "Access-Control-Expose-Headers", CORS_ANSWER_HEADERS);
    }
}

/* Packed it is another representation, and so has another strong tag. */
static void response_own_header(struct front_exchange *e, const char *name, const char *value)
{
    char tag[ENTITY_TAG_SIZE];

    if (e->packed && strcasecmp(name, "ETag") == 0) {
        entity_tag_of_packed(value, tag);
        value = tag;
    }
    response_header(e, name, value);
}

void exchange_drop_text(struct front_exchange *e)
{
    if (e->shared != NULL) {
        shared_text_release(e->shared);
    } else {
        free(e->text);
    }
    e->shared = NULL;
    e->text = NULL;
    e->text_len = 0;
}

static void release_shared_cb(void *shared)
{
    shared_text_release(shared);
}

/* A client may leave it lying, and it counts by its length: it was made in a room that doubles. Packed it is
 * trimmed already. */
static void trim_text(struct front_exchange *e)
{
    if (e->shared == NULL && !e->packed && e->text_len >= TRIMMED_LEAST) {
        e->text = trimmed(e->text, e->text_len);
    }
}

/* The response frees the text, or lets go of it. */
static struct MHD_Response *response_of_text(struct front_exchange *e)
{
    if (e->shared != NULL) {
        return MHD_create_response_from_buffer_with_free_callback_cls(e->text_len, e->text,
                                                                      release_shared_cb, e->shared);
    }
    return MHD_create_response_from_buffer(e->text_len, e->text,
                                           e->text != NULL ? MHD_RESPMEM_MUST_FREE
                                                           : MHD_RESPMEM_PERSISTENT);
}

void exchange_respond(struct front_exchange *e)
{
    char node[24];

    e->response_ms = clocks_running_ms();
    e->response_len = e->text_len;
    trim_text(e);
    e->response = must_have(response_of_text(e));
    e->text = NULL;
    e->shared = NULL;
    if (e->text_len > 0) {
        response_header(e, "Content-Type", e->type);
    }
    if (e->text_len > 0 && e->packed) {
        response_header(e, "Content-Encoding", "gzip");
    }
    response_header(e, "Cache-Control", "no-store");
    response_header(e, "X-Content-Type-Options", "nosniff");
    snprintf(node, sizeof node, "%llu", (unsigned long long)e->front->config.node);
    response_header(e, "Orderschedd-Node", node);
    response_origin(e);
    for (unsigned i = 0; i < e->n_headers; i++) {
        response_own_header(e, e->headers[i].name, e->headers[i].value);
    }
    if (e->front->stopping) {
        response_header(e, "Connection", "close");
    }
    if (e->suspended) {
        e->suspended = false;
        MHD_resume_connection(e->connection);
        e->front->daemon_ready = true;
    }
    visitor_holds_answer(e->visitor, e->response_len);
}

/* With this text, which the exchange has. */
static void answer_with(struct front_exchange *e, unsigned status, const char *type, char *text,
                        size_t len)
{
    assert(!e->answered);
    e->answered = true;
    e->status = status;
    e->type = type;
    e->text = text;
    e->text_len = len;
    /* How far what is secret packs with what a stranger has written beside it tells of it (BREACH). */
    e->packable = len >= PACKER_LEAST && !e->x.shows_secret;
    if (is_known(e)) {
        e->status = 304;
        exchange_drop_text(e);
    }
    if (!exchange_pack(e)) {
        exchange_respond(e);
    }
}

void exchange_answer_text(struct exchange *x, unsigned status, const char *type, char *text,
                          size_t len)
{
    answer_with(exchange_of(x), status, type, text, len);
}

void exchange_answer_shared(struct exchange *x, unsigned status, const char *type,
                            struct shared_text *text)
{
    struct front_exchange *e = exchange_of(x);

    e->shared = shared_text_hold(text);
    answer_with(e, status, type, text->data, text->len);
}

static void exchange_answer_json(struct exchange *x, unsigned status, const char *type,
                                 json_t *body)
{
    struct buffer text = {0};

    if (body != NULL) {
        json_write(&text, body);
        must_hold(!text.failed);
        json_decref(body);
    }
    exchange_answer_text(x, status, type, (char *)text.data, text.len); /* which frees it */
}

void exchange_answer(struct exchange *x, unsigned status, json_t *body)
{
    exchange_answer_json(x, status, "application/json", body);
}

/* What is wrong is who asks, and not what for. */
static bool is_of_caller(const struct front_exchange *e, const char *detail)
{
    return e->caller.kind == CALLER_NOBODY ||
           (detail != NULL && strncmp(detail, "the token", strlen("the token")) == 0);
}

static void problem_answer(struct exchange *x, unsigned status, json_t *body)
{
    unsigned retry_s = problem_retry_after_s(status);
    char seconds[16];

    if (retry_s != 0) {
        snprintf(seconds, sizeof seconds, "%u", retry_s);
        exchange_header(x, "Retry-After", seconds);
    }
    exchange_answer_json(x, status, "application/problem+json", body);
}

void exchange_problem(struct exchange *x, int error, const char *detail, json_t *order)
{
    unsigned status;

    /* It is this node's own client that was closed, and this node that ends. */
    error = error == ORDERSCHED_CLOSED ? ORDERSCHED_SHUTTING_DOWN : error;
    json_t *body = problem_of(error, detail, order, &status);
    if (error == ORDERSCHED_DENIED && is_of_caller(exchange_of(x), detail)) {
        status = 401;
        (void)json_object_set_new(body, "status", json_integer(status));
        exchange_header(x, "WWW-Authenticate", "Bearer");
    }
    problem_answer(x, status, body);
}

void exchange_refuse(struct exchange *x, unsigned status, const char *name, const char *detail,
                     json_t *extra)
{
    problem_answer(x, status, problem_named(status, name, detail, extra));
}

size_t exchange_flaw_text(const struct front *f, const struct http_flaw *flaw, char *out,
                          size_t size)
{
    char body[512];
    int len = snprintf(body, sizeof body,
                       "{\"type\":\"" PROBLEM_TYPE "%s\",\"title\":\"%s\",\"status\":%u,"
                       "\"error\":\"%s\",\"class\":\"definite\",\"detail\":\"%s\"}",
                       flaw->name, flaw->detail, flaw->status, flaw->name, flaw->detail);
    int n = snprintf(out, size,
                     "HTTP/1.1 %u %s\r\nContent-Type: application/problem+json\r\n"
                     "Content-Length: %d\r\nCache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\nOrderschedd-Node: %llu\r\n"
                     "Connection: close\r\n\r\n%s",
                     flaw->status, MHD_get_reason_phrase_for(flaw->status), len,
                     (unsigned long long)f->config.node, body);

    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

struct metrics_view *exchange_metrics(struct exchange *x)
{
    return exchange_of(x)->front->config.metrics;
}
