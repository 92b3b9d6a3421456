/* http_transfer.h - one delivery, or a batch of them, on its way as one HTTP request of
 * libcurl.
 *
 * Callback thread only. Whoever holds a transfer adds its `easy` to a multi handle, takes it out
 * again, and ends it exactly once. */
#ifndef CALLBACK_HTTP_TRANSFER_H
#define CALLBACK_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "http.h"
#include "http_stream.h"

/* What all transfers of a holder share. */
struct transfer_host {
    bool allow_private;        /* connections to addresses that are not public */
    unsigned connection_age_s; /* older connections are not used for more requests */
    void (*sent)(void *arg);   /* a request begins to leave; from inside libcurl */
    /* A connection's GOAWAY was heard, for http_stream_goaway() of each transfer; from inside libcurl */
    void (*goaway)(void *arg, const void *connection, uint32_t last);
    void *arg;
};

struct transfer {
    struct transfer *next; /* the holder's list */
    struct transfer *prev;
    struct delivery *first; /* linked by batch_next */
    CURL *easy;             /* CURLOPT_PRIVATE is the transfer */
    struct curl_slist *headers;
    char *body;
    char *answer; /* body of the answer so far */
    size_t answer_len;
    size_t answer_cap;
    size_t answer_max;
    size_t head_len; /* header bytes of the answer so far */
    bool answer_too_long;
    bool head_is_interim; /* the header block is a 1xx's */
    bool head_complete;   /* the empty line behind the last headers was seen: trailers may follow */
    bool is_chunked;      /* HTTP/1.1: the answer has a last chunk */
    bool encoded;         /* it has a content-encoding */
    bool sent;            /* a connection was there, and the request began to leave */
    struct http_stream stream;
    const struct transfer_host *host;
    unsigned refusals;    /* times it was started again */
    uint64_t started_ms;  /* monotonic */
    const char *refused;  /* what kind of address the guard last refused; NULL: none */
    unsigned strange;     /* results that named no order of the batch */
    char retry_after[64]; /* of the answer's last header block; "" = none */
    char refused_address[64];
    char error[CURL_ERROR_SIZE];
};

static inline bool callback_transfer_is_batch(const struct transfer *t)
{
    return t->first->settings->settings.batch > 1;
}

/* Write the request's headers (http_headers.c), the signatures of t->body among them. NULL, or what is wrong. */
const char *callback_transfer_write_headers(struct transfer *t, uint64_t timestamp_s);

/* Sign and prepare. On success the deliveries are the transfer's until it ends. NULL: they were
 * marked as FAILED with the reason. */
struct transfer *callback_transfer_new(struct delivery *first, const struct transfer_host *host);
/* libcurl is done with it, and the receiver has certainly done nothing with it (RFC 9113, 8.7), as
 * often as libcurl itself tries: is it to be added once more, as the same attempt? */
bool callback_transfer_again(struct transfer *t, CURLcode result);
/* libcurl is done with it: judge the answer and free the transfer. Returns the deliveries; *strange
 * is how many results named none of them. */
struct delivery *callback_transfer_end(struct transfer *t, CURLcode result, unsigned *strange);
/* Give up: FAILED with this reason, free the transfer. Returns the deliveries. */
struct delivery *callback_transfer_abort(struct transfer *t, const char *reason);
/* Mark all of a batch as FAILED. The reason is made printable, and cut. */
void callback_fail(struct delivery *first, const char *reason, bool overloaded);

#endif
