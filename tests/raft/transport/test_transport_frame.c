/* test_transport_frame.c - the frame, the handshake and the address of the transport. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "../../../raft/transport/address.h"
#include "../../../raft/peer/bytes.h"
#include "../../../raft/transport/frame.h"
#include "../../../raft/peer/handshake.h"
#include "../../../raft/loop/silence.h"
#include "../../support/random.h"

/* --- frames ----------------------------------------------------------------------------------- */

static size_t build_frame(uint8_t *out, size_t len, uint64_t number)
{
    for (size_t i = 0; i < len; i++) {
        out[FRAME_HEADER_SIZE + i] = (uint8_t)(i * 7 + number);
    }
    frame_seal(out, len, number);
    return FRAME_HEADER_SIZE + len;
}

static void frames_are_read_back_in_pieces_of_any_size(void **state)
{
    static const size_t sizes[] = {1, 8, 100, 1, 999};
    uint8_t stream[2000];
    size_t total = 0;
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        total += build_frame(stream + total, sizes[i], i);
    }
    for (size_t piece = 1; piece <= total; piece++) {
        struct frame_reader r = {0};
        size_t n_frames = 0;
        for (size_t at = 0; at < total; at += piece) {
            const uint8_t *data = stream + at;
            size_t len = total - at < piece ? total - at : piece;
            const uint8_t *run;
            size_t run_len;
            enum frame_status status;
            while ((status = frame_read(&r, &data, &len, &run, &run_len)) == FRAME_READY) {
                assert_int_equal(run_len, sizes[n_frames]);
                assert_int_equal(run[run_len - 1], (uint8_t)((run_len - 1) * 7 + n_frames));
                n_frames++;
            }
            assert_int_equal(status, FRAME_MORE);
            assert_int_equal(len, 0);
        }
        assert_int_equal(n_frames, 5);
        frame_reader_free(&r);
    }
}

static enum frame_status read_one(struct frame_reader *r, const uint8_t *data, size_t len)
{
    const uint8_t *run;
    size_t run_len;
    return frame_read(r, &data, &len, &run, &run_len);
}

/* With nothing more to come: a damaged length must not make the reader wait. */
static void a_flipped_bit_anywhere_is_noticed_at_once(void **state)
{
    uint8_t frame[64];
    (void)state;
    size_t len = build_frame(frame, 40, 0);
    for (size_t bit = 0; bit < len * 8; bit++) {
        struct frame_reader r = {0};
        frame[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        enum frame_status status = read_one(&r, frame, len);
        assert_int_equal(status,
                         bit / 8 < FRAME_HEADER_SIZE ? FRAME_BAD_HEADER : FRAME_BAD_CHECKSUM);
        frame[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        frame_reader_free(&r);
    }
    struct frame_reader r = {0};
    assert_int_equal(read_one(&r, frame, len), FRAME_READY);
}

static void a_repeated_or_missing_frame_is_noticed(void **state)
{
    uint8_t frame[64];
    struct frame_reader r = {0};
    (void)state;
    size_t len = build_frame(frame, 40, 0);
    assert_int_equal(read_one(&r, frame, len), FRAME_READY);
    assert_int_equal(read_one(&r, frame, len), FRAME_BAD_HEADER);
    frame_reader_free(&r);
    r = (struct frame_reader){0};
    len = build_frame(frame, 40, 1);
    assert_int_equal(read_one(&r, frame, len), FRAME_BAD_HEADER);
    frame_reader_free(&r);
}

/* Between two of libraft's, with the numbers of all. */
static void a_frame_that_tells_a_clock_is_told_apart(void **state)
{
    uint8_t stream[300];
    const uint8_t *data = stream, *run;
    struct frame_reader r = {0};
    size_t run_len;
    (void)state;
    size_t len = build_frame(stream, 20, 0);
    memset(stream + len + FRAME_HEADER_SIZE, 'c', CLOCK_TOLD_SIZE);
    frame_seal_clock(stream + len, 1);
    len += FRAME_HEADER_SIZE + CLOCK_TOLD_SIZE;
    len += build_frame(stream + len, 30, 2);
    assert_int_equal(frame_read(&r, &data, &len, &run, &run_len), FRAME_READY);
    assert_int_equal(run_len, 20);
    assert_int_equal(frame_read(&r, &data, &len, &run, &run_len), FRAME_CLOCK);
    assert_int_equal(run_len, CLOCK_TOLD_SIZE);
    assert_int_equal(run[CLOCK_TOLD_SIZE - 1], 'c');
    assert_int_equal(frame_read(&r, &data, &len, &run, &run_len), FRAME_READY);
    assert_int_equal(run_len, 30);
    assert_int_equal(frame_read(&r, &data, &len, &run, &run_len), FRAME_MORE);
    frame_reader_free(&r);
}

static void an_impossible_length_takes_no_memory(void **state)
{
    static const uint32_t lengths[] = {
        0,        TRANSPORT_FRAME_MAX + 1,          UINT32_MAX,
        1u << 31, 1u << 31 | (CLOCK_TOLD_SIZE - 1), 1u << 31 | (CLOCK_TOLD_SIZE + 1)};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths;
         i++) { /* from a peer that sums up what it should not send */
        uint8_t header[FRAME_HEADER_SIZE] = {0};
        struct frame_reader r = {0};
        bytes_put_u32(header, lengths[i]);
        bytes_put_u32(header + 8, (uint32_t)XXH3_64bits_withSeed(header, 8, 0));
        assert_int_equal(read_one(&r, header, sizeof header), FRAME_BAD_LENGTH);
        assert_null(r.run);
    }
}

/* --- silence ---------------------------------------------------------------------------------- */

static void a_peer_that_acknowledges_nothing_is_noticed_in_time(void **state)
{
    struct silence s = {0};
    (void)state;
    for (uint64_t ms = 1000; ms < 3000; ms += 250) {
        assert_false(silence_lasts(&s, true, ms - 900, ms, 2000));
    }
    assert_true(silence_lasts(&s, true, 2100, 3000, 2000));
}

static void a_slow_peer_and_an_idle_connection_are_not_silent(void **state)
{
    struct silence s = {0};
    (void)state;
    for (uint64_t ms = 1000; ms < 20000; ms += 250) { /* an acknowledgement every second */
        assert_false(silence_lasts(&s, true, ms % 1000, ms, 2000));
    }
    s = (struct silence){0};
    assert_false(silence_lasts(&s, true, 3600000, 1000, 2000)); /* idle for an hour before */
    assert_false(silence_lasts(&s, false, 10, 1250, 2000));
    assert_false(silence_lasts(&s, true, 9000, 10000, 2000));
    assert_false(silence_lasts(&s, true, 10900, 11900, 2000));
    assert_true(silence_lasts(&s, true, 11000, 12000, 2000));
}

/* --- handshakes ------------------------------------------------------------------------------- */

static const struct handshake sample = {
    .sender = 2,
    .receiver = 1,
    .flags = HANDSHAKE_ASKS,
    .standing = {.state = STANDING_FOUNDING,
                 .identity = {1, 2, 3},
                 .founding = 77,
                 .founders = "1=127.0.0.1:7410,2=127.0.0.1:7420"},
    .cluster = "shop",
    .address = "127.0.0.1:7420"};

static enum handshake_status decode(const uint8_t *data, size_t len, struct handshake *h)
{
    char reason[256] = "";
    size_t used = 0;
    enum handshake_status status = handshake_decode(data, len, h, &used, reason, sizeof reason);
    assert_int_equal(status == HANDSHAKE_BAD, reason[0] != '\0');
    return status;
}

static void a_handshake_is_read_back_as_soon_as_it_is_whole(void **state)
{
    uint8_t bytes[HANDSHAKE_MAX];
    struct handshake h;
    (void)state;
    size_t len = handshake_encode(&sample, bytes);
    for (size_t n = 0; n < len; n++) {
        assert_int_equal(decode(bytes, n, &h), HANDSHAKE_MORE);
    }
    assert_int_equal(decode(bytes, len, &h), HANDSHAKE_DONE);
    assert_int_equal(h.sender, 2);
    assert_int_equal(h.receiver, 1);
    assert_string_equal(h.cluster, "shop");
    assert_string_equal(h.address, "127.0.0.1:7420");
    assert_int_equal(h.flags, HANDSHAKE_ASKS);
    assert_int_equal(h.standing.state, STANDING_FOUNDING);
    assert_memory_equal(h.standing.identity, sample.standing.identity, STANDING_IDENTITY_SIZE);
    assert_int_equal(h.standing.founding, 77);
    assert_string_equal(h.standing.founders, sample.standing.founders);
}

static void a_stranger_is_known_by_its_first_byte(void **state)
{
    struct handshake h;
    (void)state;
    assert_int_equal(decode((const uint8_t *)"G", 1, &h), HANDSHAKE_BAD);
    assert_int_equal(decode((const uint8_t *)"OSDX", 4, &h), HANDSHAKE_BAD);
    assert_int_equal(decode((const uint8_t *)"OSDP\1\0", 6, &h), HANDSHAKE_BAD);
    assert_int_equal(decode((const uint8_t *)"OSDP\3\0\377\377", 8, &h), HANDSHAKE_BAD);
    assert_int_equal(decode((const uint8_t *)"OSDP\3\0\0\0", 8, &h), HANDSHAKE_BAD);
}

static void an_altered_handshake_is_refused(void **state)
{
    struct random random = random_start();
    uint8_t bytes[HANDSHAKE_MAX];
    struct handshake h;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t len = handshake_encode(&sample, bytes);
        bytes[random_below(&random, len)] ^= (uint8_t)(1 + random_below(&random, 255));
        assert_int_not_equal(decode(bytes, len, &h), HANDSHAKE_DONE);
    }
}

static void extensions_are_found_by_their_tags_and_others_are_passed_over(void **state)
{
    uint8_t bytes[HANDSHAKE_MAX], large[HANDSHAKE_EXTENSIONS_MAX] = {0};
    struct handshake h = sample, read;
    uint16_t len;
    (void)state;
    assert_true(handshake_extend(&h, 700, "seven", 5));
    assert_true(handshake_extend(&h, 800, "", 0));
    assert_true(handshake_extend(&h, 900, "nine", 4));
    assert_false(handshake_extend(&h, 901, large, sizeof large - 500));
    assert_int_equal(decode(bytes, handshake_encode(&h, bytes), &read), HANDSHAKE_DONE);
    assert_memory_equal(handshake_find(&read, 700, &len), "seven", 5);
    assert_int_equal(len, 5);
    assert_non_null(handshake_find(&read, 800, &len));
    assert_int_equal(len, 0);
    assert_memory_equal(handshake_find(&read, 900, &len), "nine", 4);
    assert_null(handshake_find(&read, 701, &len));
    assert_string_equal(read.standing.founders, sample.standing.founders);
}

static void extensions_that_are_not_whole_are_refused(void **state)
{
    uint8_t bytes[HANDSHAKE_MAX];
    struct handshake h = sample, read;
    (void)state;
    assert_true(handshake_extend(&h, 700, "seven", 5));
    h.extensions[2] = 6; /* one byte more than there is */
    assert_int_equal(decode(bytes, handshake_encode(&h, bytes), &read), HANDSHAKE_BAD);
    h.extensions_len = 3;
    assert_int_equal(decode(bytes, handshake_encode(&h, bytes), &read), HANDSHAKE_BAD);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void addresses_are_split_at_the_port(void **state)
{
    struct transport_address a;
    (void)state;
    assert_int_equal(transport_address_split("node-1.example:7400", &a), 0);
    assert_string_equal(a.host, "node-1.example");
    assert_string_equal(a.port, "7400");
    assert_int_equal(transport_address_split("[fe80::1]:1", &a), 0);
    assert_string_equal(a.host, "fe80::1");
    static const char *const wrong[] = {"",        ":",          "host",       "host:",
                                        ":80",     "host:0",     "host:65536", "host:80x",
                                        "host:-1", "host: 80",   "fe80::1:80", "[]:80",
                                        "[::1:80", "host:100000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(transport_address_split(wrong[i], &a), -1);
    }
}

static void the_loopback_is_told_from_the_network(void **state)
{
    (void)state;
    assert_true(transport_is_loopback("127.0.0.1:1"));
    assert_true(transport_is_loopback("127.200.3.4:1"));
    assert_true(transport_is_loopback("[::1]:1"));
    assert_true(transport_is_loopback("[::ffff:127.0.0.1]:1"));
    assert_true(transport_is_loopback("localhost:1"));
    assert_false(transport_is_loopback("0.0.0.0:1"));
    assert_false(transport_is_loopback("[::]:1"));
    assert_false(transport_is_loopback("10.0.0.1:1"));
    assert_false(transport_is_loopback("[::ffff:10.0.0.1]:1"));
    assert_false(transport_is_loopback("127.0.0.1.example:1"));
    assert_false(transport_is_loopback("localhost.example:1"));
    assert_false(transport_is_loopback("127.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read_back_in_pieces_of_any_size),
        cmocka_unit_test(a_flipped_bit_anywhere_is_noticed_at_once),
        cmocka_unit_test(a_repeated_or_missing_frame_is_noticed),
        cmocka_unit_test(a_frame_that_tells_a_clock_is_told_apart),
        cmocka_unit_test(an_impossible_length_takes_no_memory),
        cmocka_unit_test(a_peer_that_acknowledges_nothing_is_noticed_in_time),
        cmocka_unit_test(a_slow_peer_and_an_idle_connection_are_not_silent),
        cmocka_unit_test(a_handshake_is_read_back_as_soon_as_it_is_whole),
        cmocka_unit_test(a_stranger_is_known_by_its_first_byte),
        cmocka_unit_test(an_altered_handshake_is_refused),
        cmocka_unit_test(extensions_are_found_by_their_tags_and_others_are_passed_over),
        cmocka_unit_test(extensions_that_are_not_whole_are_refused),
        cmocka_unit_test(addresses_are_split_at_the_port),
        cmocka_unit_test(the_loopback_is_told_from_the_network),
    };
    return cmocka_run_group_tests_name("transport_frame", tests, NULL, NULL);
}
