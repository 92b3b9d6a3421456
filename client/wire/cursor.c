/* cursor.c - see cursor.h. */
#include "cursor.h"

#include <assert.h>
#include <string.h>

#define CURSOR_DEPTH_MAX 16

void cursor_init(struct cursor *c, const uint8_t *data, size_t len)
{
    c->at = data;
    c->end = data == NULL ? NULL : data + len; /* NULL + 0 is no sum in C */
    c->failed = false;
}

static size_t cursor_left(const struct cursor *c)
{
    assert(c->at <= c->end);
    return (size_t)(c->end - c->at);
}

static void cursor_fail(struct cursor *c)
{
    c->failed = true;
    c->at = c->end;
}

/* Take `n` bytes, or fail and return NULL. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
    const uint8_t *at = c->at;

    if (c->failed || cursor_left(c) < n) {
        cursor_fail(c);
        return NULL;
    }
    c->at += n;
    return at;
}

/* Big-endian integer of `n` bytes: 1, 2, 4 or 8. Inline, as `n` is a constant everywhere: this and
 * the tag are most of what decoding costs. */
static inline uint64_t cursor_big_endian(struct cursor *c, size_t n)
{
    const uint8_t *at = cursor_take(c, n);
    uint64_t v = 0;

    for (size_t i = 0; at != NULL && i < n; i++) {
        v = v << 8 | at[i];
    }
    return v;
}

/* A tag. A cursor that failed has nothing left. */
static inline uint8_t cursor_byte(struct cursor *c)
{
    if (c->at == c->end) {
        cursor_fail(c);
        return 0;
    }
    return *c->at++;
}

/* A container of `n` elements needs at least n bytes more: a larger announcement is a lie. */
static uint32_t cursor_announced(struct cursor *c, uint64_t n, unsigned bytes_each)
{
    if (c->failed || n * bytes_each > cursor_left(c)) {
        cursor_fail(c);
        return 0;
    }
    return (uint32_t)n;
}

uint32_t cursor_array(struct cursor *c)
{
    uint8_t tag = cursor_byte(c);

    if ((tag & 0xf0) == 0x90) {
        return cursor_announced(c, tag & 0x0f, 1);
    }
    if (tag == 0xdc) {
        return cursor_announced(c, cursor_big_endian(c, 2), 1);
    }
    if (tag == 0xdd) {
        return cursor_announced(c, cursor_big_endian(c, 4), 1);
    }
    cursor_fail(c);
    return 0;
}

uint32_t cursor_map(struct cursor *c)
{
    uint8_t tag = cursor_byte(c);

    if ((tag & 0xf0) == 0x80) {
        return cursor_announced(c, tag & 0x0f, 2);
    }
    if (tag == 0xde) {
        return cursor_announced(c, cursor_big_endian(c, 2), 2);
    }
    if (tag == 0xdf) {
        return cursor_announced(c, cursor_big_endian(c, 4), 2);
    }
    cursor_fail(c);
    return 0;
}

/* msgpack allows a non-negative number in a signed form; the top bit must then be clear. */
static uint64_t cursor_signed(struct cursor *c, size_t n)
{
    uint64_t v = cursor_big_endian(c, n);

    if (v >> (8 * n - 1) != 0) {
        cursor_fail(c);
        return 0;
    }
    return v;
}

uint64_t cursor_uint(struct cursor *c)
{
    uint8_t tag = cursor_byte(c);

    if (c->failed) {
        return 0;
    }
    if (tag <= 0x7f) {
        return tag;
    }
    switch (tag) {
        case 0xcc: return cursor_big_endian(c, 1);
        case 0xcd: return cursor_big_endian(c, 2);
        case 0xce: return cursor_big_endian(c, 4);
        case 0xcf: return cursor_big_endian(c, 8);
        case 0xd0: return cursor_signed(c, 1);
        case 0xd1: return cursor_signed(c, 2);
        case 0xd2: return cursor_signed(c, 4);
        case 0xd3: return cursor_signed(c, 8);
        default: cursor_fail(c); return 0;
    }
}

bool cursor_bool(struct cursor *c)
{
    uint8_t tag = cursor_byte(c);

    if (tag == 0xc3 || tag == 0x01) {
        return true;
    }
    if (tag != 0xc2 && tag != 0x00) {
        cursor_fail(c);
    }
    return false;
}

struct slice cursor_bytes(struct cursor *c)
{
    uint8_t tag = cursor_byte(c);
    struct slice s = {NULL, 0};
    size_t len;

    if (c->failed) {
        return s;
    }
    if ((tag & 0xe0) == 0xa0) {
        len = tag & 0x1f;
    } else if (tag == 0xc4 || tag == 0xd9) {
        len = cursor_big_endian(c, 1);
    } else if (tag == 0xc5 || tag == 0xda) {
        len = cursor_big_endian(c, 2);
    } else if (tag == 0xc6 || tag == 0xdb) {
        len = cursor_big_endian(c, 4);
    } else {
        cursor_fail(c);
        return s;
    }
    s.data = cursor_take(c, len);
    s.len = s.data != NULL ? len : 0;
    return s;
}

bool cursor_nil(struct cursor *c)
{
    if (c->failed || cursor_left(c) == 0 || *c->at != 0xc0) {
        return false;
    }
    c->at++;
    return true;
}

/* The payload size of a value that is not a container, after its tag; -1 for a container. */
static int64_t cursor_scalar_size(struct cursor *c, uint8_t tag)
{
    if (tag <= 0x7f || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3) {
        return 0;
    }
    if ((tag & 0xe0) == 0xa0) {
        return tag & 0x1f;
    }
    switch (tag) {
        case 0xc4:
        case 0xd9: return (int64_t)cursor_big_endian(c, 1);
        case 0xc5:
        case 0xda: return (int64_t)cursor_big_endian(c, 2);
        case 0xc6:
        case 0xdb: return (int64_t)cursor_big_endian(c, 4);
        case 0xc7: return (int64_t)cursor_big_endian(c, 1) + 1;
        case 0xc8: return (int64_t)cursor_big_endian(c, 2) + 1;
        case 0xc9: return (int64_t)cursor_big_endian(c, 4) + 1;
        case 0xcc:
        case 0xd0: return 1;
        case 0xcd:
        case 0xd1: return 2;
        case 0xca:
        case 0xce:
        case 0xd2: return 4;
        case 0xcb:
        case 0xcf:
        case 0xd3: return 8;
        case 0xd4: return 2;
        case 0xd5: return 3;
        case 0xd6: return 5;
        case 0xd7: return 9;
        case 0xd8: return 17;
        default: return -1;
    }
}

/* Elements of a container, keys and values counted apart; fails on what is not a container. */
static uint64_t cursor_elements(struct cursor *c, uint8_t tag)
{
    if ((tag & 0xf0) == 0x90) {
        return cursor_announced(c, tag & 0x0f, 1);
    }
    if ((tag & 0xf0) == 0x80) {
        return 2ull * cursor_announced(c, tag & 0x0f, 2);
    }
    switch (tag) {
        case 0xdc: return cursor_announced(c, cursor_big_endian(c, 2), 1);
        case 0xdd: return cursor_announced(c, cursor_big_endian(c, 4), 1);
        case 0xde: return 2ull * cursor_announced(c, cursor_big_endian(c, 2), 2);
        case 0xdf: return 2ull * cursor_announced(c, cursor_big_endian(c, 4), 2);
        default: cursor_fail(c); return 0;
    }
}

struct slice cursor_skip(struct cursor *c)
{
    struct slice s = {c->at, 0};
    uint64_t left[CURSOR_DEPTH_MAX];
    unsigned depth = 1;

    left[0] = 1;
    while (depth > 0 && !c->failed) {
        if (left[depth - 1] == 0) {
            depth--;
            continue;
        }
        left[depth - 1]--;
        uint8_t tag = cursor_byte(c);
        int64_t size = c->failed ? 0 : cursor_scalar_size(c, tag);
        if (size >= 0) {
            (void)cursor_take(c, (size_t)size);
        } else if (depth == CURSOR_DEPTH_MAX) {
            cursor_fail(c);
        } else {
            left[depth++] = cursor_elements(c, tag);
        }
    }
    if (c->failed) {
        return (struct slice){NULL, 0};
    }
    assert(c->at > s.data); /* it never moves back, nor stands still */
    s.len = (size_t)(c->at - s.data);
    return s;
}
