/* table.h - a table of text cells for people, with columns as wide as their longest cell.
 *
 * Cells are copied; bytes that are not UTF-8, and characters that are not printable (printable.h),
 * are shown as \xNN, so that an order id cannot write to the operator's terminal. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table {
    unsigned columns;
    size_t n; /* cells, the headers first */
    size_t cap;
    char **cells;
    int failed; /* out of memory */
};

/* `headers` ends with NULL; at most TABLE_COLUMNS_MAX. */
void table_init(struct table *t, const char *const *headers);
/* Add the next cell of the present row; a row ends by itself when it is full. */
void table_text(struct table *t, const char *text);
void table_bytes(struct table *t, const void *data, size_t len);
void table_printf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0, or -1 when memory ran out while it was filled (nothing is printed then). */
int table_print(const struct table *t, FILE *out);
void table_free(struct table *t);

/* Escape as in a cell, into a malloc'ed string; NULL on lack of memory. */
char *table_escape(const void *data, size_t len);

#endif
