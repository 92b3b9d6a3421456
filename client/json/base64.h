/* base64.h - base64 of RFC 4648 (section 4), and its URL-safe alphabet without "=" (section 5), by which
 * tokens and cursors stand in JSON and in queries. No state, any thread. */
#ifndef BASE64_H
#define BASE64_H

#include "../wire/protocol.h"

/* malloc'ed (one byte at least); NULL: not of this form, or no memory. */
char *base64_encode(struct slice bytes);
char *base64url_encode(struct slice bytes);
uint8_t *base64_decode(struct slice text, size_t *len);
uint8_t *base64url_decode(struct slice text, size_t *len);

#endif
