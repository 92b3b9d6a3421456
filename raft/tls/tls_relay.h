/* tls_relay.h - TLS below the connections of others; handshakes on a thread of their own.
 *
 *   relay's thread:  guest ◄── handshake ──► peer
 *                      │ through
 *   owner's loop:      └──► line:  the owner's wire ◄── session ◄── TCP ──► peer
 *
 * The owner hands over sockets that it accepted, and addresses to dial. What comes back is a line, to be
 * taken by a wire (wire.h), and the verified name of the peer, once the handshake is through: before that
 * no stranger has anything of the owner's. Handshakes, a ms each, never run on the owner's loop. What
 * follows does: a record of 16 KiB takes some 10 us to cipher, and a hop to another thread and back would
 * cost each message more than that.
 *
 * Guests, who have not shaken hands, are at most `shaking_max`, for TLS_SHAKING_MS each; a further one
 * takes the place of the oldest of the address that has most of them. One step of one handshake is
 * made in a turn of the relay's loop. What cannot be written stops the reading at the other end, in
 * both directions.
 *
 * A line ends with either end, when it is older than `max_age_ms`, or when its certificate would not
 * be taken any more after new authorities came into force.
 *
 * All functions on the owner's thread, but where they say otherwise. */
#ifndef TLS_RELAY_H
#define TLS_RELAY_H

#include <uv.h>

#include "tls_files.h"
#include "wire.h"

#define TLS_SHAKING_MS 5000

/* What comes of a handshake. */
struct tls_arrival {
    /* For wire_take() or tls_pair_open() within the callback, else it is closed; NULL: it failed. */
    struct tls_line *line;
    int status; /* a UV_ error, if the address could not even be reached; else 0 */
    struct certificate_name peer; /* of kind 0: a client without a certificate, where that may be */
    struct sockaddr_storage from; /* or to */
    const char *why;              /* of a failure: a sentence about the peer */
};

struct tls_relay_config {
    struct tls_files *files; /* outlives the relay; shared */
    const char *cluster;     /* copied */
    enum tls_use accepts;    /* TLS_ACCEPT_… */
    unsigned shaking_max;
    uint64_t max_age_ms;      /* 0: none */
    unsigned user_timeout_ms; /* tcp_watch.h, of connections between members; 0: keep-alive only */
    bool looks;               /* this one also looks after the files, every TLS_LOOK_MS */
    /* All from the owner's loop. An accepted connection came through its handshake, or did not. */
    void (*accepted)(void *arg, struct tls_arrival *arrival);
    /* What has to be logged: about a line that failed once it stood (`from` is whose), or about the
     * files (`from` is NULL). Level as in transport.h. */
    void (*tells)(void *arg, const char *level, const struct sockaddr *from, const char *sentence);
    void *arg;
};
#define TLS_LOOK_MS 5000

struct tls_relay;
struct tls_dial;

/* Starts the thread. The owner's loop, on which its functions are called, runs on one thread. NULL:
 * `why` says why not. */
struct tls_relay *tls_relay_new(const struct tls_relay_config *config, uv_loop_t *loop, char *why,
                                size_t why_size);
/* Ends the thread, which takes a ms or two, then the lines: what was written to wires that the owner has
 * closed is still sent, for 300 ms at most. Dials are to be cancelled before. closed(arg), which may be
 * NULL, follows from the loop: then tls_relay_free(). */
void tls_relay_close(struct tls_relay *r, void (*closed)(void *arg), void *arg);
void tls_relay_free(struct tls_relay *r);

/* A connection that was accepted: the descriptor is the relay's from now on. */
void tls_relay_accept(struct tls_relay *r, int fd);
/* Dial, and expect node `expected` (0: any node). done(arg, …) comes once, from the loop, unless it
 * is cancelled. NULL: out of memory. */
struct tls_dial *tls_relay_dial(struct tls_relay *r, const struct sockaddr *address,
                                uint64_t expected,
                                void (*done)(void *arg, struct tls_arrival *arrival), void *arg);
/* It will not be told of. Not after done(). */
void tls_dial_cancel(struct tls_dial *dial);
/* Look at the files now, and tell what comes of it. Any thread. */
void tls_relay_look(struct tls_relay *r);

/* How many lines there are, and how many guests. Any thread. */
unsigned tls_relay_lines(const struct tls_relay *r);
unsigned tls_relay_shaking(const struct tls_relay *r);

#endif
