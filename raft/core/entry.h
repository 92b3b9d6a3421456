/* entry.h - one entry of the replicated log: the leader's time and a batch of operations.
 *
 * Layout, little-endian, padded with zeros to a multiple of 8 (LIBRAFT: other lengths kill):
 *
 *   0  u32 magic "OSE1"     4  u32 n_operations
 *   8  u64 now_ms           at most ENTRY_TIME_MAX_MS; the leader's clock reading
 *  16  u64 epoch            the proposer's term
 *                          with magic "OSE2": u48 epoch, u16 era, which is not 0;
 *                          with magic "OSE3": u48 epoch, u16 era, and some request ids are keyed
 *  24  u64 sequence         the proposer's count, to recognise its own entry
 *  32  u64 checksum         XXH3-64 of the whole entry with this field 0
 *  40  u32 length           bytes of operations that follow
 *  44  u32 committed        the low half of the log index that the proposer knew to be committed;
 *                          0: not said. No state depends on it (replica_ahead.c)
 *  48  operations, back to back, as the clients sent them
 *
 * The era counts how often the cluster's time was set back, as far as the proposer knew: a reading
 * from an earlier era is no time of this one.
 *
 * Keyed request ids are told from others by a bit that older versions took for a part of their time. So
 * they count as keyed in an entry that says so alone, at which older versions stop; in others they are what
 * they were: too early.
 *
 * Changing this: a new magic; both decoded for one release; docs/semantics.md. */
#ifndef ENTRY_H
#define ENTRY_H

#include "../../client/wire/protocol.h"

#define ENTRY_HEADER_SIZE 48
/* The year 6429. A deadline is at most 400 days later, so that all times fit ORDER_BITS. */
#define ENTRY_TIME_MAX_MS ((UINT64_C(1) << 47) - 1)
#define ENTRY_ERA_MAX UINT16_MAX
#define ENTRY_EPOCH_MAX ((UINT64_C(1) << 48) - 1) /* of an entry with an era, or keyed */

struct entry {
    uint64_t now_ms;
    uint64_t epoch;
    uint64_t sequence;
    uint32_t era; /* at most ENTRY_ERA_MAX */
    bool keyed;   /* its request ids may be keyed */
    uint32_t n_operations;
    uint32_t committed;
    struct slice operations;
    struct slice bytes; /* decoded: all of it */
};

/* Size of the encoded entry with `operations_len` bytes of operations. */
size_t entry_size(size_t operations_len);
/* Encode into `out` (now_ms at most ENTRY_TIME_MAX_MS), which has entry_size(e->operations.len) bytes. */
void entry_encode(const struct entry *e, uint8_t *out);
/* 0, or -1 when it is not a whole and unaltered entry. Slices point into data. */
int entry_decode(const uint8_t *data, size_t len, struct entry *e) ORDERSCHED_MUST_CHECK;
/* The log index up to which the entry at `index` says that the log is committed; 0: it says
 * nothing, or is no entry of ours. Looks at the header only. */
uint64_t entry_committed(const uint8_t *data, size_t len, uint64_t index);

#endif
