/* client_engine_peer.h - what nng tells a program of the other side of a TLS connection. */
#ifndef CLIENT_ENGINE_PEER_H
#define CLIENT_ENGINE_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* It has shown a certificate, and that was looked at and found good. */
bool client_engine_peer_is_verified(const SSL *ssl);
/* The common name of its certificate, to be freed. NULL: it has none. */
char *client_engine_peer_cn(const SSL *ssl);
/* The certificate's DNS names, and NULL behind the last; each, and the list, to be freed. NULL: it has none. */
char **client_engine_peer_alt_names(const SSL *ssl);

#endif
