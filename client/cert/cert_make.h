/* cert_make.h - keys and X.509 certificates made: ECDSA on P-256, SHA-256, version 3 (RFC 5280).
 *
 * A CA says of which cluster it is in a subject alternative name, spiffe://CLUSTER, so that what it
 * signs need not be told (as X509-SVID of SPIFFE has it for signing certificates). Its common name has
 * a random part: while one CA takes another's place their names differ, and no program that finds an
 * issuer by name takes the wrong one. */
#ifndef CERT_MAKE_H
#define CERT_MAKE_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "../wire/certificate_name.h"
#include "cert_error.h"
#include "cert_names.h"

enum cert_use { CERT_USE_NONE, CERT_USE_CA, CERT_USE_NODE, CERT_USE_CLIENT };

struct cert_plan {
    enum cert_use use;            /* not CERT_USE_NONE */
    struct certificate_name name; /* whose; of a CA, only the cluster. Its parts are good */
    struct cert_names hosts;      /* beside its URI and, of a node, the cluster's own DNS name */
    uint64_t from_ms, until_ms;   /* since the epoch; cut to seconds */
};

/* A new key; the caller frees it. NULL: LIBRARY. */
EVP_PKEY *cert_make_key(struct cert_error *error);
/* The certificate of that key, signed with the CA's; the caller frees it. A new CA signs itself: `ca` is
 * NULL. One that is renewed under its old key is signed by its old self, whose subject it keeps. NULL:
 * LIBRARY. */
X509 *cert_make(const struct cert_plan *plan, EVP_PKEY *key, const X509 *ca, EVP_PKEY *ca_key,
                struct cert_error *error);

#endif
