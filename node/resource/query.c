/* query.c - see query.h. */
#include "query.h"

#include <string.h>

#include "../../client/text/hex.h"

/* The first byte that may not stand in a target as it is, or whose encoding is broken. */
static enum query_error find_error(const char *target, size_t len, size_t *at)
{
    for (*at = 0; *at < len; ++*at) {
        char c = target[*at];
        if (c <= ' ' || c >= 0x7f ||
            c == '#') { /* char may be signed: bytes past ASCII are below 0 */
            return QUERY_CHARACTER;
        }
        if (c == '%' &&
            (len - *at < 3 || hex_digit(target[*at + 1]) < 0 || hex_digit(target[*at + 2]) < 0)) {
            return QUERY_ENCODING;
        }
    }
    return QUERY_OK;
}

/* In its own place; it gets no longer. */
static struct slice decode(char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%') {
            text[n++] = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
            i += 2;
        } else {
            text[n++] = text[i];
        }
    }
    return (struct slice){(const uint8_t *)text, n};
}

static size_t length_to(const char *text, size_t len, char end)
{
    const char *found = memchr(text, end, len);

    return found != NULL ? (size_t)(found - text) : len;
}

static enum query_error parse_path(char *path, size_t len, struct query *q, size_t *at)
{
    for (size_t i = 1; len > 1 && i <= len;) {
        size_t n = length_to(path + i, len - i, '/');
        if (q->n_segments == FRONT_SEGMENTS_MAX) {
            *at = i;
            return QUERY_TOO_DEEP;
        }
        q->segments[q->n_segments++] = decode(path + i, n);
        i += n + 1;
    }
    return QUERY_OK;
}

static enum query_error parse_params(char *text, size_t len, struct query *q, size_t offset,
                                     size_t *at)
{
    for (size_t i = 0; i < len;) {
        size_t n = length_to(text + i, len - i, '&');
        size_t name = length_to(text + i, n, '=');
        if (n > 0 && q->n_params == FRONT_PARAMS_MAX) {
            *at = offset + i;
            return QUERY_TOO_MANY_PARAMS;
        }
        if (n > 0) {
            size_t value = name < n ? name + 1 : n;
            q->params[q->n_params++] = (struct front_param){.name = decode(text + i, name),
                                                            .value = decode(text + i + value,
                                                                            n - value)};
        }
        i += n + 1;
    }
    return QUERY_OK;
}

enum query_error query_parse(char *target, size_t len, struct query *q, size_t *at)
{
    size_t ignored;

    at = at != NULL ? at : &ignored;
    q->n_segments = 0;
    q->n_params = 0;
    *at = 0;
    if (len == 0 || target[0] != '/') {
        return QUERY_NO_PATH;
    }
    enum query_error error = find_error(target, len, at);
    if (error != QUERY_OK) {
        return error;
    }
    size_t path = length_to(target, len, '?');
    error = parse_path(target, path, q, at);
    if (error == QUERY_OK && path < len) {
        error = parse_params(target + path + 1, len - path - 1, q, path + 1, at);
    }
    return error;
}

const char *query_error_text(enum query_error error)
{
    switch (error) {
        case QUERY_OK: return "the target is well-formed";
        case QUERY_NO_PATH: return "the target must be a path that begins with a slash";
        case QUERY_ENCODING: return "a % must be followed by two hexadecimal digits";
        case QUERY_CHARACTER:
            return "a space, a control character, a # or a byte past ASCII must be percent-encoded";
        case QUERY_TOO_DEEP: return "no resource has so many segments; a slash in an id is %2F";
        case QUERY_TOO_MANY_PARAMS: return "there are more than 16 query parameters";
    }
    return "the target is malformed";
}
