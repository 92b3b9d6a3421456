/* route_keys.h - whether the keys that somebody gives a route now fit what they come with: what takes
 * arithmetic, some 0.1 ms a key, beyond the form that decoding and route_check.h look at. Not for a
 * loop that others wait for. Pure, any thread. */
#ifndef ROUTE_KEYS_H
#define ROUTE_KEYS_H

#include "../wire/protocol.h"

/* What is wrong with them; the first that is found. */
enum route_keys_flaw {
    ROUTE_KEYS_FIT = 0,
    ROUTE_KEYS_SIGNING, /* the halves of a signing key are of two keys */
    ROUTE_KEYS_CERT,    /* no certificate can be read */
    ROUTE_KEYS_KEY,     /* no private key can be read without a passphrase */
    ROUTE_KEYS_MISFIT,  /* the key is another certificate's */
};

/* Of settings that were decoded. */
enum route_keys_flaw route_keys_flaw(const struct route_settings *settings);
/* Of an operation that was decoded, if it gives a route keys. */
enum route_keys_flaw operation_keys_flaw(const struct operation *op);
/* Which setting has it, and what it must be. */
struct problem route_keys_problem(enum route_keys_flaw flaw);

#endif
