/* tls_flags.h - the flags, and the environment, by which a client program is told of TLS. A leaf. */
#ifndef TLS_FLAGS_H
#define TLS_FLAGS_H

#include "flags.h"

/* Three lines of a table of flags, by the keys that the program gives them. */
#define TLS_FLAGS(ca_key, cert_key, key_key)                                                  \
    {ca_key, "tls-ca", 0, "FILE",                                                             \
     "the CA that nodes are checked by: use TLS (ORDERSCHED_TLS_CA; none: plain TCP)"},       \
        {cert_key, "tls-cert", 0, "FILE", "this client's certificate (ORDERSCHED_TLS_CERT)"}, \
    {                                                                                         \
        key_key, "tls-key", 0, "FILE", "its private key (ORDERSCHED_TLS_KEY)"                 \
    }

/* Paths of PEM files; NULL: none. */
struct tls_flags {
    const char *ca;
    const char *cert;
    const char *key;
};

/* What was given (NULL: not), else what the environment says; an empty text is none. Where --tls-cert or
 * --tls-key is given, the environment's pair is not looked at, as the two belong together. NULL; or a
 * sentence that says what is missing. */
const char *tls_flags_settle(struct tls_flags *tls, const char *ca, const char *cert,
                             const char *key);

#endif
