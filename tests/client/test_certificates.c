/* test_certificates.c - the certificates that other tests use are what they say: OpenSSL finds them good
 * where they are, and names what is wrong where they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/certificates.h"

struct files {
    char dir[32];
    char ca[64];
    char cert[64];
    char key[64];
};

static int setup(void **state)
{
    struct files *f = calloc(1, sizeof *f);

    assert_non_null(f);
    strcpy(f->dir, "/tmp/certificates-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->ca, sizeof f->ca, "%s/ca.pem", f->dir);
    snprintf(f->cert, sizeof f->cert, "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct files *f = *state;

    unlink(f->ca);
    unlink(f->cert);
    unlink(f->key);
    assert_int_equal(rmdir(f->dir), 0); /* nothing else was left there */
    free(f);
    return 0;
}

static X509 *read_cert(const char *path)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    X509 *cert = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(cert);
    return cert;
}

/* What OpenSSL says of the certificate, for this purpose and, if not NULL, this host: X509_V_OK. */
static int verify(const struct files *f, int purpose, const char *host)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *cert = read_cert(f->cert);

    assert_int_equal(X509_STORE_load_file(store, f->ca), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, cert, NULL), 1);
    X509_STORE_CTX_set_purpose(context, purpose);
    if (host != NULL) {
        X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context), host, 0);
    }
    (void)X509_verify_cert(context);
    int error = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(cert);
    return error;
}

static void assert_key_fits(const struct files *f)
{
    X509 *cert = read_cert(f->cert);
    FILE *file = fopen(f->key, "r");
    struct stat st;

    assert_non_null(file);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    assert_int_equal(X509_check_private_key(cert, key), 1);
    assert_int_equal(stat(f->key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    EVP_PKEY_free(key);
    X509_free(cert);
}

/* Does it carry this URI? NULL: any. */
static bool carries_uri(const struct files *f, const char *uri)
{
    X509 *cert = read_cert(f->cert);
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI) {
            const ASN1_STRING *text = name->d.uniformResourceIdentifier;
            found = found || uri == NULL ||
                    (strlen(uri) == (size_t)ASN1_STRING_length(text) &&
                     memcmp(uri, ASN1_STRING_get0_data(text), strlen(uri)) == 0);
        }
    }
    GENERAL_NAMES_free(names);
    X509_free(cert);
    return found;
}

static void a_node_is_trusted_by_its_ca_and_by_the_clusters_name(void **state)
{
    static const char *const keys[] = {NULL, "P-384", "RSA", "ED25519"};
    struct files *f = *state;
    struct certificates_ca *ca = certificates_ca_new("first");

    certificates_write_ca(ca, f->ca);
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct certificates_wish wish = {.node = 3, .key = keys[i]};
        certificates_issue(ca, &wish, f->cert, f->key);
        assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, "orderschedd.orderschedd"), X509_V_OK);
        assert_int_equal(verify(f, X509_PURPOSE_SSL_CLIENT, NULL), X509_V_OK);
        assert_true(carries_uri(f, "spiffe://orderschedd/node/3"));
        assert_key_fits(f);
    }
    certificates_ca_free(ca);
}

static void a_client_is_no_server(void **state)
{
    struct files *f = *state;
    struct certificates_ca *ca = certificates_ca_new("first");
    struct certificates_wish wish = {.cluster = "shop", .client = "till-7"};

    certificates_write_ca(ca, f->ca);
    certificates_issue(ca, &wish, f->cert, f->key);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_CLIENT, NULL), X509_V_OK);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, NULL), X509_V_ERR_INVALID_PURPOSE);
    assert_true(carries_uri(f, "spiffe://shop/client/till-7"));
    certificates_ca_free(ca);
}

static void what_is_wished_wrong_is_wrong(void **state)
{
    struct files *f = *state;
    struct certificates_ca *ca = certificates_ca_new("first");
    struct certificates_wish other = {.cluster = "other", .node = 1};
    struct certificates_wish expired = {.from_s = -7200, .until_s = -60};
    struct certificates_wish ahead = {.from_s = 3600, .until_s = 7200};
    struct certificates_wish named = {.names = "DNS:localhost"};

    certificates_write_ca(ca, f->ca);
    certificates_issue(ca, &other, f->cert, f->key);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, "orderschedd.orderschedd"),
                     X509_V_ERR_HOSTNAME_MISMATCH);
    certificates_issue(ca, &expired, f->cert, f->key);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, NULL), X509_V_ERR_CERT_HAS_EXPIRED);
    certificates_issue(ca, &ahead, f->cert, f->key);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, NULL), X509_V_ERR_CERT_NOT_YET_VALID);
    certificates_issue(ca, &named, f->cert, f->key);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, "localhost"), X509_V_OK);
    assert_false(carries_uri(f, NULL));
    certificates_ca_free(ca);
}

/* Rotation: the new CA's certificates are good where both are trusted, and nowhere before. */
static void a_file_of_two_cas_trusts_both(void **state)
{
    struct files *f = *state;
    struct certificates_ca *first = certificates_ca_new("same name");
    struct certificates_ca *second = certificates_ca_new("same name");
    struct certificates_wish wish = {.node = 1};

    certificates_write_ca(first, f->ca);
    certificates_issue(second, &wish, f->cert, f->key);
    assert_int_not_equal(verify(f, X509_PURPOSE_SSL_SERVER, NULL), X509_V_OK);
    certificates_write_cas(first, second, f->ca);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, NULL), X509_V_OK);
    certificates_issue(first, &wish, f->cert, f->key);
    assert_int_equal(verify(f, X509_PURPOSE_SSL_SERVER, NULL), X509_V_OK);
    certificates_ca_free(first);
    certificates_ca_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_is_trusted_by_its_ca_and_by_the_clusters_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_client_is_no_server, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wished_wrong_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_two_cas_trusts_both, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
