/* tls_certificate.h - what one certificate says, and which rule one breaks, as sentences for people.
 *
 * Whose a certificate is stands in its URI (certificate_name.h). OpenSSL judges signatures, times,
 * lengths and purposes (RFC 5280); here is what orderschedd asks for beyond that. Any thread. */
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include <openssl/x509.h>

#include "../../client/wire/certificate_name.h"

#define TLS_SENTENCE_MAX 512 /* of what is told of a refusal */

/* Reads whose it is. False: it carries no URI of ours, or more than one, or one that does not read;
 * `why` has a sentence. */
bool tls_certificate_name(X509 *certificate, struct certificate_name *name, char *why,
                          size_t why_size);
/* Is this DNS name among its subject alternative names? Letter case does not count, nor does a
 * wildcard (RFC 6125, 6.4). */
bool tls_certificate_has_dns(X509 *certificate, const char *dns);
/* When it ends, in seconds since 1970; INT64_MIN: its date does not read. */
int64_t tls_certificate_end_s(const X509 *certificate);
/* Does it end by now? */
bool tls_certificate_has_expired(const X509 *certificate);
/* "node 2 of cluster shop", "client till-7 of cluster shop": for sentences. */
#define TLS_WHOSE_MAX (PROTOCOL_CLUSTER_MAX + CERTIFICATE_CLIENT_MAX + 40)
void tls_certificate_whose(const struct certificate_name *name, char out[TLS_WHOSE_MAX]);
/* What OpenSSL's X509_V_ERR_… means to an operator, to follow after "its certificate". */
const char *tls_certificate_verdict(int error);

#endif
