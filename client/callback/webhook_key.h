/* webhook_key.h - asymmetric signatures of webhooks, as Standard Webhooks 1.0 has them: a receiver
 * that can verify them cannot make them.
 *
 * A signing key is "whsk_" and the base64 of 64 bytes, the private and the public half of an ed25519
 * key pair (RFC 8032); the public key is "whpk_" and the base64 of the second 32. The signature of a
 * message is "v1a," and the base64 of ed25519(private key, ID.TIMESTAMP.BODY).
 *
 * No state, any thread. Copies of a private key that are made here are wiped. */
#ifndef WEBHOOK_KEY_H
#define WEBHOOK_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_SIGNING_KEY_SIZE 94   /* "whsk_" + 88 characters + NUL */
#define WEBHOOK_PUBLIC_KEY_SIZE 50    /* "whpk_" + 44 characters + NUL */
#define WEBHOOK_PUBLIC_BYTES 32       /* of a public key */
#define WEBHOOK_KEY_SIGNATURE_SIZE 93 /* "v1a," + 88 characters + NUL */
#define WEBHOOK_KEY_SIGNATURE_PREFIX "v1a,"

/* A new key from OpenSSL's random bytes. False: it has none. Wipe it when done with it. */
bool webhook_key_make(char out[WEBHOOK_SIGNING_KEY_SIZE]);
/* Do the two halves of a signing key belong together? False also: it is no signing key. */
bool webhook_key_fits(const char *signing_key);
/* The bytes of a public key. False: it is none. */
bool webhook_key_public_decode(const char *public_key, uint8_t out[WEBHOOK_PUBLIC_BYTES]);

/* Sign what is to be signed. False: no signing key, or no memory. */
bool webhook_key_sign(const char *signing_key, const uint8_t *content, size_t len,
                      char out[WEBHOOK_KEY_SIGNATURE_SIZE]);
/* Is this, of `signature_len` bytes, the content's signature by the owner of the public key? */
bool webhook_key_verify(const char *public_key, const char *signature, size_t signature_len,
                        const uint8_t *content, size_t len);

#endif
