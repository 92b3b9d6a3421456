/* cert_facts.h - what a certificate says, and what will not work with it.
 *
 * The certificate may come from any tool, and from anybody: its texts may hold any bytes. */
#ifndef CERT_FACTS_H
#define CERT_FACTS_H

#include <openssl/x509.h>
#include <stdint.h>

#include "../wire/certificate_name.h"
#include "cert_error.h"
#include "cert_make.h"
#include "cert_names.h"

#define CERT_SOON_MS (30ull * 24 * 3600 * 1000) /* what ends in less is to be renewed */

struct cert_facts {
    enum cert_use use;            /* by its one name of ours, or as it may sign certificates */
    struct certificate_name name; /* of a CA, only the cluster; empty where it is not known */
    unsigned n_ours; /* names in the forms of certificate_name.h; more than one is bad */
    struct cert_names names;
    bool names_decoded;
    uint64_t from_ms, until_ms; /* since the epoch; 0: before it, or not a time */
    bool may_sign;              /* certificates: it is a CA */
    bool any_use;               /* no extended key usage limits it */
    bool server, client;        /* may be shown by a TLS server, a TLS client */
    bool signs_handshakes;      /* its key usage lets it */
    bool self_signed;
    char key[48];           /* "ECDSA P-256" */
    char signature[48];     /* "ecdsa-with-SHA256" */
    char fingerprint[96];   /* SHA-256 of all of it, "AB:CD:..." */
    char serial[48];        /* hexadecimal; cut where it is longer than RFC 5280 allows */
    char *subject, *issuer; /* RFC 4514, UTF-8 */
};

/* Reads all of it; cert_facts_free() afterwards. Aborts on lack of memory. */
void cert_facts_read(struct cert_facts *facts, const X509 *cert);
void cert_facts_free(struct cert_facts *facts);

/* Something that will not work, or soon will not. */
struct cert_flaw {
    const char *code; /* "EXPIRED", for programs */
    const char *text; /* a sentence without its full stop */
};
#define CERT_FLAWS_MAX 16

/* What is wrong with it at that time, the worst first; returns how many. */
unsigned cert_facts_judge(const struct cert_facts *facts, const X509 *cert, uint64_t now_ms,
                          struct cert_flaw flaws[CERT_FLAWS_MAX]);
/* Can its key be used: by members, and by clients whose TLS is mbedTLS, as nng's is in Debian? NULL: yes;
 * else what is wrong with it. */
const struct cert_flaw *cert_key_flaw(const X509 *cert);

#endif
