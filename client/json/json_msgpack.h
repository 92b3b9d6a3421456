/* json_msgpack.h - a msgpack value of any shape as JSON: what a node says of itself in maps that grow.
 * No state, any thread. */
#ifndef JSON_MSGPACK_H
#define JSON_MSGPACK_H

#include <jansson.h>

#include "../wire/cursor.h"

/* The next value: nil, booleans, integers (beyond 63 bits cut to them), strings and bytes (base64 where they are not
 * UTF-8, or have a NUL), arrays, maps (without what has another key than a string of UTF-8 without NUL); of any
 * other kind, null. Nested to at most 8 levels. NULL: malformed. */
json_t *json_of_msgpack(struct cursor *c);

#endif
