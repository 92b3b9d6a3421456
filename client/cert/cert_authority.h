/* cert_authority.h - the CA in a directory, ca.crt and ca.key, ready to sign. */
#ifndef CERT_AUTHORITY_H
#define CERT_AUTHORITY_H

#include "cert_error.h"
#include "cert_facts.h"

#define CERT_AUTHORITY_STEM "ca"

struct cert_authority { /* all zero: none */
    X509 *cert;
    EVP_PKEY *key;
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    uint64_t from_ms, until_ms;
    bool key_is_open; /* others than its owner may read it */
};

/* Loads it and checks that it can sign at that time. ca.crt may hold several while one takes another's
 * place: the one whose key ca.key is counts. `cluster` is whose it must be; NULL: whose it says. False:
 * NO_CA, FILE, BAD_CERTIFICATE, BAD_KEY, MISFIT, EXPIRED or WRONG_CLUSTER. */
bool cert_authority_load(struct cert_authority *ca, const char *directory, const char *cluster,
                         uint64_t now_ms, struct cert_error *error);
/* The same for a CA that renews itself, which may have expired. */
bool cert_authority_load_own(struct cert_authority *ca, const char *directory, const char *cluster,
                             struct cert_error *error);
void cert_authority_free(struct cert_authority *ca); /* it is none then */
/* Did that CA, or one of these, sign it? */
bool cert_signed_by(const X509 *cert, X509 *ca);

#endif
