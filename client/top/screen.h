/* screen.h - a picture of characters, and the fewest bytes that turn what a terminal shows into it.
 *
 * A line over a slow line: only cells that changed are sent, and at most SCREEN_CELL_BYTES for each cell of the
 * picture. Nothing but printable characters (printable.h) gets into a cell, whatever is put: anything else is shown as
 * \xNN, and so is what the terminal's character set does not have. Not thread-safe. */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SCREEN_ROWS_MAX 2000
#define SCREEN_COLUMNS_MAX 500
#define SCREEN_CELL_BYTES 32 /* its place, its style, and a character */

enum screen_style {
    SCREEN_PLAIN,
    SCREEN_BOLD,
    SCREEN_TITLE, /* reversed */
    SCREEN_GOOD,
    SCREEN_WARN,
    SCREEN_BAD,
    SCREEN_STYLES
};

struct screen;

/* `utf8`: the terminal's characters, of which wcwidth() then tells the widths; `color`: else bold and reversed alone.
 * NULL: no memory. */
struct screen *screen_make(bool utf8, bool color);
void screen_free(struct screen *s);
/* Take this size, at most SCREEN_ROWS_MAX by SCREEN_COLUMNS_MAX; the next update draws all of it. False: no memory,
 * and it has the size it had. */
bool screen_resize(struct screen *s, unsigned rows, unsigned columns);
unsigned screen_rows(const struct screen *s);
unsigned screen_columns(const struct screen *s);
bool screen_is_utf8(const struct screen *s);

/* Begin a new picture, which is empty. */
void screen_clear(struct screen *s);
/* Put text at a place. What lies outside is cut off. Returns the column behind it. */
unsigned screen_put(struct screen *s, unsigned row, unsigned column, enum screen_style style,
                    const void *text, size_t len);
unsigned screen_printf(struct screen *s, unsigned row, unsigned column, enum screen_style style,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* How many columns a text takes. */
unsigned screen_width(const struct screen *s, const void *text, size_t len);

/* What the terminal shows is not known: the next update draws all. */
void screen_forget(struct screen *s);
/* The bytes that make the terminal show the picture, malloc'ed; *len is 0 when it does already. NULL: no memory. */
char *screen_update(struct screen *s, size_t *len);
/* The picture as lines, without styles and what is empty at the end. */
void screen_print(const struct screen *s, FILE *out);

#endif
