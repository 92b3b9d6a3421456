/* work.c - see work.h. */
#include "work.h"

#define REPORT_ELEMENTS 4
#define JOB_ELEMENTS 7
#define RESULT_ELEMENTS 3

int work_decode_reserve(struct cursor *c, struct operation *op)
{
    uint64_t limit = cursor_uint(c);

    op->time_ms = cursor_uint(c);
    op->worker = cursor_bytes(c);
    if (!cursor_ok(c) || limit < 1 || limit > PROTOCOL_TOKENS_MAX ||
        op->time_ms > PROTOCOL_WAIT_MAX_MS || op->worker.len > PROTOCOL_WORKER_MAX) {
        return ORDERSCHED_INVALID;
    }
    op->limit = (uint32_t)limit;
    return ORDERSCHED_OK;
}

/* The head of the array of tokens or reports; op->tokens begins behind it. */
static bool decode_list_head(struct cursor *c, struct operation *op)
{
    op->n_tokens = cursor_array(c);
    op->tokens.data = c->at;
    return cursor_ok(c) && op->n_tokens >= 1 && op->n_tokens <= PROTOCOL_TOKENS_MAX;
}

static int decode_list_end(struct cursor *c, struct operation *op, bool sound)
{
    if (!sound || !cursor_ok(c)) {
        return ORDERSCHED_INVALID;
    }
    op->tokens.len = (size_t)(c->at - op->tokens.data);
    return ORDERSCHED_OK;
}

int work_decode_lease(struct cursor *c, struct operation *op)
{
    bool sound = decode_list_head(c, op);

    for (uint32_t i = 0; sound && i < op->n_tokens; i++) {
        sound = cursor_bytes(c).len == ORDERSCHED_TOKEN_SIZE;
    }
    return decode_list_end(c, op, sound);
}

static bool decode_report(struct cursor *c, struct work_report *report)
{
    uint32_t n = cursor_array(c);

    report->token = cursor_bytes(c);
    uint64_t outcome = cursor_uint(c);
    report->delay_ms = cursor_uint(c);
    report->reason = cursor_bytes(c);
    report->outcome = (enum outcome)outcome;
    return cursor_ok(c) && n == REPORT_ELEMENTS && report->token.len == ORDERSCHED_TOKEN_SIZE &&
           outcome >= OUTCOME_EXPIRED && outcome <= OUTCOME_FAILED &&
           report->delay_ms <= ORDERSCHED_DEADLINE_MAX_MS &&
           report->reason.len <= PROTOCOL_REASON_MAX;
}

int work_decode_settle(struct cursor *c, struct operation *op)
{
    bool sound = decode_list_head(c, op);
    struct work_report report;

    for (uint32_t i = 0; sound && i < op->n_tokens; i++) {
        sound = decode_report(c, &report);
    }
    return decode_list_end(c, op, sound);
}

void work_encode(struct buffer *b, const struct operation *op)
{
    if (op->code == OPERATION_RESERVE) {
        write_str(b, op->route.data, op->route.len);
        write_uint(b, op->limit);
        write_uint(b, op->time_ms);
        write_str(b, op->worker.data, op->worker.len);
    } else {
        write_array(b, op->n_tokens);
        buffer_append(b, op->tokens.data, op->tokens.len);
    }
}

struct slice work_read_token(struct cursor *c)
{
    return cursor_bytes(c);
}

void work_read_report(struct cursor *c, struct work_report *report)
{
    (void)decode_report(c, report);
}

void work_write_report(struct buffer *b, const struct work_report *report)
{
    write_array(b, REPORT_ELEMENTS);
    write_bin(b, report->token.data, report->token.len);
    write_uint(b, report->outcome);
    write_uint(b, report->delay_ms);
    write_str(b, report->reason.data, report->reason.len);
}

void work_write_jobs_head(struct buffer *b, uint32_t lease_ms, uint32_t n)
{
    write_array(b, 2);
    write_uint(b, lease_ms);
    write_array(b, n);
}

void work_write_job(struct buffer *b, const struct work_job *job)
{
    write_array(b, JOB_ELEMENTS);
    write_bin(b, job->token.data, job->token.len);
    write_str(b, job->key.data, job->key.len);
    write_str(b, job->fence.data, job->fence.len);
    write_bin(b, job->id.data, job->id.len);
    write_uint(b, job->deadline_ms);
    write_uint(b, job->attempt);
    write_bin(b, job->payload.data, job->payload.len);
}

bool work_read_jobs_head(struct cursor *c, uint32_t *lease_ms, uint32_t *n)
{
    uint32_t elements = cursor_array(c);
    uint64_t lease = cursor_uint(c);

    *n = cursor_array(c);
    *lease_ms = (uint32_t)lease;
    return cursor_ok(c) && elements == 2 && lease <= UINT32_MAX && *n <= PROTOCOL_TOKENS_MAX;
}

bool work_read_job(struct cursor *c, struct work_job *job)
{
    uint32_t n = cursor_array(c);

    job->token = cursor_bytes(c);
    job->key = cursor_bytes(c);
    job->fence = cursor_bytes(c);
    job->id = cursor_bytes(c);
    job->deadline_ms = cursor_uint(c);
    uint64_t attempt = cursor_uint(c);
    job->attempt = (uint32_t)attempt;
    job->payload = cursor_bytes(c);
    return cursor_ok(c) && n == JOB_ELEMENTS && job->token.len == ORDERSCHED_TOKEN_SIZE &&
           job->key.len == ORDERSCHED_KEY_SIZE - 1 && job->fence.len < ORDERSCHED_FENCE_SIZE &&
           job->id.len >= 1 && job->id.len <= ORDERSCHED_ID_MAX && attempt <= UINT32_MAX &&
           job->payload.len <= ORDERSCHED_PAYLOAD_MAX;
}

void work_write_result(struct buffer *b, const struct work_result *result)
{
    write_array(b, RESULT_ELEMENTS);
    write_uint(b, (uint64_t)result->error);
    write_uint(b, (uint64_t)result->state);
    write_uint(b, result->index);
}

bool work_read_result(struct cursor *c, struct work_result *result)
{
    uint32_t n = cursor_array(c);
    uint64_t error = cursor_uint(c);
    uint64_t state = cursor_uint(c);

    result->index = cursor_uint(c);
    result->error = (int)error;
    result->state = (int)state;
    return cursor_ok(c) && n == RESULT_ELEMENTS && error <= 255 && state <= ORDERSCHED_DEAD;
}
