/* webhook.c - see webhook.h. */
#include "webhook.h"

#include <inttypes.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webhook_key.h"

#define SECRET_PREFIX "whsec_"
#define SECRET_PREFIX_LEN 6
#define SIGNATURE_PREFIX "v1,"
#define SIGNATURE_PREFIX_LEN 3
#define HMAC_SIZE 32
#define TIMESTAMP_DIGITS_MAX 12 /* the year 33658; also keeps the arithmetic far from overflow */

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *webhook_base64_encode(const void *data, size_t len)
{
    if (len > INT_MAX / 2) {
        return NULL;
    }
    char *out = malloc((len + 2) / 3 * 4 + 1);
    if (out != NULL) {
        EVP_EncodeBlock((unsigned char *)out, data, (int)len);
    }
    return out;
}

/* OpenSSL's decoder skips white space and reads padding as zeros; the shape is checked here. */
static bool base64_is_wellformed(const char *text, size_t len, size_t *padding)
{
    size_t plain = 0;

    if (len % 4 != 0 || len > INT_MAX) {
        return false;
    }
    while (plain < len && text[plain] != '\0' && strchr(base64_alphabet, text[plain]) != NULL) {
        plain++;
    }
    for (size_t i = plain; i < len; i++) {
        if (text[i] != '=') {
            return false;
        }
    }
    *padding = len - plain;
    return *padding <= 2;
}

uint8_t *webhook_base64_decode(const char *text, size_t text_len, size_t *len)
{
    size_t padding;

    if (!base64_is_wellformed(text, text_len, &padding)) {
        return NULL;
    }
    uint8_t *out = malloc(text_len / 4 * 3 + 1);
    if (out == NULL) {
        return NULL;
    }
    int n = text_len == 0 ? 0 : EVP_DecodeBlock(out, (const unsigned char *)text, (int)text_len);
    if (n < 0) {
        free(out);
        return NULL;
    }
    *len = (size_t)n - padding;
    return out;
}

bool webhook_secret_decode(const char *secret, uint8_t key[WEBHOOK_KEY_MAX], size_t *key_len)
{
    if (strncmp(secret, SECRET_PREFIX, SECRET_PREFIX_LEN) != 0) {
        return false;
    }
    const char *text = secret + SECRET_PREFIX_LEN;
    size_t len;
    uint8_t *bytes = webhook_base64_decode(text, strlen(text), &len);
    if (bytes == NULL) {
        return false;
    }
    bool fits = len >= WEBHOOK_KEY_MIN && len <= WEBHOOK_KEY_MAX;
    if (fits) {
        memcpy(key, bytes, len);
        *key_len = len;
    }
    OPENSSL_cleanse(bytes, len);
    free(bytes);
    return fits;
}

/* ID.TIMESTAMP.BODY in one malloc'ed run of bytes, or NULL. */
static uint8_t *signed_content(const char *id, const char *timestamp, const void *body,
                               size_t body_len, size_t *len)
{
    size_t id_len = strlen(id);
    size_t timestamp_len = strlen(timestamp);
    uint8_t *content = malloc(id_len + timestamp_len + 2 + body_len);

    if (content == NULL) {
        return NULL;
    }
    memcpy(content, id, id_len);
    content[id_len] = '.';
    memcpy(content + id_len + 1, timestamp, timestamp_len);
    content[id_len + 1 + timestamp_len] = '.';
    *len = id_len + timestamp_len + 2;
    if (body_len > 0) {
        memcpy(content + *len, body, body_len);
        *len += body_len;
    }
    return content;
}

static bool sign_content(const char *secret, const uint8_t *content, size_t len,
                         char out[WEBHOOK_SIGNATURE_SIZE])
{
    uint8_t key[WEBHOOK_KEY_MAX];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    size_t key_len;

    if (!webhook_secret_decode(secret, key, &key_len)) {
        return false;
    }
    bool ok = HMAC(EVP_sha256(), key, (int)key_len, content, len, mac, &mac_len) != NULL &&
              mac_len == HMAC_SIZE;
    OPENSSL_cleanse(key, sizeof key);
    if (ok) {
        memcpy(out, SIGNATURE_PREFIX, SIGNATURE_PREFIX_LEN);
        EVP_EncodeBlock((unsigned char *)out + SIGNATURE_PREFIX_LEN, mac, HMAC_SIZE);
    }
    return ok;
}

bool webhook_sign(const char *secret, const char *id, uint64_t timestamp_s, const void *body,
                  size_t body_len, char out[WEBHOOK_SIGNATURE_SIZE])
{
    char timestamp[24];
    size_t len;

    snprintf(timestamp, sizeof timestamp, "%" PRIu64, timestamp_s);
    uint8_t *content = signed_content(id, timestamp, body, body_len, &len);
    bool ok = content != NULL && sign_content(secret, content, len, out);
    free(content);
    return ok;
}

bool webhook_sign_with_key(const char *signing_key, const char *id, uint64_t timestamp_s,
                           const void *body, size_t body_len, char *out)
{
    char timestamp[24];
    size_t len;

    snprintf(timestamp, sizeof timestamp, "%" PRIu64, timestamp_s);
    uint8_t *content = signed_content(id, timestamp, body, body_len, &len);
    bool ok = content != NULL && webhook_key_sign(signing_key, content, len, out);
    free(content);
    return ok;
}

static bool parse_timestamp(const char *text, uint64_t *seconds)
{
    size_t len = text == NULL ? 0 : strlen(text);

    if (len == 0 || len > TIMESTAMP_DIGITS_MAX || strspn(text, "0123456789") != len) {
        return false;
    }
    *seconds = strtoull(text, NULL, 10);
    return true;
}

/* Is one of the header's signatures this one? All are looked at, each in constant time. */
static bool header_contains(const char *header, const char *expected)
{
    size_t expected_len = strlen(expected);
    bool found = false;

    for (const char *at = header; *at != '\0';) {
        size_t len = strcspn(at, " ");
        if (len == expected_len && CRYPTO_memcmp(at, expected, len) == 0) {
            found = true;
        }
        at += len;
        at += strspn(at, " ");
    }
    return found;
}

/* The next signature of the header from *at on that begins so; its length, 0: there is none. */
static size_t header_next(const char **at, const char *prefix)
{
    while (**at != '\0') {
        size_t len = strcspn(*at, " ");
        if (strncmp(*at, prefix, strlen(prefix)) == 0) {
            return len;
        }
        *at += len;
        *at += strspn(*at, " ");
    }
    return 0;
}

/* Has it a signature of a kind that this receiver could verify? */
static bool header_is_signed(const char *header, const struct webhook_trust *trust)
{
    const char *v1 = header;
    const char *v1a = header;

    return header != NULL &&
           (((trust->n_secrets > 0 || trust->n_public_keys == 0) &&
             header_next(&v1, SIGNATURE_PREFIX) > 0) ||
            (trust->n_public_keys > 0 && header_next(&v1a, WEBHOOK_KEY_SIGNATURE_PREFIX) > 0));
}

static bool is_by_a_secret(const struct webhook *w, const struct webhook_trust *trust,
                           const uint8_t *content, size_t len)
{
    bool genuine = false;

    for (size_t i = 0; i < trust->n_secrets; i++) {
        char expected[WEBHOOK_SIGNATURE_SIZE];
        if (sign_content(trust->secrets[i], content, len, expected) &&
            header_contains(w->signature, expected)) {
            genuine = true;
        }
    }
    return genuine;
}

static bool is_by_a_key(const struct webhook *w, const struct webhook_trust *trust,
                        const uint8_t *content, size_t len)
{
    const char *at = w->signature;
    size_t signature_len;

    for (unsigned n = 0; trust->n_public_keys > 0 && n < WEBHOOK_KEY_SIGNATURES_MAX; n++) {
        signature_len = header_next(&at, WEBHOOK_KEY_SIGNATURE_PREFIX);
        for (size_t i = 0; signature_len > 0 && i < trust->n_public_keys; i++) {
            if (webhook_key_verify(trust->public_keys[i], at, signature_len, content, len)) {
                return true;
            }
        }
        at += signature_len;
    }
    return false;
}

enum webhook_verdict webhook_verify(const struct webhook *w, const struct webhook_trust *trust,
                                    uint64_t now_s, uint64_t tolerance_s)
{
    uint64_t seconds;
    size_t len;

    if (w->id == NULL || !header_is_signed(w->signature, trust)) {
        return WEBHOOK_NOT_SIGNED;
    }
    if (!parse_timestamp(w->timestamp, &seconds)) {
        return WEBHOOK_BAD_TIMESTAMP;
    }
    uint8_t *content = signed_content(w->id, w->timestamp, w->body, w->body_len, &len);
    if (content == NULL) {
        return WEBHOOK_NO_MEMORY;
    }
    bool genuine = is_by_a_secret(w, trust, content, len) || is_by_a_key(w, trust, content, len);
    free(content);
    if (!genuine) {
        return WEBHOOK_WRONG_SIGNATURE;
    }
    if (seconds < now_s && now_s - seconds > tolerance_s) {
        return WEBHOOK_TOO_OLD;
    }
    if (seconds > now_s && seconds - now_s > tolerance_s) {
        return WEBHOOK_TOO_NEW;
    }
    return WEBHOOK_GENUINE;
}

const char *webhook_verdict_text(enum webhook_verdict verdict)
{
    switch (verdict) {
        case WEBHOOK_GENUINE: return "genuine";
        case WEBHOOK_BAD_TIMESTAMP: return "the timestamp must be a number of seconds";
        case WEBHOOK_TOO_OLD: return "the timestamp is too old";
        case WEBHOOK_TOO_NEW: return "the timestamp is too new";
        case WEBHOOK_NOT_SIGNED: return "not signed";
        case WEBHOOK_WRONG_SIGNATURE: return "wrong signature";
        case WEBHOOK_NO_MEMORY: return "out of memory";
    }
    return "unknown verdict";
}
