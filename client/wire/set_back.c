/* set_back.c - see set_back.h. */
#include "set_back.h"

#include "cursor.h"
#include "principal.h"

int set_back_decode(struct cursor *c, struct operation *op)
{
    op->time_ms = cursor_uint(c);
    op->since_ms = cursor_uint(c);
    op->n_tokens = cursor_array(c);
    const uint8_t *begin = c->at;
    for (uint32_t i = 0; i < op->n_tokens && cursor_ok(c); i++) {
        (void)cursor_uint(c);
    }
    op->tokens = (struct slice){begin, (size_t)(c->at - begin)};
    return op->n_tokens % 2 == 0 ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

int set_back_decode_from(struct cursor *c, struct operation *op)
{
    int rv = set_back_decode(c, op);
    return rv != ORDERSCHED_OK ? rv : principal_decode_caller_from(c, op);
}

void set_back_encode(struct buffer *b, const struct operation *op)
{
    write_uint(b, op->time_ms);
    write_uint(b, op->since_ms);
    write_array(b, op->n_tokens);
    buffer_append(b, op->tokens.data, op->tokens.len);
    if (op->address.data != NULL) {
        principal_encode_caller(b, op);
    }
}
