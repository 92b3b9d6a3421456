/* columns.c - see columns.h. */
#include "columns.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define WORDS_MIN 32 /* of a sentence, to be worth its place */

bool columns_begin(struct columns *c, const struct column *columns, unsigned n, unsigned rows)
{
    assert(n <= COLUMNS_MAX);
    *c = (struct columns){.columns = columns, .n = n, .rows = rows + 1};
    c->cells = calloc(c->rows, sizeof *c->cells);
    if (c->cells == NULL) {
        return false;
    }
    c->cells[0].style = SCREEN_BOLD;
    for (unsigned i = 0; i < n; i++) {
        columns_printf(c, "%s", columns[i].head);
    }
    return true;
}

void columns_next(struct columns *c)
{
    c->row++;
    assert(c->row < c->rows);
    c->at = 0;
}

void columns_style(struct columns *c, enum screen_style style)
{
    c->cells[c->row].style = style;
}

void columns_printf(struct columns *c, const char *format, ...)
{
    va_list args;

    assert(c->at < c->n);
    va_start(args, format);
    vsnprintf(c->cells[c->row].cells[c->at++], COLUMNS_CELL_MAX, format, args);
    va_end(args);
}

/* Take columns away until the rest has room. The last that is left may be cut. */
static void choose(const struct columns *c, unsigned room, const unsigned *widths, bool *shown)
{
    for (;;) {
        unsigned total = 0, n = 0, worst = c->n;
        for (unsigned i = 0; i < c->n; i++) {
            if (shown[i]) {
                total += widths[i] + (n++ > 0 ? GAP : 0);
                worst = worst == c->n || c->columns[i].rank > c->columns[worst].rank ? i : worst;
            }
        }
        /* Words at the end may be cut where they have room for some of them. */
        bool cut = shown[c->n - 1] && !c->columns[c->n - 1].right && widths[c->n - 1] > WORDS_MIN &&
                   total - widths[c->n - 1] + WORDS_MIN <= room;
        if (total <= room || n <= 1 || cut) {
            return;
        }
        shown[worst] = false;
    }
}

unsigned columns_draw(const struct columns *c, struct screen *s, unsigned row)
{
    unsigned widths[COLUMNS_MAX] = {0};
    bool shown[COLUMNS_MAX];

    for (unsigned i = 0; i < c->n; i++) {
        shown[i] = true;
        for (unsigned r = 0; r < c->rows; r++) {
            const char *cell = c->cells[r].cells[i];
            unsigned width = screen_width(s, cell, strlen(cell));
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    choose(c, screen_columns(s), widths, shown);
    for (unsigned r = 0; r < c->rows; r++, row++) {
        unsigned at = 0;
        for (unsigned i = 0; i < c->n; i++) {
            const char *cell = c->cells[r].cells[i];
            unsigned pad = c->columns[i].right ? widths[i] - screen_width(s, cell, strlen(cell))
                                               : 0;
            if (shown[i]) {
                screen_put(s, row, at + pad, c->cells[r].style, cell, strlen(cell));
                at += widths[i] + GAP;
            }
        }
    }
    return row;
}

void columns_free(struct columns *c)
{
    free(c->cells);
}
