/* buffer.c - the growing byte buffer of the encoders, and msgpack writing on it. */
#include <assert.h>
#include <msgpack/pack.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"

/* As realloc, but of a buffer that wipes nothing is left behind. */
static uint8_t *buffer_grow(struct buffer *b, size_t cap)
{
    if (!b->wipes) {
        return realloc(b->data, cap);
    }
    uint8_t *grown = malloc(cap);
    if (grown != NULL && b->data != NULL) {
        memcpy(grown, b->data, b->len);
        explicit_bzero(b->data, b->cap);
        free(b->data);
    }
    return grown;
}

void buffer_append(struct buffer *b, const void *data, size_t len)
{
    if (b->failed || len == 0) {
        return;
    }
    assert(b->len <= b->cap);
    if (b->cap - b->len < len) {
        size_t cap = b->cap == 0 ? 256 : b->cap;
        while (cap - b->len < len) {
            if (cap > SIZE_MAX / 2) {
                b->failed = true;
                return;
            }
            cap *= 2;
        }
        uint8_t *grown = buffer_grow(b, cap);
        if (grown == NULL) {
            b->failed = true;
            return;
        }
        b->data = grown;
        b->cap = cap;
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void buffer_reset(struct buffer *b)
{
    b->len = 0;
    b->failed = false;
}

void buffer_free(struct buffer *b)
{
    if (b->wipes && b->data != NULL) {
        explicit_bzero(b->data, b->cap);
    }
    free(b->data);
    *b = (struct buffer){0};
}

/* msgpack-c's packer writes here. Failure is kept in the buffer, so the packer is told 0. */
static int buffer_write(void *data, const char *bytes, size_t len)
{
    buffer_append(data, bytes, len);
    return 0;
}

static msgpack_packer packer_of(struct buffer *b)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, b, buffer_write);
    return packer;
}

void write_array(struct buffer *b, uint32_t n)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_array(&packer, n);
}

void write_map(struct buffer *b, uint32_t n)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_map(&packer, n);
}

void write_uint(struct buffer *b, uint64_t v)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_uint64(&packer, v);
}

void write_bin(struct buffer *b, const void *data, size_t len)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_bin(&packer, len);
    buffer_append(b, data, len);
}

void write_int(struct buffer *b, int64_t v)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_int64(&packer, v);
}

void write_str(struct buffer *b, const void *data, size_t len)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_str(&packer, len);
    buffer_append(b, data, len);
}

void write_nil(struct buffer *b)
{
    msgpack_packer packer = packer_of(b);
    msgpack_pack_nil(&packer);
}
