/* out_order.h - orders as the HTTP API shows them. No state, any thread. */
#ifndef FRONT_OUT_ORDER_H
#define FRONT_OUT_ORDER_H

#include "../../client/json/json_out.h"

/* What every answer about an order says: id, state, deadline, remaining_ms, index. NULL: it is about no
 * order, or no memory. */
json_t *out_order(struct slice id, const struct ordersched_answer *answer);
/* The same as text, at once, as answers come by the thousand. False: it is about no order. */
bool out_order_write(struct buffer *b, struct slice id, const struct ordersched_answer *answer);
/* Add what the body of a GET says. False: it is malformed. */
bool out_order_details(json_t *order, const struct ordersched_answer *answer);
/* Add what the body of a HISTORY says: "reason" and "events". False: it is malformed. */
bool out_order_history(json_t *order, const struct ordersched_answer *answer);
/* Its ETag: the version, and of all else that changes without a new version a hash. 32 bytes. */
void out_order_etag(const struct ordersched_answer *answer, char etag[32]);

#endif
