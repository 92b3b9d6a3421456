/* json_in.c - see json_in.h. By recursive descent, to a depth that is bounded. */
#include "json_in.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../text/hex.h"
#include "../text/printable.h"
#include "json_write.h"

#define NUMBER_CHARACTERS_MAX 400 /* of one that is to become a double */
#define NAMES_FEW 16

struct reader {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    unsigned depth;
    struct buffer
        *raw; /* in a payload, of which no values are made: its tokens are copied here... */
    const uint8_t *kept; /* ...but for those from here on, between which no space was so far */
    const char *why;     /* NULL: nothing is wrong so far */
};

/* A string's characters. */
struct string {
    const char *data; /* in the text itself, or, where escapes are among them, in... */
    size_t len;
    char *memory; /* ...this; NULL: none */
};

static json_t *read_value(struct reader *r);

/* --- what is wrong --- */

static void *refuse_at(struct reader *r, const uint8_t *at, const char *why)
{
    if (r->why == NULL) {
        r->why = why;
        r->at = at;
    }
    return NULL;
}

static void *refuse(struct reader *r, const char *why)
{
    return refuse_at(r, r->at, r->at == r->end ? "the text ends too early" : why);
}

static void locate(const struct reader *r, struct json_flaw *flaw)
{
    *flaw = (struct json_flaw){1, 1, r->why != NULL ? r->why : "out of memory"};
    for (const uint8_t *p = r->begin; p < r->at; p++) {
        if (*p == '\n') {
            flaw->line++;
            flaw->column = 1;
        } else {
            flaw->column += *p >> 6 != 2; /* what goes on with a character counts no more */
        }
    }
}

/* --- tokens --- */

static void skip_space(struct reader *r)
{
    const uint8_t *from = r->at;

    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) {
        r->at++;
    }
    if (r->raw != NULL && r->at > from) {
        buffer_append(r->raw, r->kept, (size_t)(from - r->kept));
        r->kept = r->at;
    }
}

/* This one character, if it is the next. */
static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != (uint8_t)c) {
        return false;
    }
    r->at++;
    return true;
}

static json_t *read_word(struct reader *r, const char *word, json_t *value)
{
    size_t len = strlen(word);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) {
        json_decref(value);
        return refuse_at(r, r->at, "no value begins like this");
    }
    r->at += len;
    return value;
}

/* --- strings --- */

/* The four digits behind "\u"; -1: they are none. */
static int32_t read_unit(struct reader *r)
{
    int32_t unit = 0;

    for (int i = 0; i < 4; i++, r->at++) {
        int digit = r->at < r->end ? hex_digit((char)*r->at) : -1;
        if (digit < 0) {
            refuse(r, "four hexadecimal digits must follow \\u");
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

static size_t encode_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3f));
    }
    out[0] = (char)((0xf00u >> n & 0xf0) | c);
    return n;
}

/* Behind "\u". Characters that are written; 0: refused. */
static size_t read_unicode(struct reader *r, const uint8_t *escape, char *out)
{
    int32_t unit = read_unit(r);

    if (unit < 0) {
        return 0;
    }
    if (unit == 0) {
        refuse_at(r, escape, "a string must not have a NUL in it");
        return 0;
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        return encode_utf8((uint32_t)unit, out);
    }
    int32_t low = -1;
    if (unit < 0xdc00 && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        low = read_unit(r);
    }
    if (low < 0xdc00 || low > 0xdfff) {
        refuse_at(r, escape, "half of a surrogate pair stands alone");
        return 0;
    }
    return encode_utf8(0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00), out);
}

/* One escape, from its backslash on. */
static size_t read_escape(struct reader *r, char *out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const uint8_t *escape = r->at++;

    if (r->at == r->end) {
        refuse(r, "");
        return 0;
    }
    if (*r->at == 'u') {
        r->at++;
        return read_unicode(r, escape, out);
    }
    const char *name = *r->at != 0 ? strchr(names, *r->at) : NULL;
    if (name == NULL) {
        refuse_at(r, escape, "there is no such escape");
        return 0;
    }
    r->at++;
    out[0] = values[name - names];
    return 1;
}

/* Over characters that stand for themselves, up to a quotation mark or an escape. */
static bool skip_characters(struct reader *r)
{
    uint32_t c;

    while (r->at < r->end && *r->at != '"' && *r->at != '\\') {
        if (*r->at < 0x20) {
            return refuse(r, *r->at == 0 ? "a string must not have a NUL in it"
                                         : "control characters must be escaped") != NULL;
        }
        size_t n = *r->at < 0x80 ? 1 : printable_decode(r->at, (size_t)(r->end - r->at), &c);
        if (n == 0) {
            return refuse(r, "this is not UTF-8") != NULL;
        }
        r->at += n;
    }
    return r->at < r->end || refuse(r, "") != NULL;
}

/* The rest of a string, from its first escape on. An escape is no shorter than what it stands for. */
static bool read_escaped(struct reader *r, const uint8_t *from, struct string *s)
{
    const uint8_t *quote = r->at;

    while (quote < r->end && *quote != '"') {
        quote += *quote == '\\' && quote + 1 < r->end ? 2 : 1;
    }
    s->memory = malloc((size_t)(quote - from) + 4);
    if (s->memory == NULL) {
        return false;
    }
    s->data = s->memory;
    for (s->len = 0;;) {
        memcpy(s->memory + s->len, from, (size_t)(r->at - from));
        s->len += (size_t)(r->at - from);
        if (*r->at == '"') {
            return true;
        }
        size_t n = read_escape(r, s->memory + s->len);
        s->len += n;
        from = r->at;
        if (n == 0 || !skip_characters(r)) {
            free(s->memory);
            return false;
        }
    }
}

/* From its quotation mark on. False: refused, or no memory; else free its memory. */
static bool read_string(struct reader *r, struct string *s)
{
    const uint8_t *from = ++r->at;

    if (!skip_characters(r)) {
        return false;
    }
    *s = (struct string){(const char *)from, (size_t)(r->at - from), NULL};
    if (*r->at != '"' && !read_escaped(r, from, s)) {
        return false;
    }
    r->at++;
    return true;
}

static json_t *read_text(struct reader *r)
{
    struct string s;

    if (!read_string(r, &s)) {
        return NULL;
    }
    json_t *value = r->raw != NULL ? json_null() : json_stringn_nocheck(s.data, s.len);
    free(s.memory);
    return value;
}

/* --- numbers --- */

static size_t skip_digits(struct reader *r)
{
    const uint8_t *from = r->at;

    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    return (size_t)(r->at - from);
}

/* Over the number (RFC 8259, section 6). False: it is none. */
static bool skip_number(struct reader *r, bool *whole)
{
    if (*r->at == '-') {
        r->at++;
    }
    const uint8_t *first = r->at;
    size_t digits = skip_digits(r);
    if (digits == 0 || (digits > 1 && *first == '0')) {
        refuse_at(r, digits == 0 ? r->at : first,
                  digits > 0       ? "a number must not begin with a 0 that others follow"
                  : r->at < r->end ? "a number must have digits here"
                                   : "the text ends too early");
        return false;
    }
    *whole = true;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        *whole = false;
        if (skip_digits(r) == 0) {
            refuse(r, "a number must have digits here");
            return false;
        }
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        *whole = false;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) {
            r->at++;
        }
        if (skip_digits(r) == 0) {
            refuse(r, "a number must have digits here");
            return false;
        }
    }
    return true;
}

static json_t *integer_of(struct reader *r, const uint8_t *from)
{
    bool negative = *from == '-';
    int64_t n = 0;

    for (const uint8_t *p = from + negative; p < r->at; p++) {
        n = n * 10 + (*p - '0');
        if (n > JSON_IN_INTEGER_MAX) {
            return refuse_at(r, from, "an integer must be at most 9007199254740991 (2^53 - 1)");
        }
    }
    return json_integer(negative ? -n : n);
}

static json_t *read_number(struct reader *r)
{
    const uint8_t *from = r->at;
    char text[NUMBER_CHARACTERS_MAX + 1];
    bool whole;

    if (!skip_number(r, &whole)) {
        return NULL;
    }
    if (r->raw != NULL) {
        return json_null();
    }
    if (whole) {
        return integer_of(r, from);
    }
    size_t len = (size_t)(r->at - from);
    if (len > NUMBER_CHARACTERS_MAX) {
        return refuse_at(r, from, "a number has more than 400 characters");
    }
    memcpy(text, from, len);
    text[len] = '\0';
    double n = strtod(text, NULL);
    return isfinite(n) ? json_real(n) : refuse_at(r, from, "a number is too large");
}

/* --- values --- */

static bool descend(struct reader *r)
{
    if (r->depth == JSON_IN_DEPTH_MAX) {
        refuse(r, "arrays and objects must not be nested to more than 16 levels");
        return false;
    }
    r->depth++;
    return true;
}

static json_t *read_array(struct reader *r)
{
    json_t *array = !descend(r) ? NULL : r->raw != NULL ? json_null() : json_array();

    if (array == NULL) {
        return NULL;
    }
    (void)take(r, '[');
    skip_space(r);
    bool ok = true;
    if (!take(r, ']')) {
        do {
            json_t *value = read_value(r);
            ok = r->raw != NULL ? value != NULL : json_array_append_new(array, value) == 0;
            skip_space(r);
        } while (ok && take(r, ','));
        ok = ok && (take(r, ']') || refuse(r, "a comma or ] must stand here") != NULL);
    }
    r->depth--;
    if (!ok) {
        json_decref(array);
        return NULL;
    }
    return array;
}

/* The value of a payload, as its text. */
static json_t *read_raw(struct reader *r)
{
    struct buffer tokens = {0};
    unsigned depth = r->depth;
    json_t *raw = NULL;

    r->raw = &tokens;
    r->kept = r->at;
    r->depth = 0;
    bool ok = read_value(r) != NULL;
    r->raw = NULL;
    r->depth = depth;
    if (ok && tokens.len == 0) {
        raw = json_raw(r->kept, (size_t)(r->at - r->kept));
    } else if (ok) {
        buffer_append(&tokens, r->kept, (size_t)(r->at - r->kept));
        raw = !tokens.failed ? json_raw(tokens.data, tokens.len) : NULL;
    }
    buffer_free(&tokens);
    return raw;
}

/* The names of one object. Most have few, which are compared where they stand in the text. */
struct names {
    struct slice few[NAMES_FEW];
    unsigned n_few;
    json_t *others; /* an object of those that are past these, or have escapes; NULL: none */
};

static bool names_have(const struct names *names, const struct string *name)
{
    for (unsigned i = 0; i < names->n_few; i++) {
        if (names->few[i].len == name->len &&
            memcmp(names->few[i].data, name->data, name->len) == 0) {
            return true;
        }
    }
    return names->others != NULL && json_object_getn(names->others, name->data, name->len) != NULL;
}

/* False: no memory. */
static bool names_add(struct names *names, const struct string *name)
{
    if (name->memory == NULL && names->n_few < NAMES_FEW) {
        names->few[names->n_few++] = (struct slice){(const uint8_t *)name->data, name->len};
        return true;
    }
    if (names->others == NULL) {
        names->others = json_object();
    }
    return json_object_setn_new_nocheck(names->others, name->data, name->len, json_null()) == 0;
}

/* A member's value, where the reader is, into the object, of which in a payload there is none. */
static bool read_member_value(struct reader *r, const struct string *name, json_t *object)
{
    static const char payload[] = "payload";

    if (r->raw != NULL) {
        return read_value(r) != NULL;
    }
    bool raw = name->len == sizeof payload - 1 && memcmp(name->data, payload, name->len) == 0;
    json_t *value = raw ? read_raw(r) : read_value(r);
    return json_object_setn_new_nocheck(object, name->data, name->len, value) == 0;
}

/* One member, from its name on. */
static bool read_member(struct reader *r, struct names *names, json_t *object)
{
    const uint8_t *begin = r->at;
    struct string name;

    if (r->at == r->end || *r->at != '"') {
        return refuse(r, "a name in quotation marks must stand here") != NULL;
    }
    if (!read_string(r, &name)) {
        return false;
    }
    bool ok = !names_have(names, &name) ||
              refuse_at(r, begin, "the same name stands twice in one object") != NULL;
    ok = ok && names_add(names, &name);
    skip_space(r);
    ok = ok && (take(r, ':') || refuse(r, "a colon must stand here") != NULL);
    ok = ok && read_member_value(r, &name, object);
    free(name.memory);
    return ok;
}

static json_t *read_object(struct reader *r)
{
    json_t *object = !descend(r) ? NULL : r->raw != NULL ? json_null() : json_object();
    struct names names;

    if (object == NULL) {
        return NULL;
    }
    names.n_few = 0;
    names.others = NULL;
    (void)take(r, '{');
    skip_space(r);
    bool ok = true;
    if (!take(r, '}')) {
        do {
            skip_space(r);
            ok = read_member(r, &names, object);
            skip_space(r);
        } while (ok && take(r, ','));
        ok = ok && (take(r, '}') || refuse(r, "a comma or } must stand here") != NULL);
    }
    json_decref(names.others);
    r->depth--;
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *read_value(struct reader *r)
{
    skip_space(r);
    if (r->at == r->end) {
        return refuse(r, "");
    }
    switch (*r->at) {
        case '{': return read_object(r);
        case '[': return read_array(r);
        case '"': return read_text(r);
        case 't': return read_word(r, "true", json_true());
        case 'f': return read_word(r, "false", json_false());
        case 'n': return read_word(r, "null", json_null());
        default:
            return *r->at == '-' || (*r->at >= '0' && *r->at <= '9')
                       ? read_number(r)
                       : refuse(r, "no value begins like this");
    }
}

/* --- whole texts --- */

static bool at_end(struct reader *r)
{
    skip_space(r);
    return r->at == r->end || refuse(r, "nothing may follow the value") != NULL;
}

json_t *json_in_read(const uint8_t *text, size_t len, struct json_flaw *flaw)
{
    struct reader r = {.begin = text, .at = text, .end = text + len};

    json_t *value = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0
                        ? refuse(&r, "there must be no byte order mark")
                        : read_value(&r);
    if (value != NULL && !at_end(&r)) {
        json_decref(value);
        value = NULL;
    }
    if (value == NULL) {
        locate(&r, flaw);
    }
    return value;
}

json_t *json_in_raw(const uint8_t *text, size_t len)
{
    struct reader r = {.begin = text, .at = text, .end = text + len};

    json_t *raw = read_raw(&r);
    if (raw != NULL && !at_end(&r)) {
        json_decref(raw);
        raw = NULL;
    }
    return raw;
}
