/* inbound.c - see inbound.h. */
#include "inbound.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/callback/route_keys.h"
#include "../../client/wire/audit.h"
#include "../../client/wire/cursor.h"
#include "../../client/wire/token.h"
#include "request_watch.h"

static_assert(ORDERSCHED_ARGUMENT <= UINT8_MAX, "inbound_item.error is one byte");
static_assert(INBOUND_FROM_MAX <= AUDIT_FROM_MAX, "the log takes any address");
static_assert(PROTOCOL_MESSAGE_MAX < 1 << 24, "inbound_item.len is 24 bits");

#define MSGPACK_ARRAY_16 0xdc
#define MSGPACK_ARRAY_32 0xdd

static bool operation_from_outside(enum operation_code code)
{
    return code < OPERATION_EPOCH;
}

/* Carried out beside the log. The list of members is a read like any other. */
static bool operation_administers(enum operation_code code)
{
    return code > OPERATION_MEMBER_LIST && code < OPERATION_EPOCH;
}

/* Check the operation at *c and fill its item. False: not even its end can be found. */
static bool inbound_check_item(struct inbound *in, struct cursor *c, struct inbound_item *item)
{
    struct operation op;
    size_t left = (size_t)(c->end - c->at);

    item->offset = (uint32_t)(c->at - in->message);
    int error = operation_decode(c->at, left, &op);
    struct slice bytes = cursor_skip(c);
    if (!cursor_ok(c)) {
        return false;
    }
    item->len = bytes.len & 0xffffff;
    if (error == ORDERSCHED_OK && op.bytes.len != bytes.len) {
        error = ORDERSCHED_INVALID;
    }
    if (error == ORDERSCHED_OK && !operation_from_outside(op.code)) {
        error = ORDERSCHED_UNKNOWN_OPERATION;
    }
    in->secret = in->secret || op.code == OPERATION_ROUTE_PUT || op.code == OPERATION_ROUTE_SET ||
                 op.code == OPERATION_ROUTE_ROTATE;
    if (error == ORDERSCHED_OK) {
        item->keys_flaw = (uint8_t)operation_keys_flaw(&op);
        error = item->keys_flaw != ROUTE_KEYS_FIT ? ORDERSCHED_INVALID : ORDERSCHED_OK;
    }
    item->error = (uint8_t)error;
    if (error != ORDERSCHED_OK) {
        return true;
    }
    item->code = (uint8_t)op.code;
    if (operation_is_logged(op.code)) {
        in->n_logged++;
        in->logged_bytes += item->len;
        in->is_administrative = in->is_administrative || audit_covers(op.code);
        item->target = request_watch_target(&op);
        /* It is behind two heads and the code, in whichever forms these came. */
        assert((size_t)(op.request_id - op.bytes.data) <= UINT8_MAX);
        item->request_id_at = (uint8_t)(op.request_id - op.bytes.data);
        in->keyed = in->keyed || op.keyed;
        if (op.traceparent.len > 0) { /* whatever is behind the payload */
            const uint8_t *at = op.payload.data + op.payload.len;
            item->traceparent = (uint32_t)(op.bytes.data + op.bytes.len - at) & 0x7f;
        }
    }
    in->administers = in->administers || operation_administers(op.code);
    return true;
}

static int inbound_check_items(struct inbound *in, const struct request *request, char *text,
                               size_t text_len)
{
    struct cursor c;

    cursor_init(&c, request->operations.data, request->operations.len);
    for (uint32_t i = 0; i < in->n_items; i++) {
        if (!inbound_check_item(in, &c, &in->items[i])) {
            snprintf(text, text_len, "operation %u of the message is truncated or malformed", i);
            return ORDERSCHED_INVALID;
        }
    }
    if (c.at != c.end) {
        snprintf(text, text_len, "%zu bytes follow the last operation", (size_t)(c.end - c.at));
        return ORDERSCHED_INVALID;
    }
    if (in->administers && in->n_items != 1) {
        snprintf(text, text_len,
                 "an operation that the leader carries out beside the log must be alone in its "
                 "message");
        return ORDERSCHED_INVALID;
    }
    if ((in->flags & PROTOCOL_LOCAL) != 0 && (in->n_logged > 0 || in->administers)) {
        snprintf(text, text_len, "a local request can only read");
        return ORDERSCHED_INVALID;
    }
    return ORDERSCHED_OK;
}

/* The token itself goes no further than this. */
static void take_token(struct inbound *in, struct slice token)
{
    token_hash(token, in->token_hash);
    in->caller.kind = CALLER_TOKEN;
    in->caller.who = (struct slice){in->token_hash, sizeof in->token_hash};
}

/* Who asks, where the message says it. */
static void take_caller(struct inbound *in, const struct request *request)
{
    if ((request->flags & PROTOCOL_TOKEN) != 0) {
        take_token(in, request->token);
    }
    if ((request->flags & PROTOCOL_FOR) == 0) {
        return;
    }
    in->caller = (struct caller){.kind = (enum caller_kind)request->for_kind,
                                 .who = request->for_name, /* in the message, which stays */
                                 .from = request->for_from};
    if (request->for_kind == CALLER_TOKEN) {
        take_token(in, request->for_name);
    }
}

int inbound_check(struct inbound *in, const char *cluster, char *text, size_t text_len)
{
    struct request request;

    text[0] = '\0';
    in->items = NULL;
    in->n_items = in->n_logged = 0;
    in->logged_bytes = 0;
    in->administers = in->is_administrative = in->secret = in->keyed = false;
    int error = request_decode(in->message, in->message_len, &request);
    if (error != ORDERSCHED_OK) {
        snprintf(text, text_len, "%s", ordersched_error_text(error));
        return error;
    }
    if (request.cluster.len != strlen(cluster) ||
        memcmp(request.cluster.data, cluster, request.cluster.len) != 0) {
        snprintf(text, text_len, "this node belongs to cluster \"%s\"", cluster);
        return ORDERSCHED_WRONG_CLUSTER;
    }
    if ((request.flags & ~PROTOCOL_FLAGS) != 0) {
        snprintf(text, text_len, "flag %#x is not known to this node",
                 request.flags & ~PROTOCOL_FLAGS);
        return ORDERSCHED_INVALID;
    }
    if ((request.flags & PROTOCOL_FOR) != 0 && !in->vouched) {
        snprintf(text, text_len, "only a node of the cluster may say for whom it asks");
        return ORDERSCHED_DENIED;
    }
    in->flags = request.flags;
    take_caller(in, &request);
    in->n_items = request.n_operations;
    if (in->n_items > 0) {
        in->items = calloc(in->n_items, sizeof *in->items);
        if (in->items == NULL) {
            in->n_items = 0;
            return ORDERSCHED_BUSY;
        }
    }
    error = inbound_check_items(in, &request, text, text_len);
    if (error != ORDERSCHED_OK) {
        inbound_release(in);
    }
    return error;
}

void inbound_release(struct inbound *in)
{
    free(in->items);
    in->items = NULL;
    in->n_items = 0;
}

bool inbound_is_gone(const struct inbound *in)
{
    return in->gone != NULL && atomic_load_explicit(in->gone, memory_order_relaxed);
}

/* Its bytes in the log. */
static uint32_t logged_len(const struct inbound_item *item)
{
    return item->len - (item->bare ? item->traceparent : 0);
}

void inbound_strip(struct inbound *in, uint32_t item)
{
    struct inbound_item *it = &in->items[item];

    assert(item < in->n_items && it->error == ORDERSCHED_OK && !it->bare);
    it->bare = it->traceparent > 0;
    in->logged_bytes -= it->bare ? it->traceparent : 0;
}

uint8_t *inbound_write(const struct inbound *in, const struct inbound_item *item, uint8_t *out)
{
    const uint8_t *bytes = in->message + item->offset;
    uint32_t len = logged_len(item);

    memcpy(out, bytes, len);
    if (item->bare) {
        /* One element less. The number is the first byte, the first two's or the first four's behind a tag. */
        out[bytes[0] == MSGPACK_ARRAY_16 ? 2 : bytes[0] == MSGPACK_ARRAY_32 ? 4 : 0]--;
    }
    return out + len;
}

void inbound_refuse(struct inbound *in, uint32_t item, int error)
{
    struct inbound_item *it = &in->items[item];

    assert(item < in->n_items && error != ORDERSCHED_OK);
    if (it->error == ORDERSCHED_OK && operation_is_logged(it->code)) {
        assert(in->n_logged > 0 && in->logged_bytes >= logged_len(it));
        in->n_logged--;
        in->logged_bytes -= logged_len(it);
    }
    it->error = (uint8_t)error;
    in->administers = in->administers && it->code < OPERATION_MEMBER_ADD;
}
