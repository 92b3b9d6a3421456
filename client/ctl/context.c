/* context.c - what a command asks of its arguments. See orderctl.h. */
#include <stdarg.h>

#include "orderctl.h"

const char *ctl_value(const struct ctl *ctl, enum ctl_flag flag)
{
    return ctl->flags[flag].n > 0 ? ctl->flags[flag].values[0] : NULL;
}

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
    const char *name = ctl->command != NULL ? ctl->command->name : "";
    const char *space = ctl->command != NULL ? " " : "";
    va_list args;

    fprintf(stderr, "orderctl%s%s: ", space, name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry: orderctl%s%s --help\n", space, name);
    return CTL_USAGE;
}

bool ctl_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (*text == 0) {
        return false;
    }
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9' || v > (UINT64_MAX - 9) / 10) {
            return false;
        }
        v = 10 * v + (uint64_t)(*text - '0');
    }
    *out = v;
    return v >= min && v <= max;
}
