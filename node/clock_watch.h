/* clock_watch.h - does this machine's wall clock agree with those of the other voters?
 *
 * Once a second this node tells its clock to all whom it sends to, and compares what it heard. A follower
 * hears its leader, and the leader hears all: so the leader knows whose clock is wrong, its own or
 * another's, and says so in the log, once when it begins, when it changes, and every ten minutes. What
 * time the cluster has follows from it (host/clock.h). Raft loop only. */
#ifndef CLOCK_WATCH_H
#define CLOCK_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "../raft/peer/clock_samples.h"
#include "clock_view.h"
#include "host/log.h"

struct raft_uv_transport;
struct replica;
struct scheduler;

/* What was said of a node's clock last. */
struct clock_said {
    uint64_t id;   /* 0: free */
    int direction; /* -1: behind, 1: ahead */
    uint64_t at_us;
};

struct clock_watch {
    uv_timer_t timer;
    struct raft_uv_transport *transport;
    struct scheduler *scheduler;   /* NULL until there is one */
    const struct replica *replica; /* its; NULL likewise */
    uint64_t id;                   /* this node's */
    struct log *log;
    struct clock_samples samples;
    struct clock_said said[CLOCK_VOTERS_MAX];
    uint64_t disagreed_us; /* when it was last said that no majority agrees; 0: it does */
    int64_t error_max_us;  /* by how much right clocks may differ from each other */
    /* What followed from the clocks at these readings of this machine's; a while later it still does. */
    uint64_t wall_us, monotonic_us;
    struct clock_guide guide;
};

/* The transport notes what it hears in samples, which may be before this. It outlives the watch's
 * timer. */
void clock_watch_init(struct clock_watch *w, uv_loop_t *loop, struct raft_uv_transport *transport,
                      struct log *log);
/* Right clocks may differ by error_max_us from each other. The scheduler knows the members, and who is
 * trusted. */
void clock_watch_begin(struct clock_watch *w, uint64_t id, struct scheduler *scheduler,
                       int64_t error_max_us);
/* As of now. */
void clock_watch_view(const struct clock_watch *w, struct clock_view *view);
/* What the voters' clocks say of the time, at these readings of this machine's clocks. */
void clock_watch_guide(struct clock_watch *w, uint64_t wall_us, uint64_t monotonic_us,
                       struct clock_guide *guide);
/* Before the replica goes. */
void clock_watch_close(struct clock_watch *w);

#endif
