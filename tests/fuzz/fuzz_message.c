/* fuzz_message.c - a client's whole message, as the server for clients checks it before it reaches the
 * raft loop: what passes can be walked through as the batcher does. */
#include <assert.h>
#include <string.h>

#include "../../node/commit/inbound.h"
#include "input.h"

#define CLUSTER "c"

/* The items lie one behind the other, to the end of the operations. */
static void check_items(const struct inbound *in)
{
    struct request request;
    int decoded = request_decode(in->message, in->message_len, &request);
    const uint8_t *end = request.operations.data;

    uint32_t n_logged = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < in->n_items; i++) {
        const struct inbound_item *item = &in->items[i];
        struct operation op;
        assert(item->len > 0 && item->offset + (size_t)item->len <= in->message_len);
        assert(in->message + item->offset == end);
        end += item->len;
        if (item->error != ORDERSCHED_OK) {
            continue;
        }
        int error = operation_decode(in->message + item->offset, item->len, &op);
        assert(error == ORDERSCHED_OK && op.bytes.len == item->len && op.code == item->code);
        assert(op.code < OPERATION_EPOCH);
        if (operation_is_logged(op.code)) {
            n_logged++;
            bytes += item->len;
            assert(op.request_id == in->message + item->offset + item->request_id_at);
        }
    }
    assert(decoded == ORDERSCHED_OK && end == request.operations.data + request.operations.len);
    assert(n_logged == in->n_logged && bytes == in->logged_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inbound in = {.message = data, .message_len = size};
    char text[128];

    int error = inbound_check(&in, CLUSTER, text, sizeof text);
    if (error != ORDERSCHED_OK) {
        assert(in.items == NULL && text[0] != '\0' && memchr(text, 0, sizeof text) != NULL);
        return 0;
    }
    check_items(&in);
    for (uint32_t i = 0; i < in.n_items; i++) {
        inbound_refuse(&in, i, ORDERSCHED_BUSY);
    }
    assert(in.n_logged == 0 && in.logged_bytes == 0);
    inbound_release(&in);
    return 0;
}
