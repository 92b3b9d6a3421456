/* tls_session.h - one TLS connection's state, without its socket: bytes in, bytes out.
 *
 * OpenSSL works on two memory BIOs: what came from the socket is fed in, what is to be sent is taken
 * out. Nothing here waits, reads a clock or knows a file descriptor. One thread at a time.
 *
 * Whom the peer claims to be is judged within the handshake, while OpenSSL verifies its chain, so
 * that who does not fit gets an alert and no byte of anything else. */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include <sys/types.h>

#include "tls_files.h"

struct tls_session {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    enum tls_use use;
    const char *cluster; /* the caller's */
    uint64_t expected;   /* the node that must answer; 0: any, or a client */
    bool named;          /* `peer` is verified */
    bool over;           /* nothing more will be read */
    bool restless;       /* it replaces its keys more often than anybody has to */
    unsigned messages;   /* of the handshake's kind, since it was named */
    uint64_t plain;      /* bytes read */
    struct certificate_name peer;
    char why[TLS_SENTENCE_MAX]; /* what it failed of */
};

enum tls_step {
    TLS_GOES_ON, /* more bytes are needed */
    TLS_DONE,    /* the peer is who it claims to be */
    TLS_FAILED,  /* `why` has a sentence; an alert may be there to be sent */
};

/* Begins, in the context of its use. Takes a reference to the context of its own. 0, or -1: out of
 * memory. */
int tls_session_init(struct tls_session *s, SSL_CTX *ctx, enum tls_use use, const char *cluster,
                     uint64_t expected);
void tls_session_free(struct tls_session *s); /* what was all zero, too */
/* Takes it over, with all that it holds; *from is all zero then. Another thread may go on with it. */
void tls_session_move(struct tls_session *to, struct tls_session *from);

/* Bytes from the socket. 0, or -1: out of memory. */
int tls_session_feed(struct tls_session *s, const uint8_t *data, size_t len);
/* One step of the handshake: at most one signature made and one chain verified, about a ms. */
enum tls_step tls_session_shake(struct tls_session *s);
/* Plain bytes that came, of one record at most. 0: none for now. -1, from then on: the peer has said
 * goodbye, or, with `why` not empty, what it sends is not TLS any more, or it replaces its keys 64 times
 * and more than once a MiB. */
ssize_t tls_session_read(struct tls_session *s, uint8_t *data, size_t len);
/* Is there something that tls_session_read() has not looked at? */
bool tls_session_has_more(const struct tls_session *s);
/* Plain bytes to be sent: all are taken. 0, or -1 with `why`. */
int tls_session_write(struct tls_session *s, const uint8_t *data, size_t len);
/* Says goodbye: there is something to be sent then. */
void tls_session_end(struct tls_session *s);

/* What is to be sent to the socket; tls_session_sent() when it was taken over. */
size_t tls_session_to_send(const struct tls_session *s, uint8_t **data);
void tls_session_sent(struct tls_session *s);

#endif
