/* tls_certificate.c - see tls_certificate.h. */
#include "tls_certificate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

bool tls_certificate_name(X509 *certificate, struct certificate_name *name, char *why,
                          size_t why_size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int n = sk_GENERAL_NAME_num(names);
    unsigned uris = 0;
    bool good = false;

    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *at = sk_GENERAL_NAME_value(names, i);
        if (at->type != GEN_URI) {
            continue;
        }
        uris++;
        good = certificate_name_read((const char *)ASN1_STRING_get0_data(
                                         at->d.uniformResourceIdentifier),
                                     (size_t)ASN1_STRING_length(at->d.uniformResourceIdentifier),
                                     name);
    }
    GENERAL_NAMES_free(names);
    if (uris != 1 || !good) {
        snprintf(why, why_size,
                 uris == 0 ? "has no URI (spiffe://CLUSTER/node/ID or spiffe://CLUSTER/client/NAME)"
                 : uris > 1 ? "has more than one URI: whose it is must be plain"
                            : "has a URI that is neither spiffe://CLUSTER/node/ID nor "
                              "spiffe://CLUSTER/client/NAME");
        return false;
    }
    return true;
}

bool tls_certificate_has_dns(X509 *certificate, const char *dns)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t len = strlen(dns);
    bool found = false;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *at = sk_GENERAL_NAME_value(names, i);
        found = at->type == GEN_DNS && (size_t)ASN1_STRING_length(at->d.dNSName) == len &&
                strncasecmp((const char *)ASN1_STRING_get0_data(at->d.dNSName), dns, len) == 0;
    }
    GENERAL_NAMES_free(names);
    return found;
}

int64_t tls_certificate_end_s(const X509 *certificate)
{
    struct tm tm;

    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? (int64_t)timegm(&tm)
                                                                      : INT64_MIN;
}

bool tls_certificate_has_expired(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0; /* 0: it does not read */
}

void tls_certificate_whose(const struct certificate_name *name, char out[TLS_WHOSE_MAX])
{
    if (name->kind == CERTIFICATE_NODE) {
        snprintf(out, TLS_WHOSE_MAX, "node %" PRIu64 " of cluster %s", name->node, name->cluster);
    } else {
        snprintf(out, TLS_WHOSE_MAX, "client %s of cluster %s", name->client, name->cluster);
    }
}

const char *tls_certificate_verdict(int error)
{
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED: return "has expired, or that of its authority has";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "is not valid yet: is a clock wrong, its own or this machine's?";
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "was not signed by an authority in this node's --tls-ca";
        case X509_V_ERR_CERT_SIGNATURE_FAILURE: return "has a signature that is wrong";
        case X509_V_ERR_INVALID_PURPOSE:
            return "is not for this use: its extended key usage lacks serverAuth or clientAuth";
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL: return "or its authority's has a key that is too short";
        case X509_V_ERR_CA_MD_TOO_WEAK: return "was signed with a digest that is too weak";
        default: return X509_verify_cert_error_string(error);
    }
}
