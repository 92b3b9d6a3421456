/* list.c - see list.h. */
#include "list.h"

static bool has_state(const struct operation *op)
{
    return op->code != OPERATION_DEAD_LIST;
}

static bool has_filters(const struct operation *op)
{
    return op->code == OPERATION_FILTERED_LIST;
}

int list_decode(struct cursor *c, struct operation *op)
{
    uint64_t state = has_state(op) ? cursor_uint(c) : 0;

    op->route = cursor_bytes(c);
    if (has_filters(op)) {
        op->id = cursor_bytes(c);
        op->time_ms = cursor_uint(c);
        op->since_ms = cursor_uint(c);
    }
    uint64_t limit = cursor_uint(c);
    op->cursor = cursor_bytes(c);
    if (!cursor_ok(c) || state > ORDERSCHED_DEAD || limit > UINT32_MAX ||
        op->route.len > ORDERSCHED_ROUTE_NAME_MAX || op->id.len > ORDERSCHED_ID_MAX ||
        op->cursor.len > PROTOCOL_CURSOR_MAX) {
        return ORDERSCHED_INVALID;
    }
    op->state = (uint32_t)state;
    op->limit = (uint32_t)limit;
    return ORDERSCHED_OK;
}

void list_encode(struct buffer *b, const struct operation *op)
{
    if (has_state(op)) {
        write_uint(b, op->state);
    }
    write_str(b, op->route.data, op->route.len);
    if (has_filters(op)) {
        write_bin(b, op->id.data, op->id.len);
        write_uint(b, op->time_ms);
        write_uint(b, op->since_ms);
    }
    write_uint(b, op->limit);
    write_bin(b, op->cursor.data, op->cursor.len);
}

/* [id, deadline_ms, route, attempts, died_ms, reason] */
bool list_read_letter(struct cursor *c, struct dead_letter *letter)
{
    uint32_t fields = cursor_array(c);

    letter->id = cursor_bytes(c);
    letter->deadline_ms = cursor_uint(c);
    letter->route = cursor_bytes(c);
    letter->attempts = cursor_uint(c);
    letter->died_ms = cursor_uint(c);
    letter->reason = cursor_bytes(c);
    return cursor_ok(c) && fields == 6 && letter->id.len > 0;
}
