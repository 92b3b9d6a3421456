/* leader_watch.h - is a leader whose connection has ended still running?
 *
 * A process that dies closes its connections, which alone may have been the network. So its machine
 * is asked at once, by dialing it: where nobody listens any more, the process is gone, and the
 * follower is told. A kernel takes a dead process's descriptors away one after the other, so that a
 * connection may still be taken and dropped: then it is asked again, for a tenth of a second. Whoever
 * answers, or says nothing at all, is left to the election timeout. Raft loop only. */
#ifndef LEADER_WATCH_H
#define LEADER_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct raft_uv_transport;

/* The follower, as in consensus/replica.h. */
struct leader_watch_follower {
    void *arg;
    uint64_t (*leader)(void *arg, const char **address); /* 0: none */
    bool (*gone)(void *arg, uint64_t id, unsigned *wait_ms);
    bool (*stand)(void *arg, uint64_t id);
};

struct leader_watch {
    struct raft_uv_transport *transport;
    struct leader_watch_follower follower;
    uv_loop_t *loop;
    uint64_t id;       /* who is asked about, or was found to be gone; 0: nobody */
    uint64_t until_ms; /* of the loop's time: not asked, and no attempt to stand, after that */
    bool gone;
    uv_timer_t timer; /* until it is asked again, or until this node stands */
};

void leader_watch_init(struct leader_watch *w, uv_loop_t *loop, struct raft_uv_transport *transport,
                       const struct leader_watch_follower *follower);
/* The connection on which this node sent to us has ended. */
void leader_watch_ended(struct leader_watch *w, uint64_t id);
/* Before the follower goes. The timer is gone when the loop has run out, and an ask that is under way
 * ends with the transport; the watch outlives both. */
void leader_watch_close(struct leader_watch *w);

#endif
