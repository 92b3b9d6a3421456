/* table.c - see table.h. */
#include "table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"

char *table_escape(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    char *out = malloc(4 * len + 1);
    size_t n = 0;

    if (out == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t size = printable_decode(bytes + i, len - i, &c);
        bool plain = size > 0 && printable_is(c) && c != '\\';
        size = size > 0 ? size : 1;
        for (size_t end = i + size; i < end; i++) {
            if (plain) {
                out[n++] = (char)bytes[i];
            } else {
                n += (size_t)snprintf(out + n, 5, "\\x%02x", (unsigned)bytes[i]);
            }
        }
    }
    out[n] = 0;
    return out;
}

/* Takes ownership of `cell`; NULL is lack of memory. */
static void table_add(struct table *t, char *cell)
{
    if (cell == NULL || t->failed) {
        free(cell);
        t->failed = 1;
        return;
    }
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 64 : 2 * t->cap;
        char **grown = realloc(t->cells, cap * sizeof *grown);
        if (grown == NULL) {
            free(cell);
            t->failed = 1;
            return;
        }
        t->cells = grown;
        t->cap = cap;
    }
    t->cells[t->n++] = cell;
}

void table_init(struct table *t, const char *const *headers)
{
    *t = (struct table){0};
    while (headers[t->columns] != NULL) {
        assert(t->columns < TABLE_COLUMNS_MAX);
        table_text(t, headers[t->columns++]);
    }
    assert(t->columns > 0);
}

void table_bytes(struct table *t, const void *data, size_t len)
{
    table_add(t, table_escape(data, len));
}

void table_text(struct table *t, const char *text)
{
    table_bytes(t, text, strlen(text));
}

void table_printf(struct table *t, const char *format, ...)
{
    va_list args;
    char *cell = NULL;

    va_start(args, format);
    if (vasprintf(&cell, format, args) < 0) {
        cell = NULL;
    }
    va_end(args);
    table_add(t, cell);
}

int table_print(const struct table *t, FILE *out)
{
    int widths[TABLE_COLUMNS_MAX] = {0};

    if (t->failed) {
        return -1;
    }
    assert(t->n % t->columns == 0);
    for (size_t i = 0; i < t->n; i++) {
        int len = (int)strlen(t->cells[i]);
        if (len > widths[i % t->columns]) {
            widths[i % t->columns] = len;
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        unsigned column = (unsigned)(i % t->columns);
        if (column + 1 == t->columns) {
            fprintf(out, "%s\n", t->cells[i]);
        } else {
            fprintf(out, "%-*s  ", widths[column], t->cells[i]);
        }
    }
    return 0;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->cells[i]);
    }
    free(t->cells);
    *t = (struct table){0};
}
