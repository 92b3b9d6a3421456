/* resource_work.c - see resource_handlers.h. */
#include "resource_handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/json/base64.h"
#include "../../client/json/json_out.h"
#include "../../client/wire/work.h"
#include "resource.h"

#define WORKER_DEFAULT "http"

/* --- reserve --- */

static json_t *job_of(const struct work_job *job)
{
    json_t *object = json_object();
    char *token = base64url_encode(job->token);

    out_text(object, "token", token != NULL ? token : "");
    out_bytes(object, "key", job->key);
    out_bytes(object, "fence", job->fence);
    out_id(object, job->id);
    out_time(object, "deadline", job->deadline_ms);
    out_number(object, "attempt", job->attempt);
    out_payload(object, job->payload);
    free(token);
    return object;
}

static void answer_jobs_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    json_t *jobs = json_array();
    struct work_job job;
    struct cursor c;
    uint32_t lease_ms = 0, count = 0;

    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        json_decref(jobs);
        return;
    }
    cursor_init(&c, answers[0].body, answers[0].body_len);
    bool ok = work_read_jobs_head(&c, &lease_ms, &count);
    for (uint32_t i = 0; i < count && ok; i++) {
        ok = work_read_job(&c, &job);
        if (ok) {
            json_array_append_new(jobs, job_of(&job));
        }
    }
    if (!ok) {
        json_decref(jobs);
        resource_malformed(x);
        return;
    }
    json_t *body = json_object();
    out_number(body, "lease_ms", lease_ms);
    json_object_set_new(body, "jobs", jobs);
    exchange_answer(x, 200, body);
}

void resource_reserve(struct exchange *x)
{
    static const char *const names[] = {"max", "wait", "wait_ms", "worker", NULL};
    struct operation op = {.code = OPERATION_RESERVE,
                           .worker = {(const uint8_t *)WORKER_DEFAULT, sizeof WORKER_DEFAULT - 1}};
    struct flaw flaw = {0};
    uint64_t max = 1;
    json_t *body;

    if (!resource_name(x, 2, &op.route) || !resource_body_or_none(x, &body)) {
        return;
    }
    struct fields f = fields_of(body, "", names, &flaw);
    (void)fields_number(&f, "max", 1, PROTOCOL_TOKENS_MAX, &max);
    op.limit = (uint32_t)max;
    if (fields_duration(&f, "wait", &op.time_ms) && op.time_ms > PROTOCOL_WAIT_MAX_MS) {
        fields_refuse(&f, fields_has(&f, "wait") ? "wait" : "wait_ms", "INVALID",
                      "must be at most 60s");
    }
    if (fields_text(&f, "worker", &op.worker) && op.worker.len > PROTOCOL_WORKER_MAX) {
        fields_refuse(&f, "worker", "INVALID", "must have at most %d bytes", PROTOCOL_WORKER_MAX);
    }
    if (resource_sound(x, &flaw)) {
        /* What it waits for orders is not what it waits for a leader. */
        x->patience_ms += (unsigned)op.time_ms;
        x->patience_until_ms += op.time_ms;
        resource_ask(x, &op, answer_jobs_cb);
    }
    json_decref(body);
}

/* --- lease --- */

/* A reservation's token. */
static bool read_token(struct fields *f, const char *name, struct slice text,
                       uint8_t token[ORDERSCHED_TOKEN_SIZE])
{
    size_t len = 0;
    uint8_t *bytes = base64url_decode(text, &len);
    bool good = bytes != NULL && len == ORDERSCHED_TOKEN_SIZE;

    if (good) {
        memcpy(token, bytes, len);
    } else {
        fields_refuse(f, name, "INVALID", "must be a token that a reserve gave");
    }
    free(bytes);
    return good;
}

/* [error, ...] */
static void answer_leases_cb(struct exchange *x, const struct ordersched_answer *answers,
                             unsigned n)
{
    struct cursor c;

    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    json_t *results = json_array();
    cursor_init(&c, answers[0].body, answers[0].body_len);
    uint32_t count = cursor_array(&c);
    for (uint32_t i = 0; i < count && cursor_ok(&c); i++) {
        uint64_t error = cursor_uint(&c);
        json_t *result = json_object();
        out_text(result, "error", ordersched_error_name((int)(error & INT32_MAX)));
        json_array_append_new(results, result);
    }
    resource_answer_results(x, results, cursor_ok(&c));
}

void resource_lease(struct exchange *x)
{
    static const char *const names[] = {"tokens", NULL};
    struct operation op = {.code = OPERATION_LEASE};
    struct flaw flaw = {0};
    struct buffer tokens = {0};
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct slice route;
    json_t *body = NULL;

    if (!resource_name(x, 2, &route) || !resource_body(x, &body)) {
        return;
    }
    struct fields f = fields_of(body, "", names, &flaw);
    fields_need(&f, "tokens");
    const json_t *list = fields_array(&f, "tokens", 1, PROTOCOL_TOKENS_MAX);
    for (size_t i = 0; list != NULL && i < json_array_size(list) && flaw.name == NULL; i++) {
        const json_t *value = json_array_get(list, i);
        struct slice text = {(const uint8_t *)json_string_value(value), json_string_length(value)};
        if (read_token(&f, "tokens", text, token)) {
            write_bin(&tokens, token, sizeof token);
            op.n_tokens++;
        }
    }
    op.tokens = (struct slice){tokens.data, tokens.len};
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_leases_cb);
    }
    buffer_free(&tokens);
    json_decref(body);
}

/* --- settle --- */

/* [[error, state, index], ...] */
static void answer_settled_cb(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n)
{
    struct work_result r;
    struct cursor c;
    bool ok = true;

    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    json_t *results = json_array();
    cursor_init(&c, answers[0].body, answers[0].body_len);
    uint32_t count = cursor_array(&c);
    for (uint32_t i = 0; i < count && ok; i++) {
        ok = work_read_result(&c, &r);
        json_t *result = json_object();
        out_text(result, "error", ordersched_error_name(r.error));
        out_text(result, "state", ordersched_state_name(r.state));
        out_number(result, "index", r.index);
        json_array_append_new(results, result);
    }
    resource_answer_results(x, results, ok && cursor_ok(&c));
}

static void read_report(const json_t *value, size_t place, struct flaw *flaw,
                        struct buffer *reports)
{
    static const char *const names[] = {"token", "outcome", "delay", "delay_ms", "reason", NULL};
    static const char *const outcomes[] = {"expired", "paid", "later", "failed", NULL};
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    struct work_report r = {.token = {token, sizeof token}};
    struct slice text;
    unsigned outcome = 0;
    char at[32];

    snprintf(at, sizeof at, "/reports/%zu", place);
    struct fields f = fields_of(value, at, names, flaw);
    fields_need(&f, "token");
    fields_need(&f, "outcome");
    if (fields_text(&f, "token", &text)) {
        (void)read_token(&f, "token", text, token);
    }
    (void)fields_word(&f, "outcome", outcomes, &outcome);
    r.outcome = (enum outcome)(OUTCOME_EXPIRED + outcome);
    if (fields_duration(&f, "delay", &r.delay_ms) && r.delay_ms > ORDERSCHED_DEADLINE_MAX_MS) {
        fields_refuse(&f, fields_has(&f, "delay") ? "delay" : "delay_ms", "INVALID",
                      "must be at most 400d");
    }
    if (fields_text(&f, "reason", &r.reason) && r.reason.len > PROTOCOL_REASON_MAX) {
        fields_refuse(&f, "reason", "INVALID", "must have at most %d bytes", PROTOCOL_REASON_MAX);
    }
    if (flaw->name == NULL) {
        work_write_report(reports, &r);
    }
}

void resource_settle(struct exchange *x)
{
    static const char *const names[] = {"reports", NULL};
    struct operation op = {.code = OPERATION_SETTLE};
    struct flaw flaw = {0};
    struct buffer reports = {0};
    struct slice route;
    json_t *body = NULL;

    if (!resource_name(x, 2, &route) || !resource_body(x, &body)) {
        return;
    }
    struct fields f = fields_of(body, "", names, &flaw);
    fields_need(&f, "reports");
    const json_t *list = fields_array(&f, "reports", 1, PROTOCOL_TOKENS_MAX);
    for (size_t i = 0; list != NULL && i < json_array_size(list) && flaw.name == NULL; i++) {
        read_report(json_array_get(list, i), i, &flaw, &reports);
        op.n_tokens++;
    }
    op.tokens = (struct slice){reports.data, reports.len};
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_settled_cb);
    }
    buffer_free(&reports);
    json_decref(body);
}
