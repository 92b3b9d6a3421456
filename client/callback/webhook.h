/* webhook.h - signatures of webhooks, as Standard Webhooks 1.0 has them.
 *
 * A secret is "whsec_" and the base64 of a key of 24 to 64 bytes. The signature of a message is
 * "v1," and the base64 of HMAC-SHA256(key, ID.TIMESTAMP.BODY), the timestamp in decimal seconds.
 * A message may carry several signatures separated by spaces, one for each secret while secrets
 * are rotated; the receiver accepts it when any of them fits any of its own secrets, or, if it is an
 * asymmetric one (webhook_key.h), any of the public keys that it trusts.
 * (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md)
 *
 * A leaf: used by the node, which signs, and by receivers, which verify. No state, any thread. */
#ifndef WEBHOOK_H
#define WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_KEY_MIN 24
#define WEBHOOK_KEY_MAX 64
#define WEBHOOK_SIGNATURE_SIZE 48 /* "v1," + 44 characters + NUL */

enum webhook_verdict {
    WEBHOOK_GENUINE = 0,
    WEBHOOK_BAD_TIMESTAMP, /* not a number of seconds */
    WEBHOOK_TOO_OLD,       /* further in the past than the tolerance: maybe a replay */
    WEBHOOK_TOO_NEW,       /* further in the future */
    WEBHOOK_NOT_SIGNED,    /* in no way that the receiver could verify */
    WEBHOOK_WRONG_SIGNATURE,
    WEBHOOK_NO_MEMORY,
};

/* A message as it was received. Header values; NULL where the header is missing. */
struct webhook {
    const char *id;
    const char *timestamp;
    const char *signature;
    const void *body;
    size_t body_len;
};

/* What a receiver knows of those who may send to it. */
struct webhook_trust {
    const char *const *secrets; /* "whsec_..." */
    size_t n_secrets;
    const char *const *public_keys; /* "whpk_..." */
    size_t n_public_keys;
};

/* The key inside a secret. False: not a secret. Overwrite the key when done with it. */
bool webhook_secret_decode(const char *secret, uint8_t key[WEBHOOK_KEY_MAX], size_t *key_len);

/* Sign. False: not a secret, or no memory. */
bool webhook_sign(const char *secret, const char *id, uint64_t timestamp_s, const void *body,
                  size_t body_len, char out[WEBHOOK_SIGNATURE_SIZE]);
/* The same with a signing key "whsk_...", into WEBHOOK_KEY_SIGNATURE_SIZE bytes. */
bool webhook_sign_with_key(const char *signing_key, const char *id, uint64_t timestamp_s,
                           const void *body, size_t body_len, char *out);

/* Is the message from somebody who knows one of the secrets, or the private half of one of the keys,
 * and of about now? A signature by a secret is compared in constant time; of those by keys the first
 * WEBHOOK_KEY_SIGNATURES_MAX are looked at, as each takes a tenth of a millisecond. The timestamp's
 * distance is judged only for a genuine signature, so that its verdict tells nothing to those who
 * cannot sign. */
#define WEBHOOK_KEY_SIGNATURES_MAX 8
enum webhook_verdict webhook_verify(const struct webhook *w, const struct webhook_trust *trust,
                                    uint64_t now_s, uint64_t tolerance_s);
/* A few words for logs. Never NULL. */
const char *webhook_verdict_text(enum webhook_verdict verdict);

/* Base64 (RFC 4648, padded) of bytes as a malloc'ed string; NULL on lack of memory. */
char *webhook_base64_encode(const void *data, size_t len);
/* Bytes of a base64 text, malloc'ed (one byte at least); NULL: not base64, or no memory. */
uint8_t *webhook_base64_decode(const char *text, size_t text_len, size_t *len);

#endif
