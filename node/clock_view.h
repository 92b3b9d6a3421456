/* clock_view.h - the voters' wall clocks as one node sees them, and what they say of the time. Pure. */
#ifndef CLOCK_VIEW_H
#define CLOCK_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "../raft/peer/clock_agreement.h"
#include "host/clock.h"

struct clock_samples;
struct replica_member;
struct scheduler_clock;

/* What is known of another voter. */
struct clock_view_voter {
    uint64_t id;
    int64_t offset_us; /* its clock minus this node's, the middle of what is possible */
    int64_t error_us;  /* to both sides */
    /* By how much it is ahead of the nearest time that a majority agrees on (negative: behind). */
    int64_t ahead_us;
};

struct clock_view {
    struct clock_agreement agreement;
    unsigned n_voters;
    /* The voter whose clock counts, as no majority agrees, it is trusted, and its clock is known (or its
     * own); 0: there is none. */
    uint64_t goes_by;
    bool votes; /* this node: who does not vote cannot lead, and needs no time */
    unsigned n; /* other voters that were heard, well enough, in the last half a minute */
    struct clock_view_voter voters[CLOCK_VOTERS_MAX];
};

/* Of these members, one of whose clocks may be `trusted` (0: none is; else it need not be there), by what was heard of their clocks, at these readings of this machine's. Right
 * clocks may differ by error_max_us from each other: half of it each from the true time. */
void clock_view_make(struct clock_view *view, const struct clock_samples *samples,
                     const struct replica_member *members, unsigned n_members, uint64_t trusted,
                     int64_t error_max_us, uint64_t wall_us, uint64_t monotonic_us);
/* Does a majority agree? */
bool clock_view_is_agreed(const struct clock_view *view);
/* The same for the scheduler, in milliseconds. */
void clock_view_report(const struct clock_view *view, struct scheduler_clock *out);
/* What follows for the cluster's time; of a view made at this reading of the wall clock. */
struct clock_guide clock_view_guide(const struct clock_view *view, uint64_t wall_us);

#endif
