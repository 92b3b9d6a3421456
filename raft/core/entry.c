/* entry.c - one entry of the log as bytes: its layout, written and read back. */
#define XXH_INLINE_ALL
#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "entry.h"

#define ENTRY_ALIGNMENT 8 /* libraft kills the process over entries of other lengths */

enum {
    AT_MAGIC = 0,
    AT_N_OPERATIONS = 4,
    AT_NOW = 8,
    AT_EPOCH = 16,
    AT_ERA = 22,
    AT_SEQUENCE = 24,
    AT_CHECKSUM = 32,
    AT_LENGTH = 40,
    AT_COMMITTED = 44,
};

static_assert(AT_COMMITTED + 4 == ENTRY_HEADER_SIZE, "the operations follow at once");
static_assert(ENTRY_HEADER_SIZE % ENTRY_ALIGNMENT == 0, "an entry without operations is whole");

static const uint8_t magic[4] = {'O', 'S', 'E', '1'};
static const uint8_t magic_era[4] = {'O', 'S', 'E', '2'};
static const uint8_t magic_keyed[4] = {'O', 'S', 'E', '3'};

static void put(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *data, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)data[i] << (8 * i);
    }
    return value;
}

/* Of the whole entry, as if the checksum in it were 0. */
static uint64_t checksum(const uint8_t *data, size_t len)
{
    uint8_t head[ENTRY_HEADER_SIZE];
    memcpy(head, data, sizeof head);
    memset(head + AT_CHECKSUM, 0, 8);
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, head, sizeof head);
    XXH3_64bits_update(&state, data + sizeof head, len - sizeof head);
    return XXH3_64bits_digest(&state);
}

size_t entry_size(size_t operations_len)
{
    assert(operations_len <= UINT32_MAX);
    size_t size = ENTRY_HEADER_SIZE + operations_len;
    return (size + ENTRY_ALIGNMENT - 1) / ENTRY_ALIGNMENT * ENTRY_ALIGNMENT;
}

void entry_encode(const struct entry *e, uint8_t *out)
{
    size_t size = entry_size(e->operations.len);
    size_t used = ENTRY_HEADER_SIZE + e->operations.len;
    assert(e->n_operations <= e->operations.len); /* the decoder refuses it */
    assert(e->now_ms <= ENTRY_TIME_MAX_MS && e->era <= ENTRY_ERA_MAX);
    assert((e->era == 0 && !e->keyed) || e->epoch <= ENTRY_EPOCH_MAX);
    memset(out, 0, ENTRY_HEADER_SIZE);
    memcpy(out + AT_MAGIC, e->keyed ? magic_keyed : e->era > 0 ? magic_era : magic, sizeof magic);
    put(out + AT_N_OPERATIONS, e->n_operations, 4);
    put(out + AT_NOW, e->now_ms, 8);
    put(out + AT_EPOCH, e->epoch, 8);
    if (e->era > 0) {
        put(out + AT_ERA, e->era, 2);
    }
    put(out + AT_SEQUENCE, e->sequence, 8);
    put(out + AT_LENGTH, e->operations.len, 4);
    put(out + AT_COMMITTED, e->committed, 4);
    if (e->operations.len > 0) {
        memcpy(out + ENTRY_HEADER_SIZE, e->operations.data, e->operations.len);
    }
    memset(out + used, 0, size - used);
    put(out + AT_CHECKSUM, checksum(out, size), 8);
}

/* The padding is zeros: one entry has one encoding. */
static bool is_padded(const uint8_t *data, size_t used, size_t len)
{
    for (size_t i = used; i < len; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool is_keyed(const uint8_t *data)
{
    return memcmp(data + AT_MAGIC, magic_keyed, sizeof magic_keyed) == 0;
}

/* Is there room for one? */
static bool has_era(const uint8_t *data)
{
    return is_keyed(data) || memcmp(data + AT_MAGIC, magic_era, sizeof magic_era) == 0;
}

static bool is_ours(const uint8_t *data, size_t len)
{
    return len >= ENTRY_HEADER_SIZE &&
           (memcmp(data + AT_MAGIC, magic, sizeof magic) == 0 || has_era(data));
}

int entry_decode(const uint8_t *data, size_t len, struct entry *e)
{
    if (!is_ours(data, len)) {
        return -1;
    }
    uint32_t n_operations = (uint32_t)get(data + AT_N_OPERATIONS, 4);
    uint32_t operations_len = (uint32_t)get(data + AT_LENGTH, 4);
    if (entry_size(operations_len) != len || n_operations > operations_len ||
        !is_padded(data, ENTRY_HEADER_SIZE + (size_t)operations_len, len) ||
        get(data + AT_NOW, 8) > ENTRY_TIME_MAX_MS ||
        get(data + AT_CHECKSUM, 8) != checksum(data, len) ||
        (has_era(data) && !is_keyed(data) && get(data + AT_ERA, 2) == 0)) {
        return -1;
    }
    *e = (struct entry){
        .now_ms = get(data + AT_NOW, 8),
        .epoch = get(data + AT_EPOCH, has_era(data) ? 6 : 8),
        .era = has_era(data) ? (uint32_t)get(data + AT_ERA, 2) : 0,
        .keyed = is_keyed(data),
        .sequence = get(data + AT_SEQUENCE, 8),
        .n_operations = n_operations,
        .committed = (uint32_t)get(data + AT_COMMITTED, 4),
        .operations = {data + ENTRY_HEADER_SIZE, operations_len},
        .bytes = {data, len},
    };
    return 0;
}

uint64_t entry_committed(const uint8_t *data, size_t len, uint64_t index)
{
    uint32_t low = is_ours(data, len) ? (uint32_t)get(data + AT_COMMITTED, 4) : 0;
    uint32_t back = (uint32_t)index - low; /* fewer entries are in flight than that takes */

    return low != 0 && back > 0 && back < index ? index - back : 0;
}
