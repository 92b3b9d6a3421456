/* screen.c - see screen.h. */
#include "screen.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "../text/printable.h"

struct cell {
    char bytes[4];
    uint8_t len;   /* 0: the second half of the one before it */
    uint8_t style; /* enum screen_style */
};

struct screen {
    unsigned rows;
    unsigned columns;
    bool utf8;
    bool color;
    bool known;         /* the terminal shows `shown` */
    struct cell *cells; /* the picture */
    struct cell *shown;
};

static const struct cell empty = {" ", 1, SCREEN_PLAIN};

struct screen *screen_make(bool utf8, bool color)
{
    struct screen *s = calloc(1, sizeof *s);

    if (s != NULL) {
        s->utf8 = utf8;
        s->color = color;
    }
    return s;
}

void screen_free(struct screen *s)
{
    if (s != NULL) {
        free(s->cells);
        free(s->shown);
        free(s);
    }
}

bool screen_resize(struct screen *s, unsigned rows, unsigned columns)
{
    rows = rows < 1 ? 1 : rows > SCREEN_ROWS_MAX ? SCREEN_ROWS_MAX : rows;
    columns = columns < 1 ? 1 : columns > SCREEN_COLUMNS_MAX ? SCREEN_COLUMNS_MAX : columns;
    struct cell *cells = calloc((size_t)rows * columns, sizeof *cells);
    struct cell *shown = calloc((size_t)rows * columns, sizeof *shown);

    if (cells == NULL || shown == NULL) {
        free(cells);
        free(shown);
        return false;
    }
    free(s->cells);
    free(s->shown);
    s->cells = cells;
    s->shown = shown;
    s->rows = rows;
    s->columns = columns;
    s->known = false;
    screen_clear(s);
    return true;
}

unsigned screen_rows(const struct screen *s)
{
    return s->rows;
}

unsigned screen_columns(const struct screen *s)
{
    return s->columns;
}

bool screen_is_utf8(const struct screen *s)
{
    return s->utf8;
}

void screen_clear(struct screen *s)
{
    for (size_t i = 0; i < (size_t)s->rows * s->columns; i++) {
        s->cells[i] = empty;
    }
}

/* ---- putting ---- */

/* The next character of a text: its bytes, and how many columns it takes; 0: it is not shown as it is. */
static size_t next_character(const struct screen *s, const uint8_t *text, size_t len,
                             unsigned *width)
{
    uint32_t c = 0;
    size_t size = printable_decode(text, len, &c);
    int columns = size == 0 || !printable_is(c) || (size > 1 && !s->utf8) ? 0
                  : size == 1                                             ? 1
                                                                          : wcwidth((wchar_t)c);

    *width = columns > 0 ? (unsigned)columns : 0;
    return size > 0 ? size : 1;
}

/* Of a wide character that loses a half, the other half goes, too. */
static void set_cell(struct screen *s, unsigned row, unsigned column, const struct cell *cell)
{
    if (row >= s->rows || column >= s->columns) {
        return;
    }
    struct cell *cells = s->cells + (size_t)row * s->columns;
    if (cells[column].len == 0) {
        cells[column - 1] = empty;
    }
    if (column + 1 < s->columns && cells[column + 1].len == 0) {
        cells[column + 1] = empty;
    }
    cells[column] = *cell;
}

static unsigned put_escaped(struct screen *s, unsigned row, unsigned column,
                            enum screen_style style, uint8_t byte)
{
    char text[5];

    snprintf(text, sizeof text, "\\x%02x", (unsigned)byte);
    for (unsigned i = 0; i < 4; i++) {
        struct cell cell = {{text[i]}, 1, (uint8_t)style};
        set_cell(s, row, column++, &cell);
    }
    return column;
}

unsigned screen_put(struct screen *s, unsigned row, unsigned column, enum screen_style style,
                    const void *text, size_t len)
{
    const uint8_t *bytes = text;

    for (size_t i = 0; i < len && column < s->columns;) {
        unsigned width;
        size_t size = next_character(s, bytes + i, len - i, &width);
        if (width == 0) {
            for (size_t k = 0; k < size; k++) {
                column = put_escaped(s, row, column, style, bytes[i + k]);
            }
        } else if (column + width <= s->columns) { /* no half of a character */
            struct cell cell = {.len = (uint8_t)size, .style = (uint8_t)style};
            memcpy(cell.bytes, bytes + i, size);
            set_cell(s, row, column++, &cell);
            for (cell = (struct cell){.style = (uint8_t)style}; width > 1; width--) {
                set_cell(s, row, column++, &cell);
            }
        } else {
            return s->columns;
        }
        i += size;
    }
    return column;
}

unsigned screen_printf(struct screen *s, unsigned row, unsigned column, enum screen_style style,
                       const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0) {
        return column;
    }
    return screen_put(s, row, column, style, text,
                      (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

unsigned screen_width(const struct screen *s, const void *text, size_t len)
{
    const uint8_t *bytes = text;
    unsigned total = 0;

    for (size_t i = 0; i < len;) {
        unsigned width;
        size_t size = next_character(s, bytes + i, len - i, &width);
        total += width > 0 ? width : 4 * (unsigned)size;
        i += size;
    }
    return total;
}

/* ---- updating ---- */

static bool same(const struct cell *a, const struct cell *b)
{
    return a->len == b->len && a->style == b->style && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static const char *style_code(const struct screen *s, uint8_t style)
{
    static const char *const with[SCREEN_STYLES] = {"\33[m",     "\33[0;1m",  "\33[0;7m",
                                                    "\33[0;32m", "\33[0;33m", "\33[0;1;31m"};
    static const char *const without[SCREEN_STYLES] = {"\33[m", "\33[0;1m", "\33[0;7m",
                                                       "\33[m", "\33[0;1m", "\33[0;7m"};

    return s->color ? with[style] : without[style];
}

/* The columns of a row that changed, widened to whole characters; false: none did. */
static bool changed_columns(const struct screen *s, unsigned row, unsigned *first, unsigned *end)
{
    const struct cell *cells = s->cells + (size_t)row * s->columns;
    const struct cell *shown = s->shown + (size_t)row * s->columns;
    unsigned a = *first, b;

    while (a < s->columns && same(&cells[a], &shown[a])) {
        a++;
    }
    if (a == s->columns) {
        return false;
    }
    /* A few that are alike are no reason to move: a move takes as many bytes. */
    unsigned alike = 0;
    for (b = a + 1; b < s->columns && alike < 8; b++) {
        alike = same(&cells[b], &shown[b]) ? alike + 1 : 0;
    }
    b -= alike;
    while (a > 0 && (cells[a].len == 0 || shown[a].len == 0) && a > *first) {
        a--;
    }
    while (b < s->columns && (cells[b].len == 0 || shown[b].len == 0)) {
        b++;
    }
    *first = a;
    *end = b;
    return true;
}

static void update_row(struct screen *s, unsigned row, FILE *out)
{
    const struct cell *cells = s->cells + (size_t)row * s->columns;
    unsigned first = 0, end = 0, used = s->columns;
    uint8_t style = SCREEN_PLAIN;

    while (used > 0 && same(&cells[used - 1], &empty)) {
        used--;
    }
    for (; changed_columns(s, row, &first, &end); first = end) {
        fprintf(out, "\33[%u;%uH", row + 1, first + 1);
        for (unsigned i = first; i < end && i < used; i++) {
            if (cells[i].style != style) {
                style = cells[i].style;
                fputs(style_code(s, style), out);
            }
            fwrite(cells[i].bytes, 1, cells[i].len, out);
        }
        if (style != SCREEN_PLAIN) {
            style = SCREEN_PLAIN;
            fputs(style_code(s, style), out);
        }
        if (end > used) { /* all behind it is empty */
            fputs("\33[K", out);
            return;
        }
    }
}

void screen_forget(struct screen *s)
{
    s->known = false;
}

char *screen_update(struct screen *s, size_t *len)
{
    char *bytes = NULL;
    FILE *out = open_memstream(&bytes, len);

    if (out == NULL) {
        return NULL;
    }
    if (!s->known) {
        fputs("\33[m\33[2J", out);
        for (size_t i = 0; i < (size_t)s->rows * s->columns; i++) {
            s->shown[i] = empty;
        }
    }
    for (unsigned row = 0; row < s->rows; row++) {
        update_row(s, row, out);
    }
    if (fclose(out) != 0) {
        free(bytes);
        return NULL;
    }
    memcpy(s->shown, s->cells, (size_t)s->rows * s->columns * sizeof *s->cells);
    s->known = true;
    return bytes;
}

void screen_print(const struct screen *s, FILE *out)
{
    unsigned rows = s->rows;

    for (size_t n = (size_t)rows * s->columns; n > 0 && same(&s->cells[n - 1], &empty); n--) {
        rows = (unsigned)((n - 2 + s->columns) / s->columns);
    }
    for (unsigned row = 0; row < rows; row++) {
        const struct cell *cells = s->cells + (size_t)row * s->columns;
        unsigned used = s->columns;
        while (used > 0 && cells[used - 1].len == 1 && cells[used - 1].bytes[0] == ' ') {
            used--;
        }
        for (unsigned i = 0; i < used; i++) {
            fwrite(cells[i].bytes, 1, cells[i].len, out);
        }
        fputc('\n', out);
    }
}
