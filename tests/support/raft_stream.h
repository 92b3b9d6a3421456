/* raft_stream.h - builds libraft's message stream, for tests of what stands before libraft.
 *
 * Written from libraft's format (src/uv_encoding.c), independently of the parser under test. */
#ifndef RAFT_STREAM_H
#define RAFT_STREAM_H

#include "../../client/wire/protocol.h"

struct stream_entry {
    uint64_t term;
    uint8_t type;
    uint32_t len;
    const uint8_t *data; /* NULL: a pattern */
};

struct stream_server {
    uint64_t id;
    const char *address;
    uint8_t role;
};

void put_u8(struct buffer *b, uint8_t v);
void put_u16(struct buffer *b, uint16_t v);
void put_u32(struct buffer *b, uint32_t v);
void put_u64(struct buffer *b, uint64_t v);
/* Overwrite 8 bytes, little-endian. */
void set_u64(struct buffer *b, size_t at, uint64_t v);

void stream_configuration(struct buffer *b, const struct stream_server *servers, uint64_t n);
void stream_append_entries(struct buffer *b, uint64_t term, uint64_t prev_index, uint64_t prev_term,
                           const struct stream_entry *entries, uint64_t n);
void stream_append_entries_result(struct buffer *b, uint64_t term, uint64_t last_index);
void stream_request_vote(struct buffer *b, uint64_t term, uint64_t candidate);
void stream_request_vote_result(struct buffer *b, uint64_t term);
void stream_timeout_now(struct buffer *b, uint64_t term);
/* Everything before the snapshot's data, of which data_len bytes must follow. */
void stream_install_snapshot_head(struct buffer *b, uint64_t term,
                                  const struct stream_server *servers, uint64_t n,
                                  uint64_t data_len);

/* Three members, and the one of them that sends. */
extern const struct stream_server stream_members[3];
#define STREAM_PEER 2
/* A configuration, commands and a barrier in one message. */
void stream_mixed_entries(struct buffer *b);
/* One of each message that libraft sends. */
void stream_all(struct buffer *b);

#endif
