/* callback_http_transfer.h - one delivery on its way as one HTTP request of libcurl.
 *
 * Callback thread only. Whoever holds a transfer adds its `easy` to a multi handle, takes it out
 * again, and ends it exactly once. */
#ifndef CALLBACK_HTTP_TRANSFER_H
#define CALLBACK_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "callback_http.h"

#define CALLBACK_CONNECT_TIMEOUT_MS 3000 /* at most; never more than the delivery's own time */

struct transfer {
    struct transfer *next; /* the holder's list */
    struct transfer *prev;
    struct delivery *delivery;
    CURL *easy; /* CURLOPT_PRIVATE is the transfer */
    struct curl_slist *headers;
    char *body;
    char *answer; /* body of the answer so far */
    size_t answer_len;
    size_t answer_cap;
    size_t head_len; /* header bytes of the answer so far */
    bool answer_too_long;
    bool head_complete; /* the empty line behind the headers was seen */
    char retry_after[64]; /* of the answer's last header block; "" = none */
    char error[CURL_ERROR_SIZE];
};

/* Sign and prepare. On success the delivery is the transfer's until it ends. NULL: the delivery
 * was marked as FAILED with the reason. */
struct transfer *callback_transfer_new(struct delivery *d);
/* libcurl is done with it: judge the answer and free the transfer. Returns the delivery. */
struct delivery *callback_transfer_end(struct transfer *t, CURLcode result);
/* Give up: FAILED with this reason, free the transfer. Returns the delivery. */
struct delivery *callback_transfer_abort(struct transfer *t, const char *reason);
/* Mark a delivery as FAILED. The reason is made printable, and cut. */
void callback_delivery_fail(struct delivery *d, const char *reason);

#endif
