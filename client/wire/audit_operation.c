/* audit_operation.c - the operations on the audit trail: how they are written and read. */
#include <string.h>

#include "audit.h"
#include "principal.h"

static int refuse(struct operation *op, const char *key, const char *why)
{
    op->problem.key = (struct slice){(const uint8_t *)key, strlen(key)};
    op->problem.why = why;
    return ORDERSCHED_INVALID;
}

int audit_decode_list(struct cursor *c, struct operation *op)
{
    op->time_ms = cursor_uint(c);
    op->id = cursor_bytes(c);
    op->route = cursor_bytes(c);
    uint64_t limit = cursor_uint(c);
    op->since_ms = cursor_uint(c);
    op->limit = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
    if (op->id.len > GRANT_NAME_MAX) {
        return refuse(op, "who", "must be at most 64 bytes");
    }
    return op->route.len <= AUDIT_WHAT_MAX ? ORDERSCHED_OK
                                           : refuse(op, "what", "must be at most 128 bytes");
}

void audit_encode_list(struct buffer *b, const struct operation *op)
{
    write_uint(b, op->time_ms);
    write_str(b, op->id.data, op->id.len);
    write_bin(b, op->route.data, op->route.len);
    write_uint(b, op->limit);
    write_uint(b, op->since_ms);
}

/* The leader's own: no other comes into a log. */
int audit_decode_note(struct cursor *c, struct operation *op)
{
    uint64_t code = cursor_uint(c);
    op->id = cursor_bytes(c);
    op->payload = cursor_bytes(c);
    uint64_t error = cursor_uint(c);
    uint64_t count = cursor_uint(c);
    if (!cursor_ok(c) || code > UINT8_MAX || !audit_covers((enum operation_code)code) ||
        op->id.len > AUDIT_ABOUT_MAX || op->payload.len > AUDIT_DETAIL_MAX || error > UINT8_MAX ||
        count == 0 || count > UINT32_MAX) {
        return ORDERSCHED_INVALID;
    }
    op->state = (uint32_t)code;
    op->attempt = (uint32_t)error;
    op->version = (uint32_t)count;
    return principal_decode_caller_from(c, op);
}

void audit_encode_note(struct buffer *b, const struct operation *op)
{
    write_uint(b, op->state);
    write_bin(b, op->id.data, op->id.len);
    write_str(b, op->payload.data, op->payload.len);
    write_uint(b, op->attempt);
    write_uint(b, op->version);
    principal_encode_caller(b, op);
}
