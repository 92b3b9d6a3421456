/* webhook_key.c - see webhook_key.h. */
#include "webhook_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "webhook.h"

#define SIGNING_PREFIX "whsk_"
#define PUBLIC_PREFIX "whpk_"
#define PREFIX_LEN 5
#define HALF 32u
#define SIGNATURE_BYTES 64u
#define SIGNATURE_PREFIX_LEN 4u

/* Exactly `n` bytes of base64 behind the prefix. */
static bool key_decode(const char *text, const char *prefix, uint8_t *out, size_t n)
{
    size_t len;

    if (strncmp(text, prefix, PREFIX_LEN) != 0) {
        return false;
    }
    uint8_t *bytes = webhook_base64_decode(text + PREFIX_LEN, strlen(text + PREFIX_LEN), &len);
    bool fits = bytes != NULL && len == n;
    if (fits) {
        memcpy(out, bytes, n);
    }
    if (bytes != NULL) {
        OPENSSL_cleanse(bytes, len);
        free(bytes);
    }
    return fits;
}

/* The key pair of a signing key; NULL: it is none. EVP's copy is wiped when it is freed. */
static EVP_PKEY *key_open(const char *signing_key, uint8_t public_half[HALF])
{
    uint8_t both[2 * HALF];
    EVP_PKEY *pair = NULL;

    if (key_decode(signing_key, SIGNING_PREFIX, both, sizeof both)) {
        pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, both, HALF);
        memcpy(public_half, both + HALF, HALF);
    }
    OPENSSL_cleanse(both, sizeof both);
    return pair;
}

static bool key_write(EVP_PKEY *pair, char out[WEBHOOK_SIGNING_KEY_SIZE])
{
    uint8_t both[2 * HALF];
    size_t private_len = HALF;
    size_t public_len = HALF;

    bool ok = EVP_PKEY_get_raw_private_key(pair, both, &private_len) == 1 &&
              EVP_PKEY_get_raw_public_key(pair, both + HALF, &public_len) == 1;
    if (ok) {
        memcpy(out, SIGNING_PREFIX, PREFIX_LEN);
        EVP_EncodeBlock((unsigned char *)out + PREFIX_LEN, both, sizeof both);
    }
    OPENSSL_cleanse(both, sizeof both);
    return ok;
}

bool webhook_key_make(char out[WEBHOOK_SIGNING_KEY_SIZE])
{
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    bool ok = pair != NULL && key_write(pair, out);

    EVP_PKEY_free(pair);
    ERR_clear_error(); /* another's next call must not take it for its own */
    return ok;
}

bool webhook_key_fits(const char *signing_key)
{
    uint8_t claimed[HALF];
    uint8_t computed[HALF];
    size_t len = HALF;
    EVP_PKEY *pair = key_open(signing_key, claimed);

    bool fits = pair != NULL && EVP_PKEY_get_raw_public_key(pair, computed, &len) == 1 &&
                memcmp(claimed, computed, HALF) == 0;
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return fits;
}

bool webhook_key_public_decode(const char *public_key, uint8_t out[WEBHOOK_PUBLIC_BYTES])
{
    return key_decode(public_key, PUBLIC_PREFIX, out, HALF);
}

bool webhook_key_sign(const char *signing_key, const uint8_t *content, size_t len,
                      char out[WEBHOOK_KEY_SIGNATURE_SIZE])
{
    uint8_t public_half[HALF];
    uint8_t signature[SIGNATURE_BYTES];
    size_t signature_len = sizeof signature;
    EVP_PKEY *pair = key_open(signing_key, public_half);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    bool ok = pair != NULL && context != NULL &&
              EVP_DigestSignInit(context, NULL, NULL, NULL, pair) == 1 &&
              EVP_DigestSign(context, signature, &signature_len, content, len) == 1 &&
              signature_len == sizeof signature;
    if (ok) {
        memcpy(out, WEBHOOK_KEY_SIGNATURE_PREFIX, SIGNATURE_PREFIX_LEN);
        EVP_EncodeBlock((unsigned char *)out + SIGNATURE_PREFIX_LEN, signature, sizeof signature);
    }
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return ok;
}

static bool verify_bytes(const uint8_t key[HALF], const uint8_t *signature, const uint8_t *content,
                         size_t len)
{
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, HALF);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    bool genuine = public != NULL && context != NULL &&
                   EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
                   EVP_DigestVerify(context, signature, SIGNATURE_BYTES, content, len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    ERR_clear_error();
    return genuine;
}

bool webhook_key_verify(const char *public_key, const char *signature, size_t signature_len,
                        const uint8_t *content, size_t len)
{
    uint8_t key[HALF];
    size_t n = 0;

    if (signature_len != WEBHOOK_KEY_SIGNATURE_SIZE - 1 ||
        memcmp(signature, WEBHOOK_KEY_SIGNATURE_PREFIX, SIGNATURE_PREFIX_LEN) != 0 ||
        !webhook_key_public_decode(public_key, key)) {
        return false;
    }
    uint8_t *bytes = webhook_base64_decode(signature + SIGNATURE_PREFIX_LEN,
                                           signature_len - SIGNATURE_PREFIX_LEN, &n);
    bool genuine = bytes != NULL && n == SIGNATURE_BYTES && verify_bytes(key, bytes, content, len);
    free(bytes);
    return genuine;
}
