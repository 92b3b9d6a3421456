/* client_handle.h - the client behind the public handle: what its thread, the callers and a caller
 * that takes the thread's place share.
 *
 * The logic, and the transport below it, are run by one at a time: as a rule by the client's own
 * thread, which all calls come to through the inbox. A thread that makes a synchronous call while
 * the client has nothing else to do runs them itself until it has its answer, or until there is
 * anything else to do (client_sync.c): two thread switches fewer for an order. Whose turn it is
 * changes under the mutex only.
 *
 *   CLIENT'S THREAD --- the only call is made, and its caller waits for it ---> A CALLER
 *         ^-- it has its answer; or another call is made; or the client is closed --'
 */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "client_logic.h"
#include "client_nng.h"
#include "../ordersched.h"

#define CLIENT_RANDOM_POOL 1024u

struct ordersched_client {
    struct call_budget budget;
    unsigned timeout_ms;
    pthread_t thread;
    atomic_uint_fast64_t busy; /* a copy of the logic's */

    pthread_mutex_t mutex;      /* guards from here... */
    pthread_cond_t work;        /* something for the client's thread */
    pthread_cond_t caller_work; /* something for the caller in its place */
    pthread_cond_t time;        /* the cluster's time has become known */
    struct call_queue inbox;
    bool woken;
    bool closing;
    bool idle;              /* the client's thread sleeps, or is told to wake up... */
    uint64_t idle_until_ms; /* ...at this time by itself */
    bool caller_runs;       /* it is a caller's turn */
    uint64_t wake_ms;       /* when whoever's turn it is has something to do without being told */
    uint64_t want_time_until_ms;
    bool time_known;
    uint64_t cluster_ms; /* the cluster's time at... */
    uint64_t cluster_at_ms;
    /* ...to here; the rest belongs to whoever's turn it is. */

    struct client_logic logic;
    struct client_tls *tls; /* NULL: plain TCP */
    struct client_nng *nng;
    uint8_t random[CLIENT_RANDOM_POOL];
    size_t random_left;
};

/* Submit as ordersched_submit does. If `caller_runs` is not NULL and it is set on success, it is
 * our caller's turn now: it must run the client, and give the turn back. */
int client_submit(struct ordersched_client *c, const struct ordersched_operation *operation,
                  unsigned timeout_ms, ordersched_cb cb, void *arg,
                  bool *caller_runs) ORDERSCHED_MUST_CHECK;
/* Do everything there is to do. With the mutex held, which is released meanwhile; by whoever's
 * turn it is. */
void client_round(struct ordersched_client *c);
/* Sleep until told through `condition`, or until the time (CLOCK_MONOTONIC; UINT64_MAX: never).
 * With the mutex held. False: it is that time. */
bool client_wait(struct ordersched_client *c, pthread_cond_t *condition, uint64_t until_ms);

#endif
