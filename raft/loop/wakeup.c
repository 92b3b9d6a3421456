/* wakeup.c - see wakeup.h. */
#include "wakeup.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The descriptor first: a write that came between the two would be taken with it, and the flag would
 * say for ever that it is still to come. Who finds the flag set until it falls is seen by cb. */
static void woken_cb(uv_poll_t *poll, int status, int events)
{
    struct wakeup *w = poll->data;
    uint64_t count;

    (void)status;
    (void)events;
    ssize_t n = read(w->fd, &count, sizeof count);
    assert(n == (ssize_t)sizeof count || (n < 0 && errno == EAGAIN));
    (void)atomic_exchange(&w->sent, false); /* which also acquires what its setter had written */
    w->cb(w->arg);
}

int wakeup_init(struct wakeup *w, uv_loop_t *loop, void (*cb)(void *arg), void *arg)
{
    *w = (struct wakeup){.cb = cb, .arg = arg};
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd < 0) {
        return uv_translate_sys_error(errno);
    }
    int rv = uv_poll_init(loop, &w->poll, w->fd);
    if (rv != 0) {
        close(w->fd);
        return rv;
    }
    w->poll.data = w;
    rv = uv_poll_start(&w->poll, UV_READABLE, woken_cb);
    assert(rv == 0); /* it only notes what the loop is to do */
    return 0;
}

void wakeup_send(struct wakeup *w)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&w->sent, true)) {
        ssize_t n = write(w->fd, &one, sizeof one);
        assert(n == (ssize_t)sizeof one); /* the count is far from its end */
    }
}

static void poll_closed_cb(uv_handle_t *handle)
{
    struct wakeup *w = handle->data;

    if (w->closed != NULL) {
        w->closed(w->arg);
    }
}

void wakeup_close(struct wakeup *w, void (*closed)(void *arg))
{
    assert(!uv_is_closing((uv_handle_t *)&w->poll));
    w->closed = closed;
    uv_close((uv_handle_t *)&w->poll, poll_closed_cb);
}

void wakeup_free(struct wakeup *w)
{
    assert(uv_is_closing((uv_handle_t *)&w->poll) && w->fd >= 0);
    close(w->fd);
    w->fd = -1;
}
