/* certificates.h - certificates of a cluster for tests: a CA, and what it signs for nodes and clients,
 * good and wrong ones. (certificate.h makes one that has no CA, for a web server.)
 *
 *     struct certificates_ca *ca = certificates_ca_new("first");
 *     struct certificates_wish node = {.node = 1};
 *     certificates_write_ca(ca, "DIR/ca.pem");
 *     certificates_issue(ca, &node, "DIR/node-1.pem", "DIR/node-1.key");
 *
 * Files are PEM and are replaced whole, as somebody who renews them does; keys are 0600. Include
 * <cmocka.h> first: what cannot be made fails the test. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CERTIFICATES_CLUSTER "orderschedd"

struct certificates_ca;

/* What a certificate shall be. All zeros: for 127.0.0.1 and localhost, with the cluster's DNS name,
 * of nobody, with a P-256 key, from an hour ago to a day ahead. */
struct certificates_wish {
    const char *cluster; /* NULL: CERTIFICATES_CLUSTER */
    uint64_t node;       /* URI spiffe://CLUSTER/node/NODE; 0: none */
    const char *client;  /* URI spiffe://CLUSTER/client/CLIENT, and no other names; NULL: none */
    const char *names;   /* its names instead, as OpenSSL has them: "DNS:a,IP:10.0.0.1,URI:..." */
    const char *key;     /* "P-256", "P-384", "RSA" (2048), "ED25519"; NULL: "P-256" */
    long from_s;         /* valid from so many seconds after now (negative: before)... */
    long until_s;        /* ...until then; both 0: the default */
};

/* A new CA with a P-256 key, whose subject says this name. */
struct certificates_ca *certificates_ca_new(const char *name);
void certificates_ca_free(struct certificates_ca *ca);
/* Write its certificate. */
void certificates_write_ca(const struct certificates_ca *ca, const char *path);
/* Write both: whoever trusts this file trusts either. */
void certificates_write_cas(const struct certificates_ca *a, const struct certificates_ca *b,
                            const char *path);
/* Sign a certificate with a new key, and write both. */
void certificates_issue(const struct certificates_ca *ca, const struct certificates_wish *wish,
                        const char *cert_path, const char *key_path);

#endif
