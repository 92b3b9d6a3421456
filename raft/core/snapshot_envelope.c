/* snapshot_envelope.c - see snapshot_envelope.h. */
#include "snapshot_envelope.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "../../client/wire/cursor.h"
#include "snapshot_format.h"

static_assert(SNAPSHOT_TRAILER_SIZE == 8 + 3 * SNAPSHOT_SUM_SIZE, "a length, three sums");

static uint64_t little_endian(const uint8_t *data, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++) {
        value |= (uint64_t)data[i] << (8 * i);
    }
    return value;
}

static bool open_old(struct snapshot_envelope *e, const uint8_t *data, size_t len)
{
    if (len < SNAPSHOT_HEAD_SIZE + SNAPSHOT_SUM_SIZE) {
        return false;
    }
    len -= SNAPSHOT_SUM_SIZE;
    e->base_end = e->end = len;
    e->base_sum = little_endian(data + len, SNAPSHOT_SUM_SIZE);
    return true;
}

static bool open_parts(struct snapshot_envelope *e, const uint8_t *data, size_t len)
{
    const uint8_t *trailer;

    if (len < SNAPSHOT_HEAD_SIZE + SNAPSHOT_TRAILER_SIZE) {
        return false;
    }
    len -= SNAPSHOT_TRAILER_SIZE;
    trailer = data + len;
    if (little_endian(trailer + 24, SNAPSHOT_SUM_SIZE) != XXH3_64bits(trailer, 24)) {
        return false;
    }
    e->base_end = little_endian(trailer, 8);
    e->end = len;
    e->base_sum = little_endian(trailer + 8, SNAPSHOT_SUM_SIZE);
    e->tail_sum = little_endian(trailer + 16, SNAPSHOT_SUM_SIZE);
    return e->base_end >= SNAPSHOT_HEAD_SIZE && e->base_end <= len;
}

enum snapshot_error snapshot_envelope_open(struct snapshot_envelope *e, const uint8_t *data,
                                           size_t len)
{
    memset(e, 0, sizeof *e);
    if (len < SNAPSHOT_HEAD_SIZE || memcmp(data, SNAPSHOT_MAGIC, strlen(SNAPSHOT_MAGIC)) != 0) {
        return SNAPSHOT_CORRUPT;
    }
    e->data = data;
    e->version = (uint32_t)little_endian(data + strlen(SNAPSHOT_MAGIC), 4);
    if (e->version < 1 || !(e->version < 3 ? open_old : open_parts)(e, data, len)) {
        return SNAPSHOT_CORRUPT;
    }
    e->base = (struct slice){data + SNAPSHOT_HEAD_SIZE, e->base_end - SNAPSHOT_HEAD_SIZE};
    e->tail = (struct slice){data + e->base_end, e->end - e->base_end};
    e->sum = XXH3_createState();
    if (e->sum == NULL) {
        return SNAPSHOT_NO_MEMORY;
    }
    XXH3_64bits_reset(e->sum);
    return SNAPSHOT_OK;
}

/* A part ends where we are: is its sum right? Then the next begins. */
static bool part_is_right(struct snapshot_envelope *e)
{
    uint64_t sum = XXH3_64bits_digest(e->sum);

    assert(e->summed == e->base_end || e->summed == e->end);
    XXH3_64bits_reset(e->sum);
    return sum == (e->summed == e->base_end ? e->base_sum : e->tail_sum);
}

bool snapshot_envelope_step(struct snapshot_envelope *e, size_t max, enum snapshot_error *error)
{
    bool old = e->version < 3;

    assert(e->sum != NULL && e->summed <= e->end);
    *error = SNAPSHOT_CORRUPT;
    while (max > 0 && e->summed < e->end) {
        size_t part_end = e->summed < e->base_end ? e->base_end : e->end;
        size_t n = part_end - e->summed < max ? part_end - e->summed : max;
        XXH3_64bits_update(e->sum, e->data + e->summed, n);
        e->summed += n;
        max -= n;
        if (e->summed == part_end && !part_is_right(e)) {
            return true;
        }
    }
    if (e->summed < e->end) {
        return false;
    }
    if (!old && e->base_end == e->end && e->tail_sum != XXH3_64bits(e->data, 0)) {
        return true;
    }
    *error = e->version > SNAPSHOT_VERSION ? SNAPSHOT_TOO_NEW : SNAPSHOT_OK;
    return true;
}

void snapshot_envelope_close(struct snapshot_envelope *e)
{
    XXH3_freeState(e->sum);
    e->sum = NULL;
}

/* It is the seventh of the machine's fields, which come first (snapshot.c). */
bool snapshot_envelope_identity(const struct snapshot_envelope *e,
                                uint8_t out[PROTOCOL_IDENTITY_SIZE])
{
    struct cursor c;

    if (e->version < 4) {
        return false;
    }
    cursor_init(&c, e->base.data, e->base.len);
    (void)cursor_array(&c);
    for (unsigned i = 0; i < 6; i++) {
        (void)cursor_uint(&c);
    }
    struct slice identity = cursor_bytes(&c);
    if (!cursor_ok(&c) || identity.len != PROTOCOL_IDENTITY_SIZE ||
        !identity_is_known(identity.data)) {
        return false;
    }
    memcpy(out, identity.data, PROTOCOL_IDENTITY_SIZE);
    return true;
}
