/* api.h - the nng server for clients: messages in, answers out (docs/protocol.md).
 *
 * Messages are received and checked on nng's threads, cross to the raft loop through a queue
 * with a uv_async_t, and are answered from there. Bounds: `slots` messages between receipt and
 * the end of their answer's sending (further ones wait in their connections), `bytes_max` bytes
 * of them (BUSY beyond), PROTOCOL_MESSAGE_MAX a message (a larger one closes its connection).
 * An answer that its client does not take within API_SEND_TIMEOUT_MS is dropped. */
#ifndef API_H
#define API_H

#include <uv.h>

#include "inbound.h"
#include "log.h"

#define API_SEND_TIMEOUT_MS 10000
#define API_CLOSE_TIMEOUT_MS 2000

struct api; /* opaque */

struct api_config {
    const char *url; /* tcp://HOST:PORT */
    const char *cluster;
    unsigned slots;
    uint64_t bytes_max;
    const struct log *log;
    /* Raft loop: a checked message (error OK), or one to refuse with error and text. */
    void (*received)(void *arg, struct inbound *in, int error, const char *text);
    void *arg;
};

/* Listen. NULL: the reason is in errbuf ("address already in use" names the URL). */
struct api *api_new(const struct api_config *config, uv_loop_t *loop, char *errbuf,
                    size_t errbuf_len);
/* Raft loop, when every message handed over has been replied to: stop, let answers on their way
 * go out, close; at most API_CLOSE_TIMEOUT_MS, after which what nng still holds is left to the
 * process's end. cb runs on the loop; then api_free. */
void api_close(struct api *a, void (*cb)(void *arg), void *arg);
/* True: nng still holds threads and memory, and the process must end without exit handlers (nng's
 * would wait for them). */
bool api_free(struct api *a);

#endif
