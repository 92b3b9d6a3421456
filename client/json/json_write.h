/* json_write.h - JSON values as text, compact; among them values that are text already.
 *
 * A payload goes in and out as the bytes that it is: 1.10, 1e400 and 12345678901234567890 are not what a
 * double makes of them. So a raw value is a string of jansson's that begins with a byte which no UTF-8 has;
 * jansson's own writer refuses it, this one writes what is behind. No state, any thread. */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include <jansson.h>

#include "../wire/protocol.h"

/* A value that is this JSON text (which the caller has checked). NULL: no memory. */
json_t *json_raw(const void *text, size_t len);
/* Is it raw? Then *text is its text, which lives as long as the value. */
bool json_raw_is(const json_t *value, struct slice *text);

/* The text of a value at the end of the buffer. Out of memory: b->failed. */
void json_write(struct buffer *b, const json_t *value);
/* The same of a number, and of text that needs no escapes, for what is written without values. */
void json_write_number(struct buffer *b, int64_t n);
void json_write_text(struct buffer *b, const char *text);

#endif
