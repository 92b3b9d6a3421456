/* seal.h - a short text that a client keeps for us, and that tells it nothing: where a list goes on is
 * behind an order that the client may not be allowed to see.
 *
 * The same text under the same key gives the same bytes on every replica: a tag, which is a MAC of the
 * text, and the text under a stream that the tag and the key give (a synthetic initialization vector, as
 * in RFC 5297). A tag of SEAL_TAG_SIZE bytes is guessed once in 2^56 times; who does has a place
 * in a list. Pure. */
#ifndef SEAL_H
#define SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_SIZE 32u
#define SEAL_TAG_SIZE 7u
#define SEAL_TEXT_MAX 160u /* bytes of a text */

/* Write SEAL_TAG_SIZE + len bytes to `out`. `kind` is in the tag, and not in what is written: who opens
 * it has to say the same. */
void seal_make(const uint8_t key[SEAL_KEY_SIZE], uint8_t kind, const uint8_t *text, size_t len,
               uint8_t *out);
/* Write len - SEAL_TAG_SIZE bytes to `out`. False: it was not made with this key, or of another kind. */
bool seal_open(const uint8_t key[SEAL_KEY_SIZE], uint8_t kind, const uint8_t *sealed, size_t len,
               uint8_t *out);

#endif
