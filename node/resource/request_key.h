/* request_key.h - the request ids of what clients of the HTTP API ask for.
 *
 * A client makes no request ids: the front does. Where the client gave an idempotency key, the id follows from the
 * key, the method and the path; a schedule's from what is to be scheduled, so that a PUT that is repeated
 * gets the first answer, and another PUT of the same id is EXISTS. Else it is a new one each time. */
#ifndef FRONT_REQUEST_KEY_H
#define FRONT_REQUEST_KEY_H

#include "exchange.h"

/* Of the exchange, for one thing of those that it asks for: what it is about tells them apart. NULL: it is the
 * only one. */
void request_key_make(const struct exchange *x, const struct slice *about,
                      uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);
/* Of an operation in a batch that has a key of its own. */
void request_key_of_key(const struct exchange *x, struct slice key,
                        uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);
/* 1 to 128 printable ASCII. */
bool request_key_is_good(struct slice key);
/* Of a schedule without a key. Its own request id does not count. */
void request_key_of_content(const struct operation *op,
                            uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);

#endif
