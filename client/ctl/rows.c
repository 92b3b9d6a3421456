/* rows.c - see rows.h. */
#include "rows.h"

#include <errno.h>
#include <signal.h>

void rows_begin(struct rows *rows, struct ctl *ctl, const char *const *headers)
{
    *rows = (struct rows){.ctl = ctl, .array = json_array()};
    table_init(&rows->table, headers);
    if (ctl->lines) {
        signal(SIGPIPE, SIG_IGN); /* see rows_flush() */
    }
}

bool rows_are_json(const struct rows *rows)
{
    return rows->ctl->json;
}

void rows_add(struct rows *rows, json_t *row)
{
    if (!rows->ctl->lines) {
        json_array_append_new(rows->array, row);
    } else if (!rows->ctl->reader_left) {
        ctl_print_line(row);
    } else {
        json_decref(row);
    }
}

/* A reader that has seen enough, `head` say, is no failure: 0, also where a shell has pipefail. */
bool rows_flush(struct rows *rows)
{
    if (rows->ctl->lines && fflush(stdout) != 0 && errno == EPIPE) {
        rows->ctl->reader_left = true;
    }
    return !rows->ctl->lines || !ferror(stdout);
}

bool rows_want_hint(const struct rows *rows)
{
    return (!rows->ctl->json || rows->ctl->lines) && !rows->ctl->reader_left;
}

int rows_print(struct rows *rows, const char *key, json_t *rest)
{
    if (rows->ctl->lines) {
        json_decref(rest);
        return rows_flush(rows) || rows->ctl->reader_left ? CTL_DONE : CTL_UNKNOWN;
    }
    if (rows->ctl->json) {
        json_t *object = json_object();
        json_object_set(object, key, rows->array);
        if (rest != NULL) {
            json_object_update(object, rest);
        }
        json_decref(rest);
        return ctl_print_json(object);
    }
    json_decref(rest);
    return table_print(&rows->table, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
}

void rows_free(struct rows *rows)
{
    table_free(&rows->table);
    json_decref(rows->array);
}
