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

static bool header_has_v1(const char *header)
{
    for (const char *at = header; at != NULL && *at != '\0';) {
        if (strncmp(at, SIGNATURE_PREFIX, SIGNATURE_PREFIX_LEN) == 0) {
            return true;
        }
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return false;
}

enum webhook_verdict webhook_verify(const struct webhook *w, const char *const *secrets,
                                    size_t n_secrets, uint64_t now_s, uint64_t tolerance_s)
{
    uint64_t seconds;
    size_t len;
    bool genuine = false;

    if (w->id == NULL || !header_has_v1(w->signature)) {
        return WEBHOOK_NOT_SIGNED;
    }
    if (!parse_timestamp(w->timestamp, &seconds)) {
        return WEBHOOK_BAD_TIMESTAMP;
    }
    uint8_t *content = signed_content(w->id, w->timestamp, w->body, w->body_len, &len);
    if (content == NULL) {
        return WEBHOOK_NO_MEMORY;
    }
    for (size_t i = 0; i < n_secrets; i++) {
        char expected[WEBHOOK_SIGNATURE_SIZE];
        if (sign_content(secrets[i], content, len, expected) &&
            header_contains(w->signature, expected)) {
            genuine = true;
        }
    }
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
