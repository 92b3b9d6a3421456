/* certificates.c - see certificates.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificates.h"
#include "../../client/wire/certificate_name.h"

#define CA_FROM_S (-7200L)
#define CA_UNTIL_S (10L * 365 * 24 * 3600)
#define FROM_S (-3600L)
#define UNTIL_S (24L * 3600)
#define NAMES_MAX 512

struct certificates_ca {
    EVP_PKEY *key;
    X509 *cert;
};

static EVP_PKEY *make_key(const char *kind)
{
    EVP_PKEY *key = strcmp(kind, "RSA") == 0       ? EVP_RSA_gen(2048)
                    : strcmp(kind, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                                   : EVP_EC_gen(kind);

    assert_non_null(key);
    return key;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* A certificate without extensions and signature. `issuer` NULL: its own. */
static X509 *begin_cert(EVP_PKEY *key, const char *name, X509 *issuer, long from_s, long until_s)
{
    X509 *cert = X509_new();
    uint8_t serial[8];

    assert_non_null(cert);
    assert_int_equal(RAND_bytes(serial, sizeof serial), 1);
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)));
    BN_free(number);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), from_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), until_s));
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(cert,
                                          X509_get_subject_name(issuer != NULL ? issuer : cert)),
                     1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    add_extension(cert, cert, NID_subject_key_identifier, "hash");
    return cert;
}

struct certificates_ca *certificates_ca_new(const char *name)
{
    struct certificates_ca *ca = calloc(1, sizeof *ca);

    assert_non_null(ca);
    ca->key = make_key("P-256");
    ca->cert = begin_cert(ca->key, name, NULL, CA_FROM_S, CA_UNTIL_S);
    add_extension(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(ca->cert, ca->key, EVP_sha256()) > 0);
    return ca;
}

void certificates_ca_free(struct certificates_ca *ca)
{
    if (ca != NULL) {
        X509_free(ca->cert);
        EVP_PKEY_free(ca->key);
        free(ca);
    }
}

/* A new file beside `path`, which file_end() puts in its place. */
static FILE *file_begin(const char *path, char *temporary, size_t size)
{
    assert_true((size_t)snprintf(temporary, size, "%s.new", path) < size);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    return file;
}

static void file_end(FILE *file, const char *temporary, const char *path)
{
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(temporary, path), 0);
}

static void write_certs(X509 *a, X509 *b, const char *path)
{
    char temporary[4096];
    FILE *file = file_begin(path, temporary, sizeof temporary);

    assert_int_equal(PEM_write_X509(file, a), 1);
    if (b != NULL) {
        assert_int_equal(PEM_write_X509(file, b), 1);
    }
    file_end(file, temporary, path);
}

void certificates_write_ca(const struct certificates_ca *ca, const char *path)
{
    write_certs(ca->cert, NULL, path);
}

void certificates_write_cas(const struct certificates_ca *a, const struct certificates_ca *b,
                            const char *path)
{
    write_certs(a->cert, b->cert, path);
}

static void write_names(const struct certificates_wish *wish, char *out, size_t size)
{
    struct certificate_name name = {.kind = CERTIFICATE_NODE, .node = wish->node};
    const char *cluster = wish->cluster != NULL ? wish->cluster : CERTIFICATES_CLUSTER;
    char uri[CERTIFICATE_URI_MAX + 1] = "", dns[CERTIFICATE_DNS_MAX + 1];

    if (wish->names != NULL) {
        assert_true((size_t)snprintf(out, size, "%s", wish->names) < size);
        return;
    }
    assert_true((size_t)snprintf(name.cluster, sizeof name.cluster, "%s", cluster) <
                sizeof name.cluster);
    if (wish->client != NULL) {
        name.kind = CERTIFICATE_CLIENT;
        assert_true((size_t)snprintf(name.client, sizeof name.client, "%s", wish->client) <
                    sizeof name.client);
        certificate_name_write(&name, uri);
        assert_true((size_t)snprintf(out, size, "URI:%s", uri) < size);
        return;
    }
    if (wish->node != 0) {
        certificate_name_write(&name, uri);
    }
    certificate_dns_write(cluster, dns);
    assert_true((size_t)snprintf(out, size, "IP:127.0.0.1,DNS:localhost,DNS:%s%s%s", dns,
                                 wish->node != 0 ? ",URI:" : "", uri) < size);
}

void certificates_issue(const struct certificates_ca *ca, const struct certificates_wish *wish,
                        const char *cert_path, const char *key_path)
{
    bool standard = wish->from_s == 0 && wish->until_s == 0;
    EVP_PKEY *key = make_key(wish->key != NULL ? wish->key : "P-256");
    char names[NAMES_MAX], temporary[4096];

    write_names(wish, names, sizeof names);
    X509 *cert = begin_cert(key, wish->client != NULL ? wish->client : "node", ca->cert,
                            standard ? FROM_S : wish->from_s, standard ? UNTIL_S : wish->until_s);
    add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid:always");
    add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature");
    add_extension(cert, ca->cert, NID_ext_key_usage,
                  wish->client != NULL ? "clientAuth" : "serverAuth,clientAuth");
    add_extension(cert, ca->cert, NID_subject_alt_name, names);
    assert_true(X509_sign(cert, ca->key, EVP_sha256()) > 0);
    write_certs(cert, NULL, cert_path);
    FILE *file = file_begin(key_path, temporary, sizeof temporary);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    file_end(file, temporary, key_path);
    X509_free(cert);
    EVP_PKEY_free(key);
}
