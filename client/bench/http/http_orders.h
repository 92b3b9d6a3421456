/* http_orders.h - the requests that schedule the orders of a measurement over HTTP: the same orders
 * that the client library's engine schedules. */
#ifndef ORDERBENCH_HTTP_ORDERS_H
#define ORDERBENCH_HTTP_ORDERS_H

#include <stdint.h>

#include "../../wire/protocol.h"

struct http_orders {
    const char *route;
    uint32_t run;   /* of the orders' ids */
    uint64_t first; /* number of the first order */
    uint64_t n;     /* orders */
    unsigned batch; /* orders of a request; 0: one, by a PUT of its own */
};

/* How many requests that makes. */
uint64_t http_orders_requests(const struct http_orders *o);
/* Append request i, from 0 on. Returns how many orders it schedules. */
unsigned http_orders_request(const struct http_orders *o, uint64_t i, struct buffer *out);
/* Append a request of any kind: its body may be NULL, else it is JSON. */
void http_request(struct buffer *out, const char *method, const char *target, const void *body,
                  size_t body_len);

#endif
