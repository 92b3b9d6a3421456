/* client_socket.h - the connection to one node: a socket of nng's, dialled when there is something to
 * say, and anew when the connection does not come or has long been silent.
 *
 * All on one thread, but for what nng tells of connections on its own threads. */
#ifndef CLIENT_SOCKET_H
#define CLIENT_SOCKET_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../wire/protocol.h"

struct attempt;
struct client_tls;
struct client_diagnosis;

/* What all sockets have in common. */
struct client_sockets {
    void (*wake)(void *arg);
    void *wake_arg;
    struct client_tls *tls; /* NULL: plain TCP */
    struct client_diagnosis *diagnosis;
    pthread_mutex_t mutex;
    bool any_lost; /* under the mutex, as what follows */
    bool closing;  /* nobody will look at what is told any more: wake is not called */
};

struct client_socket { /* zero it to start, but for `shared` and `slot` */
    struct client_sockets *shared;
    unsigned slot; /* its number, for the diagnosis */
    bool open;     /* the socket exists */
    nng_socket socket;
    char address[PROTOCOL_ADDRESS_MAX]; /* what is dialled; "" = nothing yet */
    nng_dialer dialer;
    bool dialing; /* the dialer exists */
    uint64_t dialed_ms;
    unsigned tls_loaded;    /* client_tls_refresh(), when it was dialled... */
    uint64_t refreshed_ms;  /* ...and when that was last asked */
    bool diagnosed;         /* a diagnosis was wanted since it last answered */
    uint64_t answered_ms;   /* when it last answered */
    struct attempt *active; /* client_nng.c: messages on their way */
    struct attempt *idle;   /* their contexts are ready for use again */
    /* Under the mutex: */
    uint32_t pipe; /* the connection, 0 = none */
    bool lost;     /* a connection went down since we last looked */
};

/* Open it, if it is not, and dial this address, if it has another one; then none of its messages may
 * be in flight. False: no memory. */
bool client_socket_use(struct client_socket *s, const char *address, uint64_t now_ms);
void client_socket_redial(struct client_socket *s, uint64_t now_ms);
bool client_socket_connected(struct client_socket *s);
/* How long a message may wait for the connection; 0: there is none and none is expected. Dials anew
 * if the last time was long ago. */
nng_duration client_socket_patience_ms(struct client_socket *s, unsigned timeout_ms,
                                       uint64_t now_ms);
/* It is connected, but answered nothing for so long that the connection may not work any more. */
bool client_socket_is_silent(struct client_socket *s, uint64_t now_ms);

#endif
