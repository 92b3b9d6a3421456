/* fuzz_operation.c - one operation, as it comes in a message or stands in the log.
 *
 * What was decoded is encoded to bytes that are decoded to the same again. */
#include <assert.h>
#include <string.h>

#include "../../client/wire/cursor.h"
#include "../../client/wire/route_check.h"
#include "../../client/wire/work.h"
#include "input.h"

static void read_tokens(const struct operation *op)
{
    struct cursor c;

    cursor_init(&c, op->tokens.data, op->tokens.len);
    for (uint32_t i = 0; i < op->n_tokens; i++) {
        if (op->code == OPERATION_LEASE) {
            assert(work_read_token(&c).len == ORDERSCHED_TOKEN_SIZE);
        } else if (op->code == OPERATION_SETTLE) {
            struct work_report report;
            work_read_report(&c, &report);
            assert(report.token.len == ORDERSCHED_TOKEN_SIZE);
        }
    }
    assert(cursor_ok(&c));
}

static void encode_again(const struct operation *op, struct buffer *out)
{
    struct operation again;

    operation_encode(out, op);
    assert(!out->failed);
    int error = operation_decode(out->data, out->len, &again);
    assert(error == ORDERSCHED_OK && again.code == op->code && again.bytes.len == out->len);
    struct buffer twice = {0};
    operation_encode(&twice, &again);
    assert(twice.len == out->len && memcmp(twice.data, out->data, out->len) == 0);
    buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct operation op;
    struct buffer out = {0};

    if (operation_decode(data, size, &op) == ORDERSCHED_OK) {
        assert(op.bytes.len > 0 && op.bytes.len <= size && op.bytes.data == data);
        struct operation alone;
        int error = operation_decode(data, op.bytes.len, &alone);
        assert(error == ORDERSCHED_OK); /* no byte behind it counts */
        if (op.code == OPERATION_LEASE || op.code == OPERATION_SETTLE) {
            read_tokens(&op);
        }
        encode_again(&op, &out);
        (void)operation_check_settings(&op);
    }
    buffer_free(&out);
    return 0;
}
