/* protocol.c - requests, answers and their envelopes; operations are in operation.c. */
#include "protocol.h"

#include <string.h>

#include "cursor.h"
#include "grant.h"

bool identity_is_known(const uint8_t identity[PROTOCOL_IDENTITY_SIZE])
{
    static const uint8_t none[PROTOCOL_IDENTITY_SIZE];

    return memcmp(identity, none, sizeof none) != 0;
}

/* [kind, name, from]: who is vouched for. */
static bool take_for(struct cursor *c, struct request *request)
{
    uint32_t n = cursor_array(c);
    uint64_t kind = cursor_uint(c);

    request->for_name = cursor_bytes(c);
    request->for_from = cursor_bytes(c);
    request->for_kind = (uint32_t)kind;
    switch (kind) {
        case CALLER_NOBODY: break;
        case CALLER_TOKEN: break; /* whatever it is: one that is not known is DENIED */
        case CALLER_CERTIFICATE:
            if (!grant_name_is_good(request->for_name)) {
                return false;
            }
            break;
        default: return false;
    }
    return cursor_ok(c) && n == 3 && (kind != CALLER_NOBODY || request->for_name.len == 0) &&
           request->for_from.len <= PROTOCOL_FROM_MAX;
}

/* It stands behind the operations, and is all that does. */
static int take_caller(struct cursor c, struct request *request)
{
    const uint8_t *begin = c.at;
    bool good = true;

    for (uint32_t i = 0; i < request->n_operations; i++) {
        (void)cursor_skip(&c);
    }
    request->operations = (struct slice){begin, (size_t)(c.at - begin)};
    if ((request->flags & PROTOCOL_FOR) != 0) {
        good = take_for(&c, request);
    } else {
        request->token = cursor_bytes(&c);
    }
    return good && cursor_ok(&c) && c.at == c.end ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

int request_decode(const uint8_t *data, size_t len, struct request *request)
{
    struct cursor c;

    if (len > PROTOCOL_MESSAGE_MAX) {
        return ORDERSCHED_INVALID;
    }
    cursor_init(&c, data, len);
    uint32_t n = cursor_array(&c);
    uint64_t version = cursor_uint(&c);
    if (!cursor_ok(&c) || n < 1) {
        return ORDERSCHED_INVALID;
    }
    if (version != PROTOCOL_VERSION) {
        return ORDERSCHED_UNSUPPORTED_VERSION;
    }
    request->cluster = cursor_bytes(&c);
    uint64_t flags = cursor_uint(&c);
    request->n_operations = cursor_array(&c);
    const uint64_t callers = PROTOCOL_TOKEN | PROTOCOL_FOR; /* not both of them */
    if (!cursor_ok(&c) || n != ((flags & callers) != 0 ? 5 : 4) || (flags & callers) == callers ||
        request->cluster.len > PROTOCOL_CLUSTER_MAX || flags > UINT32_MAX) {
        return ORDERSCHED_INVALID;
    }
    if (request->n_operations > PROTOCOL_OPERATIONS_MAX) {
        return ORDERSCHED_TOO_MANY_OPERATIONS;
    }
    request->flags = (uint32_t)flags;
    request->operations = (struct slice){c.at, (size_t)(c.end - c.at)};
    request->token = request->for_name = request->for_from = (struct slice){NULL, 0};
    request->for_kind = CALLER_NOBODY;
    return (flags & callers) != 0 ? take_caller(c, request) : ORDERSCHED_OK;
}

void request_encode_head(struct buffer *b, const char *cluster, uint32_t flags,
                         uint32_t n_operations)
{
    write_array(b, (flags & (PROTOCOL_TOKEN | PROTOCOL_FOR)) != 0 ? 5 : 4);
    write_uint(b, PROTOCOL_VERSION);
    write_str(b, cluster, strlen(cluster));
    write_uint(b, flags);
    write_array(b, n_operations);
}

void request_encode_token(struct buffer *b, const char *token)
{
    write_str(b, token, strlen(token));
}

void request_encode_for(struct buffer *b, uint32_t kind, const char *name, const char *from)
{
    write_array(b, 3);
    write_uint(b, kind);
    write_str(b, name, strlen(name));
    write_str(b, from, strlen(from));
}

void result_encode_head(struct buffer *b, const struct result *result)
{
    write_array(b, 6);
    write_uint(b, (uint64_t)result->error);
    write_uint(b, (uint64_t)result->state);
    write_uint(b, result->deadline_ms);
    write_uint(b, result->remaining_ms);
    write_uint(b, result->index);
}

void result_encode(struct buffer *b, const struct result *result)
{
    result_encode_head(b, result);
    if (result->body.len == 0) {
        write_nil(b);
    } else {
        buffer_append(b, result->body.data, result->body.len);
    }
}

int result_decode(const uint8_t *data, size_t len, struct result *result, size_t *used)
{
    struct cursor c;

    cursor_init(&c, data, len);
    uint32_t n = cursor_array(&c);
    uint64_t error = cursor_uint(&c);
    uint64_t state = cursor_uint(&c);
    result->deadline_ms = cursor_uint(&c);
    result->remaining_ms = cursor_uint(&c);
    result->index = cursor_uint(&c);
    if (cursor_nil(&c)) {
        result->body = (struct slice){NULL, 0};
    } else {
        result->body = cursor_skip(&c);
    }
    if (!cursor_ok(&c) || n != 6 || error > INT32_MAX || state > INT32_MAX) {
        return ORDERSCHED_INVALID;
    }
    result->error = (int)error;
    result->state = (int)state;
    *used = (size_t)(c.at - data);
    return ORDERSCHED_OK;
}

void answer_encode_head(struct buffer *b, const struct answer *answer)
{
    write_array(b, answer->identified ? 11 : 10);
    write_uint(b, PROTOCOL_VERSION);
    write_uint(b, (uint64_t)answer->error);
    write_uint(b, answer->node_id);
    write_uint(b, answer->leader_id);
    write_str(b, answer->leader_address.data, answer->leader_address.len);
    write_uint(b, answer->term);
    write_uint(b, answer->now_ms);
    write_uint(b, answer->applied);
    write_array(b, answer->n_results);
}

void answer_encode_tail(struct buffer *b, const struct answer *answer)
{
    write_str(b, answer->text.data, answer->text.len);
    if (answer->identified) {
        write_bin(b, answer->identity.data, answer->identity.len);
    }
}

void answer_encode(struct buffer *b, const struct answer *answer)
{
    answer_encode_head(b, answer);
    buffer_append(b, answer->results.data, answer->results.len);
    answer_encode_tail(b, answer);
}

/* All of it, or none of it. */
static bool identity_is_good(struct slice identity)
{
    return identity.len == 0 || identity.len == PROTOCOL_IDENTITY_SIZE;
}

int answer_decode(const uint8_t *data, size_t len, struct answer *answer)
{
    struct cursor c;

    cursor_init(&c, data, len);
    uint32_t n = cursor_array(&c);
    uint64_t version = cursor_uint(&c);
    if (!cursor_ok(&c) || n < 1) {
        return ORDERSCHED_INVALID;
    }
    if (version != PROTOCOL_VERSION) {
        return ORDERSCHED_UNSUPPORTED_VERSION;
    }
    uint64_t error = cursor_uint(&c);
    answer->node_id = cursor_uint(&c);
    answer->leader_id = cursor_uint(&c);
    answer->leader_address = cursor_bytes(&c);
    answer->term = cursor_uint(&c);
    answer->now_ms = cursor_uint(&c);
    answer->applied = cursor_uint(&c);
    answer->n_results = cursor_array(&c);
    answer->results.data = c.at;
    for (uint32_t i = 0; i < answer->n_results && cursor_ok(&c); i++) {
        (void)cursor_skip(&c);
    }
    answer->results.len = cursor_ok(&c) ? (size_t)(c.at - answer->results.data) : 0;
    answer->text = cursor_bytes(&c);
    answer->identified = n == 11;
    answer->identity = answer->identified ? cursor_bytes(&c) : (struct slice){NULL, 0};
    if (!cursor_ok(&c) || (n != 10 && n != 11) || !identity_is_good(answer->identity) ||
        error > INT32_MAX || c.at != c.end || answer->leader_address.len >= PROTOCOL_ADDRESS_MAX) {
        return ORDERSCHED_INVALID;
    }
    answer->error = (int)error;
    return ORDERSCHED_OK;
}
