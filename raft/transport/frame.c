/* frame.c - see frame.h. */
#include "frame.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "../peer/bytes.h"

#define HEADER_SUMMED (FRAME_HEADER_SIZE - 4) /* what its own checksum covers */
#define CLOCK_BIT (1u << 31)                  /* of the length */

static uint32_t checksum_of(const uint8_t *data, size_t len, uint64_t number)
{
    return (uint32_t)XXH3_64bits_withSeed(data, len, number);
}

static void seal(uint8_t *frame, size_t run_len, uint32_t kind, uint64_t number)
{
    assert(run_len > 0 && run_len <= TRANSPORT_FRAME_MAX);
    bytes_put_u32(frame, (uint32_t)run_len | kind);
    bytes_put_u32(frame + 4, checksum_of(frame + FRAME_HEADER_SIZE, run_len, number));
    bytes_put_u32(frame + HEADER_SUMMED, checksum_of(frame, HEADER_SUMMED, number));
}

void frame_seal(uint8_t *frame, size_t run_len, uint64_t number)
{
    seal(frame, run_len, 0, number);
}

void frame_seal_clock(uint8_t *frame, uint64_t number)
{
    seal(frame, CLOCK_TOLD_SIZE, CLOCK_BIT, number);
}

/* Take the header's bytes; true when it is whole. */
static bool take_header(struct frame_reader *r, const uint8_t **data, size_t *len)
{
    size_t n = FRAME_HEADER_SIZE - r->header_len;
    n = n < *len ? n : *len;
    memcpy(r->header + r->header_len, *data, n);
    r->header_len += n;
    *data += n;
    *len -= n;
    return r->header_len == FRAME_HEADER_SIZE;
}

/* Keep a piece of the run. Memory follows what arrived, not what the header claims. */
static bool keep_piece(struct frame_reader *r, const uint8_t *data, size_t n)
{
    if (r->run_len + n > r->run_cap) {
        size_t cap = r->run_cap * 2 > r->run_len + n ? r->run_cap * 2 : r->run_len + n;
        cap = cap < TRANSPORT_FRAME_MAX ? cap : TRANSPORT_FRAME_MAX;
        uint8_t *run = realloc(r->run, cap);
        if (run == NULL) {
            return false;
        }
        r->run = run;
        r->run_cap = cap;
    }
    assert(r->run_len + n <= r->length && r->run_len + n <= r->run_cap);
    memcpy(r->run + r->run_len, data, n);
    r->run_len += n;
    return true;
}

/* A whole run is there: verify it, and be ready for the next frame. */
static enum frame_status finish(struct frame_reader *r, const uint8_t *run, const uint8_t **out,
                                size_t *out_len)
{
    if (checksum_of(run, r->length, r->number) != r->checksum) {
        return FRAME_BAD_CHECKSUM;
    }
    r->number++;
    r->header_len = 0;
    r->run_len = 0;
    *out = run;
    *out_len = r->length;
    return r->is_clock ? FRAME_CLOCK : FRAME_READY;
}

enum frame_status frame_read(struct frame_reader *r, const uint8_t **data, size_t *len,
                             const uint8_t **run, size_t *run_len)
{
    if (r->header_len < FRAME_HEADER_SIZE) {
        if (!take_header(r, data, len)) {
            return FRAME_MORE;
        }
        if (checksum_of(r->header, HEADER_SUMMED, r->number) !=
            bytes_get_u32(r->header + HEADER_SUMMED)) {
            return FRAME_BAD_HEADER;
        }
        r->length = bytes_get_u32(r->header) & ~CLOCK_BIT;
        r->is_clock = (bytes_get_u32(r->header) & CLOCK_BIT) != 0;
        r->checksum = bytes_get_u32(r->header + 4);
    }
    if (r->length == 0 || r->length > TRANSPORT_FRAME_MAX ||
        (r->is_clock && r->length != CLOCK_TOLD_SIZE)) {
        return FRAME_BAD_LENGTH;
    }
    assert(r->run_len < r->length); /* a whole run was given out, and the next frame begun */
    const uint8_t *piece = *data;
    size_t n = r->length - r->run_len;
    n = n < *len ? n : *len;
    *data += n;
    *len -= n;
    if (r->run_len == 0 && n == r->length) {
        return finish(r, piece, run, run_len); /* in one piece: no copy */
    }
    if (n > 0 && !keep_piece(r, piece, n)) {
        return FRAME_NO_MEMORY;
    }
    return r->run_len == r->length ? finish(r, r->run, run, run_len) : FRAME_MORE;
}

void frame_reader_free(struct frame_reader *r)
{
    free(r->run);
    r->run = NULL;
    r->run_cap = 0;
}
