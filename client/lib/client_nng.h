/* client_nng.h - messages to nodes and their answers, over nng REQ sockets: one socket for each
 * node, one context for each message in flight.
 *
 * nng tells exactly what a client must know. While a message has not been handed to a connection,
 * its sending is under way, and if that fails it never left this process. Once it was handed over,
 * its sending has succeeded, and a missing answer leaves its fate unknown. nng's own repetition is
 * off: a lost connection ends the messages on it.
 *
 * nng does not tell when dialling fails. A message to a node that is not connected therefore waits
 * for a short grace after dialling, and fails at once later. Dialling anew on demand also gets rid
 * of connection attempts, and of connections, that a long partition has put to sleep.
 *
 * nng 1.5.2 loses its grip on a connection that is closed from this side between the head and the
 * body of a message that is coming in (tcptran_pipe_recv_cb goes on with a stopped aio, and the
 * thread that reaps connections then waits for it for ever). So: connections are closed from this
 * side only when nothing is expected on them, at the end not even the answers that nobody awaits any
 * more, but for those that do not come for a while; nothing here relies on the reaper to notice that a
 * connection is gone; and the end waits for nng for a bounded time only.
 *
 * All functions belong to one thread; `wake` is called from nng's threads, and must call nothing
 * of this. */
#ifndef CLIENT_NNG_H
#define CLIENT_NNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client_logic.h"

struct client_nng; /* opaque */

struct client_tls;

/* wake(arg): there is something for client_nng_take(). `tls` is the caller's and outlives it; NULL: plain
 * TCP. NULL: no memory. */
struct client_nng *client_nng_new(struct client_tls *tls, void (*wake)(void *arg), void *arg);
/* Close all connections and drop what was not taken. Waits for answers that are coming in, also to messages whose time
 * was up (until none has come for half a second, and 2 s at most), and for nng to let go (as long, after which the memory
 * is left to it). */
void client_nng_free(struct client_nng *t);

/* Start to connect (also done by the first send). A slot that had another address loses it; none
 * of its messages may be in flight. */
void client_nng_connect(struct client_nng *t, unsigned slot, const char *address, uint64_t now_ms);
/* Send. True: one report with this handle follows. False: no memory, nothing was sent. */
bool client_nng_send(struct client_nng *t, unsigned slot, const char *address, const void *data,
                     size_t len, uint64_t handle, unsigned timeout_ms, uint64_t now_ms);

struct client_nng_report {
    uint64_t handle;
    bool answered;
    enum client_failure failure; /* not answered */
    const uint8_t *data;         /* valid until the next take or send */
    size_t len;
};
/* The next report; false: none for now. */
bool client_nng_take(struct client_nng *t, struct client_nng_report *report, uint64_t now_ms);

/* Why no connection comes from there, as far as it is known: a sentence (client_diagnosis.h). False: it is
 * not known. */
bool client_nng_explain(struct client_nng *t, unsigned slot, const char *address, char *text,
                        size_t size);

#endif
