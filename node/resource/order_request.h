/* order_request.h - one operation on one order, as JSON says it: of a PUT, of an extend, of a batch. */
#ifndef FRONT_ORDER_REQUEST_H
#define FRONT_ORDER_REQUEST_H

#include "fields.h"

struct order_request {
    struct operation op; /* all but the request id; its slices point into the body, or below */
    uint8_t *id;         /* decoded from base64, or NULL */
    uint8_t *payload;    /* the same */
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t traceparent[PROTOCOL_TRACEPARENT_SIZE]; /* op's, where it has one */
};

/* The members' names, for tables of names. */
#define ORDER_REQUEST_WHEN "deadline", "deadline_ms", "delay", "delay_ms"
#define ORDER_REQUEST_SCHEDULE \
    ORDER_REQUEST_WHEN, "route", "payload", "payload_text", "payload_base64"

/* Read route, payload and time of a schedule; the time of an extend; the "id" or "id_base64". */
void order_request_read_schedule(struct order_request *r, struct fields *f);
/* The traceparent of a schedule: the member's of that name, if names allow it, or else the request's, where
 * traceparents are carried. Once the request id is made: copies of a request may differ in it. */
void order_request_take_traceparent(struct order_request *r, const struct exchange *x,
                                    struct fields *f);
void order_request_read_extend(struct order_request *r, struct fields *f);
void order_request_read_id(struct order_request *r, struct fields *f);
void order_request_free(struct order_request *r);

#endif
