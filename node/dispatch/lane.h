/* lane.h - one route's way through the dispatcher: how much of it is in flight, at what pace its
 * receiver takes it, and how late it is.
 *
 * Volatile and the leader's own; it follows the route's settings by their revision. Pure. */
#ifndef LANE_H
#define LANE_H

#include "bucket.h"
#include "delivery.h"
#include "lateness.h"
#include "pace.h"

#define LANE_FIRSTS_MAX 3 /* first deliveries in a row while retries wait */

struct route_lane {              /* zero it to start */
    struct route_copy *settings; /* NULL: nothing was started yet */
    struct pace pace;
    struct bucket bucket;
    uint32_t inflight;  /* deliveries, orphans not included */
    uint32_t requests;  /* HTTP requests, orphans not included */
    uint64_t bytes;     /* of these deliveries */
    uint32_t firsts;    /* first deliveries taken since a retry was, while retries waited */
    uint32_t wholes;    /* requests started since a divided one was, while divided ones waited */
    uint64_t linger_us; /* until when a batch may wait to fill; 0 = none waits */
    uint64_t run;       /* the dispatcher's last one that found orders ready */
    bool slowed;        /* it was told that the receiver takes one at a time only */
    struct lateness *lateness; /* NULL: nothing was measured yet */
};

/* What a lane would start now. */
struct lane_plan {
    uint32_t n;       /* deliveries, as one batch; 0: none */
    uint64_t wake_us; /* when n is 0: look again then; UINT64_MAX: something else will tell */
};

/* Take over the route's settings where they are new. A route of another name starts afresh. */
void lane_follow(struct route_lane *l, const struct route *route, uint64_t now_us);
/* What window, pace, rate, batch and linger allow, with so many orders ready (more than 0).
 * `hurry`: without lingering. */
struct lane_plan lane_plan(struct route_lane *l, uint64_t ready, bool hurry, uint64_t now_us);
/* Orders whose batch failed go in smaller ones, as many at a time as there would be of full ones:
 * else a receiver of 20 batches would see 2,000 requests at once. Has it room for another? */
bool lane_has_request(const struct route_lane *l);
/* n deliveries of the plan are started. */
void lane_started(struct route_lane *l, uint32_t n, uint64_t now_us);
/* Which list the next delivery comes from: first deliveries go before retries, but while both
 * wait each fourth one is a retry. */
enum route_ready lane_choose(struct route_lane *l, uint32_t n_first, uint32_t n_retry);
/* A delivery of this leadership ended. */
void lane_ended(struct route_lane *l, const struct delivery *v, uint64_t now_us);
/* The leadership is over: nothing of it is in flight any more. */
void lane_forget(struct route_lane *l);
void lane_close(struct route_lane *l);

#endif
