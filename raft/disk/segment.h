/* segment.h - one segment file of libraft's log, and whether it is whole.
 *
 *   u64 format (1)
 *   batches, back to back:
 *     u32 CRC of the header, u32 CRC of the data
 *     header: u64 n; n times { u64 term, u8 type, 3 unused bytes, u32 length }
 *     data: the entries, back to back
 *   in an open segment: zeros to the end of the preallocated file
 *
 * All little-endian; the CRC-32 is the one of polynomial 0x04c11db7, most significant bit first,
 * starting from 0, not inverted. */
#ifndef DISK_SEGMENT_H
#define DISK_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum segment_state {
    SEGMENT_WHOLE,  /* every byte is accounted for (open: up to the zeros) */
    SEGMENT_TORN,   /* valid batches, then bytes that belong to none */
    SEGMENT_BROKEN, /* a damaged batch in front of a valid one, or no segment at all */
};

struct segment_scan {
    enum segment_state state;
    uint64_t n_entries;  /* in the valid batches from the beginning */
    size_t bad_offset;   /* of the first damaged batch */
    size_t valid_offset; /* BROKEN: of the valid batch behind it, or 0: no segment at all */
};

/* Scan the content of a segment file. A file of no bytes or of zeros only is WHOLE, empty. */
struct segment_scan segment_scan(const uint8_t *data, size_t len);

uint64_t disk_get64(const uint8_t *p);
uint32_t disk_get32(const uint8_t *p);

#endif
