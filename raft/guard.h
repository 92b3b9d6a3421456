/* guard.h - a raft_io in front of a raft_io, that keeps libraft 0.22.1's hazards away from us.
 *
 * Each guard and the hazard it stands against is listed in docs/consensus.md. They sit at this
 * level so that the simulator, whose disk and network are another raft_io, runs them too.
 *
 *   set_term       an unchanged term is not written again (it would first persist vote = 0)
 *   set_term/vote  a failure is fatal
 *   append         a status other than 0 or CANCELED is fatal; entry lengths are checked
 *   send           one InstallSnapshot in flight for each follower, released when the follower's
 *                  match index moves or guard_install_timeout_ms is over
 *   snapshot_get   one at a time for each follower; served from one loaded copy
 *   snapshot_put   an install never overlaps our own snapshot
 *
 * "Fatal" calls `fatal(arg, sentence)`, which must not return in production (the supervisor
 * restarts the node from what is durable). */
#ifndef GUARD_H
#define GUARD_H

#include "libraft.h"

typedef void (*guard_fatal_cb)(void *arg, const char *sentence);

struct guard; /* opaque */

/* Wrap `inner`, which stays the caller's and must outlive the guard. `outer` is filled in and is
 * what raft_init gets. Returns NULL on lack of memory. `raft` is the instance that will use it
 * (read only, for match indexes). */
struct guard *guard_new(struct raft_io *inner, struct raft_io *outer, struct raft *raft,
                        guard_fatal_cb fatal, void *arg);
/* After raft_close's callback. */
void guard_free(struct guard *g);
/* May a snapshot of our own be started now (no install under way)? Asked by fsm->snapshot. */
bool guard_may_snapshot(const struct guard *g);

#endif
