/* receiver.h - what the dispatcher knows of those who are told about an expired order.
 *
 * The dispatcher hands over a delivery and is called back exactly once, on the raft loop's
 * thread, never from inside start(). In production the receiver is callback_http.h; in the
 * simulator it is simulated. */
#ifndef RECEIVER_H
#define RECEIVER_H

#include "../client/protocol.h"

/* One attempt to tell a route's receiver about one order. Made by the dispatcher, self-contained
 * (nothing in it points into the machine), freed by the dispatcher after `done`. */
struct delivery {
    char key[37]; /* idempotency key: "osd_" and 32 hex digits, the same at each attempt */
    uint64_t fence_epoch;
    uint64_t fence_index;
    uint64_t deadline_ms;
    uint32_t version;
    uint32_t attempt; /* 1 = first */
    uint64_t started_ms; /* the cluster's clock when it was handed over */
    uint16_t route_slot;
    char route[ORDERSCHED_ROUTE_NAME_MAX + 1];
    char *url;
    uint32_t n_secrets;
    char *secrets[PROTOCOL_SECRETS_MAX]; /* "whsec_" + base64 */
    uint32_t timeout_ms;
    enum route_kind kind;
    uint8_t id[ORDERSCHED_ID_MAX];
    size_t id_len;
    uint8_t *payload;
    size_t payload_len;
    /* Filled by the receiver before done(). */
    enum outcome outcome;
    uint64_t delay_ms; /* LATER: the delay asked for; FAILED: Retry-After, or 0 */
    char reason[160];  /* FAILED: one line for the log; no payload, no secret */
    void (*done)(struct delivery *d, void *arg);
    void *done_arg;
    struct delivery *next; /* the holder's list */
    struct delivery *prev;
    struct delivery *queued; /* the receiver's list, from start() until done() */
    bool orphan; /* dispatcher: the office it was started in is over */
};

struct receiver {
    void *impl;
    /* Take the delivery; done() follows exactly once, later, on the raft loop. Never fails: what
     * cannot be started ends as FAILED. */
    void (*start)(struct receiver *r, struct delivery *d);
    /* How many deliveries of the route it would take now, for a receiver that is asked for orders
     * (workers): the dispatcher starts no more than that. NULL: as many as there are. */
    unsigned (*room)(struct receiver *r, uint16_t route_slot, const char *route);
};

#endif
