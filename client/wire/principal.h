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

/* Who asks, as CALLER and others have it: op->kind and op->secret; behind it from where, op->address,
 * where that is told. */
int principal_decode_caller(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;
int principal_decode_caller_from(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;
void principal_encode_caller(struct buffer *b, const struct operation *op);

/* TOKEN_USED: op->secret is the token's hash, op->address from where. */
int principal_decode_used(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;

/* The caller that such an operation names; its slices point into the operation's bytes. */
struct caller caller_of(const struct operation *op);

#endif
