/* json_msgpack.c - see json_msgpack.h. */
#include "json_msgpack.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"

#define DEPTH_MAX 8

static json_t *value_of(struct cursor *c, unsigned depth);

/* A negative integer: 0xe0 to 0xff, or 0xd0 to 0xd3 and 1, 2, 4 or 8 bytes. */
static json_t *negative_of(struct cursor *c)
{
    struct slice s = cursor_skip(c);
    int64_t n = -1;

    if (s.len == 1) {
        return json_integer((int8_t)s.data[0]);
    }
    for (size_t i = 1; i < s.len; i++) {
        n = (int64_t)((uint64_t)n << 8 | s.data[i]);
    }
    return json_integer(n);
}

static json_t *bytes_of(struct cursor *c)
{
    struct slice s = cursor_bytes(c);
    bool nul = s.len > 0 && memchr(s.data, '\0', s.len) != NULL;
    json_t *text = nul ? NULL : json_stringn(s.len > 0 ? (const char *)s.data : "", s.len);

    if (text == NULL && cursor_ok(c)) {
        char *base64 = base64_encode(s);
        text = base64 != NULL ? json_string(base64) : NULL;
        free(base64);
    }
    return text;
}

static json_t *array_of(struct cursor *c, unsigned depth)
{
    json_t *array = json_array();
    uint32_t n = cursor_array(c);

    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        json_array_append_new(array, value_of(c, depth - 1));
    }
    return array;
}

static json_t *map_of(struct cursor *c, unsigned depth)
{
    json_t *object = json_object();
    uint32_t n = cursor_map(c);

    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        struct slice key = cursor_bytes(c);
        json_t *value = value_of(c, depth - 1);
        bool good = cursor_ok(c) && key.len > 0 && memchr(key.data, '\0', key.len) == NULL;
        if (good) { /* and UTF-8: else jansson does not take it */
            json_object_setn_new(object, (const char *)key.data, key.len, value);
        } else {
            json_decref(value);
        }
    }
    return object;
}

static json_t *value_of(struct cursor *c, unsigned depth)
{
    uint8_t tag = c->at < c->end ? *c->at : 0xc1; /* which nothing begins with */

    if (tag <= 0x7f || (tag >= 0xcc && tag <= 0xcf)) {
        uint64_t n = cursor_uint(c);
        return json_integer(n < INT64_MAX ? (json_int_t)n : INT64_MAX);
    }
    if (tag >= 0xe0 || (tag >= 0xd0 && tag <= 0xd3)) {
        return negative_of(c);
    }
    if ((tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xc4 && tag <= 0xc6) ||
        (tag >= 0xd9 && tag <= 0xdb)) {
        return bytes_of(c);
    }
    if (tag == 0xc2 || tag == 0xc3) {
        return json_boolean(cursor_bool(c));
    }
    bool array = (tag >= 0x90 && tag <= 0x9f) || tag == 0xdc || tag == 0xdd;
    bool map = (tag >= 0x80 && tag <= 0x8f) || tag == 0xde || tag == 0xdf;
    if (array || map) {
        if (depth == 0) {
            c->failed = true;
            return NULL;
        }
        return array ? array_of(c, depth) : map_of(c, depth);
    }
    (void)cursor_skip(c);
    return json_null();
}

json_t *json_of_msgpack(struct cursor *c)
{
    json_t *value = value_of(c, DEPTH_MAX);

    if (!cursor_ok(c)) {
        json_decref(value);
        return NULL;
    }
    return value;
}
