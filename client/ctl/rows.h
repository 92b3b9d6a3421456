/* rows.h - the rows of a list as they are printed: a table for people, one JSON object, or, with -w jsonl, an
 * object a line, of which only one page is kept. */
#ifndef ORDERCTL_ROWS_H
#define ORDERCTL_ROWS_H

#include "../text/table.h"
#include "orderctl.h"

struct rows {
    struct ctl *ctl;
    struct table table; /* without -w json and jsonl: its cells are the caller's to add */
    json_t *array;      /* with -w json */
};

/* `headers` are the table's. */
void rows_begin(struct rows *rows, struct ctl *ctl, const char *const *headers);
/* Is a row to be added as JSON, rather than as cells? */
bool rows_are_json(const struct rows *rows);
/* Add a row, and release it. */
void rows_add(struct rows *rows, json_t *row);
/* A page ends: send on what has come. False: nobody takes it any more, so ask for no more. */
bool rows_flush(struct rows *rows);
/* Is what stderr may say beside the rows, that there are more, for somebody? With -w json the object says so, and a
 * reader that has left does not ask. */
bool rows_want_hint(const struct rows *rows);
/* All that was wanted is there: print it, as `key` of an object with the members of `rest` (released; or NULL)
 * with -w json. Returns the exit code. */
int rows_print(struct rows *rows, const char *key, json_t *rest);
void rows_free(struct rows *rows);

#endif
