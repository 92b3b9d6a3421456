/* http.c - see http.h. The thread, and libcurl's multi interface on its loop.
 *
 *   raft loop                          callback thread
 *   start() ──► the hand-over ───────► waiting ──► transfers (at most transfers_max)
 *   done() ◄─── (handoff.h) ◄───────────┴────────────┘
 *
 * At most CALLBACK_QUEUE_MAX deliveries are under way, which is checked where they come in. */
#include "http.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "handoff.h"
#include "http_multi.h"
#include "http_transfer.h"
#include "../host/log.h"
#include "../../raft/loop/wakeup.h"

#define CALLBACK_QUEUE_MAX 65536u /* what --max-deliveries may be at most */
#define CALLBACK_TRANSFERS_MAX 4096u
#define CALLBACK_TRANSFERS_MIN 16u

static_assert(CALLBACK_TRANSFERS_MIN <= CALLBACK_TRANSFERS_MAX, "least and most");

struct callback_http {
    struct handoff handoff;
    struct receiver receiver;
    unsigned transfers_max; /* never changes */

    /* The callback thread's. */
    uv_loop_t loop;
    struct wakeup wake;
    uv_prepare_t before_sleep;
    struct callback_multi multi;
    struct delivery_queue waiting;
    struct transfer *transfers;
    unsigned n_transfers;
    bool told_strange; /* an answer named what was not asked about: it was logged */
    bool nudge; /* a connection has shown what it is: those that wait to share it may go on */
    struct transfer_host host;
    struct callback_http_config config;
};

/* ---- callback thread: transfers ---- */

static void thread_link(struct callback_http *c, struct transfer *t)
{
    assert(c->n_transfers < c->transfers_max);
    t->prev = NULL;
    t->next = c->transfers;
    if (t->next != NULL) {
        t->next->prev = t;
    }
    c->transfers = t;
    c->n_transfers++;
}

static void thread_unlink(struct callback_http *c, struct transfer *t)
{
    assert(c->n_transfers > 0 && (t->prev != NULL ? t->prev->next == t : c->transfers == t));
    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        c->transfers = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    c->n_transfers--;
}

static void thread_start_waiting(struct callback_http *c)
{
    while (c->n_transfers < c->transfers_max && c->waiting.first != NULL) {
        struct delivery *d = delivery_queue_pop(&c->waiting);
        struct transfer *t = callback_transfer_new(d, &c->host);
        if (t == NULL) {
            handoff_back_batch(&c->handoff, d);
        } else if (curl_multi_add_handle(c->multi.curl, t->easy) != CURLM_OK) {
            handoff_back_batch(&c->handoff,
                               callback_transfer_abort(t, "libcurl refused the request"));
        } else {
            thread_link(c, t);
        }
    }
}

static void thread_tell_strange(struct callback_http *c, const struct delivery *d, unsigned strange)
{
    if (strange > 0 && !c->told_strange && c->config.log != NULL) {
        log_line(c->config.log, LOG_WARN,
                 "a batch's answer names keys that were not in the batch: they are ignored, "
                 "here and from now on",
                 LOG_STR("route", d->route), LOG_U64("keys", strange));
    }
    c->told_strange = c->told_strange || strange > 0;
}

/* From inside libcurl. */
static void thread_sent(void *arg)
{
    struct callback_http *c = arg;

    c->nudge = true;
}

/* From inside libcurl. */
static void thread_goaway(void *arg, const void *connection, uint32_t last)
{
    struct callback_http *c = arg;

    for (struct transfer *t = c->transfers; t != NULL; t = t->next) {
        http_stream_goaway(&t->stream, connection, last);
    }
}

static void thread_end_transfer(struct callback_http *c, struct transfer *t, CURLcode result)
{
    unsigned strange;

    curl_multi_remove_handle(c->multi.curl, t->easy);
    if (callback_transfer_again(t, result) &&
        curl_multi_add_handle(c->multi.curl, t->easy) == CURLM_OK) {
        return;
    }
    thread_unlink(c, t);
    struct delivery *first = callback_transfer_end(t, result, &strange);
    thread_tell_strange(c, first, strange);
    handoff_back_batch(&c->handoff, first);
}

/* Whatever libcurl has finished goes back; places that became free are taken. */
static void thread_collect(void *arg)
{
    struct callback_http *c = arg;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(c->multi.curl, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode result = message->data.result; /* the message dies with remove_handle */
        struct transfer *t = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        thread_end_transfer(c, t, result);
    }
    if (c->nudge) {
        c->nudge = false;
        callback_multi_nudge(&c->multi);
    }
    thread_start_waiting(c);
}

/* ---- callback thread: life ---- */

/* End what is under way and what waits for a place. */
static void thread_end_all(struct callback_http *c, const char *reason)
{
    while (c->transfers != NULL) {
        struct transfer *t = c->transfers;
        thread_unlink(c, t);
        curl_multi_remove_handle(c->multi.curl, t->easy);
        handoff_back_batch(&c->handoff, callback_transfer_abort(t, reason));
    }
    for (struct delivery *d; (d = delivery_queue_pop(&c->waiting)) != NULL;) {
        callback_fail(d, reason, false);
        handoff_back_batch(&c->handoff, d);
    }
}

/* The loop ends by itself when its handles are closed. */
static void thread_stop(struct callback_http *c)
{
    thread_end_all(c, "shutting down");
    assert(c->n_transfers == 0 && c->waiting.first == NULL);
    callback_multi_close(&c->multi);
    wakeup_close(&c->wake, NULL);
    uv_close((uv_handle_t *)&c->before_sleep, NULL);
}

static void before_sleep_cb(uv_prepare_t *prepare)
{
    struct callback_http *c = prepare->data;

    handoff_tell(&c->handoff);
}

static void wake_cb(void *arg)
{
    struct callback_http *c = arg;
    struct handoff_orders orders = handoff_take(&c->handoff);

    if (orders.abandon) {
        delivery_queue_move(&c->waiting, &orders.abandoned);
        thread_end_all(c, "this node does not lead any more");
    }
    delivery_queue_move(&c->waiting, &orders.fresh);
    if (orders.stop) {
        thread_stop(c);
    } else {
        thread_start_waiting(c);
    }
}

static void thread_main(void *arg)
{
    struct callback_http *c = arg;

    uv_run(&c->loop, UV_RUN_DEFAULT); /* until thread_stop has closed every handle */
    handoff_over(&c->handoff);
}

/* ---- raft loop ---- */

static void callback_wake(void *arg)
{
    struct callback_http *c = arg;

    wakeup_send(&c->wake);
}

static void callback_start(struct receiver *r, struct delivery *first)
{
    struct callback_http *c = r->impl;
    unsigned n = 0;

    for (const struct delivery *d = first; d != NULL; d = d->batch_next) {
        n++;
    }
    if (c->handoff.closing || c->handoff.held + n > CALLBACK_QUEUE_MAX) {
        callback_fail(first, c->handoff.closing ? "shutting down" : "queue full", false);
        handoff_expect(&c->handoff, n);
        handoff_back_batch(&c->handoff, first);
        handoff_tell(&c->handoff);
    } else {
        handoff_put(&c->handoff, first, n);
    }
}

static void callback_flush(struct receiver *r)
{
    struct callback_http *c = r->impl;

    handoff_flush(&c->handoff);
}

static void callback_abandon(struct receiver *r)
{
    struct callback_http *c = r->impl;

    handoff_abandon(&c->handoff);
}

static void callback_joined(void *arg)
{
    struct callback_http *c = arg;

    int rv = uv_loop_close(&c->loop);
    assert(rv == 0);
    wakeup_free(&c->wake);
}

struct receiver *callback_http_receiver(struct callback_http *c)
{
    return &c->receiver;
}

unsigned callback_http_requests_max(const struct callback_http *c)
{
    return c->transfers_max;
}

void callback_http_close(struct callback_http *c, void (*cb)(void *arg), void *arg)
{
    handoff_close(&c->handoff, cb, arg);
}

void callback_http_free(struct callback_http *c)
{
    if (c == NULL) {
        return;
    }
    handoff_free(&c->handoff);
    curl_global_cleanup();
    free(c);
}

/* ---- start ---- */

/* Half of the process's file descriptors at most: a receiver that holds connections open must not
 * keep the log from opening its next segment. */
static unsigned transfers_limit(void)
{
    struct rlimit limit;
    unsigned max = CALLBACK_TRANSFERS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < max) {
        max = (unsigned)(limit.rlim_cur / 2);
    }
    return max > CALLBACK_TRANSFERS_MIN ? max : CALLBACK_TRANSFERS_MIN;
}

/* Take back what callback_init_thread() made, when there is no thread to do it. */
static void callback_unwind_thread(struct callback_http *c)
{
    thread_stop(c);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    callback_joined(c);
}

/* The loop with its handles, and libcurl. False: nothing of it is left. */
static bool callback_init_thread(struct callback_http *c)
{
    if (uv_loop_init(&c->loop) != 0) {
        return false;
    }
    if (wakeup_init(&c->wake, &c->loop, wake_cb, c) != 0) {
        int rv = uv_loop_close(&c->loop);
        assert(rv == 0);
        return false;
    }
    uv_prepare_init(&c->loop, &c->before_sleep);
    c->before_sleep.data = c;
    uv_prepare_start(&c->before_sleep, before_sleep_cb);
    c->transfers_max = transfers_limit();
    if (callback_multi_init(&c->multi, &c->loop, c->transfers_max, thread_collect, c)) {
        return true;
    }
    callback_unwind_thread(c);
    return false;
}

struct callback_http *callback_http_new(uv_loop_t *loop, const struct callback_http_config *config)
{
    struct callback_http *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return NULL;
    }
    c->config = *config;
    c->host = (struct transfer_host){
        .allow_private = config->allow_private,
        .connection_age_s = config->connection_age_s > 0 ? config->connection_age_s
                                                         : CALLBACK_CONNECTION_AGE_S,
        .sent = thread_sent,
        .goaway = thread_goaway,
        .arg = c,
    };
    c->receiver = (struct receiver){.impl = c,
                                    .start = callback_start,
                                    .flush = callback_flush,
                                    .abandon = callback_abandon};
    const struct handoff_owner owner = {.arg = c, .wake = callback_wake, .joined = callback_joined};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        goto err_free;
    }
    if (!callback_init_thread(c)) {
        goto err_curl;
    }
    if (handoff_init(&c->handoff, loop, &owner) != 0) {
        goto err_thread;
    }
    if (handoff_start_thread(&c->handoff, thread_main) == 0) {
        return c;
    }

    /* The raft loop still knows a handle in `c`, and gives it back when it runs. */
    callback_unwind_thread(c);
    curl_global_cleanup();
    handoff_discard(&c->handoff, free);
    return NULL;

err_thread:
    callback_unwind_thread(c);
err_curl:
    curl_global_cleanup();
err_free:
    free(c);
    return NULL;
}
