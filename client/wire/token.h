/* token.h - a principal's token: "osdt_" and the base64url of 32 random bytes, which its owner states,
 * and its SHA-256, which the cluster keeps. Whoever has the token is the principal. Pure. */
#ifndef TOKEN_H
#define TOKEN_H

#include "grant.h"

#define TOKEN_RANDOM_SIZE 32

/* Write the token of these random bytes, with its NUL. */
void token_make(const uint8_t random[TOKEN_RANDOM_SIZE], char text[TOKEN_TEXT_LEN + 1]);
/* Of whatever was stated, a token or not. */
void token_hash(struct slice text, uint8_t hash[TOKEN_HASH_SIZE]);

#endif
