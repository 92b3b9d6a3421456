/* printable.h - which characters may be written to a terminal as they are.
 *
 * Text from outside, an order's id say, must neither steer an operator's terminal nor show itself
 * as something else. A leaf. */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode one character of UTF-8 at s, where at least one byte is; returns its bytes, 0 when they
 * are not UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF). */
size_t printable_decode(const uint8_t *s, size_t len, uint32_t *character);
/* No control (C0, DEL, C1), no separator of lines or paragraphs, no mark that reverses the writing,
 * and none that nobody sees. */
bool printable_is(uint32_t character);

#endif
