/* receiver.h - what the dispatcher knows of those who are told about due orders.
 *
 * The dispatcher hands over deliveries, one or a batch of one route, and is called back exactly
 * once for each of them, on the raft loop's thread, never from inside start(). In production the
 * receiver is callback/http.h and its kin; in the simulator it is simulated. */
#ifndef RECEIVER_H
#define RECEIVER_H

#include "../../client/wire/protocol.h"
#include "lateness.h"

struct delivery_batch; /* the dispatcher's */

/* A route's settings as they were when a delivery was started, shared by the deliveries that were
 * started with them. Nothing in it points into the machine. Counted by the dispatcher alone: a
 * receiver may read it from start() until the done() of the last delivery it has of it. */
struct route_copy {
    unsigned holders;
    uint64_t revision;
    char route[ORDERSCHED_ROUTE_NAME_MAX + 1];
    /* Every slice in it is followed by a NUL, and never NULL: a C string unless it holds one. */
    struct route_settings settings;
    char *bytes; /* owned: what the slices point into; wiped at the end */
    size_t len;  /* of them */
};

/* What a failed delivery was about. With a batch the receiver's one answer may be about any of its
 * orders, or about their number. */
enum blame {
    BLAME_ORDER,   /* this order, by name */
    BLAME_REQUEST, /* the request as a whole, or its answer */
    BLAME_SIZE,    /* the size of the request */
    BLAME_NOBODY, /* the request was not sent: there was no connection; then it is overloaded, too */
};

/* One attempt to tell a route's receiver about one order. Made by the dispatcher, self-contained
 * (nothing in it points into the machine), freed by the dispatcher after `done`. */
struct delivery {
    char key
        [ORDERSCHED_KEY_SIZE]; /* idempotency key: "osd_" and 32 hex digits, the same at each attempt */
    uint64_t fence_epoch;
    uint64_t fence_index;
    uint64_t deadline_ms;
    uint32_t version;
    uint32_t attempt;    /* 1 = first */
    uint64_t started_ms; /* the cluster's clock when it was handed over */
    /* The time at started_us as well as it is known: that of a majority of the voters' wall clocks. 0:
     * as this machine's has it. */
    uint64_t true_ms;
    uint16_t route_slot;
    char route[ORDERSCHED_ROUTE_NAME_MAX + 1];
    const struct route_copy *settings;
    struct delivery *batch_next; /* of the same batch; NULL behind the last, or with a single one */
    uint8_t id[ORDERSCHED_ID_MAX];
    size_t id_len;
    uint8_t *payload;
    size_t payload_len;
    bool traced; /* its order has a traceparent: */
    uint8_t traceparent[PROTOCOL_TRACEPARENT_SIZE];
    /* Filled by the receiver before done(). */
    enum outcome outcome;
    uint64_t delay_ms; /* LATER: the delay asked for; FAILED: Retry-After, or 0 */
    enum blame blame;  /* FAILED: what it was about */
    bool overloaded;   /* FAILED: the receiver as a whole cannot bear more now, or is not there:
                        * 429, 503, a timeout, no connection; delay_ms is then for all its route */
    char reason[160];  /* FAILED: one line for the log; no payload, no secret */
    void (*done)(struct delivery *d, void *arg);
    void *done_arg;
    struct delivery *queued; /* the receiver's list, from start() until done() */
    /* The dispatcher's own. */
    struct delivery *next;
    struct delivery *prev;
    struct delivery_batch *batch;
    size_t bytes;        /* memory it takes */
    uint64_t started_us; /* monotonic */
    struct lateness_times times;
    bool orphan; /* the leadership it was started in is over */
};

struct receiver {
    void *impl;
    /* Take the deliveries of a batch, linked by batch_next; done() follows exactly once for each,
     * in any order, later, on the raft loop. Never fails: what cannot be started ends as FAILED. */
    void (*start)(struct receiver *r, struct delivery *first);
    /* After one start() or several, which may have left their deliveries lying until now. NULL: they
     * never do. */
    void (*flush)(struct receiver *r);
    /* How many deliveries of this route, of kind worker, it can take now. NULL: any number. */
    unsigned (*room)(struct receiver *r, uint16_t route_slot, const char *route);
    /* The leadership is over: end all that was started so far, soon, in any way; the outcomes do
     * not matter any more. Not from inside start() or done(). NULL: they end by themselves. */
    void (*abandon)(struct receiver *r);
};

#endif
