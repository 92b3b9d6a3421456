/* wakeup.h - how another thread wakes an event loop.
 *
 * As uv_async_t, but the loop never waits for a sender. Before libuv 1.45 (Debian 12 has 1.44) it
 * does: it spins until uv_async_send() has returned on the other thread, and as the send itself
 * wakes the loop, that thread is easily preempted within it. Under load that cost the raft loop up
 * to 37 ms a time. An eventfd(2), and a flag so that many sends cost one write. */
#ifndef WAKEUP_H
#define WAKEUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct wakeup {
    uv_poll_t poll;
    int fd;
    atomic_bool sent; /* and not seen by the loop yet */
    void (*cb)(void *arg);
    void (*closed)(void *arg);
    void *arg;
};

/* cb(arg) comes on the loop's thread, some time after each send; once, after several. Keeps the loop
 * alive. 0, or a UV_ error: then there is nothing to undo. Embedded by its owner, who does not move. */
int wakeup_init(struct wakeup *w, uv_loop_t *loop, void (*cb)(void *arg), void *arg);
/* Any thread, from wakeup_init() until wakeup_free(); what was written before it, cb sees. */
void wakeup_send(struct wakeup *w);
/* Loop's thread: cb does not come any more. closed(arg), NULL: nobody wants to know, when the loop
 * has let go of it. */
void wakeup_close(struct wakeup *w, void (*closed)(void *arg));
/* Closed, and no other thread will send: give the descriptor back. */
void wakeup_free(struct wakeup *w);

#endif
