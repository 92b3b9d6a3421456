/* request_key.h - the request ids of what clients of the HTTP API ask for.
 *
 * A client makes no request ids: the front does. Where the client gave an idempotency key, the id is keyed by a hash of
 * the key, the method and the path (docs/protocol.md, section 4), so that a copy gets the first answer on
 * whichever node it comes; a schedule's by what is to be scheduled, so that a PUT that is repeated gets the
 * first answer (if it was refused, it is judged anew), and another PUT of the same id is EXISTS. Else it is zeros,
 * for the gateway to make a new one.
 * Whose the request is the cluster adds. */
#ifndef FRONT_REQUEST_KEY_H
#define FRONT_REQUEST_KEY_H

#include "exchange.h"

/* Of the exchange, for one thing of those that it asks for: what it is about tells them apart. NULL: it is the
 * only one. */
void request_key_make(const struct exchange *x, const struct slice *about,
                      uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);
/* Of an operation in a batch: of its own key; without one (of no bytes) of the exchange's key and its place;
 * without that, too, as if it were asked for alone. Its request id does not count. */
void request_key_of_operation(const struct exchange *x, struct slice key, unsigned place,
                              const struct operation *op,
                              uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);
/* Of a PUT of an order. */
void request_key_of_put(const struct exchange *x, const struct operation *op,
                        uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);
/* 1 to 128 printable ASCII. */
bool request_key_is_good(struct slice key);

#endif
