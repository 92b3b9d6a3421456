/* json_in.h - JSON that clients of the HTTP API send, read strictly (RFC 8259).
 *
 * Refused as well, as two readers might take them for two things: a byte order mark, a name twice in an object, NUL in
 * a string, half of a surrogate pair, integers beyond 2^53 - 1, numbers beyond a double, arrays and objects
 * nested to more than JSON_IN_DEPTH_MAX levels, anything behind the value.
 *
 * The value of a member "payload" is kept raw (json_write.h): its own bytes without the white space around
 * its tokens, members in their order, numbers of any size as they are written. Its levels count apart.
 * No state, any thread. */
#ifndef JSON_IN_H
#define JSON_IN_H

#include <jansson.h>

#include "../wire/protocol.h"

#define JSON_IN_DEPTH_MAX 16
#define JSON_IN_INTEGER_MAX ((INT64_C(1) << 53) - 1)

/* Where the text is wrong, from 1 on, the column in characters; and a sentence that begins with
 * what is wrong there. */
struct json_flaw {
    unsigned line;
    unsigned column;
    const char *why;
};

/* The value, to be released with json_decref; NULL: *flaw says why. */
json_t *json_in_read(const uint8_t *text, size_t len, struct json_flaw *flaw);
/* The same text as one raw value; NULL: it is not JSON of this kind. */
json_t *json_in_raw(const uint8_t *text, size_t len);

#endif
