/* silence.h - has the other end stopped to acknowledge what was sent?
 *
 * TCP_USER_TIMEOUT alone does not say so in time. The kernel looks at it when a retransmission is
 * due, and the first is due after what it has seen of the path: behind a link that was slow and
 * deep with queues that is many seconds, which it sleeps although the link is good again. A
 * connection made anew knows nothing of that. */
#ifndef LOOP_SILENCE_H
#define LOOP_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Zero to start. */
struct silence {
    uint64_t since_ms; /* bytes were on the way at each look since, and none was acknowledged */
};

/* A look at a connection at `now_ms` (> 0): are bytes on the way, and how long ago did the last
 * acknowledgement of any come? True once nothing came for `limit_ms` while bytes were on the way at
 * every look. Looks should be a fraction of that apart. */
bool silence_lasts(struct silence *s, bool on_the_way, uint64_t last_ack_ago_ms, uint64_t now_ms,
                   uint64_t limit_ms);

#endif
