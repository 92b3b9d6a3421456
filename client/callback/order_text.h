/* order_text.h - an expired order as JSON: what receivers of every kind are given to read.
 *
 * {"order_id":...,"deadline":RFC 3339 with milliseconds,"attempt":N,"payload":...}, in a batch behind
 * "idempotency_key" and "fence". A payload that is a JSON object or array, nested to at most
 * ORDER_TEXT_DEPTH_MAX levels, is embedded as it is; other UTF-8 is a JSON string; anything else is "payload_base64". An order_id that is not UTF-8 is
 * "order_id_base64". */
#ifndef ORDER_TEXT_H
#define ORDER_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define ORDER_TEXT_DEPTH_MAX 32 /* receivers' own limits begin at 64, and begin with the body */

struct order_text {
    const char *key;   /* NULL: neither key nor fence is written */
    const char *fence; /* "EPOCH.INDEX" */
    const uint8_t *id;
    size_t id_len;
    uint64_t deadline_ms;
    uint32_t attempt;
    const uint8_t *payload;
    size_t payload_len;
};

/* The object; malloc'ed, or NULL on lack of memory. */
char *order_text_object(const struct order_text *o);
/* {"type":"order.expired","timestamp":RFC 3339,"data":the object}. The same. */
char *order_text_body(const struct order_text *o, uint64_t now_ms);

#endif
