/* client_engine_bio.h - the stream of nng's below a TLS connection, as OpenSSL sees it. It never waits:
 * what cannot be done yet is to be tried again, and nng says when. */
#ifndef CLIENT_ENGINE_BIO_H
#define CLIENT_ENGINE_BIO_H

#include <openssl/bio.h>

/* On what nng hands an engine for a connection. NULL: no memory. */
BIO *client_engine_bio_new(void *nng);

#endif
