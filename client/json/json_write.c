/* json_write.c - see json_write.h. */
#include "json_write.h"

#include <stdlib.h>
#include <string.h>

#define RAW_MARK '\xff'

json_t *json_raw(const void *text, size_t len)
{
    char few[512]; /* as most payloads are */
    char *marked = len < sizeof few ? few : malloc(len + 1);
    json_t *value = NULL;

    if (marked != NULL) {
        marked[0] = RAW_MARK;
        memcpy(marked + 1, text, len);
        value = json_stringn_nocheck(marked, len + 1);
    }
    if (marked != few) {
        free(marked);
    }
    return value;
}

bool json_raw_is(const json_t *value, struct slice *text)
{
    const char *marked = json_string_value(value);

    if (marked == NULL || marked[0] != RAW_MARK) {
        return false;
    }
    *text = (struct slice){(const uint8_t *)marked + 1, json_string_length(value) - 1};
    return true;
}

void json_write_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void json_write_number(struct buffer *b, int64_t n)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (n < 0) {
        *--at = '-';
    }
    buffer_append(b, at, (size_t)(digits + sizeof digits - at));
}

/* Only what RFC 8259 wants escaped is. */
static void write_string(struct buffer *b, const char *text, size_t len)
{
    static const char shorts[UINT8_MAX + 1] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    static const char digits[] = "0123456789abcdef";
    size_t plain = 0; /* what is not written yet begins here */

    json_write_text(b, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        buffer_append(b, text + plain, i - plain);
        plain = i + 1;
        /* A payload may be of nothing else. */
        char escape[6] = {'\\',          shorts[c] != 0 ? shorts[c] : 'u', '0', '0', digits[c >> 4],
                          digits[c & 15]};
        buffer_append(b, escape, shorts[c] != 0 ? 2 : sizeof escape);
    }
    buffer_append(b, text + plain, len - plain);
    json_write_text(b, "\"");
}

static void write_real(struct buffer *b, const json_t *value)
{
    char text[64];
    size_t len = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY);

    buffer_append(b, text, len < sizeof text ? len : 0);
    b->failed = b->failed || len == 0 || len >= sizeof text;
}

static void write_object(struct buffer *b, const json_t *object)
{
    json_t *members = (json_t *)(uintptr_t)object; /* jansson's iterators take no const */
    const char *comma = "";

    json_write_text(b, "{");
    for (void *at = json_object_iter(members); at != NULL;
         at = json_object_iter_next(members, at)) {
        json_write_text(b, comma);
        write_string(b, json_object_iter_key(at), json_object_iter_key_len(at));
        json_write_text(b, ":");
        json_write(b, json_object_iter_value(at));
        comma = ",";
    }
    json_write_text(b, "}");
}

static void write_array_of(struct buffer *b, const json_t *array)
{
    json_write_text(b, "[");
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_write_text(b, i > 0 ? "," : "");
        json_write(b, json_array_get(array, i));
    }
    json_write_text(b, "]");
}

void json_write(struct buffer *b, const json_t *value)
{
    struct slice raw;

    if (value == NULL) { /* what built it ran out of memory */
        b->failed = true;
        return;
    }
    switch (json_typeof(value)) {
        case JSON_OBJECT: write_object(b, value); break;
        case JSON_ARRAY: write_array_of(b, value); break;
        case JSON_STRING:
            if (json_raw_is(value, &raw)) {
                buffer_append(b, raw.data, raw.len);
            } else {
                write_string(b, json_string_value(value), json_string_length(value));
            }
            break;
        case JSON_INTEGER: json_write_number(b, json_integer_value(value)); break;
        case JSON_REAL: write_real(b, value); break;
        case JSON_TRUE: json_write_text(b, "true"); break;
        case JSON_FALSE: json_write_text(b, "false"); break;
        case JSON_NULL: json_write_text(b, "null"); break;
    }
}
