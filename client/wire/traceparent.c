/* traceparent.c - see traceparent.h. */
#include "traceparent.h"

#include <string.h>

#define TRACE_ID_SIZE 16u
#define PARENT_ID_SIZE 8u
#define TEXT_LEN (TRACEPARENT_TEXT_SIZE - 1)

_Static_assert(TRACE_ID_SIZE + PARENT_ID_SIZE + 1 == PROTOCOL_TRACEPARENT_SIZE,
               "two ids and the flags");

/* Where the parts begin in the text: version, trace id, parent id, flags. */
enum { AT_VERSION = 0, AT_TRACE_ID = 3, AT_PARENT_ID = 36, AT_FLAGS = 53 };

/* The digit's value, or 16. */
static unsigned digit_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                  : 16;
}

static bool parse_hex(const uint8_t *text, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high > 15 || low > 15) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;

    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

bool traceparent_is_good(struct slice bytes)
{
    return bytes.len == PROTOCOL_TRACEPARENT_SIZE && !is_zero(bytes.data, TRACE_ID_SIZE) &&
           !is_zero(bytes.data + TRACE_ID_SIZE, PARENT_ID_SIZE);
}

bool traceparent_parse(struct slice text, uint8_t out[PROTOCOL_TRACEPARENT_SIZE])
{
    uint8_t version;

    if (text.len < TEXT_LEN || !parse_hex(text.data + AT_VERSION, &version, 1) || version == 0xff) {
        return false;
    }
    /* Later versions may only add, behind another dash. */
    if (text.len > TEXT_LEN && (version == 0 || text.data[TEXT_LEN] != '-')) {
        return false;
    }
    return text.data[AT_TRACE_ID - 1] == '-' && text.data[AT_PARENT_ID - 1] == '-' &&
           text.data[AT_FLAGS - 1] == '-' &&
           parse_hex(text.data + AT_TRACE_ID, out, TRACE_ID_SIZE) &&
           parse_hex(text.data + AT_PARENT_ID, out + TRACE_ID_SIZE, PARENT_ID_SIZE) &&
           parse_hex(text.data + AT_FLAGS, out + TRACE_ID_SIZE + PARENT_ID_SIZE, 1) &&
           traceparent_is_good((struct slice){out, PROTOCOL_TRACEPARENT_SIZE});
}

static char *format_hex(char *text, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    return text;
}

void traceparent_format(const uint8_t traceparent[PROTOCOL_TRACEPARENT_SIZE],
                        char out[TRACEPARENT_TEXT_SIZE])
{
    memcpy(out, "00-", 3);
    char *at = format_hex(out + AT_TRACE_ID, traceparent, TRACE_ID_SIZE);
    *at++ = '-';
    at = format_hex(at, traceparent + TRACE_ID_SIZE, PARENT_ID_SIZE);
    *at++ = '-';
    at = format_hex(at, traceparent + TRACE_ID_SIZE + PARENT_ID_SIZE, 1);
    *at = '\0';
}
