/* cursor.h - reads msgpack (github.com/msgpack/msgpack/blob/master/spec.md) from bytes that
 * nobody vouches for.
 *
 * Each function reads one value and moves on; none allocates, none reads past the end, none
 * trusts an announced length. After the first failure the cursor stays failed and every later
 * read fails, so a decoder may read all its fields and ask cursor_ok() once. */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

void cursor_init(struct cursor *c, const uint8_t *data, size_t len);
static inline bool cursor_ok(const struct cursor *c)
{
    return !c->failed;
}
/* Number of elements; 0 and failed when it is no array, or announces more elements than bytes
 * are left. */
uint32_t cursor_array(struct cursor *c);
uint32_t cursor_map(struct cursor *c);  /* the same of a map: number of keys with their values */
uint64_t cursor_uint(struct cursor *c); /* any non-negative integer */
bool cursor_bool(struct cursor *c);     /* true/false, or the integers 1/0 */
struct slice cursor_bytes(struct cursor *c); /* bin or str */
bool cursor_nil(struct cursor *c);           /* true and moved on if nil, false and unmoved else */
/* Skip one value of any kind, nested to at most 16 levels; returns its bytes. */
struct slice cursor_skip(struct cursor *c);

#endif
