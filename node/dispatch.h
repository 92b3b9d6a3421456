/* dispatch.h - leader only: ready orders become deliveries, and what the receivers say goes back
 * into the log.
 *
 *     ready list --take--> in flight --done--> outcome queued --applied--> settled, or waiting
 *          ^                   |                                           for its next attempt
 *          '--- office lost ---'  (the delivery goes on as an orphan; its outcome is dropped,
 *                                  and its receiver will see the same idempotency key again)
 *
 * It starts only after the leader's own epoch entry is applied, so that a leader that was deposed
 * without knowing fires nothing on its own. A route never has more than its window in flight,
 * and all routes together never more than the configured cap; routes take turns.
 *
 * Pure: the receiver, the clock and randomness come from outside. Raft loop only. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "../raft/machine.h"
#include "batcher.h"
#include "environment.h"
#include "log.h"
#include "receiver.h"

struct dispatch {
    struct machine *machine;
    struct batcher *batcher;
    struct receiver *receiver;
    const struct environment *environment;
    const struct log *log; /* may be NULL */
    const char *cluster;
    uint64_t node_id;  /* this node, for the history of the orders */
    unsigned max;      /* deliveries in flight, orphans included */
    bool active;
    uint16_t turn;     /* route that is asked first next time */
    uint32_t inflight; /* orphans included */
    uint32_t route_inflight[MACHINE_ROUTES_MAX]; /* orphans not included */
    struct delivery *deliveries;
    uint64_t log_second; /* failure lines written in this second, to bound them */
    uint32_t log_lines;
    void (*woken)(void *arg); /* an outcome was queued: pump the batcher soon */
    void *woken_arg;
};

void dispatch_init(struct dispatch *d);
/* The epoch entry is applied: fire. */
void dispatch_open(struct dispatch *d);
/* The office is over: deliveries become orphans, their orders go back to the ready lists. */
void dispatch_close_office(struct dispatch *d);
/* Start what windows and caps allow. Returns true when it stopped at its bound of starts for one
 * call and wants to be called again. */
bool dispatch_run(struct dispatch *d, uint64_t now_ms);
/* Idempotency key of an order's present deadline version; out has 37 bytes. */
void dispatch_key(const char *cluster, const struct order *o, char *out);

#endif
