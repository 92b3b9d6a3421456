/* params.c - see params.h. */
#include "params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/text/units.h"
#include "../../client/wire/grant.h"
#include "../../client/json/base64.h"

#define TEXT_MAX 64 /* of numbers and times */

void params_refuse(struct flaw *flaw, const char *name, const char *format, ...)
{
    va_list arguments;

    if (flaw->name != NULL) {
        return;
    }
    flaw->name = "INVALID";
    flaw->status = 400;
    flaw->in_query = true;
    snprintf(flaw->pointer, sizeof flaw->pointer, "%s", name);
    va_start(arguments, format);
    vsnprintf(flaw->what, sizeof flaw->what, format, arguments);
    va_end(arguments);
}

bool params_text(const struct exchange *x, const char *name, struct flaw *flaw, struct slice *out)
{
    size_t len = strlen(name);

    for (unsigned i = 0; flaw->name == NULL && i < x->n_params; i++) {
        const struct front_param *p = &x->params[i];
        if (p->name.len == len && memcmp(p->name.data, name, len) == 0) {
            *out = p->value;
            if (p->value.len == 0) {
                params_refuse(flaw, name, "must have a value");
            }
            return p->value.len > 0;
        }
    }
    return false;
}

/* As a string with its end; false: not given. Too long, or with a NUL in it: an empty one. */
static bool text_of(const struct exchange *x, const char *name, struct flaw *flaw,
                    char text[TEXT_MAX])
{
    struct slice value;

    if (!params_text(x, name, flaw, &value)) {
        return false;
    }
    bool fits = value.len < TEXT_MAX && memchr(value.data, '\0', value.len) == NULL;
    snprintf(text, TEXT_MAX, "%.*s", fits ? (int)value.len : 0, (const char *)value.data);
    return true;
}

static bool whole_number(const char *text, uint64_t *n)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 18 || text[digits] != '\0') {
        return false;
    }
    *n = strtoull(text, NULL, 10);
    return true;
}

bool params_number(const struct exchange *x, const char *name, uint64_t min, uint64_t max,
                   struct flaw *flaw, uint64_t *out)
{
    char text[TEXT_MAX];
    uint64_t n;

    if (!text_of(x, name, flaw, text)) {
        return false;
    }
    if (!whole_number(text, &n) || n < min || n > max) {
        params_refuse(flaw, name, "must be a whole number from %llu to %llu",
                      (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = n;
    return true;
}

bool params_flag(const struct exchange *x, const char *name, struct flaw *flaw, bool *out)
{
    char text[TEXT_MAX];

    if (!text_of(x, name, flaw, text)) {
        return false;
    }
    *out = strcmp(text, "true") == 0;
    if (!*out && strcmp(text, "false") != 0) {
        params_refuse(flaw, name, "must be true or false");
        return false;
    }
    return true;
}

bool params_time(const struct exchange *x, const char *name, struct flaw *flaw, uint64_t *ms)
{
    char text[TEXT_MAX];

    if (!text_of(x, name, flaw, text)) {
        return false;
    }
    if (!whole_number(text, ms) && !units_parse_time(text, ms)) {
        params_refuse(
            flaw, name,
            "must be a time of RFC 3339 such as 2026-11-23T12:00:00Z (a + in it is %%2B), "
            "or milliseconds since 1970");
        return false;
    }
    return true;
}

bool params_name(const struct exchange *x, const char *name, struct flaw *flaw, struct slice *out)
{
    if (!params_text(x, name, flaw, out)) {
        return false;
    }
    if (!grant_name_is_good(*out)) {
        params_refuse(flaw, name, "must be a name: 1 to 64 of A-Z a-z 0-9 . _ -");
        return false;
    }
    return true;
}

uint8_t *params_cursor(const struct exchange *x, const char *name, size_t max, struct flaw *flaw,
                       size_t *len)
{
    struct slice text;

    if (!params_text(x, name, flaw, &text)) {
        return NULL;
    }
    uint8_t *bytes = base64url_decode(text, len);
    if (bytes == NULL || *len > max) {
        params_refuse(flaw, name, "must be a cursor that an earlier answer gave");
        free(bytes);
        return NULL;
    }
    return bytes;
}
