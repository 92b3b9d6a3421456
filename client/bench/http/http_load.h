/* http_load.h - schedules orders at one node over HTTP/1.1 and measures each request: many connections
 * that are kept open, one request under way on each.
 *
 * Closed loop: the next request begins when one ends. Open loop (a rate): requests begin when the rate
 * says; one that finds no connection free waits for it, and a latency counts from when it should have
 * begun, as in engine.h. A connection that the node closed before it answered a byte is made anew and
 * the request sent again, once: it is the same one to the node. One thread for all; with one connection
 * in a closed loop it waits in recv(2), as a caller does. */
#ifndef ORDERBENCH_HTTP_LOAD_H
#define ORDERBENCH_HTTP_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "../measure/engine.h"
#include "http_orders.h"

#define HTTP_LOAD_CONNECTIONS_MAX 1000 /* a node takes 1,024 */

struct http_load_config {
    unsigned port; /* of 127.0.0.1 */
    unsigned connections;
    struct http_orders orders;
    double rate; /* requests a second; 0: closed loop */
    unsigned timeout_ms;
    bool go_on; /* after a request that failed, too */
};

struct http_load_connection;

struct http_load {
    struct http_load_config config;
    struct http_load_connection *connections;
    struct http_load_connection *idle;
    pthread_t thread;
    int poll_fd, timer_fd;
    atomic_bool stopping;
    atomic_bool ended;
    uint64_t requests; /* how many there will be */
    uint64_t next;     /* to be begun */
    unsigned under_way;
    unsigned repeated; /* requests that were sent a second time */
    uint64_t began_us, last_us;
    uint64_t done, failed; /* orders */
    uint64_t answered;     /* requests */
    double cpu_before_s;
    struct histogram latency; /* of requests */
    char text[256];           /* of the first that failed */
};

/* Begin; the strings of the configuration must live until the end. 0, or -1: no thread, memory or
 * descriptors, or nobody listens there. */
int http_load_start(struct http_load *l, const struct http_load_config *config);
/* Begin no more requests. */
void http_load_stop(struct http_load *l);
bool http_load_has_ended(const struct http_load *l);
/* Wait for the end, and sum up: the counts are orders, the latencies requests. */
void http_load_finish(struct http_load *l, struct engine_result *result);

#endif
