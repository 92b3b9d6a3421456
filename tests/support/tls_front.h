/* tls_front.h - stands before a plain server and speaks TLS to clients, as a node does: OpenSSL, TLS 1.2 and
 * 1.3, ECDHE. A thread of the test's own process. Include <cmocka.h> first. */
#ifndef TLS_FRONT_H
#define TLS_FRONT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct tls_front {
    /* Set these first. The files are read anew for each connection. */
    const char *cert;
    const char *key;
    const char *client_ca; /* clients must have a certificate of this CA; NULL: none is asked for */
    bool only_tls13;
    int port_behind; /* of the plain server */
    int port;        /* to listen on; 0: any, which is then filled in */

    /* Filled in. */
    char address[32];
    atomic_uint accepted;  /* TCP connections */
    atomic_uint shaken;    /* of these, handshakes that were fine */
    atomic_uint with_cert; /* of these, with a client's certificate */
    atomic_uint records;   /* with bytes of clients in them */
    int fd;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint cuts; /* connections end when it changes */
    atomic_uint live;
};

void tls_front_start(struct tls_front *f);
/* All connections are closed, and new ones accepted. */
void tls_front_cut(struct tls_front *f);
void tls_front_end(struct tls_front *f);

#endif
