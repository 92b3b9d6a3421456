/* fuzz_header.c - the head and the body of a receiver's answer, as libcurl hands them over, line by line
 * and piece by piece. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../node/callback/http_transfer.c"
#include "input.h"

static void check(const struct transfer *t)
{
    assert(t->head_len <= HEAD_MAX && t->answer_len <= t->answer_max);
    assert(memchr(t->retry_after, 0, sizeof t->retry_after) != NULL);
    assert(!(t->head_complete && t->head_is_interim));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    struct transfer t = {.answer_max = 1000};
    struct http_stream stream = {.connection = &t};
    uint32_t last;
    bool more = true;

    while (more && input_left(&in) > 0) {
        uint64_t what = input_number(&in, 1) % 3;
        struct slice piece = input_piece(&in);
        char *copy = (char *)input_copy(piece);
        if (piece.len > 0 && what == 0) {
            more = transfer_header_cb(copy, 1, piece.len, &t) == piece.len;
        } else if (piece.len > 0 && what == 1) {
            more = transfer_body_cb(copy, 1, piece.len, &t) == piece.len;
        } else if (http_stream_hear(&stream, CURLINFO_TEXT, copy, piece.len, &last)) {
            http_stream_goaway(&stream, &t, last);
        }
        assert(more || t.answer_too_long);
        free(copy);
        check(&t);
    }
    (void)http_stream_left_behind(&stream);
    free(t.answer);
    return 0;
}
