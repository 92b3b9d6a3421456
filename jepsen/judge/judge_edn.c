/* judge_edn.c - see judge_edn.h. */
#include "judge_edn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 256 /* of a map: each is compared with each */

struct edn_reader {
    const char *line;
    size_t len;
    size_t at;
    char *texts; /* of the latest value; as long as its line at most, and a NUL for each text */
    size_t texts_len;
    size_t texts_cap;
    struct edn *items; /* of all vectors and maps of the latest value */
    size_t n_items;
    struct edn *stack; /* items of those that are not closed yet */
    size_t n_stack;
    char error[128];
};

struct edn_reader *edn_reader_new(void)
{
    struct edn_reader *r = calloc(1, sizeof *r);

    if (r != NULL) {
        r->items = calloc(EDN_ITEMS_MAX, sizeof *r->items);
        r->stack = calloc(EDN_ITEMS_MAX, sizeof *r->stack);
    }
    if (r != NULL && (r->items == NULL || r->stack == NULL)) {
        edn_reader_free(r);
        return NULL;
    }
    return r;
}

void edn_reader_free(struct edn_reader *r)
{
    if (r != NULL) {
        free(r->texts);
        free(r->items);
        free(r->stack);
        free(r);
    }
}

const char *edn_reader_error(const struct edn_reader *r)
{
    return r->error;
}

static bool fail(struct edn_reader *r, const char *what)
{
    snprintf(r->error, sizeof r->error, "column %zu: %s", r->at + 1, what);
    return false;
}

static bool read_value(struct edn_reader *r, struct edn *out, unsigned depth);

/* The byte at the cursor, or -1 at the end. */
static int peek(const struct edn_reader *r)
{
    return r->at < r->len ? (unsigned char)r->line[r->at] : -1;
}

static void skip_blanks(struct edn_reader *r)
{
    int c = peek(r);

    while (c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n') {
        r->at++;
        c = peek(r);
    }
}

static bool ends_token(int c)
{
    return c == -1 || strchr(" \t,\r\n{}[]()\"", c) != NULL;
}

static void add_byte(struct edn_reader *r, char c)
{
    r->texts[r->texts_len++] = c;
}

static bool read_escape(struct edn_reader *r)
{
    static const char from[] = "\"\\nrt", to[] = "\"\\\n\r\t";
    int c = peek(r);
    const char *at = c > 0 ? strchr(from, c) : NULL;

    if (at != NULL) {
        add_byte(r, to[at - from]);
        r->at++;
        return true;
    }
    if (c == 'u' && r->at + 5 <= r->len) { /* control characters only: the rest is written as is */
        unsigned code = 0;
        char digits[5] = {0};
        memcpy(digits, r->line + r->at + 1, 4);
        if (strspn(digits, "0123456789abcdefABCDEF") == 4 && sscanf(digits, "%x", &code) == 1 &&
            code > 0 && code < 0x80) {
            add_byte(r, (char)code);
            r->at += 5;
            return true;
        }
    }
    return fail(r, "an escape that is not known");
}

static bool read_string(struct edn_reader *r, struct edn *out)
{
    out->type = EDN_STRING;
    out->text = r->texts + r->texts_len;
    r->at++;
    for (;;) {
        int c = peek(r);
        if (c == -1) {
            return fail(r, "the string does not end");
        }
        r->at++;
        if (c == '"') {
            break;
        }
        if (c == 0) {
            return fail(r, "a NUL in a string");
        }
        if (c != '\\') {
            add_byte(r, (char)c);
        } else if (!read_escape(r)) {
            return false;
        }
    }
    out->len = (size_t)(r->texts + r->texts_len - out->text);
    add_byte(r, 0);
    return true;
}

static bool is_name_byte(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != -1 && c != 0 && strchr("-_.?!*+/", c) != NULL);
}

static bool read_keyword(struct edn_reader *r, struct edn *out)
{
    out->type = EDN_KEYWORD;
    out->text = r->texts + r->texts_len;
    for (r->at++; is_name_byte(peek(r)); r->at++) {
        add_byte(r, (char)peek(r));
    }
    out->len = (size_t)(r->texts + r->texts_len - out->text);
    add_byte(r, 0);
    if (out->len == 0 || !ends_token(peek(r))) {
        return fail(r, "not a keyword");
    }
    return true;
}

static bool read_number(struct edn_reader *r, struct edn *out)
{
    char digits[24];
    size_t n = 0;

    while (!ends_token(peek(r)) && n + 1 < sizeof digits) {
        digits[n++] = (char)peek(r);
        r->at++;
    }
    digits[n] = 0;
    const char *first = digits + (digits[0] == '-');
    errno = 0;
    out->type = EDN_INT;
    out->number = strtoll(digits, NULL, 10);
    if (*first == 0 || strspn(first, "0123456789") != strlen(first) || errno != 0 ||
        !ends_token(peek(r))) {
        return fail(r, "not a whole number of 64 bits");
    }
    return true;
}

static bool read_word(struct edn_reader *r, struct edn *out)
{
    static const struct {
        const char *word;
        struct edn value;
    } words[] = {
        {"nil", {.type = EDN_NIL}},
        {"true", {.type = EDN_BOOL, .boolean = true}},
        {"false", {.type = EDN_BOOL}},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i].word);
        if (r->len - r->at >= len && memcmp(r->line + r->at, words[i].word, len) == 0 &&
            ends_token(r->at + len < r->len ? (unsigned char)r->line[r->at + len] : -1)) {
            *out = words[i].value;
            r->at += len;
            return true;
        }
    }
    return fail(r, "a value is expected");
}

static bool check_keys(struct edn_reader *r, const struct edn *items, size_t n)
{
    if (n % 2 != 0) {
        return fail(r, "a key without its value");
    }
    if (n > 2 * KEYS_MAX) {
        return fail(r, "too many keys");
    }
    for (size_t i = 0; i < n; i += 2) {
        if (items[i].type != EDN_KEYWORD) {
            return fail(r, "a key must be a keyword");
        }
        for (size_t j = 0; j < i; j += 2) {
            if (strcmp(items[i].text, items[j].text) == 0) {
                return fail(r, "the same key twice");
            }
        }
    }
    return true;
}

static bool read_items(struct edn_reader *r, struct edn *out, unsigned depth, char end)
{
    size_t start = r->n_stack;

    if (depth == EDN_DEPTH_MAX) {
        return fail(r, "too deep");
    }
    r->at++;
    for (skip_blanks(r); peek(r) != end; skip_blanks(r)) {
        struct edn item;
        if (peek(r) == -1) {
            return fail(r, end == '}' ? "the map does not end" : "the vector does not end");
        }
        if (!read_value(r, &item, depth + 1)) {
            return false;
        }
        if (r->n_items + r->n_stack >= EDN_ITEMS_MAX) {
            return fail(r, "too many values");
        }
        r->stack[r->n_stack++] = item;
    }
    r->at++;
    size_t n = r->n_stack - start;
    if (end == '}' && !check_keys(r, r->stack + start, n)) {
        return false;
    }
    memcpy(r->items + r->n_items, r->stack + start, n * sizeof *r->items);
    *out = (struct edn){.type = end == '}' ? EDN_MAP : EDN_VECTOR,
                        .items = r->items + r->n_items,
                        .n = end == '}' ? n / 2 : n};
    r->n_items += n;
    r->n_stack = start;
    return true;
}

static bool read_value(struct edn_reader *r, struct edn *out, unsigned depth)
{
    int c = peek(r);

    *out = (struct edn){0};
    if (c == '{' || c == '[') {
        return read_items(r, out, depth, c == '{' ? '}' : ']');
    }
    if (c == '"') {
        return read_string(r, out);
    }
    if (c == ':') {
        return read_keyword(r, out);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return read_number(r, out);
    }
    return read_word(r, out);
}

static bool reserve_texts(struct edn_reader *r, size_t len)
{
    size_t need = 2 * len + 1; /* a text takes a byte of the line at least, or two quotes */

    if (need > r->texts_cap) {
        char *grown = realloc(r->texts, need);
        if (grown == NULL) {
            return false;
        }
        r->texts = grown;
        r->texts_cap = need;
    }
    return true;
}

const struct edn *edn_read(struct edn_reader *r, const char *line, size_t len)
{
    r->line = line;
    r->len = len;
    r->at = r->texts_len = r->n_stack = 0;
    r->n_items = 1; /* the value itself */
    if (!reserve_texts(r, len)) {
        fail(r, "out of memory");
        return NULL;
    }
    skip_blanks(r);
    if (!read_value(r, &r->items[0], 0)) {
        return NULL;
    }
    skip_blanks(r);
    if (r->at < r->len) {
        fail(r, "something behind the value");
        return NULL;
    }
    return &r->items[0];
}

const struct edn *edn_get(const struct edn *map, const char *key)
{
    if (map == NULL || map->type != EDN_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->items[2 * i].text, key) == 0) {
            return &map->items[2 * i + 1];
        }
    }
    return NULL;
}

const struct edn *edn_get_type(const struct edn *map, const char *key, enum edn_type type)
{
    const struct edn *value = edn_get(map, key);

    return value != NULL && value->type == type ? value : NULL;
}

bool edn_is_keyword(const struct edn *value, const char *name)
{
    return value != NULL && value->type == EDN_KEYWORD && strcmp(value->text, name) == 0;
}
