/* leader_watch.c - see leader_watch.h. */
#include "leader_watch.h"

#include <assert.h>
#include <stdlib.h>

#include "../raft/transport/transport.h"

#define AGAIN_MS 5u
#define ASK_FOR_MS 100u
#define STAND_FOR_MS 1000u /* an election timeout has decided by then */

/* One dial. A second leader may end while the machine of the first one says nothing. */
struct leader_question {
    struct leader_watch *watch;
    uint64_t id;
};

static void answered_cb(void *arg, enum transport_answer answer, const char *sentence);

static bool is_over(const struct leader_watch *w)
{
    return uv_now(w->loop) >= w->until_ms;
}

static void call_after(struct leader_watch *w, unsigned wait_ms);

static void ask(struct leader_watch *w)
{
    const char *address;
    struct leader_question *q;

    if (w->follower.leader(w->follower.arg, &address) != w->id || (q = malloc(sizeof *q)) == NULL) {
        w->id = 0;
        return;
    }
    *q = (struct leader_question){w, w->id};
    if (transport_ask(w->transport, w->id, address, 0, answered_cb, q) != 0) {
        free(q);
        w->id = 0;
    }
}

static void timer_cb(uv_timer_t *timer)
{
    struct leader_watch *w = timer->data;

    if (!w->gone) {
        ask(w);
    } else if (w->follower.stand(w->follower.arg, w->id) || is_over(w)) {
        w->id = 0;
    } else {
        call_after(w, AGAIN_MS);
    }
}

static void call_after(struct leader_watch *w, unsigned wait_ms)
{
    int rv = uv_timer_start(&w->timer, timer_cb, wait_ms, 0);
    assert(rv == 0);
}

static void answered_cb(void *arg, enum transport_answer answer, const char *sentence)
{
    struct leader_question *q = arg;
    struct leader_watch *w = q->watch;
    bool is_asked = w->id == q->id && !w->gone;
    unsigned wait_ms;

    (void)sentence;
    free(q);
    if (!is_asked) {
        return; /* it took long, and another leader's end is looked into by now */
    }
    if (answer == TRANSPORT_GONE && w->follower.gone(w->follower.arg, w->id, &wait_ms)) {
        w->gone = true;
        w->until_ms = uv_now(w->loop) + wait_ms + STAND_FOR_MS;
        call_after(w, wait_ms);
    } else if (answer == TRANSPORT_SILENT && !is_over(w)) {
        call_after(w, AGAIN_MS);
    } else {
        w->id = 0;
    }
}

void leader_watch_init(struct leader_watch *w, uv_loop_t *loop, struct raft_uv_transport *transport,
                       const struct leader_watch_follower *follower)
{
    *w = (struct leader_watch){.transport = transport, .follower = *follower, .loop = loop};
    int rv = uv_timer_init(loop, &w->timer);
    assert(rv == 0); /* libuv: never fails */
    w->timer.data = w;
}

void leader_watch_ended(struct leader_watch *w, uint64_t id)
{
    const char *address;

    if (id == 0 || id == w->id || w->follower.leader(w->follower.arg, &address) != id) {
        return;
    }
    uv_timer_stop(&w->timer);
    w->id = id;
    w->gone = false;
    w->until_ms = uv_now(w->loop) + ASK_FOR_MS;
    ask(w);
}

void leader_watch_close(struct leader_watch *w)
{
    w->id = 0;
    uv_close((uv_handle_t *)&w->timer, NULL);
}
