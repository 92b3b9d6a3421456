/* client_worker.c - the worker's side of a route of kind worker: reserve, extend, settle. See
 * ordersched.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "../base/clocks.h"
#include "../wire/work.h"

#define WORKER_WAIT_MS 10000u /* of one RESERVE: so long a leader that went silent can hold us up */
#define WORKER_GRACE_MS 5000u /* for the leader to be found, and to answer */

struct ordersched_worker {
    ordersched_client *client;
    char route[ORDERSCHED_ROUTE_NAME_MAX + 1];
    char name[PROTOCOL_WORKER_MAX + 1];
};

int ordersched_worker_open(ordersched_client *client, const char *route, const char *name,
                           ordersched_worker **worker)
{
    char own[PROTOCOL_WORKER_MAX + 1];
    char host[PROTOCOL_WORKER_MAX / 2] = "";

    if (name == NULL) {
        (void)gethostname(host, sizeof host - 1);
        snprintf(own, sizeof own, "%s.%ld", host, (long)getpid());
        name = own;
    }
    size_t route_len = strlen(route);
    if (route_len == 0 || route_len > ORDERSCHED_ROUTE_NAME_MAX ||
        strlen(name) > PROTOCOL_WORKER_MAX) {
        return ORDERSCHED_ARGUMENT;
    }
    struct ordersched_worker *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return ORDERSCHED_NO_MEMORY;
    }
    w->client = client;
    memcpy(w->route, route, route_len);
    memcpy(w->name, name, strlen(name));
    *worker = w;
    return ORDERSCHED_OK;
}

void ordersched_worker_close(ordersched_worker *worker)
{
    free(worker);
}

/* ---- reserve ---- */

static void job_copy(struct ordersched_job *job, const struct work_job *from)
{
    memcpy(job->token, from->token.data, sizeof job->token);
    memcpy(job->key, from->key.data, from->key.len);
    memcpy(job->fence, from->fence.data, from->fence.len);
    job->id = from->id.data;
    job->id_len = from->id.len;
    job->deadline_ms = from->deadline_ms;
    job->attempt = from->attempt;
    job->payload = from->payload.data;
    job->payload_len = from->payload.len;
}

/* Jobs, their list and a copy of the answer's body, in one allocation. */
static int jobs_new(const uint8_t *body, size_t len, struct ordersched_jobs **out)
{
    struct cursor c;
    uint32_t n, lease_ms;

    cursor_init(&c, body, len);
    if (!work_read_jobs_head(&c, &lease_ms, &n)) {
        return ORDERSCHED_INVALID;
    }
    struct ordersched_jobs *jobs = calloc(1, sizeof *jobs + n * sizeof *jobs->list + len);
    if (jobs == NULL) {
        return ORDERSCHED_NO_MEMORY;
    }
    jobs->n = n;
    jobs->lease_ms = lease_ms;
    jobs->list = (struct ordersched_job *)(jobs + 1);
    uint8_t *bytes = (uint8_t *)(jobs->list + n);
    memcpy(bytes, body, len);
    cursor_init(&c, bytes, len);
    (void)work_read_jobs_head(&c, &lease_ms, &n);
    for (uint32_t i = 0; i < n; i++) {
        struct work_job job;
        if (!work_read_job(&c, &job)) {
            free(jobs);
            return ORDERSCHED_INVALID;
        }
        job_copy(&jobs->list[i], &job);
    }
    *out = jobs;
    return ORDERSCHED_OK;
}

static int worker_reserve_once(struct ordersched_worker *w, unsigned max, unsigned wait_ms,
                               struct ordersched_jobs **jobs)
{
    struct operation op = {
        .code = OPERATION_RESERVE,
        .route = {(const uint8_t *)w->route, strlen(w->route)},
        .limit = max,
        .time_ms = wait_ms,
        .worker = {(const uint8_t *)w->name, strlen(w->name)},
    };
    struct ask_reply reply;

    int error = ask_leader(w->client, &op, wait_ms + WORKER_GRACE_MS, &reply);
    if (error == ORDERSCHED_OK) {
        error = jobs_new(reply.body, reply.body_len, jobs);
    }
    ask_reply_free(&reply);
    return error;
}

int ordersched_worker_reserve(ordersched_worker *w, unsigned max, unsigned wait_ms,
                              struct ordersched_jobs **jobs)
{
    uint64_t until_ms = clocks_running_ms() + wait_ms;

    *jobs = NULL;
    if (max < 1 || max > PROTOCOL_TOKENS_MAX) {
        return ORDERSCHED_ARGUMENT;
    }
    for (;;) {
        uint64_t now_ms = clocks_running_ms();
        uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
        unsigned once_ms = left_ms < WORKER_WAIT_MS ? (unsigned)left_ms : WORKER_WAIT_MS;
        int error = worker_reserve_once(w, max, once_ms, jobs);
        if (error != ORDERSCHED_OK || (*jobs)->n > 0 || clocks_running_ms() >= until_ms) {
            return error;
        }
        ordersched_jobs_free(*jobs);
        *jobs = NULL;
    }
}

void ordersched_jobs_free(struct ordersched_jobs *jobs)
{
    free(jobs);
}

/* ---- extend and settle ---- */

/* Ask, and check that the answer's body is an array of n; a cursor behind its head. */
static int worker_ask(struct ordersched_worker *w, const struct operation *op, unsigned timeout_ms,
                      struct ask_reply *reply, struct cursor *c)
{
    int error = ask_leader(w->client, op, timeout_ms, reply);

    if (error != ORDERSCHED_OK) {
        return error;
    }
    cursor_init(c, reply->body, reply->body_len);
    return cursor_array(c) == op->n_tokens && cursor_ok(c) ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

int ordersched_worker_extend(ordersched_worker *w, const uint8_t *const *tokens, unsigned n,
                             unsigned timeout_ms, int *errors)
{
    struct buffer list = {0};
    struct ask_reply reply = {0};
    struct cursor c;

    if (n < 1 || n > PROTOCOL_TOKENS_MAX) {
        return ORDERSCHED_ARGUMENT;
    }
    for (unsigned i = 0; i < n; i++) {
        write_bin(&list, tokens[i], ORDERSCHED_TOKEN_SIZE);
    }
    struct operation op = {.code = OPERATION_LEASE, .n_tokens = n, .tokens = {list.data, list.len}};
    int error = list.failed ? ORDERSCHED_NO_MEMORY : worker_ask(w, &op, timeout_ms, &reply, &c);
    for (unsigned i = 0; error == ORDERSCHED_OK && i < n; i++) {
        errors[i] = (int)cursor_uint(&c);
        error = cursor_ok(&c) ? ORDERSCHED_OK : ORDERSCHED_INVALID;
    }
    ask_reply_free(&reply);
    buffer_free(&list);
    return error;
}

static bool worker_write_reports(struct buffer *list, const struct ordersched_report *reports,
                                 unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const char *reason = reports[i].reason != NULL ? reports[i].reason : "";
        struct work_report report = {
            .token = {reports[i].token, ORDERSCHED_TOKEN_SIZE},
            .outcome = (enum outcome)reports[i].outcome,
            .delay_ms = reports[i].delay_ms,
            .reason = {(const uint8_t *)reason, strnlen(reason, PROTOCOL_REASON_MAX)},
        };
        if (report.outcome < OUTCOME_EXPIRED || report.outcome > OUTCOME_FAILED ||
            report.delay_ms > ORDERSCHED_DEADLINE_MAX_MS) {
            return false;
        }
        work_write_report(list, &report);
    }
    return true;
}

int ordersched_worker_settle(ordersched_worker *w, const struct ordersched_report *reports,
                             unsigned n, unsigned timeout_ms, struct ordersched_settled *results)
{
    struct buffer list = {0};
    struct ask_reply reply = {0};
    struct cursor c;
    int error = ORDERSCHED_ARGUMENT;

    if (n >= 1 && n <= PROTOCOL_TOKENS_MAX && worker_write_reports(&list, reports, n)) {
        struct operation op = {.code = OPERATION_SETTLE,
                               .n_tokens = n,
                               .tokens = {list.data, list.len}};
        error = list.failed ? ORDERSCHED_NO_MEMORY : worker_ask(w, &op, timeout_ms, &reply, &c);
    }
    for (unsigned i = 0; error == ORDERSCHED_OK && i < n; i++) {
        struct work_result result;
        error = work_read_result(&c, &result) ? ORDERSCHED_OK : ORDERSCHED_INVALID;
        results[i] = (struct ordersched_settled){result.error, result.state, result.index};
    }
    ask_reply_free(&reply);
    buffer_free(&list);
    return error;
}
