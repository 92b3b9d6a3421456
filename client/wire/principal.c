/* principal.c - see principal.h. */
#include "principal.h"

#include <string.h>

#include "audit.h"

static int refuse(struct operation *op, const char *key, const char *why)
{
    op->problem.key = (struct slice){(const uint8_t *)key, strlen(key)};
    op->problem.why = why;
    return ORDERSCHED_INVALID;
}

static int read_name(struct cursor *c, struct operation *op)
{
    op->id = cursor_bytes(c);
    if (!cursor_ok(c)) {
        return ORDERSCHED_INVALID;
    }
    return grant_name_is_good(op->id) ? ORDERSCHED_OK
                                      : refuse(op, "name", "must be 1 to 64 of A-Z a-z 0-9 . _ -");
}

static int read_kind(struct cursor *c, struct operation *op)
{
    uint64_t kind = cursor_uint(c);

    op->kind = (uint32_t)kind;
    return kind == PRINCIPAL_TOKEN || kind == PRINCIPAL_CERTIFICATE
               ? ORDERSCHED_OK
               : refuse(op, "kind", "must be token or certificate");
}

static int read_grants(struct cursor *c, struct operation *op)
{
    return grants_decode(c, &op->n_tokens, &op->tokens, &op->problem);
}

static int read_token(struct cursor *c, struct operation *op)
{
    op->secret = cursor_bytes(c);
    op->time_ms = cursor_uint(c);
    if (!cursor_ok(c) || op->secret.len != TOKEN_HASH_SIZE) {
        return ORDERSCHED_INVALID;
    }
    return op->time_ms <= TOKEN_LIFETIME_MAX_MS ? ORDERSCHED_OK
                                                : refuse(op, "lifetime", "must be at most 3660d");
}

static int read_overlap(struct cursor *c, struct operation *op)
{
    op->delay_ms = cursor_uint(c);
    return op->delay_ms <= TOKEN_LIFETIME_MAX_MS ? ORDERSCHED_OK
                                                 : refuse(op, "overlap", "must be at most 3660d");
}

int principal_decode_caller(struct cursor *c, struct operation *op)
{
    uint64_t kind = cursor_uint(c);

    op->secret = cursor_bytes(c);
    op->kind = (uint32_t)kind;
    switch (kind) {
        case CALLER_NOBODY:
        case CALLER_OWNER: return op->secret.len == 0 ? ORDERSCHED_OK : ORDERSCHED_INVALID;
        case CALLER_TOKEN:
            return op->secret.len == TOKEN_HASH_SIZE ? ORDERSCHED_OK : ORDERSCHED_INVALID;
        case CALLER_CERTIFICATE:
            return grant_name_is_good(op->secret) ? ORDERSCHED_OK : ORDERSCHED_INVALID;
        default: return ORDERSCHED_INVALID;
    }
}

int principal_decode_caller_from(struct cursor *c, struct operation *op)
{
    int rv = principal_decode_caller(c, op);

    op->address = cursor_bytes(c);
    return rv == ORDERSCHED_OK && op->address.len > AUDIT_FROM_MAX ? ORDERSCHED_INVALID : rv;
}

int principal_decode_used(struct cursor *c, struct operation *op)
{
    op->secret = cursor_bytes(c);
    op->address = cursor_bytes(c);
    return cursor_ok(c) && op->secret.len == TOKEN_HASH_SIZE && op->address.len <= CALLER_FROM_MAX
               ? ORDERSCHED_OK
               : ORDERSCHED_INVALID;
}

void principal_encode_caller(struct buffer *b, const struct operation *op)
{
    write_uint(b, op->kind);
    write_bin(b, op->secret.data, op->secret.len);
    if (op->address.data != NULL) {
        write_str(b, op->address.data, op->address.len);
    }
}

static int read_after(struct cursor *c, struct operation *op)
{
    op->id = cursor_bytes(c);
    return op->id.len <= GRANT_NAME_MAX ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

static int read_change(struct cursor *c, struct operation *op)
{
    int rv = op->code == OPERATION_AUTHORIZE ? ORDERSCHED_OK : read_name(c, op);

    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    switch (op->code) {
        case OPERATION_GRANT_PUT:
            rv = read_kind(c, op);
            return rv == ORDERSCHED_OK ? read_grants(c, op) : rv;
        case OPERATION_TOKEN_CREATE:
            rv = read_token(c, op);
            return rv == ORDERSCHED_OK ? read_grants(c, op) : rv;
        case OPERATION_TOKEN_ROTATE:
            rv = read_token(c, op);
            return rv == ORDERSCHED_OK ? read_overlap(c, op) : rv;
        case OPERATION_AUTHORIZE: op->on = cursor_bool(c); return ORDERSCHED_OK;
        default: return ORDERSCHED_OK; /* revoke */
    }
}

int principal_decode(struct cursor *c, struct operation *op)
{
    struct slice id;

    if (op->code == OPERATION_CALLER) {
        return principal_decode_caller(c, op);
    }
    if (op->code == OPERATION_GRANT_LIST) {
        return read_after(c, op);
    }
    id = cursor_bytes(c);
    if (!cursor_ok(c) || id.len != ORDERSCHED_REQUEST_ID_SIZE) {
        return ORDERSCHED_INVALID;
    }
    op->request_id = id.data;
    op->keyed = request_id_is_keyed(id.data);
    return read_change(c, op);
}

static void write_grants(struct buffer *b, const struct operation *op)
{
    write_array(b, op->n_tokens);
    buffer_append(b, op->tokens.data, op->tokens.len);
}

static void write_token(struct buffer *b, const struct operation *op)
{
    write_bin(b, op->secret.data, op->secret.len);
    write_uint(b, op->time_ms);
}

void principal_encode(struct buffer *b, const struct operation *op)
{
    if (op->code == OPERATION_CALLER) {
        principal_encode_caller(b, op);
        return;
    }
    if (op->code == OPERATION_TOKEN_USED) {
        write_bin(b, op->secret.data, op->secret.len);
        write_str(b, op->address.data, op->address.len);
        return;
    }
    if (op->code == OPERATION_AUTHORIZE) {
        write_uint(b, op->on ? 1 : 0);
        return;
    }
    write_str(b, op->id.data, op->id.len);
    switch (op->code) {
        case OPERATION_GRANT_PUT:
            write_uint(b, op->kind);
            write_grants(b, op);
            break;
        case OPERATION_TOKEN_CREATE:
            write_token(b, op);
            write_grants(b, op);
            break;
        case OPERATION_TOKEN_ROTATE:
            write_token(b, op);
            write_uint(b, op->delay_ms);
            break;
        default: break; /* list, revoke */
    }
}

struct caller caller_of(const struct operation *op)
{
    return (struct caller){(enum caller_kind)op->kind, op->secret, op->address};
}
