/* http_crowd.h - many HTTP clients that do one node harm, as far as it lets them: they are idle, take no
 * answers, send a byte now and then, come and go, ask for what is refused or for what is large.
 *
 * A connection that the node closes is made anew. One thread for all, which gives way to others of this
 * machine: it would be on another one. */
#ifndef ORDERBENCH_HTTP_CROWD_H
#define ORDERBENCH_HTTP_CROWD_H

#include <pthread.h>
#include <stdatomic.h>

#include "../../wire/protocol.h"

#define HTTP_CROWD_MAX 1200

struct http_crowd_config {
    unsigned port; /* of 127.0.0.1 */
    unsigned connections;
    /* The next request, number n of all, behind what `out` holds. NULL: they are idle. */
    void (*request)(uint64_t n, struct buffer *out);
    bool deaf;        /* they send as long as the node takes it, and read nothing */
    unsigned drip_ms; /* not 0: they send a byte in so long */
    bool leaves;      /* after each answer, for the next one to come */
};

struct http_crowd_member;

struct http_crowd {
    struct http_crowd_config config;
    struct http_crowd_member *members;
    int poll_fd;
    pthread_t thread;
    atomic_bool stopping;
    uint64_t requests;             /* begun */
    atomic_uint_fast64_t opened;   /* connections */
    atomic_uint_fast64_t sent;     /* requests, whole */
    atomic_uint_fast64_t answered; /* and of these `refused` */
    /* To be read when it has been stopped. */
    uint64_t closed;  /* connections, by the node */
    uint64_t refused; /* with a status of 400 or more */
};

/* 0, or -1: no thread, memory or descriptors. */
int http_crowd_start(struct http_crowd *c, const struct http_crowd_config *config);
/* Waits, for `most_ms` at most, until one of them got as far as its kind gets: an answer, a whole request of those
 * that read none, a connection of those that end none. */
void http_crowd_await(const struct http_crowd *c, unsigned most_ms);
void http_crowd_stop(struct http_crowd *c);

#endif
