/* complain.c - what is wrong with a setting, said with where it came from. */
#include <stdarg.h>
#include <stdio.h>

#include "parts.h"

static const struct config_origin *origin_of(const struct config_draft *draft, const char *name)
{
    unsigned n;

    return &draft->origins[config_setting_find(name) - config_settings(&n)];
}

bool config_is_set(const struct config_draft *draft, const char *name)
{
    return origin_of(draft, name)->line > 0;
}

void config_origin_name(const struct config_origin *origin, const char *name, char *out, size_t len)
{
    if (origin->file != NULL) {
        snprintf(out, len, "%s:%u: %s", origin->file, origin->line, name);
    } else {
        snprintf(out, len, "--%s", name);
    }
}

void config_origin_format(const struct config_draft *draft, const char *name, char *out, size_t len)
{
    config_origin_name(origin_of(draft, name), name, out, len);
}

static enum config_status settings_complain(const char *origin, const char *format, va_list args)
{
    char sentence[2048];
    vsnprintf(sentence, sizeof sentence, format, args);
    fprintf(stderr, "orderschedd: %s%s%s\n", origin, origin[0] != '\0' ? ": " : "", sentence);
    return CONFIG_ERROR;
}

enum config_status config_complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    enum config_status status = settings_complain("", format, args);
    va_end(args);
    return status;
}

enum config_status config_complain_of(const struct config_draft *draft, const char *name,
                                      const char *format, ...)
{
    char origin[1024];
    config_origin_format(draft, name, origin, sizeof origin);
    va_list args;
    va_start(args, format);
    enum config_status status = settings_complain(origin, format, args);
    va_end(args);
    return status;
}
