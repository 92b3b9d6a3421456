/* parser.c - see parser.h. */
#include "parser.h"

#include <assert.h>

#include "../peer/bytes.h"

#define PREAMBLE_SIZE 16
#define ENTRY_HEADER_BYTES 16
#define APPEND_FIXED_SIZE 48  /* term, previous index and term, commit, count, and 8 unused */
#define APPEND_ENTRIES_AT 40  /* where the entries' headers begin */
#define INSTALL_FIXED_SIZE 56 /* term, index, term, configuration's index, length; length, unused */
#define BARRIER_SIZE 8

void parser_init(struct parser *p, uint64_t peer_id)
{
    memset(p, 0, sizeof *p);
    p->peer_id = peer_id;
    p->need = PREAMBLE_SIZE;
}

void parser_free(struct parser *p)
{
    buffer_free(&p->header);
    buffer_free(&p->change);
}

static bool is_term(uint64_t term)
{
    return term > 0 && term <= PARSER_TERM_MAX;
}

/* The header sizes of the messages that have just one for a version. Version 0 is from before
 * versions were sent; where libraft would then misread its shorter form, that is not listed. */
static bool has_fixed_size(uint8_t type, uint8_t version, uint64_t size)
{
    static const struct {
        uint8_t type, version, size;
    } known[] = {
        {RAFT_REQUEST_VOTE, 0, 40},          {RAFT_REQUEST_VOTE, 1, 40},
        {RAFT_REQUEST_VOTE, 2, 40},          {RAFT_REQUEST_VOTE_RESULT, 0, 16},
        {RAFT_REQUEST_VOTE_RESULT, 0, 24},   {RAFT_REQUEST_VOTE_RESULT, 1, 16},
        {RAFT_REQUEST_VOTE_RESULT, 2, 24},   {RAFT_APPEND_ENTRIES_RESULT, 0, 24},
        {RAFT_APPEND_ENTRIES_RESULT, 0, 32}, {RAFT_APPEND_ENTRIES_RESULT, 1, 32},
        {RAFT_APPEND_ENTRIES_RESULT, 2, 32}, {RAFT_TIMEOUT_NOW, 0, 24},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].type == type && known[i].version == version && known[i].size == size) {
            return true;
        }
    }
    return false;
}

static const char *check_preamble(const uint8_t *preamble)
{
    uint8_t type = preamble[0];
    uint8_t version = preamble[2];
    uint64_t size = bytes_get_u64(preamble + 8);
    if (preamble[1] != 0 || preamble[3] != 0 || bytes_get_u32(preamble + 4) != 0) {
        return "a message's preamble is malformed";
    }
    switch (type) {
        case RAFT_APPEND_ENTRIES:
            if (version == 0 && size >= APPEND_FIXED_SIZE && size % ENTRY_HEADER_BYTES == 0 &&
                size <= APPEND_FIXED_SIZE + ENTRY_HEADER_BYTES * PARSER_ENTRIES_MAX) {
                return NULL;
            }
            break;
        case RAFT_INSTALL_SNAPSHOT:
            if (version == 0 && size > INSTALL_FIXED_SIZE && size % 8 == 0 &&
                size <= INSTALL_FIXED_SIZE + CONFIGURATION_SIZE_MAX) {
                return NULL;
            }
            break;
        case RAFT_REQUEST_VOTE:
        case RAFT_REQUEST_VOTE_RESULT:
        case RAFT_APPEND_ENTRIES_RESULT:
        case RAFT_TIMEOUT_NOW:
            if (has_fixed_size(type, version, size)) {
                return NULL;
            }
            break;
        default: return "a message is of an unknown type";
    }
    return "a message's version and size do not fit its type";
}

/* u64 term, u8 type, 3 unused, u32 length. Adds the length to *payload. */
static const char *check_entry(const uint8_t *entry, uint64_t *payload)
{
    uint32_t len = bytes_get_u32(entry + 12);
    if (entry[9] != 0 || entry[10] != 0 || entry[11] != 0) {
        return "an entry's header is malformed";
    }
    if (len == 0 || len % 8 != 0 || len > PARSER_ENTRY_MAX) {
        return "an entry's length must be a multiple of 8, and not too large";
    }
    switch (entry[8]) {
        case RAFT_COMMAND: break;
        case RAFT_BARRIER:
            if (len != BARRIER_SIZE) {
                return "a barrier has a length of its own";
            }
            break;
        case RAFT_CHANGE:
            if (len > CONFIGURATION_SIZE_MAX) {
                return "a configuration is too large";
            }
            break;
        default: return "an entry is of an unknown type";
    }
    *payload += len;
    return NULL;
}

static const char *check_append_entries(struct parser *p, const uint8_t *h, size_t size)
{
    uint64_t term = bytes_get_u64(h);
    uint64_t prev_index = bytes_get_u64(h + 8);
    uint64_t prev_term = bytes_get_u64(h + 16);
    uint64_t n = bytes_get_u64(h + 32);
    uint64_t payload = 0;
    if (!is_term(term) || prev_term > term || (prev_index == 0) != (prev_term == 0)) {
        return "AppendEntries: implausible term";
    }
    if (prev_index > PARSER_INDEX_MAX || bytes_get_u64(h + 24) > PARSER_INDEX_MAX) {
        return "AppendEntries: implausible index";
    }
    if (n > PARSER_ENTRIES_MAX || size != APPEND_FIXED_SIZE + n * ENTRY_HEADER_BYTES ||
        bytes_get_u64(h + size - 8) != 0) {
        return "AppendEntries: the number of entries does not fit the size";
    }
    uint64_t last_term = prev_term > 0 ? prev_term : 1;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *entry = h + APPEND_ENTRIES_AT + i * ENTRY_HEADER_BYTES;
        const char *reason = check_entry(entry, &payload);
        if (reason != NULL) {
            return reason;
        }
        if (bytes_get_u64(entry) < last_term || bytes_get_u64(entry) > term) {
            return "AppendEntries: terms of entries out of order";
        }
        last_term = bytes_get_u64(entry);
    }
    if (payload > PARSER_PAYLOAD_MAX) {
        return "AppendEntries: too many bytes";
    }
    p->n_entries = (uint32_t)n;
    return NULL;
}

static const char *check_install_snapshot(struct parser *p, const uint8_t *h, size_t size)
{
    uint64_t term = bytes_get_u64(h);
    uint64_t index = bytes_get_u64(h + 8);
    uint64_t last_term = bytes_get_u64(h + 16);
    uint64_t configuration_len = bytes_get_u64(h + 32);
    if (!is_term(term) || last_term == 0 || last_term > term) {
        return "InstallSnapshot: implausible term";
    }
    /* The configuration's index may be 0: libraft does not keep it with snapshots of its own. */
    if (index == 0 || index > PARSER_INDEX_MAX || bytes_get_u64(h + 24) > PARSER_INDEX_MAX) {
        return "InstallSnapshot: implausible index";
    }
    if (configuration_len != size - INSTALL_FIXED_SIZE || bytes_get_u64(h + size - 8) != 0) {
        return "InstallSnapshot: the configuration's length does not fit the size";
    }
    p->payload_left = bytes_get_u64(h + size - 16);
    if (p->payload_left == 0 || p->payload_left > TRANSPORT_MESSAGE_MAX) {
        return "InstallSnapshot: implausible length";
    }
    return configuration_check(h + 40, configuration_len);
}

static const char *check_request_vote(const struct parser *p, const uint8_t *h)
{
    uint64_t term = bytes_get_u64(h);
    if (!is_term(term) || bytes_get_u64(h + 24) > term) {
        return "RequestVote: implausible term";
    }
    if (bytes_get_u64(h + 8) != p->peer_id) {
        return "RequestVote: the candidate is not the sender";
    }
    if (bytes_get_u64(h + 16) > PARSER_INDEX_MAX) {
        return "RequestVote: implausible index";
    }
    return bytes_get_u64(h + 32) > 3 ? "RequestVote: unknown flags" : NULL;
}

static const char *check_request_vote_result(const uint8_t *h, size_t size)
{
    if (bytes_get_u64(h) > PARSER_TERM_MAX) { /* 0: a node that has not voted yet */
        return "RequestVote's result: implausible term";
    }
    if (bytes_get_u64(h + 8) > 1) {
        return "RequestVote's result: neither granted nor refused";
    }
    if (size > 16 && (h[16] > 1 || h[17] != 0 || bytes_get_u16(h + 22) != 0)) {
        return "RequestVote's result: unknown flags";
    }
    return NULL;
}

static const char *check_append_entries_result(const uint8_t *h, size_t size)
{
    if (bytes_get_u64(h) > PARSER_TERM_MAX) {
        return "AppendEntries' result: implausible term";
    }
    if (bytes_get_u64(h + 8) > PARSER_INDEX_MAX) {
        return "AppendEntries' result: implausible index";
    }
    if (size > 24 && bytes_get_u32(h + 28) != 0) {
        return "AppendEntries' result: unknown fields";
    }
    return NULL;
}

static const char *check_timeout_now(const uint8_t *h)
{
    uint64_t term = bytes_get_u64(h);
    if (!is_term(term) || bytes_get_u64(h + 16) > term) {
        return "TimeoutNow: implausible term";
    }
    return bytes_get_u64(h + 8) > PARSER_INDEX_MAX ? "TimeoutNow: implausible index" : NULL;
}

static const char *check_header(struct parser *p)
{
    const uint8_t *h = p->header.data + PREAMBLE_SIZE;
    size_t size = p->header.len - PREAMBLE_SIZE;
    switch (p->header.data[0]) {
        case RAFT_APPEND_ENTRIES: return check_append_entries(p, h, size);
        case RAFT_APPEND_ENTRIES_RESULT: return check_append_entries_result(h, size);
        case RAFT_REQUEST_VOTE: return check_request_vote(p, h);
        case RAFT_REQUEST_VOTE_RESULT: return check_request_vote_result(h, size);
        case RAFT_INSTALL_SNAPSHOT: return check_install_snapshot(p, h, size);
        default:
            assert(p->header.data[0] == RAFT_TIMEOUT_NOW); /* check_preamble let no other pass */
            return check_timeout_now(h);
    }
}

/* The header of the present message's entry i. */
static const uint8_t *entry_header(const struct parser *p, uint32_t i)
{
    assert(i < p->n_entries); /* which are those that the header has room for */
    return p->header.data + PREAMBLE_SIZE + APPEND_ENTRIES_AT + (size_t)i * ENTRY_HEADER_BYTES;
}

/* What the stream brings next: a configuration entry, a run of other payload, a new message. */
static void expect_next(struct parser *p)
{
    if (p->payload_left > 0) {
        p->state = PARSER_PAYLOAD;
        return;
    }
    if (p->next_entry < p->n_entries && entry_header(p, p->next_entry)[8] == RAFT_CHANGE) {
        p->need = bytes_get_u32(entry_header(p, p->next_entry) + 12);
        p->next_entry++;
        buffer_reset(&p->change);
        p->state = PARSER_CHANGE;
        return;
    }
    while (p->next_entry < p->n_entries && entry_header(p, p->next_entry)[8] != RAFT_CHANGE) {
        p->payload_left += bytes_get_u32(entry_header(p, p->next_entry) + 12);
        p->next_entry++;
    }
    if (p->payload_left > 0) {
        p->state = PARSER_PAYLOAD;
        return;
    }
    assert(p->next_entry == p->n_entries);
    buffer_reset(&p->header);
    p->n_entries = 0;
    p->next_entry = 0;
    p->need = PREAMBLE_SIZE;
    p->state = PARSER_PREAMBLE;
}

/* What was collected is whole: judge it. */
static const char *finish_collected(struct parser *p, struct buffer *out)
{
    const char *reason;
    switch (p->state) {
        case PARSER_PREAMBLE:
            p->need = PREAMBLE_SIZE + bytes_get_u64(p->header.data + 8);
            p->state = PARSER_HEADER;
            return check_preamble(p->header.data);
        case PARSER_HEADER:
            reason = check_header(p);
            if (reason == NULL) {
                buffer_append(out, p->header.data, p->header.len);
                expect_next(p);
            }
            return reason;
        default:
            assert(p->state == PARSER_CHANGE);
            reason = configuration_check(p->change.data, p->change.len);
            if (reason == NULL) {
                buffer_append(out, p->change.data, p->change.len);
                expect_next(p);
            }
            return reason;
    }
}

/* Take some bytes in the present state; returns how many. */
static size_t parser_take(struct parser *p, const uint8_t *data, size_t len, struct buffer *out)
{
    if (p->state == PARSER_PAYLOAD) {
        size_t n = len < p->payload_left ? len : (size_t)p->payload_left;
        buffer_append(out, data, n);
        p->payload_left -= n;
        if (p->payload_left == 0) {
            expect_next(p);
        }
        return n;
    }
    struct buffer *collected = p->state == PARSER_CHANGE ? &p->change : &p->header;
    assert(collected->len < p->need);
    size_t n = p->need - collected->len;
    n = n < len ? n : len;
    buffer_append(collected, data, n);
    if (collected->failed) {
        p->reason = "out of memory";
    } else if (collected->len == p->need) {
        p->reason = finish_collected(p, out);
    }
    return n;
}

int parser_feed(struct parser *p, const uint8_t *data, size_t len, struct buffer *out)
{
    while (len > 0 && p->reason == NULL) {
        size_t n = parser_take(p, data, len, out);
        data += n;
        len -= n;
    }
    if (out->failed && p->reason == NULL) {
        p->reason = "out of memory";
    }
    return p->reason == NULL ? 0 : -1;
}
