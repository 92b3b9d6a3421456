/* api.c - see api.h.
 *
 * A slot is one nng context and its aio, and goes round: receiving (nng) -> handed over (the
 * raft loop owns it) -> sending (nng) -> receiving. Only its present owner touches it. */
#include "api.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/util/platform.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_HEADER_MAX 64 /* what nng puts in front of a request; it counts against the limit */

enum slot_state { SLOT_RECEIVING, SLOT_HANDED_OVER, SLOT_SENDING, SLOT_ENDED };

struct slot {
    struct api *api;
    struct slot *next; /* in the queue to the raft loop */
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *message;
    enum slot_state state;
    struct inbound in;
    int error;
    char text[128];
};

struct api {
    struct api_config config;
    uv_async_t async;
    nng_socket socket;
    struct slot *slots;
    unsigned n_slots;
    nng_mtx *mutex; /* guards first, last, logged_s */
    struct slot *first, **last;
    uint64_t logged_s; /* one line a second about malformed messages */
    atomic_uint_fast64_t bytes;
    void (*close_cb)(void *arg);
    void *close_arg;
    uv_timer_t patience;    /* with nng, at the end */
    unsigned handles_open;
    nng_thread *undertaker;
    bool buried;            /* under the mutex: nng has closed everything */
    bool abandoned;         /* under the mutex: nobody waits for that any more */
};

static void slot_receive(struct slot *slot)
{
    slot->state = SLOT_RECEIVING;
    nng_aio_set_timeout(slot->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(slot->ctx, slot->aio);
}

static void api_log_refused(struct api *a, const struct slot *slot)
{
    uint64_t second = (uint64_t)nng_clock() / 1000;
    nng_sockaddr from;
    uint64_t port = 0;

    nng_mtx_lock(a->mutex);
    bool silent = second == a->logged_s;
    a->logged_s = second;
    nng_mtx_unlock(a->mutex);
    if (silent || a->config.log == NULL) {
        return;
    }
    if (nng_pipe_get_addr(nng_msg_get_pipe(slot->message), NNG_OPT_REMADDR, &from) == 0 &&
        from.s_family == NNG_AF_INET) {
        port = (uint64_t)((from.s_in.sa_port & 0xff) << 8 | from.s_in.sa_port >> 8);
    }
    log_line(a->config.log, LOG_WARN, "client message refused",
             LOG_STR("error", ordersched_error_name(slot->error)), LOG_STR("reason", slot->text),
             LOG_U64("client_port", port), LOG_U64("bytes", slot->in.message_len));
}

/* nng's thread: check the message and hand it to the raft loop. */
static void slot_received(struct slot *slot)
{
    struct api *a = slot->api;

    memset(&slot->in, 0, sizeof slot->in);
    slot->in.message = nng_msg_body(slot->message);
    slot->in.message_len = nng_msg_len(slot->message);
    slot->in.owner = slot;
    uint64_t bytes = atomic_fetch_add(&a->bytes, slot->in.message_len) + slot->in.message_len;
    if (bytes > a->config.bytes_max) {
        slot->error = ORDERSCHED_BUSY;
        snprintf(slot->text, sizeof slot->text, "too many bytes of requests are in flight");
    } else {
        slot->error = inbound_check(&slot->in, a->config.cluster, slot->text, sizeof slot->text);
    }
    if (slot->error != ORDERSCHED_OK && slot->error != ORDERSCHED_BUSY) {
        api_log_refused(a, slot);
    }
    slot->state = SLOT_HANDED_OVER;
    slot->next = NULL;
    nng_mtx_lock(a->mutex);
    *a->last = slot;
    a->last = &slot->next;
    if (!a->abandoned) { /* else the handle is closed */
        uv_async_send(&a->async);
    }
    nng_mtx_unlock(a->mutex);
}

static void slot_cb(void *arg)
{
    struct slot *slot = arg;
    int rv = nng_aio_result(slot->aio);

    if (slot->state == SLOT_SENDING) {
        if (rv != 0) {
            nng_msg_free(nng_aio_get_msg(slot->aio)); /* the client is gone or does not read */
        }
        if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
            slot->state = SLOT_ENDED;
            return;
        }
        slot_receive(slot);
        return;
    }
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
        slot->state = SLOT_ENDED;
        return;
    }
    if (rv != 0) {
        slot_receive(slot);
        return;
    }
    slot->message = nng_aio_get_msg(slot->aio);
    slot_received(slot);
}

/* Raft loop. */
static void slot_reply(struct inbound *in, const uint8_t *answer, size_t len)
{
    struct slot *slot = in->owner;
    nng_msg *message;

    assert(slot->state == SLOT_HANDED_OVER);
    if (nng_msg_alloc(&message, len) != 0) {
        abort();
    }
    memcpy(nng_msg_body(message), answer, len);
    atomic_fetch_sub(&slot->api->bytes, in->message_len);
    inbound_release(in);
    nng_msg_free(slot->message);
    slot->message = NULL;
    slot->state = SLOT_SENDING;
    nng_aio_set_msg(slot->aio, message);
    nng_aio_set_timeout(slot->aio, API_SEND_TIMEOUT_MS);
    nng_ctx_send(slot->ctx, slot->aio);
}

static void api_async_cb(uv_async_t *async)
{
    struct api *a = async->data;

    nng_mtx_lock(a->mutex);
    struct slot *slot = a->first;
    a->first = NULL;
    a->last = &a->first;
    nng_mtx_unlock(a->mutex);
    while (slot != NULL) {
        struct slot *next = slot->next;
        slot->in.reply = slot_reply;
        a->config.received(a->config.arg, &slot->in, slot->error, slot->text);
        slot = next;
    }
}

static int api_open_slots(struct api *a)
{
    a->slots = calloc(a->config.slots, sizeof *a->slots);
    if (a->slots == NULL) {
        return NNG_ENOMEM;
    }
    for (unsigned i = 0; i < a->config.slots; i++) {
        struct slot *slot = &a->slots[i];
        slot->api = a;
        slot->state = SLOT_ENDED;
        int rv = nng_ctx_open(&slot->ctx, a->socket);
        if (rv == 0) {
            rv = nng_aio_alloc(&slot->aio, slot_cb, slot);
        }
        if (rv != 0) {
            return rv;
        }
        a->n_slots++;
    }
    return 0;
}

static int api_listen(struct api *a)
{
    nng_listener listener;
    int rv = nng_rep0_open(&a->socket);

    if (rv != 0) {
        return rv;
    }
    rv = nng_listener_create(&listener, a->socket, a->config.url);
    if (rv == 0) {
        rv = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ,
                                   PROTOCOL_MESSAGE_MAX + API_HEADER_MAX);
    }
    if (rv == 0) {
        rv = nng_listener_set_bool(listener, NNG_OPT_TCP_NODELAY, true);
    }
    if (rv == 0) {
        (void)nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
        rv = nng_listener_start(listener, 0);
    }
    if (rv == 0) {
        rv = api_open_slots(a);
    }
    return rv;
}

struct api *api_new(const struct api_config *config, uv_loop_t *loop, char *errbuf,
                    size_t errbuf_len)
{
    struct api *a = calloc(1, sizeof *a);

    if (a == NULL || nng_mtx_alloc(&a->mutex) != 0) {
        free(a);
        snprintf(errbuf, errbuf_len, "out of memory");
        return NULL;
    }
    a->config = *config;
    a->last = &a->first;
    a->logged_s = UINT64_MAX;
    if (uv_async_init(loop, &a->async, api_async_cb) != 0) {
        abort();
    }
    a->async.data = a;
    uv_timer_init(loop, &a->patience);
    a->patience.data = a;
    int rv = api_listen(a);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "cannot serve clients at %s: %s", config->url,
                 nng_strerror(rv));
        /* The caller ends the process: the handle stays with its loop. */
        return NULL;
    }
    for (unsigned i = 0; i < a->n_slots; i++) {
        slot_receive(&a->slots[i]);
    }
    return a;
}

static void api_closed_cb(uv_handle_t *handle)
{
    struct api *a = handle->data;

    if (--a->handles_open == 0) {
        a->close_cb(a->close_arg);
    }
}

/* Either nng has let go, or its time is over. Raft loop. */
static void api_end(struct api *a)
{
    if (!a->abandoned) {
        nng_thread_destroy(a->undertaker); /* it is at its last instruction */
    }
    a->handles_open = 2;
    uv_close((uv_handle_t *)&a->async, api_closed_cb);
    uv_close((uv_handle_t *)&a->patience, api_closed_cb);
}

static void api_patience_cb(uv_timer_t *timer)
{
    struct api *a = timer->data;

    nng_mtx_lock(a->mutex);
    a->abandoned = !a->buried;
    nng_mtx_unlock(a->mutex);
    if (a->abandoned && a->config.log != NULL) {
        log_line(a->config.log, LOG_WARN, "the client port did not close in time; left behind");
    }
    api_end(a);
}

/* A thread of its own: nng 1.5.2 can wait for ever here for a connection whose message had come in
 * by half (see client_nng.h). */
static void api_bury(void *arg)
{
    struct api *a = arg;

    nng_close(a->socket);
    for (unsigned i = 0; i < a->n_slots; i++) {
        nng_aio_stop(a->slots[i].aio);
    }
    nng_mtx_lock(a->mutex);
    a->buried = true;
    if (!a->abandoned) {
        uv_async_send(&a->async);
    }
    nng_mtx_unlock(a->mutex);
}

static void api_burying_cb(uv_async_t *async)
{
    struct api *a = async->data;

    nng_mtx_lock(a->mutex);
    bool buried = a->buried;
    nng_mtx_unlock(a->mutex);
    if (buried) {
        api_end(a);
    }
}

void api_close(struct api *a, void (*cb)(void *arg), void *arg)
{
    a->close_cb = cb;
    a->close_arg = arg;
    /* From now on the wake-up means that nng has let go; what still comes in is not looked at. */
    a->async.async_cb = api_burying_cb;
    /* Answers handed to nng are written by its own threads; give the last ones a moment, the
     * way a linger time would (nng has none). */
    nng_msleep(20);
    if (nng_thread_create(&a->undertaker, api_bury, a) != 0) {
        abort();
    }
    uv_timer_start(&a->patience, api_patience_cb, API_CLOSE_TIMEOUT_MS, 0);
}

bool api_free(struct api *a)
{
    if (a->abandoned) {
        return true;
    }
    for (unsigned i = 0; i < a->n_slots; i++) {
        struct slot *slot = &a->slots[i];
        if (slot->message != NULL) {
            inbound_release(&slot->in); /* received, but the loop had stopped listening */
            nng_msg_free(slot->message);
        }
        nng_aio_free(slot->aio);
    }
    free(a->slots);
    nng_mtx_free(a->mutex);
    free(a);
    return false;
}
