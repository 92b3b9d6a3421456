/* snapshot_bench.h - snapshots of a machine (raft/core/snapshot.h), and machines that are worth
 * one. */
#ifndef SNAPSHOT_BENCH_H
#define SNAPSHOT_BENCH_H

#include "../bed.h"

struct snapshot_bytes {
    uint8_t *data;
    size_t len;
};

/* All of the machine, at once. Free its data. */
struct snapshot_bytes snapshot_of(struct machine *m);
/* Write the trailer anew, for so many bytes of base; the rest is the tail. */
void snapshot_mend_parts(struct snapshot_bytes *snapshot, size_t base);
/* The same for a snapshot without a tail. */
void snapshot_mend(struct snapshot_bytes *snapshot);

/* A bed with orders in every state and place, and a few recent requests. Now is BED_T0 + 1000. */
struct bed *snapshot_bed_lived(void);
/* So many payments of an order that is not there: requests that are remembered. */
void snapshot_bed_refuse(struct bed *b, unsigned n);

#endif
