/* worker.h - the receiver for routes of kind worker: programs elsewhere ask for due orders
 * over the client protocol, hold them for a lease, and say what became of them.
 *
 *   RESERVE waits ──► the dispatcher starts what it has room for ──► answered, lease begins
 *   LEASE extends     SETTLE ──► done() ──► outcome in the log ──► answered
 *                     lease over ──► done() as FAILED "lease ran out"
 *
 * Workers pull: the dispatcher asks room() first and starts nothing that no worker waits for, so
 * that the orders of a route without workers stay in its ready list, whatever becomes of the
 * route meanwhile, and take no place from other routes. A waiting RESERVE holds no thread: it is
 * an unanswered message. There are at most polls_max of them; each is answered once. One whose
 * client has left gets no orders; one that does not want to wait is always taken, and answered in
 * this round.
 *
 * No connection can take the others' places: of a route, each connection's first RESERVE comes
 * before any connection's second, and so on. Where there is no room for another, one of the
 * connection that has most is refused (BUSY), else one of the route that has most, else the
 * newcomer.
 *
 * A SETTLE is answered when the outcomes of all its orders are committed and applied. A late copy
 * of one, under the same leadership, gets the same answer. Reservations are the leader's memory:
 * with its leadership they are void, and their holders are told STALE_RESERVATION by the next
 * leader; the orders are given out again, under the same idempotency keys.
 *
 * Pure: the clock, randomness, the way back to clients and to the log come from outside. Raft loop
 * only. */
#ifndef CALLBACK_WORKER_H
#define CALLBACK_WORKER_H

#include "../../raft/core/machine.h"
#include "../commit/inbound.h"
#include "worker_leases.h"

struct callback_worker_host {
    void *arg;
    uint64_t (*monotonic_us)(void *arg);
    uint64_t (*random)(void *arg);
    /* Reply to a message with one result, or refuse it as a whole. */
    void (*answer)(void *arg, struct inbound *in, const struct result *result);
    void (*refuse)(void *arg, struct inbound *in, int error, const char *text);
    /* Of the newest operation in the batcher: the outcome of a done() that follows has the next. */
    uint64_t (*ticket)(void *arg);
};

struct worker_poll;   /* a RESERVE that waits */
struct worker_settle; /* a SETTLE that waits */

struct worker_polls { /* those of one route, in order of rank, of one rank the oldest first */
    struct worker_poll *first, *last;
    uint32_t room; /* orders that they would take in all */
    uint32_t n;
};

struct callback_worker {
    struct callback_worker_host host;
    struct receiver receiver;
    uint32_t polls_max;
    uint32_t n_polls;
    uint64_t n_refused;           /* RESERVEs that found no room, ever */
    struct inbound_source nobody; /* of messages whose source is not known */
    uint64_t look_us; /* not later than the first poll's time is up; UINT64_MAX: no polls */
    struct worker_polls routes[MACHINE_ROUTES_MAX]; /* by slot */
    struct worker_poll *filling, **filling_last;    /* got orders in this round */
    struct worker_settle *settles, **settles_last;
    uint64_t applied_ticket;
    struct worker_leases leases;
    struct buffer body; /* scratch */
};

void callback_worker_init(struct callback_worker *w, const struct callback_worker_host *host,
                          uint32_t polls_max);
/* After callback_worker_leave. */
void callback_worker_close(struct callback_worker *w);

/* This node leads: reservations may be made, under this epoch. */
void callback_worker_open(struct callback_worker *w, uint64_t epoch);
/* No orders are given out any more: waiting RESERVEs are refused with the error. Leases can still
 * be extended and settled. */
void callback_worker_stop(struct callback_worker *w, int error);
/* The leadership is over (the dispatcher knows already): everything ends, SETTLEs that wait with an
 * unknown outcome. */
void callback_worker_leave(struct callback_worker *w, int error);

/* A RESERVE for the route in this slot. May answer at once (BUSY). */
void callback_worker_reserve(struct callback_worker *w, struct inbound *in,
                             const struct operation *op, uint16_t slot);
void callback_worker_lease(struct callback_worker *w, struct inbound *in,
                           const struct operation *op);
void callback_worker_settle(struct callback_worker *w, struct inbound *in,
                            const struct operation *op);

/* After the dispatcher has run: answer who got orders or waited long enough, end leases. Returns
 * the monotonic time of the next work, UINT64_MAX for none. */
uint64_t callback_worker_run(struct callback_worker *w);
/* From the batcher's internal(), then after the entry: answer the SETTLEs that waited for it. */
void callback_worker_ticket(struct callback_worker *w, uint64_t ticket,
                            const struct result *result);
void callback_worker_applied(struct callback_worker *w);

#endif
