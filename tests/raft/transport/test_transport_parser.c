/* test_transport_parser.c - what may pass to libraft, and what never does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../../raft/transport/parser.h"
#include "../../support/raft_stream.h"

#define PREAMBLE 16

/* Feed it all at once; what passed is in *out. */
static int feed(const struct buffer *stream, struct buffer *out)
{
    struct parser p;
    parser_init(&p, STREAM_PEER);
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
    stream_all(&stream);
    assert_passes(&stream);
}

static void messages_pass_in_pieces_of_any_size(void **state)
{
    struct buffer stream = {0};
    (void)state;
    stream_all(&stream);
    for (size_t piece = 1; piece < 200; piece++) {
        struct parser p;
        struct buffer out = {0};
        parser_init(&p, STREAM_PEER);
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
    stream_mixed_entries(&stream);
    size_t header = PREAMBLE + 48 + 16 * 4;
    parser_init(&p, STREAM_PEER);
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
    stream_mixed_entries(&stream);
    size_t change_at = PREAMBLE + 48 + 16 * 4 + 24;
    parser_init(&p, STREAM_PEER);
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
    } changes[] = {{0, 0}, {0, 7},   {0, 255}, {1, 1}, {2, 1},  {2, 9},    {3, 1},
                   {4, 1}, {7, 128}, {8, 0},   {8, 1}, {8, 56}, {10, 255}, {15, 255}};
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
    stream_request_vote(&stream, 4, STREAM_PEER);
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
        stream_request_vote(&stream, terms[i], STREAM_PEER);
        assert_refused(&stream);
        stream_request_vote_result(&stream, terms[i]);
        assert_refused(&stream);
        stream_timeout_now(&stream, terms[i]);
        assert_refused(&stream);
        stream_install_snapshot_head(&stream, terms[i], stream_members, 3, 8);
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
    stream_request_vote(&stream, 4, STREAM_PEER + 1);
    assert_refused(&stream);
}

static void unknown_bits_of_votes_are_refused(void **state)
{
    struct buffer stream = {0};
    (void)state;
    stream_request_vote(&stream, 4, STREAM_PEER);
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
    parser_init(&p, STREAM_PEER);
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
    assert_configuration_refused(stream_members, 0);
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
    stream_install_snapshot_head(&stream, 6, stream_members, 3, 8);
    set_u64(&stream, PREAMBLE + 32, 72); /* instead of 80 */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, stream_members, 3, 8);
    set_u64(&stream, PREAMBLE + 41, 4); /* one member more than there are */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, stream_members, 3, 8);
    set_u64(&stream, PREAMBLE + 41, UINT64_MAX);
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, stream_members, 1, 8);
    memset(stream.data + PREAMBLE + 40 + 9 + 8, 'x', 23); /* the address does not end */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, stream_members, 1, 8);
    stream.data[PREAMBLE + 40 + 9 + 8 + 14] = 'x'; /* it ends behind its member's role */
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, stream_members, 2, 8);
    stream.data[stream.len - 17] ^= 1; /* the padding, or the last role */
    assert_refused(&stream);
}

static void a_snapshot_of_an_impossible_size_is_refused(void **state)
{
    struct buffer stream = {0};
    (void)state;
    stream_install_snapshot_head(&stream, 6, stream_members, 3, 0);
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, stream_members, 3, TRANSPORT_MESSAGE_MAX + 1);
    assert_refused(&stream);
    stream_install_snapshot_head(&stream, 6, stream_members, 3, TRANSPORT_MESSAGE_MAX);
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
    parser_init(&p, STREAM_PEER);
    assert_int_equal(parser_feed(&p, stream.data, stream.len, &out), -1);
    buffer_reset(&stream);
    stream_timeout_now(&stream, 5);
    assert_int_equal(parser_feed(&p, stream.data, stream.len, &out), -1);
    assert_int_equal(out.len, 0);
    parser_free(&p);
    buffer_free(&stream);
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
    };
    return cmocka_run_group_tests_name("transport_parser", tests, NULL, NULL);
}
