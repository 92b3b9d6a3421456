/* fields.c - see fields.h. */
#include "fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/text/printable.h"
#include "../../client/text/units.h"
#include "../../client/json/base64.h"
#include "../../client/json/json_in.h"
#include "../../client/json/json_write.h"

#define CHARACTER_MAX 4 /* bytes of one in UTF-8 */

/* Append a name to a JSON pointer, with ~0 and ~1 for ~ and / (RFC 6901, section 3), cut to what fits. */
static void point_to(char *pointer, size_t size, const char *name)
{
    size_t n = strlen(pointer);
    size_t left = strlen(name);
    uint32_t c;

    if (n + 1 + CHARACTER_MAX < size) {
        pointer[n++] = '/';
    }
    while (left > 0 && n + CHARACTER_MAX < size) {
        size_t len = printable_decode((const uint8_t *)name, left, &c);
        len = len > 0 ? len : 1;
        if (*name == '~' || *name == '/') {
            pointer[n++] = '~';
            pointer[n++] = *name == '~' ? '0' : '1';
        } else {
            memcpy(pointer + n, name, len);
            n += len;
        }
        name += len;
        left -= len;
    }
    pointer[n] = '\0';
}

static bool sound(const struct fields *f)
{
    return f->flaw->name == NULL;
}

void fields_refuse(struct fields *f, const char *name, const char *error, const char *format, ...)
{
    va_list arguments;

    if (!sound(f)) {
        return;
    }
    f->flaw->name = error;
    f->flaw->status = 422;
    snprintf(f->flaw->pointer, sizeof f->flaw->pointer, "%s", f->at);
    if (name != NULL) {
        point_to(f->flaw->pointer, sizeof f->flaw->pointer, name);
    }
    va_start(arguments, format);
    vsnprintf(f->flaw->what, sizeof f->flaw->what, format, arguments);
    va_end(arguments);
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

struct fields fields_of(const json_t *value, const char *at, const char *const *names,
                        struct flaw *flaw)
{
    struct fields f = {.object = value, .flaw = flaw};
    json_t *object = (json_t *)(uintptr_t)value; /* jansson's iterators take no const */

    snprintf(f.at, sizeof f.at, "%s", at);
    if (!json_is_object(value)) {
        fields_refuse(&f, NULL, "INVALID", "must be a JSON object");
        return f;
    }
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        if (!is_one_of(json_object_iter_key(i), names)) {
            fields_refuse(&f, json_object_iter_key(i), "UNKNOWN_PARAMETER",
                          "no member of this name is known here");
        }
    }
    return f;
}

/* The member's value, while nothing is wrong. */
static const json_t *value_of(const struct fields *f, const char *name)
{
    return sound(f) ? json_object_get(f->object, name) : NULL;
}

bool fields_has(const struct fields *f, const char *name)
{
    return value_of(f, name) != NULL;
}

void fields_need(struct fields *f, const char *name)
{
    if (!fields_has(f, name)) {
        fields_refuse(f, NULL, "INVALID", "the member \"%s\" is missing", name);
    }
}

bool fields_text(struct fields *f, const char *name, struct slice *out)
{
    const json_t *value = value_of(f, name);
    struct slice raw;

    if (value == NULL) {
        return false;
    }
    if (!json_is_string(value) || json_raw_is(value, &raw)) {
        fields_refuse(f, name, "INVALID", "must be a string");
        return false;
    }
    *out = (struct slice){(const uint8_t *)json_string_value(value), json_string_length(value)};
    return true;
}

bool fields_number(struct fields *f, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
    const json_t *value = value_of(f, name);
    json_int_t n = json_integer_value(value);

    if (value == NULL) {
        return false;
    }
    if (!json_is_integer(value) || n < 0 || (uint64_t)n < min || (uint64_t)n > max) {
        fields_refuse(f, name, "INVALID", "must be a whole number from %llu to %llu",
                      (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = (uint64_t)n;
    return true;
}

bool fields_flag(struct fields *f, const char *name, bool *out)
{
    const json_t *value = value_of(f, name);

    if (value == NULL) {
        return false;
    }
    if (!json_is_boolean(value)) {
        fields_refuse(f, name, "INVALID", "must be true or false");
        return false;
    }
    *out = json_is_true(value);
    return true;
}

bool fields_word(struct fields *f, const char *name, const char *const *words, unsigned *out)
{
    struct slice text;
    char all[160] = "";

    if (!fields_text(f, name, &text)) {
        return false;
    }
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp((const char *)text.data, words[i]) == 0) {
            *out = i;
            return true;
        }
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s\"%s\"",
                 i == 0                 ? ""
                 : words[i + 1] == NULL ? " or "
                                        : ", ",
                 words[i]);
    }
    fields_refuse(f, name, "INVALID", "must be %s", all);
    return false;
}

const json_t *fields_array(struct fields *f, const char *name, size_t min, size_t max)
{
    const json_t *value = value_of(f, name);

    if (value == NULL) {
        return NULL;
    }
    if (!json_is_array(value) || json_array_size(value) < min || json_array_size(value) > max) {
        fields_refuse(f, name, "INVALID", "must be an array of %zu to %zu elements", min, max);
        return NULL;
    }
    return value;
}

uint8_t *fields_base64(struct fields *f, const char *name, bool url, size_t *len)
{
    struct slice text;

    if (!fields_text(f, name, &text)) {
        return NULL;
    }
    uint8_t *bytes = url ? base64url_decode(text, len) : base64_decode(text, len);
    if (bytes == NULL) {
        fields_refuse(f, name, "INVALID",
                      url ? "must be base64url without \"=\""
                          : "must be base64, with its \"=\" at the end");
    }
    return bytes;
}

/* --- times --- */

static bool read_duration(struct fields *f, const char *name, const char *name_ms, uint64_t *ms)
{
    struct slice text;

    if (fields_text(f, name, &text)) {
        if (!units_parse_duration((const char *)text.data, ms)) {
            fields_refuse(f, name, "INVALID",
                          "must be a duration such as \"30m\", \"1h30m\", \"90s\" or \"500ms\"");
            return false;
        }
        return true;
    }
    return fields_number(f, name_ms, 0, JSON_IN_INTEGER_MAX, ms);
}

bool fields_duration(struct fields *f, const char *name, uint64_t *ms)
{
    char name_ms[64];

    snprintf(name_ms, sizeof name_ms, "%s_ms", name);
    if (fields_has(f, name) && fields_has(f, name_ms)) {
        fields_refuse(f, name_ms, "INVALID", "only one of \"%s\" and \"%s\" may be given", name,
                      name_ms);
    }
    return read_duration(f, name, name_ms, ms);
}

bool fields_when(struct fields *f, bool *relative, uint64_t *time_ms)
{
    struct slice text;
    int given = fields_has(f, "deadline") + fields_has(f, "deadline_ms") + fields_has(f, "delay") +
                fields_has(f, "delay_ms");

    if (given != 1) {
        fields_refuse(
            f, NULL, "INVALID",
            "exactly one of \"deadline\", \"deadline_ms\", \"delay\" and \"delay_ms\" must "
            "be given");
        return false;
    }
    *relative = fields_has(f, "delay") || fields_has(f, "delay_ms");
    if (*relative) {
        return read_duration(f, "delay", "delay_ms", time_ms);
    }
    if (!fields_text(f, "deadline", &text)) {
        return fields_number(f, "deadline_ms", 0, JSON_IN_INTEGER_MAX, time_ms);
    }
    if (!units_parse_time((const char *)text.data, time_ms)) {
        fields_refuse(f, "deadline", "INVALID",
                      "must be a time of RFC 3339 with its offset, from 1970 to 9999, such as "
                      "\"2026-11-23T12:00:00Z\"");
        return false;
    }
    return true;
}
