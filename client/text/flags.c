/* flags.c - see flags.h. */
#include "flags.h"

#include <string.h>

#define FLAGS_HELP_COLUMN 30

void flags_init(struct flags *f, int argc, char **argv, const struct flag *first,
                const struct flag *second)
{
    *f = (struct flags){.argc = argc, .argv = argv, .tables = {first, second}};
}

static const struct flag *table_find(const struct flag *table, const char *name, size_t len,
                                     char letter)
{
    for (const struct flag *x = table; x != NULL && x->name != NULL; x++) {
        bool by_name = name != NULL && strlen(x->name) == len && memcmp(x->name, name, len) == 0;
        if (by_name || (letter != 0 && x->letter == letter)) {
            return x;
        }
    }
    return NULL;
}

static const struct flag *flags_find(const struct flags *f, const char *name, size_t len,
                                     char letter)
{
    const struct flag *x = table_find(f->tables[0], name, len, letter);

    return x != NULL ? x : table_find(f->tables[1], name, len, letter);
}

/* The value stands behind "=", or is the next argument. */
static int flags_take(struct flags *f, const struct flag *x, const char *inlined,
                      const char **value)
{
    *value = NULL;
    f->name = x->name;
    if (x->value == NULL) {
        if (inlined != NULL) {
            snprintf(f->error, sizeof f->error, "--%s takes no value", x->name);
            return FLAGS_ERROR;
        }
        return x->key;
    }
    if (inlined == NULL && f->at >= f->argc) {
        snprintf(f->error, sizeof f->error, "--%s needs a value: %s", x->name, x->value);
        return FLAGS_ERROR;
    }
    *value = inlined != NULL ? inlined : f->argv[f->at++];
    return x->key;
}

static int flags_unknown(struct flags *f, const char *argument)
{
    snprintf(f->error, sizeof f->error, "unknown flag %.100s", argument);
    return FLAGS_ERROR;
}

int flags_next(struct flags *f, const char **value)
{
    *value = NULL;
    if (f->at >= f->argc) {
        return FLAGS_END;
    }
    const char *argument = f->argv[f->at++];
    if (!f->no_more_flags && strcmp(argument, "--") == 0) {
        f->no_more_flags = true;
        return flags_next(f, value);
    }
    if (f->no_more_flags || argument[0] != '-' || argument[1] == 0) {
        *value = argument;
        return FLAGS_OPERAND;
    }
    if (argument[1] == '-') {
        const char *name = argument + 2;
        const char *equals = strchr(name, '=');
        size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
        const struct flag *x = flags_find(f, name, len, 0);
        return x == NULL ? flags_unknown(f, argument)
                         : flags_take(f, x, equals != NULL ? equals + 1 : NULL, value);
    }
    const struct flag *x = flags_find(f, NULL, 0, argument[1]);
    if (x == NULL || (argument[2] != 0 && x->value == NULL)) {
        return flags_unknown(f, argument);
    }
    return flags_take(f, x, argument[2] != 0 ? argument + 2 : NULL, value);
}

void flags_print(const struct flag *table, const struct flag *hiding, FILE *out)
{
    for (const struct flag *x = table; x != NULL && x->name != NULL; x++) {
        if (x->help == NULL || table_find(hiding, x->name, strlen(x->name), 0) != NULL) {
            continue;
        }
        char left[80];
        char letter[8] = "";
        if (x->letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", x->letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, x->name, x->value != NULL ? " " : "",
                 x->value != NULL ? x->value : "");
        fprintf(out, "  %-*s %s\n", FLAGS_HELP_COLUMN, left, x->help);
    }
}
