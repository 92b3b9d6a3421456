/* expiry.h - leader only: when must the cluster's time move on so that nothing is fired late?
 *
 * An order becomes due when an entry with a time at or past its deadline is applied. While
 * clients write, their entries carry the time; otherwise the leader wakes at the exact time of
 * the wheel's next order and proposes an entry just for its time. An idle cluster with nothing
 * due writes nothing, but for a leader that is alone (expiry_plan_note), and for the canary
 * (scheduler/canary.c). */
#ifndef EXPIRY_H
#define EXPIRY_H

#include "batcher.h"

/* Ask the batcher for a time entry if one is needed now. Returns the leader-clock time at which
 * to ask again, UINT64_MAX for "when something changes". */
uint64_t expiry_plan(const struct machine *m, struct batcher *b, uint64_t clock_ms);

/* The same so that memory of forgotten orders is given back, which the end of an entry does: where
 * room is short and no entry comes, an order would be refused for others that nobody knows any
 * more. An entry a second at most, as long as there is nothing to catch up with. */
uint64_t expiry_plan_room(const struct machine *m, struct batcher *b, uint64_t clock_ms);

/* The same so that the last entry of a leader that is alone is never much older than every_ms while it
 * runs: how far a wall clock jumped is judged by it at the next start. */
uint64_t expiry_plan_note(const struct machine *m, struct batcher *b, uint64_t clock_ms,
                          uint64_t every_ms);

#endif
