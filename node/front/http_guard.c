/* http_guard.c - see http_guard.h. The grammar is RFC 9112's, without what it lets a recipient tolerate. */
#include "http_guard.h"

#include <string.h>
#include <strings.h>

enum guard_state {
    GUARD_METHOD = 0, /* also between requests */
    GUARD_TARGET,
    GUARD_VERSION,
    GUARD_LINE_LF, /* a line's CR was read */
    GUARD_LINE,    /* a line of the head begins */
    GUARD_NAME,
    GUARD_VALUE,
    GUARD_END_LF, /* the CR of the empty line was read */
    GUARD_BODY,
    GUARD_SIZE,
    GUARD_SIZE_LF,
    GUARD_DATA,
    GUARD_DATA_CR,
    GUARD_DATA_LF,
    GUARD_LAST_CR, /* behind the chunk of no bytes: trailers are not taken */
    GUARD_LAST_LF,
};

/* Fields that say where a request ends or whose it is: they come once, or not at all. */
enum guard_field {
    FIELD_OTHER = 0,
    FIELD_HOST,
    FIELD_LENGTH,
    FIELD_ENCODING,
    FIELD_EXPECT,
    FIELD_AUTHORIZATION,
    FIELD_TYPE,
    FIELD_KEY,
    FIELD_ORIGIN,
    FIELD_FETCH_SITE,
    FIELD_COOKIE, /* may come more than once */
};

static const struct {
    const char *name;
    enum guard_field field;
} known_fields[] = {
    {"host", FIELD_HOST},
    {"content-length", FIELD_LENGTH},
    {"transfer-encoding", FIELD_ENCODING},
    {"expect", FIELD_EXPECT},
    {"authorization", FIELD_AUTHORIZATION},
    {"content-type", FIELD_TYPE},
    {"idempotency-key", FIELD_KEY},
    {"origin", FIELD_ORIGIN},
    {"sec-fetch-site", FIELD_FETCH_SITE},
    {"cookie", FIELD_COOKIE},
};

#define FLAW(variable, status_, name_, detail_) \
    static const struct http_flaw variable = {status_, name_, detail_}

FLAW(bad_method, 400, "BAD_REQUEST", "The request does not begin with the name of a method.");
FLAW(http_2, 400, "BAD_REQUEST", "HTTP/2 is not spoken here; HTTP/1.1 is.");
FLAW(bad_target, 400, "BAD_REQUEST",
     "The target must be a path that begins with a slash, of visible ASCII characters.");
FLAW(long_target, 414, "URI_TOO_LONG", "The target is longer than 8192 bytes.");
FLAW(many_params, 400, "BAD_REQUEST", "The target has more than 64 query parameters.");
FLAW(http_0_9, 400, "BAD_REQUEST", "The request line has no version: HTTP/1.1 is spoken here.");
FLAW(bad_version, 505, "HTTP_VERSION_NOT_SUPPORTED", "HTTP/1.1 and HTTP/1.0 are spoken here.");
FLAW(bare_cr, 400, "BAD_REQUEST", "There is a CR without an LF behind it in the head.");
FLAW(bare_lf, 400, "BAD_REQUEST", "There is an LF without a CR in front of it in the head.");
FLAW(bad_name, 400, "BAD_REQUEST", "A line of the head is not NAME: VALUE.");
FLAW(folded, 400, "BAD_REQUEST", "A line of the head begins with a space.");
FLAW(bad_value, 400, "BAD_REQUEST", "A line of the head has a control character in it.");
FLAW(long_head, 431, "HEADERS_TOO_LARGE", "The head of the request is longer than 16384 bytes.");
FLAW(many_fields, 431, "HEADERS_TOO_LARGE", "The head of the request has more than 64 lines.");
FLAW(many_cookies, 431, "HEADERS_TOO_LARGE", "The request has more than 128 cookies.");
FLAW(no_host, 400, "BAD_REQUEST", "A request of HTTP/1.1 needs a Host.");
FLAW(twice, 400, "BAD_REQUEST", "A line of the head that must come once comes twice.");
FLAW(bad_length, 400, "BAD_REQUEST", "The Content-Length is not a number.");
FLAW(length_and_encoding, 400, "BAD_REQUEST",
     "There are both a Content-Length and a Transfer-Encoding.");
FLAW(bad_encoding, 501, "NOT_IMPLEMENTED", "The only Transfer-Encoding that is known is chunked.");
FLAW(old_encoding, 400, "BAD_REQUEST", "HTTP/1.0 has no Transfer-Encoding.");
FLAW(bad_expect, 417, "EXPECTATION_FAILED", "The only Expect that can be met is 100-continue.");
FLAW(long_body, 413, "BODY_TOO_LARGE", "The body is larger than 1048576 bytes.");
FLAW(bad_chunk, 400, "BAD_REQUEST", "The body is not in chunks as RFC 9112, section 7.1 has them.");
/* libmicrohttpd 1.0.1 takes the LF behind one for a byte of the body. */
FLAW(extension, 400, "BAD_REQUEST", "Extensions of chunks are not taken.");
FLAW(trailers, 400, "BAD_REQUEST", "Lines behind the chunks of a body are not taken.");

static bool is_token(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static int hex(uint8_t c)
{
    c = lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void go(struct http_guard *g, enum guard_state state)
{
    g->state = state;
    g->at = 0;
}

static void keep(struct http_guard *g, uint8_t c)
{
    if (g->at < sizeof g->word - 1) {
        g->word[g->at] = (char)c;
        g->word[g->at + 1] = '\0';
    }
    g->at++;
}

/* --- one request after the other --- */

static void request_begin(struct http_guard *g)
{
    g->bytes = g->fields = g->params = g->cookies = g->singles = 0;
    g->is_1_1 = g->chunked = g->has_length = false;
    g->left = g->body = 0;
}

static void request_end(struct http_guard *g)
{
    g->requests++;
    request_begin(g);
    go(g, GUARD_METHOD);
}

static const struct http_flaw *take_method(struct http_guard *g, uint8_t c)
{
    if (c == ' ' && g->at > 0) {
        if (strcmp(g->word, "PRI") == 0) {
            return &http_2;
        }
        go(g, GUARD_TARGET);
        return NULL;
    }
    if (!is_token(c) || g->at >= 16) {
        return &bad_method;
    }
    keep(g, c);
    return NULL;
}

static const struct http_flaw *take_target(struct http_guard *g, uint8_t c)
{
    if (c == ' ' && g->at > 0) {
        go(g, GUARD_VERSION);
        return NULL;
    }
    if (c == '\r' || c == '\n') {
        return &http_0_9;
    }
    if (c <= ' ' || c >= 0x7f || c == '#' ||
        (g->at == 0 && c != '/' && !(c == '*' && strcmp(g->word, "OPTIONS") == 0))) {
        return &bad_target;
    }
    if ((c == '?' || c == '&') && ++g->params > HTTP_PARAMS_MAX) {
        return &many_params;
    }
    return ++g->at > HTTP_TARGET_MAX ? &long_target : NULL;
}

static const struct http_flaw *take_version(struct http_guard *g, uint8_t c)
{
    if (c == '\r' && g->at == 8) {
        g->is_1_1 = strcmp(g->word, "HTTP/1.1") == 0;
        if (!g->is_1_1 && strcmp(g->word, "HTTP/1.0") != 0) {
            return &bad_version;
        }
        go(g, GUARD_LINE_LF);
        return NULL;
    }
    if (c == '\n') {
        return &bare_lf;
    }
    if (g->at >= 8 || c <= ' ' || c >= 0x7f || (g->at < 5 && c != (uint8_t) "HTTP/"[g->at])) {
        return &bad_version;
    }
    keep(g, c);
    return NULL;
}

/* --- the lines of a head --- */

static const struct http_flaw *take_line(struct http_guard *g, uint8_t c)
{
    if (c == '\r') {
        go(g, GUARD_END_LF);
        return NULL;
    }
    if (c == ' ' || c == '\t') {
        return &folded;
    }
    if (c == '\n') {
        return &bare_lf;
    }
    if (!is_token(c)) {
        return &bad_name;
    }
    if (++g->fields > HTTP_FIELDS_MAX) {
        return &many_fields;
    }
    go(g, GUARD_NAME);
    keep(g, lower(c));
    return NULL;
}

static const struct http_flaw *take_name(struct http_guard *g, uint8_t c)
{
    if (c != ':') {
        if (!is_token(c)) {
            return c == '\n' ? &bare_lf : &bad_name;
        }
        keep(g, lower(c));
        return NULL;
    }
    g->field = FIELD_OTHER;
    for (unsigned i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++) {
        if (g->at < sizeof g->word && strcmp(g->word, known_fields[i].name) == 0) {
            g->field = known_fields[i].field;
        }
    }
    if (g->field == FIELD_COOKIE) {
        g->cookies++;
    } else if (g->field != FIELD_OTHER && (g->singles & 1u << g->field) != 0) {
        return &twice;
    }
    g->singles |= 1u << g->field;
    g->value_len = 0;
    go(g, GUARD_VALUE);
    return NULL;
}

static const struct http_flaw *judge_length(struct http_guard *g)
{
    uint64_t length = 0;

    for (unsigned i = 0; i < g->value_len; i++) {
        if (i >= sizeof g->value || g->value[i] < '0' || g->value[i] > '9') {
            return &bad_length;
        }
        length = length * 10 + (uint64_t)(g->value[i] - '0');
        if (length > HTTP_BODY_MAX) {
            length = HTTP_BODY_MAX + 1; /* go on: the rest must be digits, too */
        }
    }
    if (g->value_len == 0) {
        return &bad_length;
    }
    g->has_length = true;
    g->left = length;
    return NULL;
}

static bool value_is(const struct http_guard *g, const char *text)
{
    size_t len = strlen(text);

    return g->value_len == len && strncasecmp(g->value, text, len) == 0;
}

static const struct http_flaw *judge_value(struct http_guard *g)
{
    while (g->value_len > 0 && g->value_len <= sizeof g->value &&
           (g->value[g->value_len - 1] == ' ' || g->value[g->value_len - 1] == '\t')) {
        g->value_len--;
    }
    switch (g->field) {
        case FIELD_LENGTH: return judge_length(g);
        case FIELD_ENCODING:
            if (!g->is_1_1) {
                return &old_encoding;
            }
            g->chunked = value_is(g, "chunked");
            return g->chunked ? NULL : &bad_encoding;
        case FIELD_EXPECT: return value_is(g, "100-continue") ? NULL : &bad_expect;
        default: return NULL;
    }
}

static const struct http_flaw *take_value(struct http_guard *g, uint8_t c)
{
    if (c == '\r') {
        go(g, GUARD_LINE_LF);
        return judge_value(g);
    }
    if (c == '\n') {
        return &bare_lf;
    }
    if ((c < ' ' && c != '\t') || c == 0x7f) {
        return &bad_value;
    }
    g->cookies += g->field == FIELD_COOKIE && (c == ';' || c == ',');
    if (g->cookies > HTTP_COOKIES_MAX) {
        return &many_cookies;
    }
    if (g->value_len > 0 || (c != ' ' && c != '\t')) {
        if (g->value_len < sizeof g->value) {
            g->value[g->value_len] = (char)c;
        }
        g->value_len++;
    }
    return NULL;
}

/* The head is complete. */
static const struct http_flaw *judge_head(struct http_guard *g)
{
    if (g->is_1_1 && (g->singles & 1u << FIELD_HOST) == 0) {
        return &no_host;
    }
    if (g->chunked && g->has_length) {
        return &length_and_encoding;
    }
    if (g->left > HTTP_BODY_MAX) {
        return &long_body;
    }
    g->bytes = 0;
    if (g->chunked) {
        go(g, GUARD_SIZE);
    } else if (g->left > 0) {
        go(g, GUARD_BODY);
    } else {
        request_end(g);
    }
    return NULL;
}

static bool is_head(int state)
{
    return state <= GUARD_END_LF;
}

static const struct http_flaw *take_of_head(struct http_guard *g, uint8_t c)
{
    if (++g->bytes > HTTP_HEAD_MAX) {
        return &long_head;
    }
    switch (g->state) {
        case GUARD_METHOD: return take_method(g, c);
        case GUARD_TARGET: return take_target(g, c);
        case GUARD_VERSION: return take_version(g, c);
        case GUARD_LINE: return take_line(g, c);
        case GUARD_NAME: return take_name(g, c);
        case GUARD_VALUE: return take_value(g, c);
        case GUARD_LINE_LF: go(g, GUARD_LINE); return c == '\n' ? NULL : &bare_cr;
        default: return c == '\n' ? judge_head(g) : &bare_cr;
    }
}

/* --- chunks --- */

static const struct http_flaw *take_size(struct http_guard *g, uint8_t c)
{
    int digit = hex(c);

    if (digit >= 0 && g->at < 8) {
        g->left = g->left << 4 | (uint64_t)digit;
        g->at++;
        return g->body + g->left > HTTP_BODY_MAX ? &long_body : NULL;
    }
    if (g->at > 0 && c == ';') {
        return &extension;
    }
    if (g->at == 0 || c != '\r') {
        return &bad_chunk;
    }
    go(g, GUARD_SIZE_LF);
    return NULL;
}

static const struct http_flaw *take_of_chunks(struct http_guard *g, uint8_t c)
{
    if (++g->bytes > HTTP_CHUNKS_OVERHEAD_MAX) {
        return &long_body;
    }
    switch (g->state) {
        case GUARD_SIZE: return take_size(g, c);
        case GUARD_SIZE_LF:
            g->body += g->left;
            go(g, g->left > 0 ? GUARD_DATA : GUARD_LAST_CR);
            return c == '\n' ? NULL : &bad_chunk;
        case GUARD_DATA_CR: go(g, GUARD_DATA_LF); return c == '\r' ? NULL : &bad_chunk;
        case GUARD_DATA_LF: go(g, GUARD_SIZE); return c == '\n' ? NULL : &bad_chunk;
        case GUARD_LAST_CR: go(g, GUARD_LAST_LF); return c == '\r' ? NULL : &trailers;
        default: request_end(g); return c == '\n' ? NULL : &bad_chunk;
    }
}

/* Of the content, as much as is there. */
static size_t pass_content(struct http_guard *g, size_t len)
{
    size_t n = g->left < len ? (size_t)g->left : len;

    g->left -= n;
    if (g->left == 0 && g->state == GUARD_DATA) {
        go(g, GUARD_DATA_CR);
    } else if (g->left == 0) {
        request_end(g);
    }
    return n;
}

size_t http_guard_pass(struct http_guard *g, const uint8_t *data, size_t len)
{
    size_t i = 0;

    while (i < len && g->flaw == NULL) {
        if (g->state == GUARD_BODY || g->state == GUARD_DATA) {
            i += pass_content(g, len - i);
            continue;
        }
        g->flaw = is_head(g->state) ? take_of_head(g, data[i]) : take_of_chunks(g, data[i]);
        i += g->flaw == NULL;
    }
    return i;
}

bool http_guard_is_within(const struct http_guard *g)
{
    return g->state != GUARD_METHOD || g->at > 0;
}
