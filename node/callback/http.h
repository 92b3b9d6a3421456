/* http.h - deliveries as HTTP requests (Standard Webhooks 1.0), with libcurl.
 *
 * Owns a thread with its own uv loop and a curl multi handle; deliveries go there through a
 * bounded queue and come back to the raft loop the same way (a wakeup both times).
 *
 * Request of one order: POST, body {"type":"order.expired","timestamp":RFC 3339,"data":
 * {"order_id":...,"deadline":RFC 3339 with milliseconds,"attempt":N,"payload":...}}. A payload that
 * is a JSON object or array is embedded as it is; other UTF-8 is a JSON string; anything else is
 * "payload_base64". An order_id that is not UTF-8 is "order_id_base64".
 *
 * Request of a batch: the type is "order.expired.batch", and "data" an array of the same objects,
 * each of which begins with its own "idempotency_key" and "fence":"EPOCH.INDEX".
 *
 * Headers: the route's own, webhook-id, webhook-timestamp (seconds, when the request is made, of this
 * machine's wall clock or, where a majority of the voters' contradict it, of theirs: the receiver
 * compares it with its own), webhook-signature (one "v1,<base64 HMAC-SHA256 of id.timestamp.body>" for each secret, separated by spaces; missing when
 * the route has no secret),
 * idempotency-key ("\"...\"" quoted, a structured-field string), orderschedd-fence: EPOCH.INDEX
 * (not with a batch), content-type: application/json, user-agent: orderschedd/VERSION. The
 * webhook-id is the order's key, for a batch "osd_" and XXH128 of its keys in order.
 *
 * Answer: 2xx with an empty body whose end is framed (204, Content-Length: 0, the last chunk,
 * END_STREAM) or {"outcome":"expired"} = EXPIRED; {"outcome":"paid"} = PAID;
 * {"outcome":"later","delay_ms":N} = LATER; any other 2xx body, 3xx (not followed), 4xx, 5xx and
 * timeouts = FAILED, with Retry-After (seconds or HTTP date) taken from 429 and 503. At most
 * CALLBACK_BODY_MAX bytes of an answer are read, and CALLBACK_BODY_EACH_MAX for each order of a
 * batch on top; a longer one is FAILED.
 *
 * Answer to a batch: the same for all its orders; or, with 2xx, {"results":[{"idempotency_key":...,
 * "outcome":"expired"|"paid"|"later"|"failed","delay_ms":N,"reason":"..."},...]}, one outcome an
 * order. An order that is missing there, named twice or has no such outcome is FAILED alone; keys
 * that were not in the batch are passed over.
 *
 * A connection takes no more requests when it is connection_age_s old, or was idle for 4 s; the
 * addresses of a name are asked for anew after half of that age. So a receiver that moves is
 * followed within two minutes. What a connection may have carried when it ended is never sent again
 * within the attempt; what HTTP/2 says was not looked at (REFUSED_STREAM, or behind a GOAWAY) is,
 * and costs none.
 *
 * Where private addresses are not allowed, each address a connection is made to is asked about
 * (address_guard.h). */
#ifndef CALLBACK_HTTP_H
#define CALLBACK_HTTP_H

#include <uv.h>

#include "../dispatch/receiver.h"

#define CALLBACK_BODY_MAX (64u * 1024)
#define CALLBACK_BODY_EACH_MAX 512u
#define CALLBACK_CONNECTION_AGE_S 60u

struct callback_http; /* opaque */
struct log;

struct callback_http_config {
    bool allow_private;        /* connections to addresses that are not public */
    const struct log *log;     /* may be NULL; used on the callback thread too */
    unsigned connection_age_s; /* 0: CALLBACK_CONNECTION_AGE_S */
};

/* Start the thread. `loop` is the raft loop, where done() will run. NULL = no memory/threads. */
struct callback_http *callback_http_new(uv_loop_t *loop, const struct callback_http_config *config);
struct receiver *callback_http_receiver(struct callback_http *c);
/* Requests that can be under way at a time: as many as it may open sockets. */
unsigned callback_http_requests_max(const struct callback_http *c);
/* Stop: every delivery still under way ends as FAILED ("shutting down"), done() runs on the raft
 * loop, then cb. */
void callback_http_close(struct callback_http *c, void (*cb)(void *arg), void *arg);
void callback_http_free(struct callback_http *c); /* after cb */

/* The parts that need no network, for tests. Bodies are malloc'ed strings. */
char *callback_body(const struct delivery *d, uint64_t now_ms);
char *callback_batch_body(const struct delivery *first, uint64_t now_ms);
/* The value of webhook-signature: one for each secret and signing key of the route, whose settings
 * are strings, separated by spaces; "" if it has none. NULL, or what is wrong. */
#define CALLBACK_SIGNATURES_SIZE 600
const char *callback_signatures(const struct route_settings *settings, const char *id,
                                uint64_t timestamp_s, const char *body,
                                char out[CALLBACK_SIGNATURES_SIZE]);

/* What a receiver answered. */
struct callback_answer {
    long status;
    const char *body; /* may be NULL when len is 0 */
    size_t len;
    bool is_framed;          /* where it ends is known by more than the connection's end */
    bool encoded;            /* compressed, or the like */
    const char *retry_after; /* the header's value; NULL: none */
    uint64_t now_s;          /* wall clock */
};

/* Judge an answer: fills outcome, delay_ms, overloaded and reason. */
void callback_judge(struct delivery *d, const struct callback_answer *a);
/* The same for all of a batch. Returns how many results named no order of it. */
unsigned callback_judge_batch(struct delivery *first, const struct callback_answer *a);

#endif
