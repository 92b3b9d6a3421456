/* set_back.h - SET_BACK, by which a leader puts a time right that is ahead: how it is written and read (protocol.h).
 * Pure; never allocates. */
#ifndef SET_BACK_H
#define SET_BACK_H

#include "protocol.h"

struct cursor;

/* Read what stands behind the code; of the second also who asked. ORDERSCHED_OK or INVALID. */
int set_back_decode(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;
int set_back_decode_from(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;
/* What stands behind the code. */
void set_back_encode(struct buffer *b, const struct operation *op);

#endif
