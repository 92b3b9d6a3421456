/* peer.h - a system that people use in place of orderschedd, seen through its best realistic
 * client: what peer_NAME.c has to offer so that peer_work.c can measure it.
 *
 * A connection belongs to one thread at a time. Functions return 0, or -1 with a sentence in
 * c->error; what was asked for has then happened in part, or not at all. A function returns from a
 * change only when the peer has acknowledged it as durable. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "../../../client/bench/measure/ids.h"

#define PEER_ERROR_SIZE 256
#define PEER_PORTS_MAX 9
#define PEER_BATCH_MAX 1000

struct peer_target {
    unsigned ports[PEER_PORTS_MAX]; /* of 127.0.0.1; the first is the one that takes writes */
    unsigned n_ports;
    unsigned wait_for;  /* so many replicas must have a change before it counts */
    unsigned answer_ms; /* how long an answer may take, where a peer may leave it out for good */
};

struct peer_order {
    uint64_t deadline_ms; /* since the epoch */
    char id[BENCH_ID_SIZE];
    char payload[BENCH_PAYLOAD_SIZE];
    uint64_t handle; /* the peer's own name for it: set by put, 0 where there is none */
};

/* A delivery to a consumer. */
struct peer_receipt {
    char id[BENCH_ID_SIZE];
    char payload[BENCH_PAYLOAD_SIZE];
    uint64_t handle;
};

struct peer_conn {
    const struct peer_target *target;
    unsigned number; /* of this connection, from 0 */
    char error[PEER_ERROR_SIZE];
    void *own; /* the peer's */
};

struct peer {
    const char *client; /* how this client works, for people */
    unsigned threads;   /* connections that put or take back at a time, */
    unsigned batch;     /* and how many orders each has under way */
    unsigned receivers; /* connections that receive */
    bool has_one_delay; /* orders must be put in the order of their deadlines */

    /* On failure nothing is left to close. */
    int (*open)(struct peer_conn *c);
    void (*close)(struct peer_conn *c);
    /* Add "version" to the row, and what the server says about its durability to the settings; an
     * error when it is not durable. */
    int (*describe)(struct peer_conn *c, json_t *row, json_t *settings);
    /* Make the tables or queues, empty. NULL: a new server has what it takes. */
    int (*create)(struct peer_conn *c);
    int (*put)(struct peer_conn *c, struct peer_order *orders, unsigned n);
    /* All n orders are pending; an error when one turns out not to be. NULL: it cannot. */
    int (*take_back)(struct peer_conn *c, const struct peer_order *orders, unsigned n);
    /* Called before the orders are put. NULL: nothing to do. */
    int (*listen)(struct peer_conn *c);
    /* Wait up to some 100 ms for deliveries, at most `max`. Returns their number, or -1. */
    int (*receive)(struct peer_conn *c, struct peer_receipt *out, unsigned max);
    /* These have been dealt with: never again. NULL: the delivery is the end of it. */
    int (*settle)(struct peer_conn *c, const struct peer_receipt *receipts, unsigned n);
    /* How many orders it holds, in whatever state. */
    int (*count)(struct peer_conn *c, uint64_t *n);
    /* What they take on its disk. NULL: resident memory is what counts. */
    int (*stored_bytes)(struct peer_conn *c, uint64_t *bytes);
};

/* The one that is linked in. */
extern const struct peer peer;

/* Put a sentence into c->error. Returns -1. */
int peer_fail(struct peer_conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
