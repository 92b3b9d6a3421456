/* raft_stream.c - see raft_stream.h. */
#include "raft_stream.h"

#include <string.h>

#include "../../raft/libraft.h"

static void put_little_endian(struct buffer *b, uint64_t v, unsigned size)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(v >> (8 * i));
    }
    buffer_append(b, bytes, size);
}

void put_u8(struct buffer *b, uint8_t v)
{
    put_little_endian(b, v, 1);
}

void put_u16(struct buffer *b, uint16_t v)
{
    put_little_endian(b, v, 2);
}

void put_u32(struct buffer *b, uint32_t v)
{
    put_little_endian(b, v, 4);
}

void put_u64(struct buffer *b, uint64_t v)
{
    put_little_endian(b, v, 8);
}

void set_u64(struct buffer *b, size_t at, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        b->data[at + i] = (uint8_t)(v >> (8 * i));
    }
}

static void put_preamble(struct buffer *b, uint8_t type, uint8_t version, uint64_t size)
{
    put_u8(b, type);
    put_u8(b, 0);
    put_u8(b, version);
    put_u8(b, 0);
    put_u32(b, 0);
    put_u64(b, size);
}

void stream_configuration(struct buffer *b, const struct stream_server *servers, uint64_t n)
{
    size_t start = b->len;
    put_u8(b, 1);
    put_u64(b, n);
    for (uint64_t i = 0; i < n; i++) {
        put_u64(b, servers[i].id);
        buffer_append(b, servers[i].address, strlen(servers[i].address) + 1);
        put_u8(b, servers[i].role);
    }
    while ((b->len - start) % 8 != 0) {
        put_u8(b, 0);
    }
}

void stream_append_entries(struct buffer *b, uint64_t term, uint64_t prev_index, uint64_t prev_term,
                           const struct stream_entry *entries, uint64_t n)
{
    put_preamble(b, RAFT_APPEND_ENTRIES, 0, 48 + 16 * n);
    put_u64(b, term);
    put_u64(b, prev_index);
    put_u64(b, prev_term);
    put_u64(b, prev_index);
    put_u64(b, n);
    for (uint64_t i = 0; i < n; i++) {
        put_u64(b, entries[i].term);
        put_u8(b, entries[i].type);
        put_u8(b, 0);
        put_u16(b, 0);
        put_u32(b, entries[i].len);
    }
    put_u64(b, 0);
    for (uint64_t i = 0; i < n; i++) {
        if (entries[i].data != NULL) {
            buffer_append(b, entries[i].data, entries[i].len);
            continue;
        }
        for (uint32_t at = 0; at < entries[i].len; at++) {
            put_u8(b, (uint8_t)(at * 31 + i));
        }
    }
}

void stream_append_entries_result(struct buffer *b, uint64_t term, uint64_t last_index)
{
    put_preamble(b, RAFT_APPEND_ENTRIES_RESULT, 2, 32);
    put_u64(b, term);
    put_u64(b, 0);
    put_u64(b, last_index);
    put_u16(b, 1);
    put_u16(b, 100);
    put_u32(b, 0);
}

void stream_request_vote(struct buffer *b, uint64_t term, uint64_t candidate)
{
    put_preamble(b, RAFT_REQUEST_VOTE, 2, 40);
    put_u64(b, term);
    put_u64(b, candidate);
    put_u64(b, 17);
    put_u64(b, term - 1);
    put_u64(b, 2);
}

void stream_request_vote_result(struct buffer *b, uint64_t term)
{
    put_preamble(b, RAFT_REQUEST_VOTE_RESULT, 2, 24);
    put_u64(b, term);
    put_u64(b, 1);
    put_u8(b, 1);
    put_u8(b, 0);
    put_u16(b, 1);
    put_u16(b, 100);
    put_u16(b, 0);
}

void stream_timeout_now(struct buffer *b, uint64_t term)
{
    put_preamble(b, RAFT_TIMEOUT_NOW, 0, 24);
    put_u64(b, term);
    put_u64(b, 17);
    put_u64(b, term);
}

void stream_install_snapshot_head(struct buffer *b, uint64_t term,
                                  const struct stream_server *servers, uint64_t n,
                                  uint64_t data_len)
{
    struct buffer configuration = {0};
    stream_configuration(&configuration, servers, n);
    put_preamble(b, RAFT_INSTALL_SNAPSHOT, 0, 56 + configuration.len);
    put_u64(b, term);
    put_u64(b, 1000);
    put_u64(b, term);
    put_u64(b, 1);
    put_u64(b, configuration.len);
    buffer_append(b, configuration.data, configuration.len);
    put_u64(b, data_len);
    put_u64(b, 0);
    buffer_free(&configuration);
}

const struct stream_server stream_members[3] = {
    {1, "127.0.0.1:7410", RAFT_VOTER},
    {STREAM_PEER, "127.0.0.1:7420", RAFT_VOTER},
    {3, "[::1]:7430", RAFT_STANDBY},
};

void stream_mixed_entries(struct buffer *b)
{
    struct buffer change = {0};
    stream_configuration(&change, stream_members, 3);
    struct stream_entry entries[] = {
        {4, RAFT_COMMAND, 24, NULL},
        {4, RAFT_CHANGE, (uint32_t)change.len, change.data},
        {5, RAFT_BARRIER, 8, NULL},
        {5, RAFT_COMMAND, 1024, NULL},
    };
    stream_append_entries(b, 5, 16, 3, entries, 4);
    buffer_free(&change);
}

static void put_snapshot(struct buffer *b)
{
    stream_install_snapshot_head(b, 6, stream_members, 3, 333);
    for (int i = 0; i < 333; i++) {
        put_u8(b, (uint8_t)i);
    }
}

void stream_all(struct buffer *b)
{
    stream_request_vote(b, 4, STREAM_PEER);
    stream_request_vote_result(b, 4);
    stream_append_entries(b, 5, 0, 0, NULL, 0);
    stream_mixed_entries(b);
    stream_append_entries_result(b, 5, 20);
    put_snapshot(b);
    stream_timeout_now(b, 6);
}
