/* judge_lines_values.c - what lines of all kinds are read with. See judge_lines.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge_lines.h"

const char *lines_error(struct lines *l, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(l->error, sizeof l->error, format, args);
    va_end(args);
    return l->error;
}

uint32_t lines_order(struct lines *l, const struct edn *id)
{
    struct history *h = l->history;
    uint32_t name = names_number(&h->names, id->text, id->len);

    if (name >= l->n_order_of) {
        size_t n = 2 * ((size_t)name + 64);
        uint32_t *grown = judge_alloc(n, sizeof *grown);
        if (l->n_order_of > 0) {
            memcpy(grown, l->order_of, l->n_order_of * sizeof *grown);
        }
        free(l->order_of);
        l->order_of = grown;
        l->n_order_of = n;
    }
    if (l->order_of[name] == 0) {
        *JUDGE_ADD(h->order_names, h->n_orders, h->cap_orders) = name;
        l->order_of[name] = (uint32_t)h->n_orders;
    }
    return l->order_of[name] - 1;
}

bool lines_number(const struct edn *map, const char *key, uint64_t *number)
{
    const struct edn *value = edn_get_type(map, key, EDN_INT);

    if (value == NULL || value->number < 0) {
        return false;
    }
    *number = (uint64_t)value->number;
    return true;
}

bool lines_flag(const struct edn *map, const char *key)
{
    const struct edn *value = edn_get_type(map, key, EDN_BOOL);

    return value != NULL && value->boolean;
}

uint32_t lines_name(struct lines *l, const struct edn *map, const char *key)
{
    const struct edn *value = edn_get(map, key);

    return value != NULL && (value->type == EDN_STRING || value->type == EDN_KEYWORD)
               ? names_number(&l->history->names, value->text, value->len)
               : NAME_NONE;
}
