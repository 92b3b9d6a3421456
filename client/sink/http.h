/* http.h - the reference receiver's HTTP side: requests in, answers out.
 *
 * A few threads of libmicrohttpd read and verify; a request that waits for the judge is suspended
 * and holds no thread. */
#ifndef ORDERSINK_HTTP_H
#define ORDERSINK_HTTP_H

#include "judge.h"

#define SINK_BODY_MAX (64u * 1024) /* about one order: it has a fence header */
#define SINK_BATCH_BODY_MAX (8u * 1024 * 1024)

struct sink_http; /* opaque */

/* Listen on o->listen and serve. `o` and `judge` must outlive it. NULL: a sentence is in errbuf. */
struct sink_http *sink_http_start(const struct sink_options *o, struct sink_judge *judge,
                                  char *errbuf, size_t errbuf_len);
/* What sink_judge_start() wants: the request was judged, answer it. Any thread. */
void sink_http_answer(struct sink_request *r);
/* Requests turned away before they were read: wrong method, or too large. */
uint64_t sink_http_turned_away(const struct sink_http *h);
/* After sink_judge_stop(), since which new requests get 503: let the answers go out, at most for a
 * second, and end. */
void sink_http_stop(struct sink_http *h);

#endif
