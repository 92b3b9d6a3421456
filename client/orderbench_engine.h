/* orderbench_engine.h - drives a cluster with one kind of operation and measures each call.
 *
 * Closed loop: so many calls are always under way, the next begins when one ends; with one
 * outstanding that is a caller who waits, through the synchronous call. Open loop: calls begin
 * when the rate says, whatever became of the earlier ones, and a latency counts from that moment:
 * a call that had to wait for its turn because the cluster stood still shows the whole wait.
 *
 *   engine_start ──► running ──(all orders taken, engine_stop, or a call failed)──► engine_finish
 *
 * Each client is a handle of the client library of its own. All is owned by the engine until
 * engine_finish; the strings of the configuration must live as long. */
#ifndef ORDERBENCH_ENGINE_H
#define ORDERBENCH_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "orderbench_histogram.h"
#include "ordersched.h"

#define ENGINE_CLIENTS_MAX 64
#define ENGINE_OUTSTANDING_MAX 60000 /* a client; the library takes 65,536 */

struct engine_config {
    const char *endpoints;
    const char *cluster;
    const char *route;   /* of schedules */
    const char *target;  /* not NULL: GETs are local reads of the node with this client API */
    enum ordersched_operation_kind kind;
    uint32_t run;        /* of the orders' ids */
    uint64_t first;      /* number of the first order */
    uint64_t n;          /* calls */
    uint64_t span;       /* not 0: numbers begin again at `first` after so many */
    unsigned clients;
    unsigned outstanding; /* of each client; in an open loop, at most */
    double rate;         /* calls a second, all clients together; 0: closed loop */
    unsigned timeout_ms;
    bool go_on;          /* after a call that failed, too */
    /* After each call, on a client's thread: its number, when it began and its error. Or NULL. */
    void (*ended)(void *arg, uint64_t number, uint64_t began_us, int error);
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
    atomic_uint_fast64_t last_us;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t change;
    unsigned busy; /* clients with work to do or to wait for */
    uint64_t failed;
    int first_error; /* enum ordersched_error of the first call that failed */
    char text[256];  /* and its sentence, or empty */
};

struct engine_result {
    uint64_t done;     /* calls that were answered OK */
    uint64_t failed;
    int first_error;
    char text[256];
    double seconds;    /* from the first call's beginning to the last one's end */
    double cpu_s;      /* of this process meanwhile: the load's share of the machine */
    struct histogram latency; /* of all calls that ended */
};

/* Open the clients, wait until each has found the leader, and begin. ORDERSCHED_OK, or why not;
 * then there is nothing to finish. */
int engine_start(struct engine *e, const struct engine_config *config);
/* Begin no more calls. */
void engine_stop(struct engine *e);
/* How many calls have ended. */
uint64_t engine_ended(const struct engine *e);
/* Wait up to timeout_ms for all calls to have ended. True: they have. */
bool engine_wait(struct engine *e, unsigned timeout_ms);
/* Wait for all calls, close the clients, sum up. */
void engine_finish(struct engine *e, struct engine_result *result);

#endif
