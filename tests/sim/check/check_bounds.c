/* check_bounds.c - what goes one way only: the commit index (COMMIT), and one snapshot at a time to
 * each follower (BOUND). */
#include <inttypes.h>

#include "../../../raft/consensus/guard.h"
#include "check_internal.h"

/* One snapshot is on its way to a follower: the next may follow when the follower confirmed
 * something, or showed by a refusal, long after, that it got nothing. Term 0: its disk was
 * replaced, or it is no member, and nothing is on its way any more. */
void check_installs(struct check *c, unsigned node, unsigned to, uint64_t term, uint64_t match,
                    uint64_t monotonic_ms)
{
    uint64_t before_ms = c->installs[node][to].monotonic_ms;

    if (term > 0 && c->installs[node][to].term == term && c->installs[node][to].match == match &&
        monotonic_ms < before_ms + GUARD_INSTALL_DOUBT_MS) {
        check_fail(c, "BOUND", -1,
                   "node %u sends node %u a second snapshot in term %" PRIu64 ", %" PRIu64
                   " ms after the first, which is still on its way",
                   node + 1, to + 1, term, monotonic_ms - before_ms);
    }
    c->installs[node][to].term = term;
    c->installs[node][to].match = match;
    c->installs[node][to].monotonic_ms = monotonic_ms;
}

/* "Increases monotonically": Ongaro and Ousterhout 2014, figure 2. */
void check_committed(struct check *c, unsigned node, uint64_t before, uint64_t index)
{
    if (index < before) {
        check_fail(c, "COMMIT", -1,
                   "node %u's commit index goes back, from %" PRIu64 " to %" PRIu64, node + 1,
                   before, index);
    }
}
