/* http.h - one operation on an order as a shop in any language asks for it: HTTP/1.1 and JSON, with
 * connections that are kept, of whichever node (docs/http.md).
 *
 * libcurl sends a request again by itself when a kept connection turns out to be closed. Here it must not:
 * a request goes out once, so that what is recorded is what happened. */
#ifndef ASK_HTTP_H
#define ASK_HTTP_H

#include "ask.h"

/* Who asks, and how. NULL: not so. The texts are copied. */
struct ask_http_config {
    const char *ca;    /* TLS, with this authority */
    const char *cert;  /* a client's certificate, and its key */
    const char *key;   /* of the certificate */
    const char *token; /* of a principal */
};

struct ask_http_question {
    const struct ordersched_operation *operation; /* its request id does not count */
    const char *host;                             /* the node's */
    unsigned port;
    const char *key;      /* Idempotency-Key, or NULL */
    const char *if_match; /* an entity tag, or NULL */
    unsigned wait_s;      /* the patience that is asked for, 1 or more */
    unsigned spelling;    /* of the body, in JSON: even or odd */
};

struct ask_http;
/* One thread at a time. Ends the harness if it cannot be made. */
struct ask_http *ask_http_open(const struct ask_http_config *config);
void ask_http_close(struct ask_http *h);
/* Ask and wait, for a little longer than the node is asked to. What came of it is in terms of the client
 * library: UNREACHABLE where the request did not leave, UNKNOWN_OUTCOME or TIMEOUT where one that
 * changes something did and no answer came. */
void ask_http_order(struct ask_http *h, const struct ask_http_question *q, struct asked *a);

#endif
