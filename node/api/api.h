/* api.h - the server for clients: messages in, answers out (docs/protocol.md).
 *
 * Speaks the Scalability Protocols' REQ/REP over TCP, as nng's clients do, but not with nng: its
 * 1.5.2 (Debian 12) loses its grip on connections that end with requests under way, and from then
 * on every connection that ends leaks a descriptor; a client that crashes must not do that to us.
 *
 * Over the Unix socket they speak the same, in frames of SP over IPC: a byte 1 in front of each length.
 * Who has another user's identity is turned away (SO_PEERCRED).
 *
 * Owns a thread with a uv loop of its own, where messages are received and checked; they cross to
 * the raft loop through a queue with a wakeup, are answered there, and go back the same way.
 *
 * This process's own HTTP server (node/front) asks over connections that it has from api_inside().
 *
 * With TLS a relay (tls_relay.h) shakes hands on a thread of its own, and a connection's wire (wire.h) ciphers;
 * a connection is one, and has a seat, once its client's certificate is verified.
 *
 * Bounds, so that no client grows us or starves the others:
 *  - API_CONNECTIONS_MAX connections; one more takes the seat of an idle one (seats.h).
 *  - `slots` messages between receipt and answer. Further ones wait in their connections, which
 *    take turns, a message each, in the order in which they began to wait.
 *  - `bytes_max` bytes of them (BUSY beyond), and PROTOCOL_MESSAGE_MAX a message (a larger one
 *    closes its connection); 64 KiB of what a connection that waits had sent besides, with TLS twice that.
 *    One connection has at most three quarters of the slots, and of the bytes; reads as a class
 *    have three eighths of the slots (api_reads.h).
 *  - `bytes_max` bytes and a message more of messages that have begun and are not complete: past
 *    that the slowest of those that hold most, of the address with most, is closed
 *    (unfinished.h).
 *  - API_UNREAD_EACH_MAX bytes of answers that a client has not taken, and those of its messages
 *    in hand: it is not read from until it takes some. API_UNREAD_MAX of all: the connection that
 *    has most is closed.
 *  - a greeting, a message once begun, or an answer that its client does not take has
 *    API_PATIENCE_MS.
 *  - one that is not read from just now is looked at every API_LOOK_MS whether its client is still
 *    there; of one that has gone, reads in hand are dropped wherever they are.
 * Idle connections may stay as long as there are seats: keep-alive notices dead ones. The process
 * must ignore SIGPIPE. */
#ifndef API_H
#define API_H

#include <uv.h>

#include "../commit/client_load.h"
#include "../commit/inbound.h"
#include "../host/log.h"
#include "../metrics/metrics.h"

#define API_PATIENCE_MS 10000
#define API_LOOK_MS 250
#define API_CLOSE_TIMEOUT_MS 1000
#define API_CONNECTIONS_MAX 4096u
#define API_UNREAD_MAX (64u << 20)     /* bytes */
#define API_UNREAD_EACH_MAX (4u << 20) /* bytes */
#define API_SHARE 4 /* one in so many messages in hand, and bytes of them, is not for one alone */

struct api; /* opaque */

struct api_config {
    const char *address; /* HOST:PORT, numeric or a name that resolves at the start */
    /* A Unix socket for the owner of this process and root, who may do everything; NULL: none. What is
     * there is replaced: nobody else may use this path. */
    const char *local;
    const char *cluster;
    unsigned slots;
    uint64_t bytes_max;
    unsigned connections_max; /* 0: API_CONNECTIONS_MAX */
    size_t unread_max;        /* 0: API_UNREAD_MAX */
    size_t unread_each_max;   /* 0: API_UNREAD_EACH_MAX */
    const struct log *log;    /* may be NULL */
    /* TLS on every connection, of clients that have a certificate; NULL: plain TCP. Outlives the
     * server. */
    struct metrics *metrics; /* requests' times go there; NULL: nowhere */
    struct tls_files *tls;
    uint64_t tls_max_age_ms; /* of a connection; 0: none */
    /* Raft loop: a checked message (error OK), or one to refuse with error and text. Exactly one
     * in->reply() must follow, on the raft loop. */
    void (*received)(void *arg, struct inbound *in, int error, const char *text);
    void *arg;
};

/* Clients that shake hands at a time, with TLS. */
#define API_SHAKING_MAX 256u

/* Listen. NULL: the reason is in errbuf ("address already in use" names the address). `loop` is
 * the raft loop. */
struct api *api_new(const struct api_config *config, uv_loop_t *loop, char *errbuf,
                    size_t errbuf_len);
void api_load(const struct api *a, struct client_load *load); /* any thread */
/* Any thread, until api_close() is called: a connection from inside this process, over which the caller may say
 * for whom it asks (PROTOCOL_FOR). Takes no stranger's seat and gives its own to nobody. Returns the
 * caller's end of it, non-blocking; -1: there is no descriptor. */
int api_inside(struct api *a);
/* Raft loop, when every message handed over has been replied to: stop listening, let answers on
 * their way go out (at most API_CLOSE_TIMEOUT_MS), close. What had not reached the raft loop is
 * dropped. cb runs on the raft loop; then api_free. */
void api_close(struct api *a, void (*cb)(void *arg), void *arg);
void api_free(struct api *a);

#endif
