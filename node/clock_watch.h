/* clock_watch.h - does this machine's wall clock agree with those of the other voters?
 *
 * Once a second this node tells its clock to all whom it sends to, and compares what it heard. A follower
 * hears its leader, and the leader hears all: so the leader knows whose clock is wrong, its own or
 * another's, and says so in the log, once when it begins, when it changes, and every ten minutes. What
 * time the cluster has does not follow from it. Raft loop only. */
#ifndef CLOCK_WATCH_H
#define CLOCK_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "../raft/peer/clock_agreement.h"
#include "../raft/peer/clock_samples.h"
#include "host/log.h"

/* By how much the clocks of a cluster may differ from each other: half of it each from the true time. */
#define CLOCK_ERROR_MAX_US 500000

struct raft_uv_transport;
struct replica;

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
    unsigned n; /* other voters that were heard in the last half a minute */
    struct clock_view_voter voters[CLOCK_VOTERS_MAX];
};

/* What was said of a node's clock last. */
struct clock_said {
    uint64_t id;   /* 0: free */
    int direction; /* -1: behind, 1: ahead */
    uint64_t at_us;
};

struct clock_watch {
    uv_timer_t timer;
    struct raft_uv_transport *transport;
    const struct replica *replica; /* NULL until there is one */
    uint64_t id;                   /* this node's */
    struct log *log;
    struct clock_samples samples;
    struct clock_said said[CLOCK_VOTERS_MAX];
    uint64_t disagreed_us; /* when it was last said that no majority agrees; 0: it does */
};

/* The transport notes what it hears in samples, which may be before this. It outlives the watch's
 * timer. */
void clock_watch_init(struct clock_watch *w, uv_loop_t *loop, struct raft_uv_transport *transport,
                      struct log *log);
void clock_watch_begin(struct clock_watch *w, uint64_t id, const struct replica *replica);
/* As of now. */
void clock_watch_view(const struct clock_watch *w, struct clock_view *view);
/* Before the replica goes. */
void clock_watch_close(struct clock_watch *w);

#endif
