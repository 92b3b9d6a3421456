/* client_engine_config.h - how a TLS connection of nng's is to be made: what the engine keeps for an
 * nng_tls_config. nng calls all that belongs to one configuration under one lock; connections only read
 * it. */
#ifndef CLIENT_ENGINE_CONFIG_H
#define CLIENT_ENGINE_CONFIG_H

#include <nng/nng.h>
#include <nng/supplemental/tls/engine.h>
#include <openssl/ssl.h>

extern nng_tls_engine_config_ops client_engine_config_ops;

/* A connection of this kind, without its stream. NULL: no memory. */
SSL *client_engine_config_begin(const nng_tls_engine_config *config);

#endif
