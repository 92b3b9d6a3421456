/* snapshot_envelope.h - what is where in a snapshot, and is it the snapshot that was written?
 *
 * The sums of a snapshot of gigabytes take seconds. So they are taken in steps: what comes from
 * another node is verified between two events, before it is stored or believed. */
#ifndef SNAPSHOT_ENVELOPE_H
#define SNAPSHOT_ENVELOPE_H

#include "snapshot.h"

/* Zero to start; ends with snapshot_envelope_close. */
struct snapshot_envelope {
    uint32_t version;
    struct slice base; /* behind magic and version */
    struct slice tail; /* empty before version 3 */
    const uint8_t *data;
    size_t summed;               /* bytes of the snapshot whose sums were looked at */
    size_t base_end;             /* where the first sum ends */
    size_t end;                  /* where the last does */
    void *sum;                   /* of the part that is being looked at */
    uint64_t base_sum, tail_sum; /* as they should be */
};

/* Look at the ends of the snapshot, which stays the caller's and must stay where it is. Whatever
 * its version is: the sums of newer ones are where ours are, so a damaged version is not taken for
 * a newer one. SNAPSHOT_OK: go on with snapshot_envelope_step. */
enum snapshot_error snapshot_envelope_open(struct snapshot_envelope *e, const uint8_t *data,
                                           size_t len) ORDERSCHED_MUST_CHECK;
/* Sum up to `max` bytes more. False: go on. True: *error is the verdict. */
bool snapshot_envelope_step(struct snapshot_envelope *e, size_t max,
                            enum snapshot_error *error) ORDERSCHED_MUST_CHECK;
/* The identity of the cluster that the snapshot is of, after SNAPSHOT_OK. False: it has none, as
 * before version 4, and as long as the cluster has none. */
bool snapshot_envelope_identity(const struct snapshot_envelope *e,
                                uint8_t out[PROTOCOL_IDENTITY_SIZE]);
void snapshot_envelope_close(struct snapshot_envelope *e);

#endif
