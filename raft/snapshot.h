/* snapshot.h - an image of the machine, and back.
 *
 * One versioned, checksummed byte string. It holds the replicated state only; a restore rebuilds
 * the derived indexes. Never begins with the LZ4 frame magic (libraft would decompress it).
 *
 * Format: docs/semantics.md, "Snapshot format". Changing it: raise SNAPSHOT_VERSION, keep
 * decoding the previous one, add an image of the old version to tests/data. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "machine.h"

#define SNAPSHOT_MAGIC "OSDSNAP1"
#define SNAPSHOT_VERSION 2

/* Write the image of `m`. The buffer is the caller's, from `alloc` (malloc, or libraft's).
 * 0, or -1 on lack of memory. */
int snapshot_encode(const struct machine *m, void *(*alloc)(size_t), uint8_t **data,
                    size_t *len) ORDERSCHED_MUST_CHECK;

enum snapshot_error { SNAPSHOT_OK, SNAPSHOT_CORRUPT, SNAPSHOT_TOO_NEW, SNAPSHOT_NO_MEMORY };
/* Replace the state of `m` (initialised, of any content) by the image. On an error `m` is
 * unchanged. Trusts nothing: a truncated or altered image is SNAPSHOT_CORRUPT. */
enum snapshot_error snapshot_restore(struct machine *m, const uint8_t *data, size_t len)
    ORDERSCHED_MUST_CHECK;

#endif
