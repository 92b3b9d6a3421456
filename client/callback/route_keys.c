/* route_keys.c - see route_keys.h. */
#include "route_keys.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "../wire/route_secrets.h"
#include "webhook_key.h"

static bool signing_key_fits(struct slice key)
{
    char text[WEBHOOK_SIGNING_KEY_SIZE];

    if (!route_signing_key_is_good(key)) {
        return false;
    }
    memcpy(text, key.data, key.len);
    text[key.len] = '\0';
    bool fits = webhook_key_fits(text);
    OPENSSL_cleanse(text, sizeof text);
    return fits;
}

/* Nobody is there to be asked for one. */
static int no_passphrase_cb(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* The first certificate is the client's own; those behind it have signed it. */
static enum route_keys_flaw client_cert_flaw(const struct route_settings *s)
{
    BIO *cert_text = BIO_new_mem_buf(s->client_cert_pem.data, (int)s->client_cert_pem.len);
    BIO *key_text = BIO_new_mem_buf(s->client_key_pem.data, (int)s->client_key_pem.len);
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;

    if (cert_text != NULL && key_text != NULL) {
        cert = PEM_read_bio_X509(cert_text, NULL, no_passphrase_cb, NULL);
        key = PEM_read_bio_PrivateKey(key_text, NULL, no_passphrase_cb, NULL);
    }
    enum route_keys_flaw flaw = cert == NULL                             ? ROUTE_KEYS_CERT
                                : key == NULL                            ? ROUTE_KEYS_KEY
                                : X509_check_private_key(cert, key) != 1 ? ROUTE_KEYS_MISFIT
                                                                         : ROUTE_KEYS_FIT;
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_text);
    BIO_free(key_text);
    ERR_clear_error(); /* another's next call must not take it for its own */
    return flaw;
}

enum route_keys_flaw route_keys_flaw(const struct route_settings *s)
{
    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        if (!signing_key_fits(s->signing_keys[i])) {
            return ROUTE_KEYS_SIGNING;
        }
    }
    return s->client_cert_pem.len > 0 ? client_cert_flaw(s) : ROUTE_KEYS_FIT;
}

enum route_keys_flaw operation_keys_flaw(const struct operation *op)
{
    if (op->code == OPERATION_ROUTE_PUT || op->code == OPERATION_ROUTE_SET) {
        return route_keys_flaw(&op->settings);
    }
    if (op->code == OPERATION_ROUTE_ROTATE && route_signing_key_is_good(op->secret)) {
        return signing_key_fits(op->secret) ? ROUTE_KEYS_FIT : ROUTE_KEYS_SIGNING;
    }
    return ROUTE_KEYS_FIT;
}

struct problem route_keys_problem(enum route_keys_flaw flaw)
{
    const char *key = "settings";
    const char *why = "are good";

    switch (flaw) {
        case ROUTE_KEYS_FIT: break;
        case ROUTE_KEYS_SIGNING:
            key = "signing_keys";
            why = "must be ed25519 key pairs: the public half of one is another key's";
            break;
        case ROUTE_KEYS_CERT:
            key = "client_cert_pem";
            why = "must begin with a PEM certificate that can be read";
            break;
        case ROUTE_KEYS_KEY:
            key = "client_key_pem";
            why = "must be a PEM private key without a passphrase";
            break;
        case ROUTE_KEYS_MISFIT:
            key = "client_key_pem";
            why = "must be the key of the first certificate of client_cert_pem, and is another's";
            break;
    }
    return (struct problem){{(const uint8_t *)key, strlen(key)}, why};
}
