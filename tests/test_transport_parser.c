/* test_transport_parser.c - what may pass to libraft, and what never does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../raft/transport_parser.h"
#include "support/raft_stream.h"
#include "support/random.h"

#define PEER 2
#define PREAMBLE 16

static const struct stream_server members[] = {
    {1, "127.0.0.1:7410", RAFT_VOTER},
    {2, "127.0.0.1:7420", RAFT_VOTER},
    {3, "[::1]:7430", RAFT_STANDBY},
};

/* A configuration, commands and a barrier in one message. */
static void build_mixed_entries(struct buffer *b)
{
    struct buffer change = {0};
    stream_configuration(&change, members, 3);
    struct stream_entry entries[] = {
        {4, RAFT_COMMAND, 24, NULL},
        {4, RAFT_CHANGE, (uint32_t)change.len, change.data},
        {5, RAFT_BARRIER, 8, NULL},
        {5, RAFT_COMMAND, 1024, NULL},
    };
    stream_append_entries(b, 5, 16, 3, entries, 4);
    buffer_free(&change);
}

static void build_snapshot(struct buffer *b)
{
    stream_install_snapshot_head(b, 6, members, 3, 333);
    for (int i = 0; i < 333; i++) {
        put_u8(b, (uint8_t)i);
    }
}

/* One of each message that libraft sends. */
static void build_all(struct buffer *b)
{
    stream_request_vote(b, 4, PEER);
    stream_request_vote_result(b, 4);
    stream_append_entries(b, 5, 0, 0, NULL, 0);
    build_mixed_entries(b);
    stream_append_entries_result(b, 5, 20);
    build_snapshot(b);
    stream_timeout_now(b, 6);
}

/* Feed it all at once; what passed is in *out. */
static int feed(const struct buffer *stream, struct buffer *out)
{
    struct parser p;
    parser_init(&p, PEER);
    int rv = parser_feed(&p, stream->data, stream->len, out);
    assert_int_equal(rv, p.reason == NULL ? 0 : -1);
    parser_free(&p);
    return rv;
}

static void assert_passes(struct buffer *stream)
{
    struct buffer out = {0};
    assert_int_equal(feed(stream, &out), 0);
    assert_int_equal(out.len, stream->len);
    assert_memory_equal(out.data, stream->data, stream->len);
    buffer_free(&out);
    buffer_free(stream);
}

/* The stream, altered by the caller in a header, is refused and nothing of it passes. */
static void assert_refused(struct buffer *stream)
{
    struct buffer out = {0};
    assert_int_equal(feed(stream, &out), -1);
    assert_int_equal(out.len, 0);
    buffer_free(&out);
    buffer_free(stream);
}

static void every_message_of_libraft_passes_unaltered(void **state)
{
    struct buffer stream = {0};
    (void)state;
    build_all(&stream);
    assert_passes(&stream);
}

static void messages_pass_in_pieces_of_any_size(void **state)
{
    struct buffer stream = {0};
    (void)state;
    build_all(&stream);
    for (size_t piece = 1; piece < 200; piece++) {
        struct parser p;
        struct buffer out = {0};
        parser_init(&p, PEER);
        for (size_t at = 0; at < stream.len; at += piece) {
            size_t n = stream.len - at < piece ? stream.len - at : piece;
            assert_int_equal(parser_feed(&p, stream.data + at, n, &out), 0);
        }
        assert_int_equal(out.len, stream.len);
        assert_memory_equal(out.data, stream.data, stream.len);
        parser_free(&p);
        buffer_free(&out);
    }
    buffer_free(&stream);
}

static void no_byte_passes_before_its_header_is_whole(void **state)
{
    struct buffer stream = {0};
    struct buffer out = {0};
    struct parser p;
    (void)state;
    build_mixed_entries(&stream);
    size_t header = PREAMBLE + 48 + 16 * 4;
    parser_init(&p, PEER);
    for (size_t i = 0; i < header - 1; i++) {
        assert_int_equal(parser_feed(&p, stream.data + i, 1, &out), 0);
        assert_int_equal(out.len, 0);
    }
    assert_int_equal(parser_feed(&p, stream.data + header - 1, 1, &out), 0);
    assert_int_equal(out.len, header);
    parser_free(&p);
    buffer_free(&out);
    buffer_free(&stream);
}

static void a_configuration_entry_passes_only_whole(void **state)
{
    struct buffer stream = {0};
    struct buffer out = {0};
    struct parser p;
    (void)state;
    build_mixed_entries(&stream);
    size_t change_at = PREAMBLE + 48 + 16 * 4 + 24;
    parser_init(&p, PEER);
    assert_int_equal(parser_feed(&p, stream.data, change_at + 40, &out), 0);
    assert_int_equal(out.len, change_at);
    assert_int_equal(parser_feed(&p, stream.data + change_at + 40, 200, &out), 0);
    assert_int_equal(out.len, change_at + 240);
    parser_free(&p);
    buffer_free(&out);
    buffer_free(&stream);
}

static void a_malformed_preamble_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{0, 0}, {0, 7}, {0, 255}, {1, 1}, {2, 1}, {2, 9}, {3, 1}, {4, 1}, {7, 128},
                   {8, 0}, {8, 1}, {8, 56},  {10, 255}, {15, 255}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct buffer stream = {0};
        stream_append_entries(&stream, 5, 0, 0, NULL, 0);
        stream.data[changes[i].at] = changes[i].value;
        assert_refused(&stream);
    }
}

static void a_version_whose_size_libraft_would_misread_is_refused(void **state)
{
    (void)state;
    struct buffer stream = {0};
    stream_request_vote(&stream, 4, PEER);
    stream.data[8] = 32; /* version 1's size: libraft would read flags behind it */
    assert_refused(&stream);
    stream_append_entries_result(&stream, 4, 1);
    stream.data[8] = 24;
    assert_refused(&stream);
    stream_append_entries_result(&stream, 4, 1);
    stream.data[2] = 3;
    assert_refused(&stream);
}

static void a_term_that_no_cluster_reaches_is_refused(void **state)
{
    static const uint64_t terms[] = {(1ull << 48) + 1, 1ull << 63, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        struct buffer stream = {0};
        stream_append_entries(&stream, terms[i], 0, 0, NULL, 0);
        assert_refused(&stream);
        stream_append_entries_result(&stream, terms[i], 1);
        assert_refused(&stream);
        stream_request_vote(&stream, terms[i], PEER);
        assert_refused(&stream);
        stream_request_vote_result(&stream, terms[i]);
        assert_refused(&stream);
        stream_timeout_now(&stream, terms[i]);
        assert_refused(&stream);
        stream_install_snapshot_head(&stream, terms[i], members, 3, 8);
        assert_refused(&stream);
    }
    struct buffer highest = {0};
    stream_append_entries(&highest, 1ull << 48, 0, 0, NULL, 0);
    assert_passes(&highest);
}

static void a_candidate_other_than_the_sender_is_refused(void **state)
{
    struct buffer stream = {0};
    (void)state;
    stream_request_vote(&stream, 4, PEER + 1);
    assert_refused(&stream);
}

static void unknown_bits_of_votes_are_refused(void **state)
{
    struct buffer stream = {0};
    (void)state;
    stream_request_vote(&stream, 4, PEER);
    stream.data[PREAMBLE + 32] = 4;
    assert_refused(&stream);
    stream_request_vote_result(&stream, 4);
    stream.data[PREAMBLE + 8] = 2;
    assert_refused(&stream);
    stream_request_vote_result(&stream, 4);
    stream.data[PREAMBLE + 16] = 2;
    assert_refused(&stream);
}

static void one_entry(struct buffer *b, uint64_t term, uint8_t type, uint32_t len)
{
    struct stream_entry entry = {term, type, len, NULL};
    stream_append_entries(b, 5, 16, 3, &entry, 1);
}

static void an_entry_of_an_impossible_length_or_type_is_refused(void **state)
{
    struct buffer stream = {0};
    (void)state;
    one_entry(&stream, 5, RAFT_COMMAND, 0);
    assert_refused(&stream);
    one_entry(&stream, 5, RAFT_COMMAND, 100);
    assert_refused(&stream);
    one_entry(&stream, 5, RAFT_COMMAND, PARSER_ENTRY_MAX + 8);
    assert_refused(&stream);
    one_entry(&stream, 5, RAFT_BARRIER, 16);
    assert_refused(&stream);
    one_entry(&stream, 5, RAFT_CHANGE, CONFIGURATION_SIZE_MAX + 8);
    assert_refused(&stream);
    one_entry(&stream, 5, 0, 8);
    assert_refused(&stream);
    one_entry(&stream, 5, 4, 8);
    assert_refused(&stream);
    one_entry(&stream, 5, RAFT_COMMAND, 8);
    assert_passes(&stream);
}

static void terms_of_entries_out_of_order_are_refused(void **state)
{
    struct buffer stream = {0};
    struct stream_entry falling[] = {{5, RAFT_COMMAND, 8, NULL}, {4, RAFT_COMMAND, 8, NULL}};
    (void)state;
    one_entry(&stream, 6, RAFT_COMMAND, 8); /* above the leader's */
    assert_refused(&stream);
    one_entry(&stream, 2, RAFT_COMMAND, 8); /* below the previous entry's */
    assert_refused(&stream);
    stream_append_entries(&stream, 5, 16, 3, falling, 2);
    assert_refused(&stream);
    stream_append_entries(&stream, 5, 16, 6, NULL, 0);
    assert_refused(&stream);
    stream_append_entries(&stream, 5, 0, 3, NULL, 0);
    assert_refused(&stream);
    stream_append_entries(&stream, 5, 16, 0, NULL, 0);
    assert_refused(&stream);
    stream_append_entries(&stream, 0, 0, 0, NULL, 0);
    assert_refused(&stream);
}

static void an_entry_count_that_does_not_fit_the_header_is_refused(void **state)
{
    static const uint64_t counts[] = {0, 2, 1ull << 32, (1ull << 32) + 1, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct buffer stream = {0};
        one_entry(&stream, 5, RAFT_COMMAND, 8);
        set_u64(&stream, PREAMBLE + 32, counts[i]);
        assert_refused(&stream);
    }
}

static void too_many_bytes_of_entries_are_refused(void **state)
{
    struct stream_entry entries[65];
    struct buffer stream = {0};
    struct buffer out = {0};
    struct parser p;
    (void)state;
    for (int i = 0; i < 65; i++) { /* 65 times 16 MiB: just above 1 GiB, only announced */
        entries[i] = (struct stream_entry){5, RAFT_COMMAND, 0, NULL};
    }
    stream_append_entries(&stream, 5, 16, 3, entries, 65);
    for (int i = 0; i < 65; i++) {
        uint32_t len = PARSER_ENTRY_MAX;
        memcpy(stream.data + PREAMBLE + 40 + 16 * i + 12, &len, 4);
    }
    parser_init(&p, PEER);
    assert_int_equal(parser_feed(&p, stream.data, stream.len, &out), -1);
    assert_int_equal(out.len, 0);
    parser_free(&p);
    buffer_free(&stream);
}

static void assert_configuration_refused(const struct stream_server *servers, uint64_t n)
{
    struct buffer stream = {0};
    struct buffer change = {0};
    stream_install_snapshot_head(&stream, 6, servers, n, 8);
    assert_refused(&stream);
    stream_configuration(&change, servers, n);
    struct stream_entry entry = {5, RAFT_CHANGE, (uint32_t)change.len, change.data};
    stream_append_entries(&stream, 5, 16, 3, &entry, 1);
    struct buffer out = {0};
    assert_int_equal(feed(&stream, &out), -1);
    assert_true(out.len == 0 || out.len == PREAMBLE + 64); /* at most the header, no payload */
    buffer_free(&out);
    buffer_free(&stream);
    buffer_free(&change);
}

static void a_configuration_that_libraft_could_not_decode_is_refused(void **state)
{
    struct stream_server twice_id[] = {{1, "a:1", 1}, {1, "b:1", 1}};
    struct stream_server twice_address[] = {{1, "a:1", 1}, {2, "a:1", 1}};
    struct stream_server role[] = {{1, "a:1", 3}};
    struct stream_server no_id[] = {{0, "a:1", 1}};
    struct stream_server no_address[] = {{1, "", 1}, {2, "a:1", 1}};
    struct stream_server many[CONFIGURATION_SERVERS_MAX + 1];
    char names[CONFIGURATION_SERVERS_MAX + 1][16];
    char long_name[PROTOCOL_ADDRESS_MAX + 1];
    (void)state;
    for (unsigned i = 0; i <= CONFIGURATION_SERVERS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "host:%u", i + 1);
        many[i] = (struct stream_server){i + 1, names[i], RAFT_VOTER};
    }
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    struct stream_server too_long[] = {{1, long_name, 1}};
    assert_configuration_refused(members, 0);
    assert_configuration_refused(twice_id, 2);
    assert_configuration_refused(twice_address, 2);
    assert_configuration_refused(role, 1);
    assert_configuration_refused(no_id, 1);
    assert_configuration_refused(no_address, 2);
    assert_configuration_refused(too_long, 1);
    assert_configuration_refused(many, CONFIGURATION_SERVERS_MAX + 1);
    struct buffer most = {0};
    stream_install_snapshot_head(&most, 6, many, CONFIGURATION_SERVERS_MAX, 8);
    assert_passes(&most);
}

static void a_configuration_of_another_length_than_its_header_says_is_refused(void **state)
{
    struct buffer stream = {0};
    (void)state;
    stream_install_snapshot_head(&stream, 6, members, 3, 8);
    set_u64(&stream, PREAMBLE + 32, 72); /* instead of 80 */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, members, 3, 8);
    set_u64(&stream, PREAMBLE + 41, 4); /* one member more than there are */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, members, 3, 8);
    set_u64(&stream, PREAMBLE + 41, UINT64_MAX);
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, members, 1, 8);
    memset(stream.data + PREAMBLE + 40 + 9 + 8, 'x', 23); /* the address does not end */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, members, 1, 8);
    stream.data[PREAMBLE + 40 + 9 + 8 + 14] = 'x'; /* it ends behind its member's role */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, members, 2, 8);
    stream.data[stream.len - 17] ^= 1; /* the padding, or the last role */
    assert_refused(&stream);
}

static void a_snapshot_of_an_impossible_size_is_refused(void **state)
{
    struct buffer stream = {0};
    (void)state;
    stream_install_snapshot_head(&stream, 6, members, 3, 0);
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, members, 3, TRANSPORT_MESSAGE_MAX + 1);
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, members, 3, TRANSPORT_MESSAGE_MAX);
    assert_passes(&stream);
}

static void a_refused_stream_stays_refused(void **state)
{
    struct buffer stream = {0};
    struct buffer out = {0};
    struct parser p;
    (void)state;
    put_u64(&stream, 99);
    put_u64(&stream, 8);
    parser_init(&p, PEER);
    assert_int_equal(parser_feed(&p, stream.data, stream.len, &out), -1);
    buffer_reset(&stream);
    stream_timeout_now(&stream, 5);
    assert_int_equal(parser_feed(&p, stream.data, stream.len, &out), -1);
    assert_int_equal(out.len, 0);
    parser_free(&p);
    buffer_free(&stream);
}

/* --- a judge of what passed: reads as libraft does, with every read checked ----------------- */

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
    parser_init(&p, PEER);
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
    static const uint64_t edges[] = {0, 1, 7, 8, 16, 255, 1ull << 31, 1ull << 32, 1ull << 48,
                                     1ull << 63, UINT64_MAX};
    size_t at = random_next(random) % stream->len;
    switch (random_next(random) % 5) {
    case 0:
        stream->data[at] ^= (uint8_t)(1u << (random_next(random) % 8));
        break;
    case 1:
        stream->data[at] = (uint8_t)random_next(random);
        break;
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
        build_all(&stream);
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
        cmocka_unit_test(every_message_of_libraft_passes_unaltered),
        cmocka_unit_test(messages_pass_in_pieces_of_any_size),
        cmocka_unit_test(no_byte_passes_before_its_header_is_whole),
        cmocka_unit_test(a_configuration_entry_passes_only_whole),
        cmocka_unit_test(a_malformed_preamble_is_refused),
        cmocka_unit_test(a_version_whose_size_libraft_would_misread_is_refused),
        cmocka_unit_test(a_term_that_no_cluster_reaches_is_refused),
        cmocka_unit_test(a_candidate_other_than_the_sender_is_refused),
        cmocka_unit_test(unknown_bits_of_votes_are_refused),
        cmocka_unit_test(an_entry_of_an_impossible_length_or_type_is_refused),
        cmocka_unit_test(terms_of_entries_out_of_order_are_refused),
        cmocka_unit_test(an_entry_count_that_does_not_fit_the_header_is_refused),
        cmocka_unit_test(too_many_bytes_of_entries_are_refused),
        cmocka_unit_test(a_configuration_that_libraft_could_not_decode_is_refused),
        cmocka_unit_test(a_configuration_of_another_length_than_its_header_says_is_refused),
        cmocka_unit_test(a_snapshot_of_an_impossible_size_is_refused),
        cmocka_unit_test(a_refused_stream_stays_refused),
        cmocka_unit_test(random_bytes_never_pass),
        cmocka_unit_test(altered_streams_never_pass_an_invalid_message),
    };
    return cmocka_run_group_tests_name("transport_parser", tests, NULL, NULL);
}
