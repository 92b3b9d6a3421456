/* list.h - the elements of the operations that list orders, behind their code. For operation.c. */
#ifndef LIST_H
#define LIST_H

#include "cursor.h"
#include "protocol.h"

/* ORDERSCHED_OK, or INVALID. */
int list_decode(struct cursor *c, struct operation *op);
void list_encode(struct buffer *b, const struct operation *op);

#endif
