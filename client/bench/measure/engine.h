/* engine.h - drives a cluster with one kind of operation and measures each call.
 *
 * Closed loop: so many calls are always under way, the next begins when one ends; with one
 * outstanding that is a caller who waits, through the synchronous call. Open loop: calls begin
 * when the rate says, whatever became of the earlier ones, and a latency counts from that moment:
 * a call that had to wait for its turn because the cluster stood still shows the whole wait.
 * A shedding open loop gives a call up that finds its client's queue full, as a caller does whom
 * ordersched_submit() tells BUSY, instead of waiting for a place.
 *
 *   engine_start ──► running ──(all orders taken, engine_stop, or a call failed)──► engine_finish
 *
 * Each client is a handle of the client library of its own. All is owned by the engine until
 * engine_finish; the strings of the configuration must live as long. */
#ifndef ORDERBENCH_ENGINE_H
#define ORDERBENCH_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "../../base/histogram.h"
#include "../../ordersched.h"

#define ENGINE_CLIENTS_MAX 64
#define ENGINE_OUTSTANDING_MAX 60000 /* a client; the library takes 65,536 */

/* Which orders the calls are for. Without it their numbers follow from `first` on, and schedules
 * have the delays of bench_delay_ms(). Any thread. */
struct engine_orders {
    const void *arg;
    uint64_t (*number)(const void *arg, uint64_t i);           /* of the order of call i */
    uint64_t (*deadline_ms)(const void *arg, uint64_t number); /* since the epoch */
};

struct engine_config {
    const char *endpoints;
    const char *cluster;
    const char *route;  /* of schedules */
    const char *target; /* not NULL: GETs are local reads of the node with this client API */
    enum ordersched_operation_kind kind;
    uint32_t run;                       /* of the orders' ids */
    uint64_t first;                     /* number of the first order */
    uint64_t n;                         /* calls */
    uint64_t span;                      /* not 0: numbers begin again at `first` after so many */
    const struct engine_orders *orders; /* or NULL */
    unsigned clients;
    unsigned outstanding; /* of each client; in an open loop, at most */
    double rate;          /* calls a second, all clients together; 0: closed loop */
    unsigned timeout_ms;
    bool go_on; /* after a call that failed, too */
    bool shed;  /* open loop: see above */
    /* After each call, on a client's thread: its number, when it began, its error, and the order's
     * state. Or NULL. */
    void (*ended)(void *arg, uint64_t number, uint64_t began_us, int error, int state);
    void *ended_arg;
};

struct engine_client;

struct engine {
    struct engine_config config;
    struct engine_client *clients;
    uint64_t began_us; /* CLOCK_MONOTONIC */
    double cpu_before_s;
    atomic_uint_fast64_t next;  /* call to be made */
    atomic_uint_fast64_t ended; /* calls */
    atomic_uint_fast64_t ended_ok;
    atomic_uint_fast64_t ended_busy;
    atomic_uint_fast64_t ended_unknown;
    atomic_uint_fast64_t shed;
    atomic_uint_fast64_t last_us;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t change;
    unsigned busy; /* clients with work to do or to wait for */
    uint64_t failed;
    int first_error; /* enum ordersched_error of the first call that failed */
    char text[256];  /* and its sentence, or empty */
};

/* So far. */
struct engine_counts {
    uint64_t ended;    /* calls */
    uint64_t ok;       /* of those: answered OK */
    uint64_t busy;     /* given up as BUSY when their time was up */
    uint64_t unknown;  /* nobody knows whether they happened */
    uint64_t shed;     /* calls that were never made, as the client's queue was full: BUSY */
    uint64_t refusals; /* BUSY answers of nodes, to attempts that the client then repeated */
};

struct engine_result {
    struct engine_counts counts;
    uint64_t done; /* calls that were answered OK */
    uint64_t failed;
    int first_error;
    char text[256];
    double seconds;           /* from the first call's beginning to the last one's end */
    double cpu_s;             /* of this process meanwhile: the load's share of the machine */
    struct histogram latency; /* of all calls that ended */
};

/* Open the clients, wait until each has found the leader, and begin. ORDERSCHED_OK, or why not;
 * then there is nothing to finish. */
int engine_start(struct engine *e, const struct engine_config *config);
/* Begin no more calls. */
void engine_stop(struct engine *e);
/* How many calls have ended. */
uint64_t engine_ended(const struct engine *e);
void engine_count(const struct engine *e, struct engine_counts *counts);
/* Wait up to timeout_ms for all calls to have ended. True: they have. */
bool engine_wait(struct engine *e, unsigned timeout_ms);
/* Wait for all calls, close the clients, sum up. */
void engine_finish(struct engine *e, struct engine_result *result);

#endif
