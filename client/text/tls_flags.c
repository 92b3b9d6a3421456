/* tls_flags.c - see tls_flags.h. */
#include "tls_flags.h"

#include <stddef.h>
#include <stdlib.h>

static const char *text_or_null(const char *text)
{
    return text != NULL && *text != '\0' ? text : NULL;
}

static const char *given_or(const char *given, const char *name)
{
    return text_or_null(given != NULL ? given : getenv(name));
}

const char *tls_flags_settle(struct tls_flags *tls, const char *ca, const char *cert,
                             const char *key)
{
    bool own = cert != NULL || key != NULL;

    tls->ca = given_or(ca, "ORDERSCHED_TLS_CA");
    tls->cert = own ? text_or_null(cert) : given_or(NULL, "ORDERSCHED_TLS_CERT");
    tls->key = own ? text_or_null(key) : given_or(NULL, "ORDERSCHED_TLS_KEY");
    if (tls->cert != NULL && tls->key == NULL) {
        return "a certificate needs its private key: --tls-key (ORDERSCHED_TLS_KEY) is missing";
    }
    if (tls->cert == NULL && tls->key != NULL) {
        return "a private key needs its certificate: --tls-cert (ORDERSCHED_TLS_CERT) is missing";
    }
    if (tls->cert != NULL && tls->ca == NULL) {
        return "a certificate is used together with the CA that nodes are checked by: --tls-ca"
               " (ORDERSCHED_TLS_CA) is missing";
    }
    return NULL;
}
