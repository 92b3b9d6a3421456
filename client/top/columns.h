/* columns.h - rows of cells on a screen: columns as wide as their widest cell, and as many as there is room for. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "screen.h"

#define COLUMNS_MAX 12
#define COLUMNS_CELL_MAX 160

struct column {
    const char *head;
    unsigned rank; /* those of the highest go first, when it is narrow; different ones */
    bool right;    /* to the right, as numbers are */
};

struct columns {
    const struct column *columns;
    unsigned n;
    unsigned rows; /* with the head; at most 1 + those said at first */
    unsigned row;
    unsigned at; /* the next cell of the row */
    struct columns_row {
        enum screen_style style;
        char cells[COLUMNS_MAX][COLUMNS_CELL_MAX];
    } * cells;
};

/* For `rows` rows besides the head. False: no memory. */
bool columns_begin(struct columns *c, const struct column *columns, unsigned n, unsigned rows);
void columns_next(struct columns *c);                           /* a row */
void columns_style(struct columns *c, enum screen_style style); /* its */
/* The next cell of the row; those that are left out are empty. */
void columns_printf(struct columns *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Returns the row behind it. */
unsigned columns_draw(const struct columns *c, struct screen *s, unsigned row);
void columns_free(struct columns *c);

#endif
