/* tls_stranger.h - somebody at a TLS port who is not our client: what does the port make of it?
 *
 * OpenSSL's own client with whatever certificate and versions one likes, in blocking calls. Include
 * <cmocka.h> first. */
#ifndef TLS_STRANGER_H
#define TLS_STRANGER_H

#include <stdbool.h>
#include <openssl/ssl.h>
#include <stddef.h>

struct tls_stranger {
    unsigned port;          /* on 127.0.0.1 */
    const char *host;       /* NULL: 127.0.0.1 */
    const char *from;       /* its own address; NULL: the kernel's choice */
    const char *cert, *key; /* paths; NULL: it has none */
    int version_max;        /* TLS1_2_VERSION, ...; 0: any */
    const char *ciphers;    /* of TLS 1.2; NULL: any */
    const char *groups;     /* of the key exchange, as OpenSSL has them; NULL: its own */
    unsigned byte_pause_us; /* > 0: sends each byte of the handshake alone, so far apart */
};

enum tls_stranger_fate {
    STRANGER_SHUT_OUT, /* no TLS connection came of it */
    STRANGER_IN,       /* it stands, and is not closed within patience_ms */
};
/* Shakes hands, and waits a little for what the port makes of it. `said`, which may be NULL, has
 * what came from the other side before it was shut out, in bytes of plain text. */
enum tls_stranger_fate tls_stranger_try(const struct tls_stranger *s, unsigned patience_ms,
                                        size_t *said);
/* What it shakes hands with. The caller's. */
SSL_CTX *tls_stranger_context(const struct tls_stranger *s);
/* A plain connection. The descriptor. */
int tls_stranger_connect(const struct tls_stranger *s);
/* Is the connection closed by the other side within this time? What is read is thrown away. */
bool tls_stranger_is_closed(int fd, unsigned patience_ms);

#endif
