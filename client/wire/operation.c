/* operation.c - one operation: its bytes, its fields, its limits. */
#include <string.h>

#include "audit.h"
#include "cursor.h"
#include "list.h"
#include "principal.h"
#include "protocol.h"
#include "route_secrets.h"
#include "set_back.h"
#include "traceparent.h"
#include "work.h"

static int decode_request_id(struct cursor *c, struct operation *op)
{
    struct slice s = cursor_bytes(c);

    if (!cursor_ok(c) || s.len != ORDERSCHED_REQUEST_ID_SIZE) {
        return ORDERSCHED_INVALID;
    }
    op->request_id = s.data;
    op->keyed = request_id_is_keyed(s.data);
    return ORDERSCHED_OK;
}

static int decode_order_id(struct cursor *c, struct operation *op)
{
    op->id = cursor_bytes(c);
    if (!cursor_ok(c)) {
        return ORDERSCHED_INVALID;
    }
    return op->id.len == 0 || op->id.len > ORDERSCHED_ID_MAX ? ORDERSCHED_BAD_ID : ORDERSCHED_OK;
}

/* Route names go into log lines, URLs of dashboards and shell scripts: printable, no spaces. */
static const bool in_route_names[UINT8_MAX + 1] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
    ['-'] = true,         ['_'] = true,         ['.'] = true,
};

static int decode_route_name(struct cursor *c, struct slice *name)
{
    *name = cursor_bytes(c);
    if (!cursor_ok(c) || name->len == 0 || name->len > ORDERSCHED_ROUTE_NAME_MAX) {
        return ORDERSCHED_INVALID;
    }
    for (size_t i = 0; i < name->len; i++) {
        if (!in_route_names[name->data[i]]) {
            return ORDERSCHED_INVALID;
        }
    }
    return ORDERSCHED_OK;
}

static int decode_u32(struct cursor *c, uint32_t *out)
{
    uint64_t v = cursor_uint(c);

    if (!cursor_ok(c) || v > UINT32_MAX) {
        return ORDERSCHED_INVALID;
    }
    *out = (uint32_t)v;
    return ORDERSCHED_OK;
}

static int decode_schedule(struct cursor *c, struct operation *op)
{
    int rv = decode_request_id(c, op);
    rv = rv == ORDERSCHED_OK ? decode_order_id(c, op) : rv;
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    op->relative = cursor_bool(c);
    op->time_ms = cursor_uint(c);
    rv = decode_route_name(c, &op->route);
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    op->payload = cursor_bytes(c);
    if (!cursor_ok(c)) {
        return ORDERSCHED_INVALID;
    }
    return op->payload.len > ORDERSCHED_PAYLOAD_MAX ? ORDERSCHED_PAYLOAD_TOO_LARGE : ORDERSCHED_OK;
}

static int decode_schedule_traced(struct cursor *c, struct operation *op)
{
    int rv = decode_schedule(c, op);

    op->traceparent = cursor_bytes(c);
    if (rv != ORDERSCHED_OK || !cursor_ok(c)) {
        return rv != ORDERSCHED_OK ? rv : ORDERSCHED_INVALID;
    }
    return traceparent_is_good(op->traceparent) ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

static int decode_order(struct cursor *c, struct operation *op)
{
    int rv = decode_request_id(c, op);

    return rv != ORDERSCHED_OK ? rv : decode_order_id(c, op);
}

static int decode_extend(struct cursor *c, struct operation *op)
{
    int rv = decode_order(c, op);

    op->relative = cursor_bool(c);
    op->time_ms = cursor_uint(c);
    return rv;
}

static int decode_extend_version(struct cursor *c, struct operation *op)
{
    int rv = decode_extend(c, op);

    if (rv == ORDERSCHED_OK) {
        rv = decode_u32(c, &op->version);
    }
    return rv == ORDERSCHED_OK && op->version == 0 ? ORDERSCHED_INVALID : rv;
}

static int refuse_secret(struct operation *op)
{
    static const char key[] = "secrets";

    op->problem.key = (struct slice){(const uint8_t *)key, sizeof key - 1};
    op->problem.why = "must be whsec_ and the base64 of 24 to 64 bytes";
    return ORDERSCHED_INVALID;
}

static int decode_route_put(struct cursor *c, struct operation *op)
{
    size_t used;

    int rv = decode_request_id(c, op);
    if (rv == ORDERSCHED_OK) {
        rv = decode_route_name(c, &op->id);
    }
    if (rv == ORDERSCHED_OK) {
        rv = route_settings_decode(c->at, (size_t)(c->end - c->at), &op->settings, &used,
                                   &op->problem);
    }
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    c->at += used;
    for (uint32_t i = 0; i < op->settings.n_secrets; i++) {
        if (!route_secret_is_good(op->settings.secrets[i])) {
            return refuse_secret(op);
        }
    }
    return ORDERSCHED_OK;
}

/* Came when all of this was asked: no log holds another. */
static int decode_route_set(struct cursor *c, struct operation *op)
{
    size_t used;

    int rv = decode_request_id(c, op);
    if (rv == ORDERSCHED_OK) {
        rv = decode_route_name(c, &op->id);
    }
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    memset(&op->settings, 0, sizeof op->settings);
    rv = route_settings_change(c->at, (size_t)(c->end - c->at), &op->settings, &used, &op->problem);
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    op->changes = (struct slice){c->at, used};
    c->at += used;
    for (uint32_t i = 0; i < op->settings.n_secrets; i++) {
        if (!route_secret_is_good(op->settings.secrets[i])) {
            return refuse_secret(op);
        }
    }
    return ORDERSCHED_OK;
}

/* A put as it was before the settings were a map. */
static int decode_route_put_old(struct cursor *c, struct operation *op)
{
    size_t used;

    int rv = decode_request_id(c, op);
    if (rv == ORDERSCHED_OK) {
        rv = decode_route_name(c, &op->id);
    }
    if (rv == ORDERSCHED_OK) {
        rv = route_settings_decode_old(c->at, (size_t)(c->end - c->at), &op->settings, &used);
    }
    if (rv == ORDERSCHED_OK) {
        c->at += used;
    }
    return rv;
}

static int decode_route_pause(struct cursor *c, struct operation *op)
{
    int rv = decode_request_id(c, op);

    if (rv == ORDERSCHED_OK) {
        rv = decode_route_name(c, &op->id);
    }
    op->paused = cursor_bool(c);
    return rv;
}

static int decode_route_rotate(struct cursor *c, struct operation *op)
{
    int rv = decode_request_id(c, op);

    if (rv == ORDERSCHED_OK) {
        rv = decode_route_name(c, &op->id);
    }
    op->secret = cursor_bytes(c);
    if (rv == ORDERSCHED_OK) {
        rv = decode_u32(c, &op->keep);
    }
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    if (!route_secret_is_good(op->secret) && !route_signing_key_is_good(op->secret) &&
        !route_public_key_is_good(op->secret)) {
        (void)refuse_secret(op);
        op->problem.why = "must be whsec_ and the base64 of 24 to 64 bytes, whsk_ and that of an "
                          "ed25519 key pair, or whpk_ and that of a public key";
        return ORDERSCHED_INVALID;
    }
    return op->keep < PROTOCOL_SECRETS_MAX ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

static int decode_route_delete(struct cursor *c, struct operation *op)
{
    int rv = decode_request_id(c, op);

    return rv != ORDERSCHED_OK ? rv : decode_route_name(c, &op->id);
}

static int decode_member_add(struct cursor *c, struct operation *op)
{
    op->node_id = cursor_uint(c);
    op->address = cursor_bytes(c);
    return op->node_id == 0 || op->address.len == 0 || op->address.len >= PROTOCOL_ADDRESS_MAX
               ? ORDERSCHED_INVALID
               : ORDERSCHED_OK;
}

static int decode_epoch(struct cursor *c, struct operation *op)
{
    op->seed = cursor_uint(c);
    op->retention_ms = cursor_uint(c);
    op->identity = cursor_bytes(c);
    op->secret = cursor_bytes(c);
    return (op->identity.len == 0 || op->identity.len == PROTOCOL_IDENTITY_SIZE) &&
                   (op->secret.len == 0 || op->secret.len == PROTOCOL_CLUSTER_SECRET_SIZE)
               ? ORDERSCHED_OK
               : ORDERSCHED_INVALID;
}

/* An epoch as it was before clusters had an identity and a secret. */
static int decode_epoch_old(struct cursor *c, struct operation *op)
{
    op->seed = cursor_uint(c);
    op->retention_ms = cursor_uint(c);
    return ORDERSCHED_OK;
}

static int decode_outcome(struct cursor *c, struct operation *op)
{
    int rv = decode_order_id(c, op);

    op->epoch = cursor_uint(c);
    if (rv == ORDERSCHED_OK) {
        rv = decode_u32(c, &op->version);
    }
    if (rv == ORDERSCHED_OK) {
        rv = decode_u32(c, &op->attempt);
    }
    uint64_t outcome = cursor_uint(c);
    op->delay_ms = cursor_uint(c);
    if (rv == ORDERSCHED_OK) {
        rv = decode_u32(c, &op->jitter_ms);
    }
    if (outcome < OUTCOME_EXPIRED || outcome > OUTCOME_BATCH_FAILED) {
        return ORDERSCHED_INVALID;
    }
    op->outcome = (enum outcome)outcome;
    return rv;
}

static int decode_reserve(struct cursor *c, struct operation *op)
{
    int rv = decode_route_name(c, &op->route);

    return rv != ORDERSCHED_OK ? rv : work_decode_reserve(c, op);
}

static int decode_hurry(struct cursor *c, struct operation *op)
{
    int rv = decode_order_id(c, op);

    op->epoch = cursor_uint(c);
    if (rv == ORDERSCHED_OK) {
        rv = decode_u32(c, &op->version);
    }
    return rv == ORDERSCHED_OK ? decode_u32(c, &op->attempt) : rv;
}

/* An outcome of old logs ends before the reason. */
static int decode_outcome_reason(struct cursor *c, struct operation *op)
{
    int rv = decode_outcome(c, op);

    op->reason = cursor_bytes(c);
    op->node_id = cursor_uint(c);
    return rv == ORDERSCHED_OK && op->reason.len > PROTOCOL_REASON_MAX ? ORDERSCHED_INVALID : rv;
}

/* The shape of each operation: how many elements its array has, and who reads them. The first of
 * a code is the one that is written; others are in old logs, or tell more of who asks. */
struct shape {
    enum operation_code code;
    uint32_t elements;
    int (*decode)(struct cursor *c, struct operation *op); /* NULL: nothing but the code */
};

static int decode_clock_set_back(struct cursor *c, struct operation *op)
{
    op->carry_out = cursor_bool(c);
    return ORDERSCHED_OK;
}

static int decode_canary(struct cursor *c, struct operation *op)
{
    op->time_ms = cursor_uint(c);
    op->on = cursor_bool(c);
    return op->time_ms <= PROTOCOL_TIME_MAX_MS ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

static int decode_node_id(struct cursor *c, struct operation *op)
{
    op->node_id = cursor_uint(c);
    return ORDERSCHED_OK;
}

static int decode_clock_trust(struct cursor *c, struct operation *op)
{
    int rv = decode_request_id(c, op);

    return rv != ORDERSCHED_OK ? rv : decode_node_id(c, op);
}

static const struct shape shapes[] = {
    {OPERATION_SCHEDULE, 7, decode_schedule},
    {OPERATION_SCHEDULE, 8, decode_schedule_traced},
    {OPERATION_PAY, 3, decode_order},
    {OPERATION_CANCEL, 3, decode_order},
    {OPERATION_EXTEND, 5, decode_extend},
    {OPERATION_EXTEND, 6, decode_extend_version},
    {OPERATION_GET, 2, decode_order_id},
    {OPERATION_LIST, 5, list_decode},
    {OPERATION_STATUS, 1, NULL},
    {OPERATION_ROUTE_LIST, 1, NULL},
    {OPERATION_DIGEST, 1, NULL},
    {OPERATION_HISTORY, 2, decode_order_id},
    {OPERATION_DEAD_LIST, 4, list_decode},
    {OPERATION_FILTERED_LIST, 8, list_decode},
    {OPERATION_ROUTE_PUT, 4, decode_route_put},
    {OPERATION_ROUTE_PUT, 8, decode_route_put_old},
    {OPERATION_ROUTE_DELETE, 3, decode_route_delete},
    {OPERATION_ROUTE_PAUSE, 4, decode_route_pause},
    {OPERATION_ROUTE_ROTATE, 5, decode_route_rotate},
    {OPERATION_DEAD_REDRIVE, 3, decode_order},
    {OPERATION_DEAD_DROP, 3, decode_order},
    {OPERATION_ROUTE_SET, 4, decode_route_set},
    {OPERATION_ROUTE_RETRY, 3, decode_route_delete},
    {OPERATION_CLOCK_TRUST, 3, decode_clock_trust},
    {OPERATION_GRANT_LIST, 2, principal_decode},
    {OPERATION_AUDIT_LIST, 6, audit_decode_list},
    {OPERATION_GRANT_PUT, 5, principal_decode},
    {OPERATION_GRANT_REVOKE, 3, principal_decode},
    {OPERATION_TOKEN_CREATE, 6, principal_decode},
    {OPERATION_TOKEN_ROTATE, 6, principal_decode},
    {OPERATION_AUTHORIZE, 3, principal_decode},
    {OPERATION_MEMBER_LIST, 1, NULL},
    {OPERATION_MEMBER_ADD, 3, decode_member_add},
    {OPERATION_MEMBER_REMOVE, 2, decode_node_id},
    {OPERATION_TRANSFER, 2, decode_node_id},
    {OPERATION_RESERVE, 5, decode_reserve},
    {OPERATION_LEASE, 2, work_decode_lease},
    {OPERATION_SETTLE, 2, work_decode_settle},
    {OPERATION_CLOCK_SET_BACK, 2, decode_clock_set_back},
    {OPERATION_EPOCH, 5, decode_epoch},
    {OPERATION_EPOCH, 3, decode_epoch_old},
    {OPERATION_OUTCOME, 10, decode_outcome_reason},
    {OPERATION_OUTCOME, 8, decode_outcome},
    {OPERATION_HURRY, 5, decode_hurry},
    {OPERATION_SET_BACK, 4, set_back_decode},
    {OPERATION_SET_BACK, 7, set_back_decode_from},
    {OPERATION_CALLER, 3, principal_decode},
    {OPERATION_CALLER, 4, principal_decode_caller_from},
    {OPERATION_NOTE, 9, audit_decode_note},
    {OPERATION_TOKEN_USED, 3, principal_decode_used},
    {OPERATION_CANARY, 3, decode_canary},
};

static const struct shape *shape_of(uint64_t code)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (shapes[i].code == code) {
            return &shapes[i];
        }
    }
    return NULL;
}

int operation_decode(const uint8_t *data, size_t len, struct operation *op)
{
    struct cursor c;

    size_t head = offsetof(struct operation, settings); /* these are large, and most have none */
    /* Of a size that is known gcc makes "rep stos", which took longer than all that follows. */
    __asm__("" : "+r"(head));
    memset(op, 0, head);
    cursor_init(&c, data, len);
    uint32_t n = cursor_array(&c);
    uint64_t code = cursor_uint(&c);
    if (!cursor_ok(&c) || n < 1) {
        return ORDERSCHED_INVALID;
    }
    const struct shape *shape = shape_of(code);
    if (shape == NULL) {
        return ORDERSCHED_UNKNOWN_OPERATION;
    }
    op->code = shape->code;
    while (shape->elements != n) {
        shape++;
        if (shape == shapes + sizeof shapes / sizeof *shapes || shape->code != code) {
            return ORDERSCHED_INVALID;
        }
    }
    int rv = shape->decode == NULL ? ORDERSCHED_OK : shape->decode(&c, op);
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    if (!cursor_ok(&c)) {
        return ORDERSCHED_INVALID;
    }
    op->bytes = (struct slice){data, (size_t)(c.at - data)};
    return ORDERSCHED_OK;
}

/* Elements behind those of its first shape. */
static uint32_t more_elements(const struct operation *op)
{
    switch (op->code) {
        case OPERATION_SCHEDULE: return op->traceparent.len > 0;
        case OPERATION_EXTEND: return op->version != 0;
        case OPERATION_CALLER: return op->address.data != NULL ? 1 : 0;
        case OPERATION_SET_BACK: return op->address.data != NULL ? 3 : 0;
        default: return 0;
    }
}

static void encode_head(struct buffer *b, const struct operation *op)
{

    write_array(b, shape_of(op->code)->elements + more_elements(op));
    write_uint(b, op->code);
    if (op->request_id != NULL) {
        write_bin(b, op->request_id, ORDERSCHED_REQUEST_ID_SIZE);
    }
}

static void encode_outcome(struct buffer *b, const struct operation *op)
{
    write_bin(b, op->id.data, op->id.len);
    write_uint(b, op->epoch);
    write_uint(b, op->version);
    write_uint(b, op->attempt);
    write_uint(b, op->outcome);
    write_uint(b, op->delay_ms);
    write_uint(b, op->jitter_ms);
    write_str(b, op->reason.data,
              op->reason.len < PROTOCOL_REASON_MAX ? op->reason.len : PROTOCOL_REASON_MAX);
    write_uint(b, op->node_id);
}

static void encode_when(struct buffer *b, const struct operation *op)
{
    write_uint(b, op->relative ? 1 : 0);
    write_uint(b, op->time_ms);
}

void operation_encode(struct buffer *b, const struct operation *op)
{
    encode_head(b, op);
    switch (op->code) {
        case OPERATION_SCHEDULE:
            write_bin(b, op->id.data, op->id.len);
            encode_when(b, op);
            write_str(b, op->route.data, op->route.len);
            write_bin(b, op->payload.data, op->payload.len);
            if (op->traceparent.len > 0) {
                write_bin(b, op->traceparent.data, op->traceparent.len);
            }
            break;
        case OPERATION_PAY:
        case OPERATION_CANCEL:
        case OPERATION_DEAD_REDRIVE:
        case OPERATION_DEAD_DROP:
        case OPERATION_GET:
        case OPERATION_HISTORY: write_bin(b, op->id.data, op->id.len); break;
        case OPERATION_EXTEND:
            write_bin(b, op->id.data, op->id.len);
            encode_when(b, op);
            if (op->version != 0) {
                write_uint(b, op->version);
            }
            break;
        case OPERATION_LIST:
        case OPERATION_DEAD_LIST:
        case OPERATION_FILTERED_LIST: list_encode(b, op); break;
        case OPERATION_ROUTE_PUT:
            write_str(b, op->id.data, op->id.len);
            route_settings_encode(b, &op->settings);
            break;
        case OPERATION_ROUTE_SET:
            write_str(b, op->id.data, op->id.len);
            buffer_append(b, op->changes.data, op->changes.len);
            break;
        case OPERATION_ROUTE_DELETE:
        case OPERATION_ROUTE_RETRY: write_str(b, op->id.data, op->id.len); break;
        case OPERATION_ROUTE_PAUSE:
            write_str(b, op->id.data, op->id.len);
            write_uint(b, op->paused ? 1 : 0);
            break;
        case OPERATION_ROUTE_ROTATE:
            write_str(b, op->id.data, op->id.len);
            write_str(b, op->secret.data, op->secret.len);
            write_uint(b, op->keep);
            break;
        case OPERATION_MEMBER_ADD:
            write_uint(b, op->node_id);
            write_str(b, op->address.data, op->address.len);
            break;
        case OPERATION_CLOCK_TRUST:
        case OPERATION_MEMBER_REMOVE:
        case OPERATION_TRANSFER: write_uint(b, op->node_id); break;
        case OPERATION_RESERVE:
        case OPERATION_LEASE:
        case OPERATION_SETTLE: work_encode(b, op); break;
        case OPERATION_EPOCH:
            write_uint(b, op->seed);
            write_uint(b, op->retention_ms);
            write_bin(b, op->identity.data, op->identity.len);
            write_bin(b, op->secret.data, op->secret.len);
            break;
        case OPERATION_OUTCOME: encode_outcome(b, op); break;
        case OPERATION_HURRY:
            write_bin(b, op->id.data, op->id.len);
            write_uint(b, op->epoch);
            write_uint(b, op->version);
            write_uint(b, op->attempt);
            break;
        case OPERATION_CLOCK_SET_BACK: write_uint(b, op->carry_out ? 1 : 0); break;
        case OPERATION_SET_BACK: set_back_encode(b, op); break;
        case OPERATION_AUDIT_LIST: audit_encode_list(b, op); break;
        case OPERATION_NOTE: audit_encode_note(b, op); break;
        case OPERATION_CANARY:
            write_uint(b, op->time_ms);
            write_uint(b, op->on ? 1 : 0);
            break;
        case OPERATION_GRANT_LIST:
        case OPERATION_GRANT_PUT:
        case OPERATION_GRANT_REVOKE:
        case OPERATION_TOKEN_CREATE:
        case OPERATION_TOKEN_ROTATE:
        case OPERATION_AUTHORIZE:
        case OPERATION_TOKEN_USED:
        case OPERATION_CALLER: principal_encode(b, op); break;
        case OPERATION_STATUS:
        case OPERATION_ROUTE_LIST:
        case OPERATION_DIGEST:
        case OPERATION_MEMBER_LIST: break;
    }
}
