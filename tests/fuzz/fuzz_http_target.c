/* fuzz_http_target.c - the target of an HTTP request, taken apart: segments and parameters stay within it, none is
 * longer than its text, and a path that is put together from its segments comes apart into the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/json/percent.h"
#include "../../node/resource/query.h"
#include "input.h"

static void is_within(struct slice s, const char *text, size_t len)
{
    assert(s.data >= (const uint8_t *)text && s.data + s.len <= (const uint8_t *)text + len);
}

static void check_again(const struct query *q)
{
    struct buffer b = {0};
    struct query again;

    for (unsigned i = 0; i < q->n_segments; i++) {
        buffer_append(&b, "/", 1);
        percent_encode(&b, q->segments[i]);
    }
    assert(!b.failed);
    enum query_error error = query_parse((char *)b.data, b.len, &again, NULL);
    assert(error == QUERY_OK && again.n_params == 0);
    assert(again.n_segments == q->n_segments ||
           (q->n_segments == 1 && q->segments[0].len == 0)); /* "/" has none */
    for (unsigned i = 0; i < again.n_segments; i++) {
        assert(again.segments[i].len == q->segments[i].len);
        assert(memcmp(again.segments[i].data, q->segments[i].data, q->segments[i].len) == 0);
    }
    buffer_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = (char *)input_copy((struct slice){data, size});
    struct query q;
    size_t at;

    enum query_error error = query_parse(text, size, &q, &at);
    assert(strlen(query_error_text(error)) > 10);
    if (error == QUERY_OK) {
        for (unsigned i = 0; i < q.n_segments; i++) {
            is_within(q.segments[i], text, size);
        }
        for (unsigned i = 0; i < q.n_params; i++) {
            is_within(q.params[i].name, text, size);
            is_within(q.params[i].value, text, size);
        }
        if (q.n_segments > 0) {
            check_again(&q);
        }
    } else {
        assert(at <= size);
    }
    free(text);
    return 0;
}
