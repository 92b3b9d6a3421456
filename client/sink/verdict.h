/* verdict.h - what the reference receiver says to a request: about each order, once and
 * for all, and how it misbehaves while it does. */
#ifndef ORDERSINK_VERDICT_H
#define ORDERSINK_VERDICT_H

#include "ledger.h"

/* Since the start. */
struct sink_counters {
    uint64_t deliveries; /* orders of accepted requests */
    uint64_t batches;    /* accepted requests that were batches */
    uint64_t repeats;    /* deliveries of an idempotency key settled before */
    uint64_t effects;
    uint64_t paid;  /* idempotency keys settled so */
    uint64_t later; /* answers */
    uint64_t failed;
    uint64_t lied; /* orders of batches that were lied about */
    uint64_t hung; /* requests, as all that follow but refused */
    uint64_t closed;
    uint64_t garbage;
    uint64_t huge;
    uint64_t busy;
    uint64_t refused; /* requests, and orders of batches */
    uint64_t syncs;
};

struct sink_verdicts {
    const struct sink_options *options;
    struct sink_ledger ledger;
    struct sink_counters counts;
    uint64_t draws;
};

/* Decide, and write down what was decided. The request's and its items' verdicts are set. */
void sink_verdict(struct sink_verdicts *v, struct sink_request *r);
/* The next request's lot: is it one of this share? */
bool sink_verdict_draw(struct sink_verdicts *v, double share);

#endif
