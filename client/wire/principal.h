/* principal.h - the operations on principals, and the word of who asks: how they are written and read
 * (protocol.h lists them, docs/roles.md says what they do). Pure; never allocates. */
#ifndef PRINCIPAL_H
#define PRINCIPAL_H

#include "grant.h"

/* Read what stands behind the code, which is op->code. ORDERSCHED_OK, or INVALID with more in
 * op->problem. */
int principal_decode(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;
/* What stands behind code and request id. */
void principal_encode(struct buffer *b, const struct operation *op);

/* The caller that a CALLER operation names; its slice points into the operation's bytes. */
struct caller caller_of(const struct operation *op);

#endif
