/* raft_judge.c - see raft_judge.h. */
#include "raft_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../raft/libraft.h"
#include "../../raft/transport/transport.h"

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

void raft_judge_passed(const struct buffer *out)
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
