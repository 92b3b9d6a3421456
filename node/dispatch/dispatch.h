/* dispatch.h - leader only: ready orders become deliveries, and what the receivers say goes back
 * into the log.
 *
 *     ready list --take--> in flight --done--> outcome queued --applied--> settled, or waiting
 *          ^                   |                                           for its next attempt
 *          '--- leadership lost ---'  (the delivery goes on as an orphan; its outcome is dropped,
 *                                  and its receiver will see the same idempotency key again)
 *
 * It starts only after the leader's own epoch entry is applied, so that a leader that was deposed
 * without knowing fires nothing on its own.
 *
 * Routes take turns, each with its own window, rate and batches (lane.h). All together keep the
 * caps of deliveries, of HTTP requests and of memory; the last quarter of each cap is only for
 * routes that hold less than an equal share, so that receivers which stand still cannot take it
 * all. Orphans count among the caps, not in the windows; the receiver is told to end them.
 *
 * A run costs a look at each route that has orders ready and a step for each delivery. Pure: the receiver, the clocks
 * and randomness come from outside. Raft loop only. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "../../raft/core/machine.h"
#include "../commit/batcher.h"
#include "delivery_key.h"
#include "../host/environment.h"
#include "lane.h"
#include "../host/log.h"
#include "../metrics/metrics.h"
#include "receiver.h"

#define DISPATCH_BYTES_MAX (64ull * 1024 * 1024) /* of deliveries in flight, by default */

/* What all routes share: how much is used, and the cap. */
struct dispatch_pool {
    uint64_t used; /* orphans included */
    uint64_t max;
};

struct dispatch {
    struct machine *machine;
    struct batcher *batcher;
    struct receiver *receiver;
    const struct environment *environment;
    const struct log *log;   /* may be NULL */
    struct metrics *metrics; /* may be NULL */
    const char *cluster;
    struct delivery_keys keys;     /* since dispatch_open */
    uint64_t true_ms;              /* the time as well as it is known, when it runs */
    uint64_t node_id;              /* this node, for the history of the orders */
    struct dispatch_pool inflight; /* deliveries */
    struct dispatch_pool requests; /* batches that are HTTP requests */
    struct dispatch_pool bytes;
    bool active;
    uint16_t turn;             /* route that is asked first next time */
    uint64_t wake_us;          /* monotonic: call dispatch_run again then; UINT64_MAX: no need */
    struct route_lane *lanes;  /* MACHINE_ROUTES_MAX, by slot */
    uint32_t busy_lanes;       /* that have deliveries in flight */
    uint64_t run;              /* counts them */
    struct lateness *lateness; /* of all routes together */
    struct delivery *deliveries;
    uint64_t log_second; /* failure lines written in this second, to bound them */
    uint32_t log_lines;
    void (*woken)(void *arg); /* an outcome was queued: pump the batcher soon */
    void *woken_arg;
};

/* Zeroed but for the lanes, and caps that never hold: set what is needed. */
void dispatch_init(struct dispatch *d);
/* No delivery may be under way. */
void dispatch_close(struct dispatch *d);
/* The epoch entry is applied: fire. */
void dispatch_open(struct dispatch *d);
/* The leadership is over: deliveries become orphans, their orders go back to the ready lists. */
void dispatch_end_leadership(struct dispatch *d);
/* Start what windows and caps allow. `clock_us` is the leader's clock. Returns true when it stopped
 * at its bound of starts for one call and wants to be called again; else d->wake_us says when. */
bool dispatch_run(struct dispatch *d, uint64_t clock_us);

#endif
