/* callback_http.c - see callback_http.h. The thread, its queues, and libcurl's multi interface on
 * its loop.
 *
 *   raft loop                          callback thread
 *   start() --> todo ---- wake ------> waiting --> transfers (at most transfers_max)
 *   done() <--- ended <-- ended_wake --'             |
 *                     '------------------------------'
 *
 * A batch is queued by the first of its deliveries on its way there, and each by itself on its way
 * back. The queues under the mutex are all the threads share. They hold at most CALLBACK_QUEUE_MAX
 * deliveries, which is checked where deliveries come in. */
#include "callback_http.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "callback_http_multi.h"
#include "callback_http_transfer.h"
#include "delivery_queue.h"
#include "log.h"

#define CALLBACK_QUEUE_MAX 65536u /* what --max-deliveries may be at most */
#define CALLBACK_TRANSFERS_MAX 4096u
#define CALLBACK_TRANSFERS_MIN 16u

enum callback_state { CALLBACK_OPEN, CALLBACK_CLOSING, CALLBACK_CLOSED };

struct callback_http {
    /* Shared, under the mutex. */
    uv_mutex_t mutex;
    struct delivery_queue todo;
    struct delivery_queue abandoned; /* taken out of todo by abandon() */
    struct delivery_queue ended;
    bool abandon;     /* the thread shall end what came before */
    bool stop;        /* the thread shall end everything and return */
    bool thread_over; /* it has */

    /* The raft loop's. */
    struct receiver receiver;
    uv_async_t ended_wake;
    uv_thread_t thread;
    enum callback_state state;
    unsigned held; /* deliveries between start() and done() */
    void (*closed)(void *arg);
    void *closed_arg;

    /* The callback thread's. */
    uv_loop_t loop;
    uv_async_t wake;
    struct callback_multi multi;
    struct delivery_queue waiting;
    struct transfer *transfers;
    unsigned n_transfers;
    unsigned transfers_max; /* never changes */
    bool told_strange;      /* an answer named what was not asked about: it was logged */
    bool nudge; /* a connection has shown what it is: those that wait to share it may go on */
    struct transfer_host host;
    struct callback_http_config config;
};

/* Either thread: done() will follow on the raft loop, for all of the batch. */
static void callback_hand_back(struct callback_http *c, struct delivery *first)
{
    uv_mutex_lock(&c->mutex);
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        delivery_queue_push(&c->ended, d);
    }
    uv_mutex_unlock(&c->mutex);
    uv_async_send(&c->ended_wake);
}

/* ---- callback thread: transfers ---- */

static void thread_link(struct callback_http *c, struct transfer *t)
{
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
            callback_hand_back(c, d);
        } else if (curl_multi_add_handle(c->multi.curl, t->easy) != CURLM_OK) {
            callback_hand_back(c, callback_transfer_abort(t, "libcurl refused the request"));
        } else {
            thread_link(c, t);
        }
    }
}

static void thread_tell_strange(struct callback_http *c, const struct delivery *d, unsigned strange)
{
    if (strange > 0 && !c->told_strange && c->config.log != NULL) {
        log_line(c->config.log, LOG_WARN,
                 "a batch's answer names keys that were not in the batch: they are passed over, "
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
    callback_hand_back(c, first);
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
        callback_hand_back(c, callback_transfer_abort(t, reason));
    }
    for (struct delivery *d; (d = delivery_queue_pop(&c->waiting)) != NULL;) {
        callback_fail(d, reason, false);
        callback_hand_back(c, d);
    }
}

/* The loop ends by itself when its handles are closed. */
static void thread_stop(struct callback_http *c)
{
    thread_end_all(c, "shutting down");
    callback_multi_close(&c->multi);
    uv_close((uv_handle_t *)&c->wake, NULL);
}

static void wake_cb(uv_async_t *wake)
{
    struct callback_http *c = wake->data;
    struct delivery_queue fresh = {0}, abandoned = {0};

    uv_mutex_lock(&c->mutex);
    delivery_queue_move(&abandoned, &c->abandoned);
    delivery_queue_move(&fresh, &c->todo);
    bool abandon = c->abandon;
    bool stop = c->stop;
    c->abandon = false;
    uv_mutex_unlock(&c->mutex);
    if (abandon) {
        delivery_queue_move(&c->waiting, &abandoned);
        thread_end_all(c, "this node is out of office");
    }
    delivery_queue_move(&c->waiting, &fresh);
    if (stop) {
        thread_stop(c);
    } else {
        thread_start_waiting(c);
    }
}

static void thread_main(void *arg)
{
    struct callback_http *c = arg;

    uv_run(&c->loop, UV_RUN_DEFAULT); /* until thread_stop has closed every handle */
    uv_mutex_lock(&c->mutex);
    c->thread_over = true;
    uv_mutex_unlock(&c->mutex);
    uv_async_send(&c->ended_wake);
}

/* ---- raft loop ---- */

static void callback_start(struct receiver *r, struct delivery *first)
{
    struct callback_http *c = r->impl;
    unsigned n = 0;

    assert(c->state != CALLBACK_CLOSED);
    for (const struct delivery *d = first; d != NULL; d = d->batch_next) {
        n++;
    }
    if (c->state != CALLBACK_OPEN || c->held + n > CALLBACK_QUEUE_MAX) {
        callback_fail(first, c->state != CALLBACK_OPEN ? "shutting down" : "queue full", false);
        c->held += n;
        callback_hand_back(c, first);
        return;
    }
    c->held += n;
    uv_mutex_lock(&c->mutex);
    delivery_queue_push(&c->todo, first);
    uv_mutex_unlock(&c->mutex);
    uv_async_send(&c->wake);
}

static void callback_abandon(struct receiver *r)
{
    struct callback_http *c = r->impl;

    uv_mutex_lock(&c->mutex);
    delivery_queue_move(&c->abandoned, &c->todo);
    c->abandon = true;
    uv_mutex_unlock(&c->mutex);
    if (c->state == CALLBACK_OPEN) { /* else all is ending anyway */
        uv_async_send(&c->wake);
    }
}

/* Run done() of all that has ended; a done() may start() another delivery. Returns whether the
 * thread is over. */
static bool callback_deliver_ended(struct callback_http *c)
{
    struct delivery_queue ended = {0};

    uv_mutex_lock(&c->mutex);
    delivery_queue_move(&ended, &c->ended);
    bool over = c->thread_over;
    uv_mutex_unlock(&c->mutex);
    for (struct delivery *d; (d = delivery_queue_pop(&ended)) != NULL;) {
        assert(c->held > 0);
        c->held--;
        d->done(d, d->done_arg);
    }
    return over;
}

static void ended_closed_cb(uv_handle_t *handle)
{
    struct callback_http *c = handle->data;

    while (c->held > 0) { /* started after the thread was over */
        (void)callback_deliver_ended(c);
    }
    c->state = CALLBACK_CLOSED;
    c->closed(c->closed_arg);
}

static void ended_wake_cb(uv_async_t *async)
{
    struct callback_http *c = async->data;

    bool over = callback_deliver_ended(c);
    if (over && !uv_is_closing((uv_handle_t *)async)) {
        uv_thread_join(&c->thread); /* it is at its last instruction */
        int rv = uv_loop_close(&c->loop);
        assert(rv == 0);
        uv_close((uv_handle_t *)async, ended_closed_cb);
    }
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
    assert(c->state == CALLBACK_OPEN);
    c->state = CALLBACK_CLOSING;
    c->closed = cb;
    c->closed_arg = arg;
    uv_mutex_lock(&c->mutex);
    c->stop = true;
    uv_mutex_unlock(&c->mutex);
    uv_async_send(&c->wake);
}

void callback_http_free(struct callback_http *c)
{
    if (c == NULL) {
        return;
    }
    assert(c->state == CALLBACK_CLOSED && c->held == 0);
    uv_mutex_destroy(&c->mutex);
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
    int rv = uv_loop_close(&c->loop);
    assert(rv == 0);
}

/* The loop with its handles, and libcurl. False: nothing of it is left. */
static bool callback_init_thread(struct callback_http *c)
{
    if (uv_loop_init(&c->loop) != 0) {
        return false;
    }
    c->wake.data = c;
    if (uv_async_init(&c->loop, &c->wake, wake_cb) != 0) {
        int rv = uv_loop_close(&c->loop);
        assert(rv == 0);
        return false;
    }
    c->transfers_max = transfers_limit();
    if (callback_multi_init(&c->multi, &c->loop, c->transfers_max, thread_collect, c)) {
        return true;
    }
    callback_unwind_thread(c);
    return false;
}

/* Signals are the main thread's. */
static int callback_create_thread(struct callback_http *c)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rv = uv_thread_create(&c->thread, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

static void abandoned_cb(uv_handle_t *handle)
{
    free(handle->data);
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
        .sent_arg = c,
    };
    c->receiver =
        (struct receiver){.impl = c, .start = callback_start, .abandon = callback_abandon};
    c->ended_wake.data = c;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        goto err_free;
    }
    if (uv_mutex_init(&c->mutex) != 0) {
        goto err_curl;
    }
    if (!callback_init_thread(c)) {
        goto err_mutex;
    }
    if (uv_async_init(loop, &c->ended_wake, ended_wake_cb) != 0) {
        goto err_thread;
    }
    if (callback_create_thread(c) == 0) {
        return c;
    }

    /* The raft loop still knows a handle in `c`, and gives it back when it runs. */
    callback_unwind_thread(c);
    uv_mutex_destroy(&c->mutex);
    curl_global_cleanup();
    uv_close((uv_handle_t *)&c->ended_wake, abandoned_cb);
    return NULL;

err_thread:
    callback_unwind_thread(c);
err_mutex:
    uv_mutex_destroy(&c->mutex);
err_curl:
    curl_global_cleanup();
err_free:
    free(c);
    return NULL;
}
