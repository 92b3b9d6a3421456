/* handoff.h - how deliveries cross from the raft loop to the thread of a receiver, and back.
 *
 *   raft loop                                      the receiver's thread
 *   handoff_put() ──► todo                         handoff_take()
 *   handoff_flush() ─────────── wake ────────────►
 *                               ended ◄─────────── handoff_back()
 *   done() ◄─────────────────── ended_wake ◄────── handoff_tell()
 *
 * Each side wakes the other when it has put all that it has: a thread that is woken by the first of
 * many takes the processor from the one that is about to put the second.
 *
 * A batch is queued by the first of its deliveries on its way there, and each by itself on its way
 * back. The queues under the mutex are all that the two threads share; what they hold is bounded
 * where deliveries come in. The owner embeds it. */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <uv.h>

#include "../dispatch/delivery_queue.h"
#include "../../raft/loop/wakeup.h"

struct handoff_owner {
    void *arg;
    void (*wake)(void *arg);   /* raft loop: have the thread call handoff_take() */
    void (*joined)(void *arg); /* raft loop: the thread has ended. NULL: nothing to do */
};

struct handoff {
    /* Under the mutex. */
    uv_mutex_t mutex;
    struct delivery_queue todo;
    struct delivery_queue abandoned; /* taken out of todo by handoff_abandon() */
    struct delivery_queue ended;
    bool abandon;
    bool stop;
    bool thread_over;

    /* The raft loop's. */
    struct handoff_owner owner;
    struct wakeup ended_wake;
    uv_thread_t thread;
    bool has_thread;
    bool put; /* since the thread was woken last */
    bool closing, closed;
    unsigned held; /* deliveries between handoff_put() and done() */
    void (*closed_cb)(void *arg);
    void *closed_arg;
};

/* ---- raft loop ---- */

/* 0, or -1: there is nothing to undo. */
int handoff_init(struct handoff *h, uv_loop_t *loop, const struct handoff_owner *owner);
/* Run main(owner.arg) on a thread of its own, without signals. 0, or -1. Without a thread, all that
 * is put must be handed back by the raft loop itself. */
int handoff_start_thread(struct handoff *h, void (*thread_main)(void *arg));
/* Instead of a thread, and of closing: cb(owner.arg) when the loop knows nothing of it any more. */
void handoff_discard(struct handoff *h, void (*cb)(void *arg));
/* One is on its way to the thread, or a batch of n by its first; done() follows for each of them. The
 * thread hears of it with the next handoff_flush(), which is due before the loop sleeps. */
void handoff_put(struct handoff *h, struct delivery *first, unsigned n);
void handoff_flush(struct handoff *h);
/* So many are handed back without having been put: the thread does not hear of them. */
void handoff_expect(struct handoff *h, unsigned n);
/* The thread is to end what was put so far. */
void handoff_abandon(struct handoff *h);
/* The thread is to end everything and return; cb comes when that is so, and all done() have run. */
void handoff_close(struct handoff *h, void (*cb)(void *arg), void *arg);
void handoff_free(struct handoff *h); /* closed */

/* ---- the receiver's thread ---- */

struct handoff_orders {
    struct delivery_queue fresh;
    struct delivery_queue abandoned; /* with `abandon`: to be ended, as what was taken before is */
    bool abandon;
    bool stop; /* everything is to be ended */
};
struct handoff_orders handoff_take(struct handoff *h);
/* Either thread: done() will follow on the raft loop, for this one, or for all of the batch, after the
 * next handoff_tell(), which is due before the thread sleeps. */
void handoff_back(struct handoff *h, struct delivery *d);
void handoff_back_batch(struct handoff *h, struct delivery *first);
void handoff_tell(struct handoff *h);
/* The last that the thread does. */
void handoff_over(struct handoff *h);

#endif
