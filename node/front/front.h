/* front.h - a node's HTTP server (docs/http.md): requests in, the cluster asked, responses out.
 *
 *   front's thread                                                      api thread, other nodes
 *   accepted ─► http_guard ─► libmicrohttpd ─► exchange ─► resource
 *                                   ▲                         │ front_ask
 *                                   └─── response ◄──── gateway.c ◄──► SP over sp_link.c
 *
 * Owns a thread with a uv loop of its own, on which all of this happens: libmicrohttpd has no thread and no
 * listening socket, and is run when its epoll descriptor says so. An exchange that waits for the cluster
 * has its connection suspended. With TLS a relay (tls_relay.h) shakes hands and ciphers, for callers and
 * towards other nodes.
 *
 * Bounds: http_guard.h's for a request; FRONT_CONNECTIONS_MAX connections, shared by their addresses as the
 * client server's are (node/api/seats.h); FRONT_REQUEST_MS for a request to be complete, from its first
 * byte on; FRONT_IDLE_MS between two; an answer that is not taken has FRONT_TAKE_MS, and a second more for
 * each FRONT_TAKE_BYTES of it; of all, FRONT_BODIES_MAX bytes of bodies that are not complete, and
 * FRONT_ANSWERS_MAX of answers that are not taken: beyond that the address that holds most of them loses the one
 * that has cost most (node/api/unfinished.h). FRONT_WAITS_MAX requests wait for orders: then the address that holds most
 * loses one to another's, and is refused its own. What the node answers alone (metrics, health, the console) an address
 * gets FRONT_PACED_PER_S times a second, and as often lists. Where all seats are busy, who comes gets that of an answer
 * which is not taken for FRONT_LEFT_MS; or, of an address with more than one in FRONT_CROWD seats, of any that is
 * answered or only reads. */
#ifndef FRONT_H
#define FRONT_H

#include <uv.h>

#include "../host/log.h"
#include "../metrics/metrics_view.h"

struct tls_files;

#define FRONT_CONNECTIONS_MAX 1024u
#define FRONT_SHAKING_MAX 128u /* who shakes hands at a time, with TLS */
#define FRONT_REQUEST_MS 10000u
#define FRONT_IDLE_MS 75000u
#define FRONT_TAKE_MS 10000u
#define FRONT_TAKE_BYTES (64u << 10)
#define FRONT_BODIES_MAX (64u << 20)
#define FRONT_ANSWERS_MAX (64u << 20)
#define FRONT_WAITS_MAX 512u /* requests that wait for orders */
#define FRONT_PACED_PER_S 200u
#define FRONT_PACED_AT_ONCE 50u
#define FRONT_LEFT_MS 1000u
#define FRONT_CROWD 4u
#define FRONT_LINGER_MS \
    1000u /* for a client to read why it is refused, before its connection is closed */
#define FRONT_CLOSE_MS 2000u /* for what is in hand, when the node stops */

struct front; /* opaque */

/* What it points to outlives the front. */
struct front_config {
    const char *address; /* HOST:PORT to listen at, numeric or a name that resolves at the start */
    const char *cluster;
    uint64_t node;
    const char *self;          /* this node's client server, as the others know it: HOST:PORT */
    const char *const *others; /* those of other nodes */
    unsigned n_others;
    int (*inside)(void *arg); /* api_inside(); any thread */
    /* Is there a route that carries traceparents? Before this node knows of one they are ignored: not all nodes may
     * know what they are. Any thread. */
    bool (*traces)(void *arg);
    void *arg; /* of both */
    const struct log *log;
    struct tls_files *tls; /* NULL: plain HTTP */
    uint64_t tls_max_age_ms;
    const char *const *origins; /* whose pages may ask, too (cors.h) */
    unsigned n_origins;
    struct metrics_view *metrics; /* what is shown of this node; the front's thread alone uses it */
};

/* Listens. NULL: the reason is in `why`. */
struct front *front_new(const struct front_config *config, char *why, size_t why_size);
/* No new requests from now on; what is in hand is answered, within FRONT_CLOSE_MS. Any thread. */
void front_stop(struct front *f);
/* Waits for its end, which front_stop() began, and frees it. */
void front_free(struct front *f);

#endif
