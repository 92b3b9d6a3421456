/* test_transport_parser_random.c - random and altered bytes: whatever passes to libraft is judged by a
 * reader of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../../raft/transport/parser.h"
#include "../../support/raft_stream.h"
#include "../../support/random.h"

struct judge {
    const uint8_t *data;
    size_t len;
    size_t at;
};

static uint64_t judge_read(struct judge *j, unsigned size)
{
    uint64_t v = 0;
    assert_true(j->at + size <= j->len);
    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)j->data[j->at + i] << (8 * i);
    }
    j->at += size;
    return v;
}

static void judge_configuration(const uint8_t *data, size_t len)
{
    struct judge j = {data, len, 0};
    assert_int_equal(judge_read(&j, 1), 1);
    uint64_t n = judge_read(&j, 8);
    assert_in_range(n, 1, 64);
    for (uint64_t i = 0; i < n; i++) {
        assert_true(judge_read(&j, 8) != 0);
        while (judge_read(&j, 1) != 0) {
        }
        assert_in_range(judge_read(&j, 1), 0, 2);
    }
}

/* Judge the entries' headers; the configuration entries within the payload that passed. */
static uint64_t judge_entries(struct judge *j, size_t header_end, uint64_t term)
{
    uint64_t n = judge_read(j, 8);
    uint64_t payload = 0;
    assert_in_range(n, 0, 8192);
    for (uint64_t i = 0; i < n; i++) {
        assert_in_range(judge_read(j, 8), 1, term);
        uint64_t type = judge_read(j, 4);
        uint64_t len = judge_read(j, 4);
        assert_in_range(type, 1, 3);
        assert_true(len > 0 && len % 8 == 0);
        if (type == 3 && header_end + payload < j->len) {
            assert_true(header_end + payload + len <= j->len); /* whole or not at all */
            judge_configuration(j->data + header_end + payload, len);
        }
        payload += len;
    }
    judge_read(j, 8);
    assert_int_equal(j->at, header_end);
    return payload;
}

static uint64_t judge_header(struct judge *j, uint8_t type, uint8_t version, size_t header_end)
{
    uint64_t term = judge_read(j, 8);
    uint64_t len;
    assert_true(term <= 1ull << 48);
    switch (type) {
        case RAFT_APPEND_ENTRIES:
            judge_read(j, 8);
            judge_read(j, 8);
            judge_read(j, 8);
            return judge_entries(j, header_end, term);
        case RAFT_INSTALL_SNAPSHOT:
            judge_read(j, 8);
            judge_read(j, 8);
            judge_read(j, 8);
            len = judge_read(j, 8);
            assert_true(j->at + len + 16 == header_end);
            judge_configuration(j->data + j->at, len);
            j->at += len;
            len = judge_read(j, 8);
            assert_in_range(len, 1, TRANSPORT_MESSAGE_MAX);
            return len;
        case RAFT_REQUEST_VOTE: /* libraft reads the flags in every version */
            assert_true(j->at + 32 <= header_end);
            return 0;
        case RAFT_REQUEST_VOTE_RESULT:
            assert_true(j->at + (version >= 2 ? 16 : 8) <= header_end);
            return 0;
        case RAFT_APPEND_ENTRIES_RESULT:
            assert_true(j->at + (version >= 1 ? 24 : 16) <= header_end);
            return 0;
        default:
            assert_int_equal(type, RAFT_TIMEOUT_NOW);
            assert_true(j->at + 16 <= header_end);
            return 0;
    }
}

/* Whatever passed is a run of valid messages; the last may lack a part of its payload only. */
static void judge_passed(const struct buffer *out)
{
    struct judge j = {out->data, out->len, 0};
    while (j.at < j.len) {
        uint64_t preamble = judge_read(&j, 8);
        uint64_t size = judge_read(&j, 8);
        size_t header_end = j.at + size;
        assert_true(size > 0 && header_end <= j.len);
        uint64_t payload = judge_header(&j, (uint8_t)preamble, (uint8_t)(preamble >> 16),
                                        header_end);
        if (payload >= j.len - header_end) {
            return;
        }
        j.at = header_end + payload;
    }
}

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
        judge_passed(&out);
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
        judge_passed(&out);
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
