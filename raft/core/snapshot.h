/* snapshot.h - a snapshot of the machine, and back.
 *
 * One versioned, checksummed byte string. It holds the replicated state only; a restore rebuilds
 * the derived indexes. Never begins with the LZ4 frame magic (libraft would decompress it).
 *
 * The snapshot is built in slices while the machine goes on applying entries:
 *
 *   begin ──► step, step, … ──► complete ──► finish
 *       └──── each entry applied meanwhile goes to the tail ────┘
 *
 * Its base is the state as of begin: the machine hands over an order's record before it changes
 * or drops it (machine_touch), a recent request before it drops it, and what comes later is left
 * out. The tail is the entries applied since, which a restore applies again. So base and tail
 * together are the state as of finish, whatever happened in between, and no call takes longer than
 * its slice.
 *
 * Format: docs/semantics.md, "Snapshot format". Changing it: raise SNAPSHOT_VERSION, keep
 * decoding the previous one, add a snapshot of the old version to tests/data. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "machine.h"
#include "snapshot_part.h"

#define SNAPSHOT_MAGIC "OSDSNAP1"
#define SNAPSHOT_VERSION 10

struct snapshot_build; /* opaque; a machine has one at most, as its observer */

/* Begin a snapshot of `m` as it stands between two entries. Aborts on lack of memory later on, as
 * the machine does: a half-built snapshot holds nothing up. NULL: no memory to begin with.
 * O(routes). */
struct snapshot_build *snapshot_begin(struct machine *m);
struct snapshot_build *snapshot_under_way(const struct machine *m); /* or NULL */
/* Write about `orders` more orders or recent requests; of orders at least one shard of the store,
 * which is a four-thousandth of them. True: the base is complete, and snapshot_finish may be
 * called. */
bool snapshot_step(struct snapshot_build *b, unsigned orders);
bool snapshot_is_complete(const struct snapshot_build *b);
/* Bytes of the entries applied since the build began. */
size_t snapshot_tail_bytes(const struct snapshot_build *b);
/* Hand over the complete snapshot: a sequence of parts, so that no piece of memory of its size is
 * needed. They are the caller's, for snapshot_parts_free. Frees the build. */
void snapshot_finish(struct snapshot_build *b, struct snapshot_part **parts, unsigned *n);
/* Give it up because the machine's contents are about to go; a machine that goes on keeps its
 * build to the end. */
void snapshot_abort(struct snapshot_build *b);

/* All of it at once, in one piece of memory from `alloc`. 0, or -1 on lack of memory. */
int snapshot_encode(struct machine *m, void *(*alloc)(size_t), uint8_t **data,
                    size_t *len) ORDERSCHED_MUST_CHECK;

enum snapshot_error { SNAPSHOT_OK, SNAPSHOT_CORRUPT, SNAPSHOT_TOO_NEW, SNAPSHOT_NO_MEMORY };
/* Replace the state of `m` (initialised, of any content, no build under way) by the snapshot. On an
 * error `m` is unchanged. Trusts nothing: a truncated or altered snapshot is SNAPSHOT_CORRUPT. */
enum snapshot_error snapshot_restore(struct machine *m, const uint8_t *data,
                                     size_t len) ORDERSCHED_MUST_CHECK;
/* The same, and `told` hears of it every some ten thousand orders. */
struct snapshot_progress {
    void (*told)(void *arg, uint64_t orders, uint64_t of);
    void *arg;
};
enum snapshot_error
snapshot_restore_telling(struct machine *m, const uint8_t *data, size_t len,
                         const struct snapshot_progress *progress) ORDERSCHED_MUST_CHECK;

#endif
