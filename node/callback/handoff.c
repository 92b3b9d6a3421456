/* handoff.c - see handoff.h. */
#include "handoff.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>

/* ---- the receiver's thread ---- */

struct handoff_orders handoff_take(struct handoff *h)
{
    struct handoff_orders orders = {0};

    uv_mutex_lock(&h->mutex);
    delivery_queue_move(&orders.abandoned, &h->abandoned);
    delivery_queue_move(&orders.fresh, &h->todo);
    orders.abandon = h->abandon;
    orders.stop = h->stop;
    h->abandon = false;
    uv_mutex_unlock(&h->mutex);
    return orders;
}

void handoff_back(struct handoff *h, struct delivery *d)
{
    uv_mutex_lock(&h->mutex);
    delivery_queue_push(&h->ended, d);
    uv_mutex_unlock(&h->mutex);
}

void handoff_back_batch(struct handoff *h, struct delivery *first)
{
    uv_mutex_lock(&h->mutex);
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        delivery_queue_push(&h->ended, d);
    }
    uv_mutex_unlock(&h->mutex);
}

void handoff_tell(struct handoff *h)
{
    uv_mutex_lock(&h->mutex);
    bool any = h->ended.first != NULL;
    uv_mutex_unlock(&h->mutex);
    if (any) {
        wakeup_send(&h->ended_wake);
    }
}

void handoff_over(struct handoff *h)
{
    uv_mutex_lock(&h->mutex);
    h->thread_over = true;
    uv_mutex_unlock(&h->mutex);
    wakeup_send(&h->ended_wake);
}

/* ---- raft loop ---- */

void handoff_expect(struct handoff *h, unsigned n)
{
    assert(!h->closed);
    h->held += n;
}

void handoff_put(struct handoff *h, struct delivery *first, unsigned n)
{
    assert(!h->closing && h->has_thread);
    handoff_expect(h, n);
    uv_mutex_lock(&h->mutex);
    delivery_queue_push(&h->todo, first);
    uv_mutex_unlock(&h->mutex);
    h->put = true;
}

void handoff_flush(struct handoff *h)
{
    if (h->put) {
        h->put = false;
        h->owner.wake(h->owner.arg);
    }
}

void handoff_abandon(struct handoff *h)
{
    uv_mutex_lock(&h->mutex);
    delivery_queue_move(&h->abandoned, &h->todo);
    h->abandon = true;
    uv_mutex_unlock(&h->mutex);
    if (!h->closing && h->has_thread) { /* else all is ending anyway */
        h->owner.wake(h->owner.arg);
    }
}

/* Run done() of all that has ended; a done() may put another delivery. Returns whether the thread
 * is over, or there never was one. */
static bool handoff_deliver_ended(struct handoff *h)
{
    struct delivery_queue ended = {0};

    uv_mutex_lock(&h->mutex);
    delivery_queue_move(&ended, &h->ended);
    bool over = h->thread_over;
    uv_mutex_unlock(&h->mutex);
    for (struct delivery *d; (d = delivery_queue_pop(&ended)) != NULL;) {
        assert(h->held > 0);
        h->held--;
        d->done(d, d->done_arg);
    }
    return over || !h->has_thread;
}

static void ended_closed_cb(void *arg)
{
    struct handoff *h = arg;

    while (h->held > 0) { /* put after the thread was over */
        (void)handoff_deliver_ended(h);
    }
    h->closed = true;
    h->closed_cb(h->closed_arg);
}

static void ended_wake_cb(void *arg)
{
    struct handoff *h = arg;

    if (handoff_deliver_ended(h) && h->closing) {
        if (h->has_thread) {
            uv_thread_join(&h->thread); /* it is at its last instruction */
        }
        if (h->owner.joined != NULL) {
            h->owner.joined(h->owner.arg);
        }
        wakeup_close(&h->ended_wake, ended_closed_cb);
    }
}

void handoff_close(struct handoff *h, void (*cb)(void *arg), void *arg)
{
    assert(!h->closing);
    h->closing = true;
    h->closed_cb = cb;
    h->closed_arg = arg;
    if (!h->has_thread) {
        wakeup_send(&h->ended_wake);
        return;
    }
    uv_mutex_lock(&h->mutex);
    h->stop = true;
    uv_mutex_unlock(&h->mutex);
    h->owner.wake(h->owner.arg);
}

void handoff_free(struct handoff *h)
{
    assert(h->closed && h->held == 0);
    wakeup_free(&h->ended_wake);
    uv_mutex_destroy(&h->mutex);
}

/* ---- start ---- */

int handoff_init(struct handoff *h, uv_loop_t *loop, const struct handoff_owner *owner)
{
    *h = (struct handoff){.owner = *owner};
    if (uv_mutex_init(&h->mutex) != 0) {
        return -1;
    }
    if (wakeup_init(&h->ended_wake, loop, ended_wake_cb, h) != 0) {
        uv_mutex_destroy(&h->mutex);
        return -1;
    }
    return 0;
}

/* Signals are the main thread's. */
int handoff_start_thread(struct handoff *h, void (*thread_main)(void *arg))
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->has_thread = uv_thread_create(&h->thread, thread_main, h->owner.arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h->has_thread ? 0 : -1;
}

static void discarded_cb(void *arg)
{
    struct handoff *h = arg;

    wakeup_free(&h->ended_wake);
    uv_mutex_destroy(&h->mutex);
    h->closed_cb(h->owner.arg);
}

void handoff_discard(struct handoff *h, void (*cb)(void *arg))
{
    assert(!h->has_thread);
    h->closing = true;
    h->closed_cb = cb;
    wakeup_close(&h->ended_wake, discarded_cb);
}
