/* peer_work.h - the works that a peer is measured with, and the row that each fills in. */
#ifndef PEER_WORK_H
#define PEER_WORK_H

#include "../../../client/base/histogram.h"
#include "peer.h"

#define WORK_PIDS_MAX 9

struct work {
    struct peer_target target;
    uint64_t orders;
    unsigned threads;
    unsigned batch;
    uint64_t over_ms;        /* fire: the deadlines are spread over so long */
    uint64_t lead_ms;        /* fire, drain: the first deadline is so far ahead */
    uint64_t patience_ms;    /* for a delivery that does not come, or a count that is not right */
    int pids[WORK_PIDS_MAX]; /* memory: of the servers */
    unsigned n_pids;
    uint64_t since_us; /* serves: the wall clock when the servers were started */
    uint32_t run;      /* of the orders' ids */

    json_t *row;
    json_t *settings;
};

/* Each: 0, or an exit code after a sentence on stderr: 1 what the peer holds or delivered is not
 * what it was given, 3 it could not be measured. */
int work_schedule(struct work *w);
int work_pay(struct work *w);
int work_fire(struct work *w);
int work_drain(struct work *w);
int work_memory(struct work *w);
int work_serves(struct work *w);

/* ---- for the works themselves ---- */

/* When the order with this number is due, as of `base_ms`. */
typedef uint64_t work_deadline(const struct work *w, uint64_t base_ms, uint64_t number);

void work_order(const struct work *w, uint64_t number, struct peer_order *o);
/* Open a connection, patiently: the servers may have been started just now. */
int work_open(const struct work *w, struct peer_conn *c, unsigned number);
/* A server that answers, durable, with empty tables or queues; and what it says of itself. */
int work_prepare(struct work *w);
/* An error unless the peer holds so many orders. */
int work_expect(const struct work *w, uint64_t n);
void work_add(const struct work *w, const char *name, double value);
void work_add_latency(const struct work *w, const struct histogram *h);
int work_explain(const char *doing, const struct peer_conn *c);

#endif
