/* token.c - see token.h. */
#include "token.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#define PREFIX_LEN (sizeof TOKEN_PREFIX - 1)
#define BASE64_LEN 44 /* of 32 bytes, with the '=' that base64url leaves out */

static_assert(PREFIX_LEN + BASE64_LEN - 1 == TOKEN_TEXT_LEN, "the text has its length");
static_assert(TOKEN_HASH_SIZE == SHA256_DIGEST_LENGTH, "it is a SHA-256");

void token_make(const uint8_t random[TOKEN_RANDOM_SIZE], char text[TOKEN_TEXT_LEN + 1])
{
    unsigned char base64[BASE64_LEN + 1];

    int n = EVP_EncodeBlock(base64, random, TOKEN_RANDOM_SIZE);
    assert(n == BASE64_LEN && base64[BASE64_LEN - 1] == '=');
    memcpy(text, TOKEN_PREFIX, PREFIX_LEN);
    for (size_t i = 0; i < BASE64_LEN - 1; i++) {
        char c = (char)base64[i];
        text[PREFIX_LEN + i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    text[TOKEN_TEXT_LEN] = '\0';
    OPENSSL_cleanse(base64, sizeof base64);
}

void token_hash(struct slice text, uint8_t hash[TOKEN_HASH_SIZE])
{
    SHA256(text.data, text.len, hash);
}
