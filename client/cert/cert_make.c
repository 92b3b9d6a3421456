/* cert_make.c - see cert_make.h. */
#include "cert_make.h"

#include <inttypes.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define SERIAL_BITS 128

struct extension {
    int nid;
    const char *value;
};

static const struct extension of_a_ca[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {0},
};

static const struct extension of_a_node[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},   {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth,clientAuth"},   {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"}, {0},
};

static const struct extension of_a_client[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "clientAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
    {0},
};

EVP_PKEY *cert_make_key(struct cert_error *error)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    if (key == NULL) {
        cert_fail_library(error, "making a key");
    }
    return key;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *serial = BN_new();
    bool good = serial != NULL &&
                BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

    BN_free(serial);
    return good;
}

static bool set_times(X509 *cert, const struct cert_plan *plan)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(plan->from_ms / 1000)) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(plan->until_ms / 1000)) != NULL;
}

/* For people: no program of ours reads it. */
static bool set_subject(X509 *cert, const struct cert_plan *plan)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    char common[CERTIFICATE_CLIENT_MAX + 1];
    uint32_t random;

    if (plan->use == CERT_USE_NODE) {
        snprintf(common, sizeof common, "node %" PRIu64, plan->name.node);
    } else if (plan->use == CERT_USE_CLIENT) {
        snprintf(common, sizeof common, "%s", plan->name.client);
    } else if (RAND_bytes((unsigned char *)&random, sizeof random) == 1) {
        snprintf(common, sizeof common, "orderschedd CA %08" PRIx32, random);
    } else {
        return false;
    }
    return X509_NAME_add_entry_by_NID(subject, NID_organizationName, MBSTRING_UTF8,
                                      (const unsigned char *)plan->name.cluster, -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)common, -1, -1, 0) == 1;
}

static bool add_extensions(X509 *cert, const X509 *issuer, const struct extension *list)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, (X509 *)issuer, cert, NULL, NULL, 0);
    for (; list->nid != 0; list++) {
        X509_EXTENSION *one = X509V3_EXT_conf_nid(NULL, &context, list->nid, list->value);
        bool good = one != NULL && X509_add_ext(cert, one, -1) == 1;
        X509_EXTENSION_free(one);
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool add_names(X509 *cert, const struct cert_plan *plan, struct cert_error *error)
{
    char uri[CERTIFICATE_URI_MAX + 1], dns[CERTIFICATE_DNS_MAX + 1];
    struct cert_names names = {0};

    if (plan->use == CERT_USE_CA) {
        certificate_authority_write(plan->name.cluster, uri);
    } else {
        certificate_name_write(&plan->name, uri);
    }
    cert_names_add(&names, CERT_NAME_URI, uri, strlen(uri));
    certificate_dns_write(plan->name.cluster, dns);
    if (plan->use == CERT_USE_NODE) {
        cert_names_add(&names, CERT_NAME_DNS, dns, strlen(dns));
    }
    for (size_t i = 0; i < plan->hosts.n; i++) {
        const struct cert_one_name *host = &plan->hosts.at[i];
        bool is_there = host->type == CERT_NAME_URI
                            ? strcmp(host->text, uri) == 0
                            : plan->use == CERT_USE_NODE && strcasecmp(host->text, dns) == 0;
        if (!is_there) {
            cert_names_add(&names, host->type, host->text, host->len);
        }
    }
    bool good = cert_names_put(&names, cert, error);
    cert_names_free(&names);
    return good;
}

static bool fill(X509 *cert, const struct cert_plan *plan, EVP_PKEY *key, const X509 *ca,
                 EVP_PKEY *ca_key, struct cert_error *error)
{
    const struct extension *list = plan->use == CERT_USE_CA     ? of_a_ca
                                   : plan->use == CERT_USE_NODE ? of_a_node
                                                                : of_a_client;
    bool keeps_subject = plan->use == CERT_USE_CA && ca != NULL;

    if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
        !set_times(cert, plan) || X509_set_pubkey(cert, key) != 1 ||
        !(keeps_subject ? X509_set_subject_name(cert, X509_get_subject_name(ca)) == 1
                        : set_subject(cert, plan)) ||
        X509_set_issuer_name(cert, X509_get_subject_name(ca != NULL ? ca : cert)) != 1 ||
        !add_extensions(cert, ca != NULL ? ca : cert, list)) {
        return cert_fail_library(error, "making a certificate");
    }
    if (!add_names(cert, plan, error)) {
        return false;
    }
    return X509_sign(cert, ca_key, EVP_sha256()) > 0 || cert_fail_library(error, "signing");
}

X509 *cert_make(const struct cert_plan *plan, EVP_PKEY *key, const X509 *ca, EVP_PKEY *ca_key,
                struct cert_error *error)
{
    X509 *cert = X509_new();

    if (cert == NULL) {
        cert_fail_library(error, "making a certificate");
        return NULL;
    }
    if (!fill(cert, plan, key, ca, ca_key, error)) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}
