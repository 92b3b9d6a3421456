/* json_answer.c - see json_answer.h. */
#include "json_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)
#define INTEGER_DIGITS_MAX 18u /* of a number that certainly fits into 63 bits */

/* ---- taming: what jansson cannot hold becomes what it can, in the same number of bytes ---- */

static size_t count_digits(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && text[n] >= '0' && text[n] <= '9') {
        n++;
    }
    return n;
}

/* The length of the number that the text begins with (section 6); 0: it is none. */
static size_t number_length(const char *text, size_t len, size_t *integer_digits, bool *is_integer)
{
    size_t at = len > 0 && text[0] == '-' ? 1 : 0;
    size_t digits = count_digits(text + at, len - at);

    if (digits == 0 || (digits > 1 && text[at] == '0')) {
        return 0;
    }
    at += digits;
    *integer_digits = digits;
    *is_integer = true;
    if (at < len && text[at] == '.') {
        digits = count_digits(text + at + 1, len - at - 1);
        if (digits == 0) {
            return 0;
        }
        at += 1 + digits;
        *is_integer = false;
    }
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        size_t sign = at + 1 < len && (text[at + 1] == '+' || text[at + 1] == '-');
        digits = count_digits(text + at + 1 + sign, len - at - 1 - sign);
        if (digits == 0) {
            return 0;
        }
        at += 1 + sign + digits;
        *is_integer = false;
    }
    return at;
}

/* A number that is too large becomes the largest that fits into the shortest such text. */
static size_t tame_number(char *text, size_t len)
{
    size_t digits;
    bool is_integer;

    size_t n = number_length(text, len, &digits, &is_integer);
    if (n == 0) {
        return 1; /* jansson will say what is wrong */
    }
    bool negative = text[0] == '-';
    bool too_large;
    if (is_integer) {
        too_large = digits > INTEGER_DIGITS_MAX;
    } else {
        char end = text[n]; /* the text is followed by a NUL */
        text[n] = '\0';
        too_large = isinf(strtod(text, NULL));
        text[n] = end;
    }
    if (too_large) {
        memset(text + negative, ' ', n - negative);
        memcpy(text + negative, is_integer ? "1e300" : "1e308", 5);
    }
    return n;
}

/* The unit of an escape \uXXXX; -1: it is none. */
static long escaped_unit(const char *text, size_t len)
{
    char hex[5] = {0};

    if (len < 6 || text[0] != '\\' || text[1] != 'u') {
        return -1;
    }
    memcpy(hex, text + 2, 4);
    return strspn(hex, "0123456789abcdefABCDEF") == 4 ? strtol(hex, NULL, 16) : -1;
}

/* Half a surrogate pair, or NUL in a name, becomes U+FFFD. */
static size_t tame_escape(char *text, size_t len)
{
    long unit = escaped_unit(text, len);

    if (unit < 0) {
        return len > 1 ? 2 : 1;
    }
    if (unit >= 0xd800 && unit < 0xdc00) {
        long low = escaped_unit(text + 6, len - 6);
        if (low >= 0xdc00 && low < 0xe000) {
            return 12;
        }
    }
    if (unit == 0 || (unit >= 0xd800 && unit < 0xe000)) {
        memcpy(text, "\\ufffd", 6);
    }
    return 6;
}

static void tame(char *text, size_t len)
{
    bool in_string = false;

    for (size_t at = 0; at < len;) {
        char c = text[at];
        if (in_string && c == '\\') {
            at += tame_escape(text + at, len - at);
        } else if (!in_string && (c == '-' || (c >= '0' && c <= '9'))) {
            at += tame_number(text + at, len - at);
        } else {
            in_string = c == '"' ? !in_string : in_string;
            at++;
        }
    }
}

static json_t *read_tamed(const char *text, size_t len, json_error_t *error)
{
    char *copy = malloc(len + 1);
    json_t *value = NULL;

    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
        tame(copy, len);
        value = json_loadb(copy, len, FLAGS, error);
        free(copy);
    }
    return value;
}

/* ---- reading ---- */

static void explain(const json_error_t *error, size_t skipped, char why[JSON_ANSWER_WHY_SIZE])
{
    const char *what = NULL;

    switch (json_error_code(error)) {
        case json_error_premature_end_of_input: what = "is not JSON: it ends too early"; break;
        case json_error_invalid_utf8: what = "is not JSON: it is not UTF-8"; break;
        case json_error_end_of_input_expected: what = "is not JSON: more follows its end"; break;
        case json_error_duplicate_key: what = "has a name twice in one object"; break;
        case json_error_stack_overflow: what = "is nested too deeply"; break;
        case json_error_out_of_memory: what = "could not be read: out of memory"; break;
        default: what = "is not JSON"; break;
    }
    snprintf(why, JSON_ANSWER_WHY_SIZE, "%s, at byte %zu", what,
             (size_t)(error->position > 0 ? error->position : 0) + skipped);
}

json_t *json_answer_read(const char *text, size_t len, char why[JSON_ANSWER_WHY_SIZE])
{
    static const char mark[] = "\xef\xbb\xbf";
    json_error_t error = {0};
    size_t skipped = len >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    size_t at = skipped;

    while (at < len && memchr(" \t\r\n", text[at], 4) != NULL) {
        at++;
    }
    if (at == len) {
        snprintf(why, JSON_ANSWER_WHY_SIZE,
                 "is white space only: send an outcome, or nothing at all");
        return NULL;
    }
    if (memchr(text, '\0', len) != NULL) { /* jansson passes over one behind a number */
        snprintf(why, JSON_ANSWER_WHY_SIZE, "is not JSON: it has a NUL in it");
        return NULL;
    }
    json_t *value = json_loadb(text + skipped, len - skipped, FLAGS, &error);
    if (value == NULL) {
        value = read_tamed(text + skipped, len - skipped, &error);
    }
    if (value == NULL) {
        explain(&error, skipped, why);
    }
    return value;
}

const char *json_answer_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);

    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

bool json_answer_whole(const json_t *value, uint64_t max, uint64_t *out)
{
    double n = json_number_value(value); /* 0 when it is none */

    if (!json_is_number(value) || n < 0 || n != floor(n)) {
        return false;
    }
    *out = n < (double)max ? (uint64_t)n : max;
    return true;
}
