/* expiry.h - leader only: when must the cluster's time move on so that nothing is fired late?
 *
 * An order becomes due when an entry with a time at or past its deadline is applied. While
 * clients write, their entries carry the time; otherwise the leader wakes at the exact time of
 * the wheel's next order and proposes an entry just for its time. An idle cluster with nothing
 * due writes nothing. */
#ifndef EXPIRY_H
#define EXPIRY_H

#include "batcher.h"

/* Ask the batcher for a time entry if one is needed now. Returns the leader-clock time at which
 * to ask again, UINT64_MAX for "when something changes". */
uint64_t expiry_plan(const struct machine *m, struct batcher *b, uint64_t clock_ms);

#endif
