/* http_multi.h - libcurl's multi interface on a uv loop.
 *
 * Callback thread only. Add and remove handles through `curl` itself; `moved` is called whenever
 * transfers may have ended or have begun to be sent. */
#ifndef CALLBACK_HTTP_MULTI_H
#define CALLBACK_HTTP_MULTI_H

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

struct callback_multi {
    CURLM *curl;
    uv_loop_t *loop;
    uv_timer_t timer;
    void (*moved)(void *arg);
    void *arg;
    CURL *nobody; /* see callback_multi_nudge() */
};

/* At most so many connections, the kept-alive ones included. False: no memory; close it all the
 * same. */
bool callback_multi_init(struct callback_multi *m, uv_loop_t *loop, unsigned connections_max,
                         void (*moved)(void *arg), void *arg);
/* Look again at the transfers that wait to share a connection. libcurl 8 does so only when a
 * transfer ends: a connection that turned out to be for one at a time (HTTP/1.1) would hold them up
 * for as long as its first answer takes. Not from inside a callback of libcurl's. */
void callback_multi_nudge(struct callback_multi *m);
/* No handle may be in it. Its uv handles are closed; the loop must run once more. */
void callback_multi_close(struct callback_multi *m);

#endif
