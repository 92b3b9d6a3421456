/* test_transport_parser_random.c - random and altered bytes: whatever passes to libraft is judged by a
 * reader of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../../raft/transport/parser.h"
#include "../../support/raft_judge.h"
#include "../../support/raft_stream.h"
#include "../../support/random.h"

/* Feed in random pieces up to the first refusal; what that call appended is thrown away. */
static bool feed_pieces(const struct buffer *stream, struct random *random, struct buffer *out)
{
    struct parser p;
    bool accepted = true;
    parser_init(&p, STREAM_PEER);
    for (size_t at = 0; at < stream->len && accepted;) {
        size_t n = 1 + random_next(random) % 300;
        n = stream->len - at < n ? stream->len - at : n;
        size_t before = out->len;
        accepted = parser_feed(&p, stream->data + at, n, out) == 0;
        out->len = accepted ? out->len : before;
        at += n;
    }
    parser_free(&p);
    return accepted;
}

static void random_bytes_never_pass(void **state)
{
    struct random random = random_start();
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct buffer stream = {0};
        struct buffer out = {0};
        size_t n = 16 + random_next(&random) % 400;
        while (stream.len < n) {
            put_u64(&stream, random_next(&random));
        }
        if (round % 2 == 0) { /* help it over the preamble */
            set_u64(&stream, 0, 1 + random_next(&random) % 6);
            set_u64(&stream, 8, 8 * (random_next(&random) % 16));
        }
        feed_pieces(&stream, &random, &out);
        raft_judge_passed(&out);
        buffer_free(&stream);
        buffer_free(&out);
    }
}

static void mutate(struct buffer *stream, struct random *random)
{
    static const uint64_t edges[] = {0,          1,          7,          8,          16,        255,
                                     1ull << 31, 1ull << 32, 1ull << 48, 1ull << 63, UINT64_MAX};
    size_t at = random_next(random) % stream->len;
    switch (random_next(random) % 5) {
        case 0: stream->data[at] ^= (uint8_t)(1u << (random_next(random) % 8)); break;
        case 1: stream->data[at] = (uint8_t)random_next(random); break;
        case 2:
            at = at / 8 * 8;
            if (at + 8 <= stream->len) {
                set_u64(stream, at, edges[random_next(random) % (sizeof edges / sizeof edges[0])]);
            }
            break;
        case 3: /* bytes are left out */
            memmove(stream->data + at, stream->data + at + 1, stream->len - at - 1);
            stream->len--;
            break;
        default: /* a piece is repeated elsewhere */
            memmove(stream->data + random_next(random) % (at + 1), stream->data + at,
                    (stream->len - at) / 2);
            break;
    }
}

static void altered_streams_never_pass_an_invalid_message(void **state)
{
    struct random random = random_start();
    unsigned refused = 0;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct buffer stream = {0};
        struct buffer out = {0};
        stream_all(&stream);
        for (uint64_t n = 1 + random_next(&random) % 3; n > 0; n--) {
            mutate(&stream, &random);
        }
        refused += !feed_pieces(&stream, &random, &out);
        raft_judge_passed(&out);
        buffer_free(&stream);
        buffer_free(&out);
    }
    assert_in_range(refused, 1000, 20000); /* most hit payloads, which pass as they are */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_never_pass),
        cmocka_unit_test(altered_streams_never_pass_an_invalid_message),
    };
    return cmocka_run_group_tests_name("transport_parser_random", tests, NULL, NULL);
}
