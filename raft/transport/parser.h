/* parser.h - the check of libraft's message stream, before libraft reads it.
 *
 * libraft 0.22.1 believes every length, count and offset in a message (Debian builds it without
 * its assertions): a malformed one reads and writes outside of its memory. This parser knows the
 * format (libraft: src/uv_encoding.c, src/configuration.c) and lets bytes through only when:
 *
 *   - the preamble names a known type and version, and exactly the header size these have;
 *   - the whole header was seen and is consistent in itself: counts match sizes, every entry's
 *     length is a positive multiple of 8, terms and indexes are such as a log can have, the
 *     configuration is whole and without duplicates;
 *   - the payload of a configuration entry was seen whole and decodes; other payloads pass as
 *     they come, by exactly as many bytes as their header announced.
 *
 * It guards against damage, bugs and foreign versions, not against a member that lies within the
 * rules: Raft trusts its members.
 *
 * One thing passes unchecked: the last log index of an AppendEntries result. libraft leaves it
 * uninitialised when it answers a stale leader, so any value occurs, and the receiver clamps it.
 *
 * Changing libraft's version: compare uv_encoding.c and message.h with the tables here. */
#ifndef TRANSPORT_PARSER_H
#define TRANSPORT_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../client/wire/protocol.h"
#include "../peer/configuration_check.h"
#include "transport.h"

#define PARSER_TERM_MAX (1ull << 48) /* at ten elections a second: in 890,000 years */
#define PARSER_INDEX_MAX (1ull << 56)
#define PARSER_ENTRIES_MAX 8192u      /* in one message; libraft sends max_inflight_entries */
#define PARSER_ENTRY_MAX (16u << 20)  /* bytes of one entry */
#define PARSER_PAYLOAD_MAX (1u << 30) /* bytes of all entries of one message */

struct parser {
    uint64_t peer_id;   /* who sends, by the handshake */
    const char *reason; /* not NULL: why the stream was refused */
    enum parser_state { PARSER_PREAMBLE, PARSER_HEADER, PARSER_CHANGE, PARSER_PAYLOAD } state;
    struct buffer header;  /* preamble and header of the present message */
    struct buffer change;  /* a configuration entry that is not whole yet */
    size_t need;           /* bytes at which what is being collected is whole */
    uint32_t n_entries;    /* of the present message, 0 if it is no AppendEntries */
    uint32_t next_entry;   /* the first whose payload has not begun */
    uint64_t payload_left; /* bytes of payload to let through */
};

void parser_init(struct parser *p, uint64_t peer_id);
void parser_free(struct parser *p);
/* Append to `out` what of the stream so far may pass. 0, or -1 (see p->reason): the stream is
 * refused, now and forever, and what this call has appended must be thrown away. */
int parser_feed(struct parser *p, const uint8_t *data, size_t len,
                struct buffer *out) ORDERSCHED_MUST_CHECK;

#endif
