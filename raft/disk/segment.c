/* segment.c - one segment file of libraft's log, and whether it is whole. */
#include "segment.h"

#include <assert.h>
#include <string.h>

#include "crc.h"

#define SEGMENT_FORMAT 1u
#define SEGMENT_ENTRIES_MAX 262144u /* of a batch; libraft's own limit */

uint64_t disk_get64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

uint32_t disk_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool is_zero(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

struct batch {
    uint64_t n_entries;
    size_t end; /* behind it; known as soon as the header is valid */
    bool header_valid;
    bool valid;
};

static struct batch batch_read(const uint8_t *data, size_t len, size_t at)
{
    struct batch b = {0};
    size_t header_len, data_len = 0;
    const uint8_t *header;

    if (len - at < 16) {
        return b;
    }
    header = data + at + 8;
    b.n_entries = disk_get64(header);
    if (b.n_entries == 0 || b.n_entries > SEGMENT_ENTRIES_MAX) {
        return b;
    }
    header_len = 8 + 16 * (size_t)b.n_entries;
    if (header_len > len - at - 8 || disk_crc32(header, header_len, 0) != disk_get32(data + at)) {
        return b;
    }
    for (uint64_t i = 0; i < b.n_entries; i++) {
        const uint8_t *e = header + 8 + 16 * i;
        if (e[8] < 1 || e[8] > 3) {
            return b;
        }
        data_len += disk_get32(e + 12);
    }
    if (data_len > len - at - 8 - header_len) {
        return b;
    }
    b.header_valid = true;
    b.end = at + 8 + header_len + data_len;
    b.valid = disk_crc32(header + header_len, data_len, 0) == disk_get32(data + at + 4);
    return b;
}

/* The first valid batch at or behind `at`, or 0. Batches begin at multiples of 8. */
static size_t batch_find(const uint8_t *data, size_t len, size_t at)
{
    for (; at + 16 <= len; at += 8) {
        if (batch_read(data, len, at).valid) {
            return at;
        }
    }
    return 0;
}

struct segment_scan segment_scan(const uint8_t *data, size_t len)
{
    struct segment_scan s = {.state = SEGMENT_WHOLE};
    size_t at = 8;

    if (is_zero(data, len)) {
        return s;
    }
    if (len < 8 || disk_get64(data) != SEGMENT_FORMAT) {
        s.state = SEGMENT_BROKEN;
        return s;
    }
    while (at < len) {
        struct batch b = batch_read(data, len, at);
        if (!b.valid) {
            s.bad_offset = at;
            if (is_zero(data + at, len - at)) {
                return s;
            }
            /* What lies inside a batch whose extent is known is that batch's own data. */
            s.valid_offset = batch_find(data, len, b.header_valid ? b.end : at + 8);
            s.state = s.valid_offset != 0 ? SEGMENT_BROKEN : SEGMENT_TORN;
            return s;
        }
        assert(b.end > at && b.end <= len);
        s.n_entries += b.n_entries;
        at = b.end;
    }
    s.bad_offset = at;
    return s;
}
