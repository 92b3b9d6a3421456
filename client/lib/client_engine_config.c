/* client_engine_config.c - see client_engine_config.h. */
#include "client_engine_config.h"

#include <nng/nng.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct nng_tls_engine_config {
    SSL_CTX *ctx;
    bool serves;
    char *name; /* which the other side must carry; NULL: any */
};

/* --- life --- */

static void config_fini(nng_tls_engine_config *config)
{
    SSL_CTX_free(config->ctx);
    free(config->name);
}

/* RFC 9325: ECDHE and AEAD only, no compression, no renegotiation; nothing is resumed. */
static bool context_limit(SSL_CTX *ctx)
{
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(
        ctx, 1); /* nng has a whole record, as a rule: its head and the rest at once */
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

static int config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
    /* nng's threads go on until the process is gone: OpenSSL must not be taken from under them. */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
        return NNG_ENOMEM;
    }
    ERR_clear_error();
    config->serves = mode == NNG_TLS_MODE_SERVER;
    config->ctx = SSL_CTX_new(config->serves ? TLS_server_method() : TLS_client_method());
    if (config->ctx == NULL || !context_limit(config->ctx)) {
        config_fini(config);
        return NNG_ENOMEM;
    }
    SSL_CTX_set_verify(config->ctx, config->serves ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    /* One authority may have signed another: what is given is trusted. */
    (void)X509_STORE_set_flags(SSL_CTX_get_cert_store(config->ctx), X509_V_FLAG_PARTIAL_CHAIN);
    return 0;
}

SSL *client_engine_config_begin(const nng_tls_engine_config *config)
{
    SSL *ssl = SSL_new(config->ctx);

    if (ssl == NULL) {
        return NULL;
    }
    if (config->serves) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (config->name != NULL && (SSL_set_tlsext_host_name(ssl, config->name) != 1 ||
                                     SSL_set1_host(ssl, config->name) != 1)) {
            SSL_free(ssl);
            return NULL;
        }
    }
    return ssl;
}

/* --- what nng sets --- */

static int config_server(nng_tls_engine_config *config, const char *name)
{
    char *copy = strdup(name);

    if (copy == NULL) {
        return NNG_ENOMEM;
    }
    free(config->name);
    config->name = copy;
    return 0;
}

static int whatever_it_is(int good, X509_STORE_CTX *store)
{
    (void)good; /* conn_verified() says */
    (void)store;
    return 1;
}

static int config_auth(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
    switch (mode) {
        case NNG_TLS_AUTH_MODE_NONE:
            SSL_CTX_set_verify(config->ctx, SSL_VERIFY_NONE, NULL);
            return 0;
        case NNG_TLS_AUTH_MODE_OPTIONAL:
            SSL_CTX_set_verify(config->ctx, SSL_VERIFY_PEER, whatever_it_is);
            return 0;
        case NNG_TLS_AUTH_MODE_REQUIRED:
            SSL_CTX_set_verify(config->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                               NULL);
            return 0;
        default: return NNG_EINVAL;
    }
}

static int config_version(nng_tls_engine_config *config, nng_tls_version least,
                          nng_tls_version most)
{
    if (least > most || most < NNG_TLS_1_2 || least > NNG_TLS_1_3) {
        return NNG_ENOTSUP;
    }
    int min = least < NNG_TLS_1_3 ? TLS1_2_VERSION : TLS1_3_VERSION;
    int max = most < NNG_TLS_1_3 ? TLS1_2_VERSION : TLS1_3_VERSION;
    return SSL_CTX_set_min_proto_version(config->ctx, min) == 1 &&
                   SSL_CTX_set_max_proto_version(config->ctx, max) == 1
               ? 0
               : NNG_ENOTSUP;
}

/* --- certificates --- */

/* All that a PEM text holds. NULL: it is damaged, or no memory. */
static STACK_OF(X509_INFO) * read_all(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    STACK_OF(X509_INFO) *all = bio != NULL ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return all;
}

/* Certificates, and revocations of some, into what is trusted. How many; -1: damaged, or no memory. */
static int trust_all(X509_STORE *store, const char *pem, bool revocations)
{
    STACK_OF(X509_INFO) *all = read_all(pem);
    int n = all != NULL ? 0 : -1;

    for (int i = 0; n >= 0 && i < sk_X509_INFO_num(all); i++) {
        X509_INFO *at = sk_X509_INFO_value(all, i);
        if (revocations && at->crl != NULL) {
            n = X509_STORE_add_crl(store, at->crl) == 1 ? n + 1 : -1;
        } else if (!revocations && at->x509 != NULL) {
            n = X509_STORE_add_cert(store, at->x509) == 1 ? n + 1 : -1;
        }
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    return n;
}

static int config_ca_chain(nng_tls_engine_config *config, const char *certs, const char *crl)
{
    X509_STORE *store = SSL_CTX_get_cert_store(config->ctx);

    bool good = trust_all(store, certs, false) > 0 &&
                (crl == NULL || (trust_all(store, crl, true) > 0 &&
                                 X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1));
    ERR_clear_error();
    return good ? 0 : NNG_ECRYPTO;
}

static bool use_certificates(SSL_CTX *ctx, const char *pem)
{
    STACK_OF(X509_INFO) *all = read_all(pem);
    bool good = false;

    for (int i = 0; i < sk_X509_INFO_num(all); i++) { /* 0 of NULL */
        X509 *cert = sk_X509_INFO_value(all, i)->x509;
        if (cert == NULL) {
            continue;
        }
        if ((good ? SSL_CTX_add1_chain_cert(ctx, cert) : SSL_CTX_use_certificate(ctx, cert)) != 1) {
            good = false;
            break;
        }
        good = true;
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    return good;
}

static int tell_password(char *out, int size, int writing, void *password)
{
    size_t len = password != NULL ? strlen(password) : 0;

    (void)writing;
    if (password == NULL || len > (size_t)size) {
        return -1; /* nobody is asked at a terminal */
    }
    memcpy(out, password, len);
    return (int)len;
}

static bool use_key(SSL_CTX *ctx, const char *pem, const char *password)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio != NULL
                        ? PEM_read_bio_PrivateKey(bio, NULL, tell_password, (void *)password)
                        : NULL;
    bool good = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    return good;
}

static int config_own_cert(nng_tls_engine_config *config, const char *cert, const char *key,
                           const char *password)
{
    ERR_clear_error();
    bool good = use_certificates(config->ctx, cert) && use_key(config->ctx, key, password);
    ERR_clear_error();
    return good ? 0 : NNG_ECRYPTO;
}

#if NNG_MAJOR_VERSION > 1 || NNG_MINOR_VERSION >= 9
static int config_psk(nng_tls_engine_config *config, const char *identity, const uint8_t *key,
                      size_t len)
{
    (void)config;
    (void)identity;
    (void)key;
    (void)len;
    return NNG_ENOTSUP;
}
#endif

nng_tls_engine_config_ops client_engine_config_ops = {
    .size = sizeof(nng_tls_engine_config),
    .init = config_init,
    .fini = config_fini,
    .server = config_server,
    .auth = config_auth,
    .ca_chain = config_ca_chain,
    .own_cert = config_own_cert,
    .version = config_version,
#if NNG_MAJOR_VERSION > 1 || NNG_MINOR_VERSION >= 9
    .psk = config_psk,
#endif
};
