/* api.h - the server for clients: messages in, answers out (docs/protocol.md).
 *
 * Speaks the Scalability Protocols' REQ/REP over TCP, as nng's clients do, but not with nng: its
 * 1.5.2 (Debian 12) loses its grip on connections that end with requests under way, and from then
 * on every connection that ends leaks a descriptor; a client that crashes must not do that to us.
 *
 * Owns a thread with a uv loop of its own, where messages are received and checked; they cross to
 * the raft loop through a queue with a uv_async_t, are answered there, and go back the same way.
 *
 * Bounds, so that no client grows us or starves the others: API_CONNECTIONS_MAX connections;
 * `slots` messages between receipt and answer (further ones wait in their connections);
 * `bytes_max` bytes of them (BUSY beyond); PROTOCOL_MESSAGE_MAX a message (a larger one closes its
 * connection); a greeting, a message once begun, or an answer that its client does not take has
 * API_PATIENCE_MS. Idle connections may stay: keep-alive notices dead ones. The process must ignore
 * SIGPIPE. */
#ifndef API_H
#define API_H

#include <uv.h>

#include "inbound.h"
#include "log.h"

#define API_PATIENCE_MS 10000
#define API_CLOSE_TIMEOUT_MS 1000
#define API_CONNECTIONS_MAX 4096

struct api; /* opaque */

struct api_config {
    const char *address; /* HOST:PORT, numeric or a name that resolves at the start */
    const char *cluster;
    unsigned slots;
    uint64_t bytes_max;
    const struct log *log; /* may be NULL */
    /* Raft loop: a checked message (error OK), or one to refuse with error and text. Exactly one
     * in->reply() must follow, on the raft loop. */
    void (*received)(void *arg, struct inbound *in, int error, const char *text);
    void *arg;
};

/* Listen. NULL: the reason is in errbuf ("address already in use" names the address). `loop` is
 * the raft loop. */
struct api *api_new(const struct api_config *config, uv_loop_t *loop, char *errbuf,
                    size_t errbuf_len);
/* Raft loop, when every message handed over has been replied to: stop listening, let answers on
 * their way go out (at most API_CLOSE_TIMEOUT_MS), close. What had not reached the raft loop is
 * dropped. cb runs on the raft loop; then api_free. */
void api_close(struct api *a, void (*cb)(void *arg), void *arg);
void api_free(struct api *a);

#endif
