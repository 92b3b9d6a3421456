/* callback_http_multi.h - libcurl's multi interface on a uv loop.
 *
 * Callback thread only. Add and remove handles through `curl` itself; `moved` is called whenever
 * transfers may have ended. */
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
};

/* At most so many connections, the kept-alive ones included. False: no memory; close it all the
 * same. */
bool callback_multi_init(struct callback_multi *m, uv_loop_t *loop, unsigned connections_max,
                         void (*moved)(void *arg), void *arg);
/* No handle may be in it. Its uv handles are closed; the loop must run once more. */
void callback_multi_close(struct callback_multi *m);

#endif
