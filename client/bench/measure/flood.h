/* flood.h - clients that ask one node for more than a good one would: many connections,
 * each with many requests under way, made by hand; some never take an answer.
 *
 * A connection that the node closes is made anew. One thread for all. */
#ifndef ORDERBENCH_FLOOD_H
#define ORDERBENCH_FLOOD_H

#include <pthread.h>
#include <stdatomic.h>

#include "../../wire/protocol.h"

#define FLOOD_CONNECTIONS_MAX 1000

struct flood_config {
    const char *api; /* the node's client API, HOST:PORT; numeric */
    unsigned connections;
    unsigned outstanding; /* requests without an answer, each connection */
    bool deaf;            /* send as long as the node takes requests, and read nothing */
    /* The next message into an empty buffer, on the flood's thread. */
    void (*message)(void *arg, struct buffer *out);
    void *arg;
};

struct flood_connection;

struct flood {
    struct flood_config config;
    struct flood_connection *connections;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint_fast64_t sent; /* messages, whole */
    atomic_uint_fast64_t answered;
    atomic_uint_fast64_t closed; /* connections, by the node */
};

/* A connection to this HOST:PORT, numeric, with nothing sent on it yet; blocks. The caller's to close; -1: none, see
 * errno. */
int flood_connect(const char *api);
/* 0, or -1: no thread, or no memory. */
int flood_start(struct flood *f, const struct flood_config *config);
void flood_stop(struct flood *f);

#endif
