/* list.h - the operations that list orders: their elements behind the code, for operation.c, and the rows of
 * their answers. */
#ifndef LIST_H
#define LIST_H

#include "cursor.h"
#include "protocol.h"

/* ORDERSCHED_OK, or INVALID. */
int list_decode(struct cursor *c, struct operation *op);
void list_encode(struct buffer *b, const struct operation *op);

/* A dead letter as DEAD_LIST has it. Slices point into the answer. */
struct dead_letter {
    struct slice id;
    struct slice route;
    struct slice reason;
    uint64_t deadline_ms;
    uint64_t attempts;
    uint64_t died_ms; /* 0: not known, it was before histories were kept */
};
/* The next one; false: malformed. */
bool list_read_letter(struct cursor *c, struct dead_letter *letter);

#endif
