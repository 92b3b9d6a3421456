/* seal.c - see seal.h. */
#include "seal.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "../../client/base/must.h"

#define BLOCK 32u /* bytes of SHA-256 */

enum { FOR_TAG, FOR_STREAM }; /* the first byte of what is hashed */

static void mac(const uint8_t key[SEAL_KEY_SIZE], const uint8_t *data, size_t len,
                uint8_t out[BLOCK])
{
    uint8_t all[EVP_MAX_MD_SIZE];
    unsigned all_len = 0;

    (void)must_have(HMAC(EVP_sha256(), key, SEAL_KEY_SIZE, data, len, all, &all_len));
    assert(all_len == BLOCK);
    memcpy(out, all, BLOCK);
}

static void tag_of(const uint8_t key[SEAL_KEY_SIZE], uint8_t kind, const uint8_t *text, size_t len,
                   uint8_t tag[SEAL_TAG_SIZE])
{
    uint8_t data[2 + SEAL_TEXT_MAX] = {FOR_TAG, kind};
    uint8_t whole[BLOCK];

    memcpy(data + 2, text, len);
    mac(key, data, 2 + len, whole);
    memcpy(tag, whole, SEAL_TAG_SIZE);
}

/* There and back. */
static void stream(const uint8_t key[SEAL_KEY_SIZE], const uint8_t tag[SEAL_TAG_SIZE],
                   const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t data[2 + SEAL_TAG_SIZE] = {FOR_STREAM};
    uint8_t block[BLOCK];

    memcpy(data + 2, tag, SEAL_TAG_SIZE);
    for (size_t i = 0; i < len; i++) {
        if (i % BLOCK == 0) {
            data[1] = (uint8_t)(i / BLOCK);
            mac(key, data, sizeof data, block);
        }
        out[i] = in[i] ^ block[i % BLOCK];
    }
}

void seal_make(const uint8_t key[SEAL_KEY_SIZE], uint8_t kind, const uint8_t *text, size_t len,
               uint8_t *out)
{
    assert(len <= SEAL_TEXT_MAX);
    tag_of(key, kind, text, len, out);
    stream(key, out, text, len, out + SEAL_TAG_SIZE);
}

bool seal_open(const uint8_t key[SEAL_KEY_SIZE], uint8_t kind, const uint8_t *sealed, size_t len,
               uint8_t *out)
{
    uint8_t tag[SEAL_TAG_SIZE];

    if (len < SEAL_TAG_SIZE || len - SEAL_TAG_SIZE > SEAL_TEXT_MAX) {
        return false;
    }
    stream(key, sealed, sealed + SEAL_TAG_SIZE, len - SEAL_TAG_SIZE, out);
    tag_of(key, kind, out, len - SEAL_TAG_SIZE, tag);
    return CRYPTO_memcmp(tag, sealed, SEAL_TAG_SIZE) == 0;
}
