/* crew.h - worker threads on a route, and the ledger of what they were given and what became of
 * it. Orders are named "PREFIX-NUMBER".
 *
 * The ledger judges as a receiver that deduplicates by the idempotency key would. */
#ifndef CREW_H
#define CREW_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster.h"

#define CREW_MAX 32

struct crew_order {
    unsigned deliveries;
    unsigned effects; /* of different keys */
    bool settled;     /* a report was answered OK */
    bool held;        /* by a worker that has not been told OK or STALE yet */
    char key[ORDERSCHED_KEY_SIZE];
    uint64_t epoch, index; /* the fence of the latest delivery */
};

struct crew {
    const struct cluster *cluster;
    const char *route;
    unsigned n;
    unsigned batch;
    unsigned work_ms; /* how long a worker takes over its orders */
    atomic_bool stop;
    pthread_t threads[CREW_MAX];
    unsigned shares[CREW_MAX]; /* orders that each thread settled */
    pthread_mutex_t mutex;
    struct crew_order *orders;
    unsigned n_orders;
    unsigned n_settled;
    unsigned violations; /* each was printed */
};

/* Start n workers, each with a client of its own, for orders 0..n_orders-1. */
void crew_start(struct crew *c, const struct cluster *cluster, const char *route, unsigned n,
                unsigned batch, unsigned work_ms, unsigned n_orders);
/* Orders that workers hold now. */
unsigned crew_held(struct crew *c);
/* Until as many orders are settled; false: not in this time. */
bool crew_wait_settled(struct crew *c, unsigned n, unsigned timeout_ms);
void crew_stop(struct crew *c);
void crew_free(struct crew *c);

#endif
