/* metrics_health.h - is this node alive, and may clients be sent to it?
 *
 * Alive: its raft loop turns. A supervisor may start one anew that does not. Ready: a leader is known,
 * this node is not far behind it, its data disk takes writes, and it knows what time it is. A load
 * balancer may leave out one that is not; starting it anew would help nothing. Pure. */
#ifndef METRICS_HEALTH_H
#define METRICS_HEALTH_H

#include "metrics_sample.h"

#define HEALTH_BEAT_MAX_S 5      /* between two turns of the raft loop */
#define HEALTH_BEHIND_MAX 1000   /* entries that a node that is ready may be behind its leader */
#define HEALTH_CANARIES_MISSED 6 /* so many intervals without one are too long */
#define HEALTH_REASON_MAX 160

enum health_check {
    HEALTH_LOOP,   /* the raft loop turns */
    HEALTH_LEADER, /* a leader is known, and this node is a member */
    HEALTH_LOG,    /* what the leader had committed is applied here, but for HEALTH_BEHIND_MAX */
    HEALTH_DISK,   /* the data disk is not full */
    HEALTH_TIME,   /* what time it is is known */
    HEALTH_CANARY, /* a canary was settled lately, if any ever was */
    HEALTH_CHECKS
};

struct health {
    bool ok[HEALTH_CHECKS];
    char reasons[HEALTH_CHECKS][HEALTH_REASON_MAX]; /* a sentence, also where it is well */
};

/* As they stand in the answer. */
const char *health_check_name(enum health_check check);

/* Has the loop turned lately? `beat_ns` is when it did last, both by clocks_running_ns(). False: the
 * sentence says why not; else it is "ok". */
bool health_is_alive(uint64_t now_ns, uint64_t beat_ns, char reason[HEALTH_REASON_MAX]);
/* True: all checks are well. */
bool health_is_ready(const struct metrics_sample *s, uint64_t now_ns, uint64_t beat_ns,
                     struct health *out);

#endif
