/* loop_watch.c - see loop_watch.h. */
#include "loop_watch.h"

#include <assert.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* Forget the seconds that are over. */
static void loop_watch_advance(struct loop_watch *w, uint64_t now_ns)
{
    uint64_t second = now_ns / NS_PER_S;

    if (second >= w->second + LOOP_WATCH_SECONDS) {
        memset(w->longest_us, 0, sizeof w->longest_us);
        w->second = second;
    }
    while (w->second < second) {
        w->longest_us[++w->second % LOOP_WATCH_SECONDS] = 0;
    }
}

void loop_watch_note(struct loop_watch *w, uint64_t now_ns, uint64_t busy_ns)
{
    uint64_t us = busy_ns / 1000;

    loop_watch_advance(w, now_ns);
    uint32_t *longest = &w->longest_us[w->second % LOOP_WATCH_SECONDS];
    if (us > *longest) {
        *longest = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    }
}

void loop_watch_read_at(struct loop_watch *w, uint64_t now_ns, uint32_t *longest_us, unsigned n)
{
    assert(n <= LOOP_WATCH_SECONDS);
    loop_watch_advance(w, now_ns);
    for (unsigned i = 0; i < n; i++) { /* + a whole turn: the first minute after a boot has begun */
        longest_us[i] = w->longest_us[(w->second + LOOP_WATCH_SECONDS - i) % LOOP_WATCH_SECONDS];
    }
}

void loop_watch_read(struct loop_watch *w, uint32_t *longest_us, unsigned n)
{
    loop_watch_read_at(w, uv_hrtime(), longest_us, n);
}

static void loop_watch_prepare_cb(uv_prepare_t *prepare)
{
    struct loop_watch *w = prepare->data;
    uint64_t now_ns = uv_hrtime();
    uint64_t idle_ns = uv_metrics_idle_time(prepare->loop);
    uint64_t passed_ns = now_ns - w->began_ns;
    uint64_t slept_ns = idle_ns - w->idle_ns;

    if (w->began_ns != 0) {
        loop_watch_note(w, now_ns, passed_ns > slept_ns ? passed_ns - slept_ns : 0);
    }
    w->began_ns = now_ns;
    w->idle_ns = idle_ns;
}

void loop_watch_start(struct loop_watch *w, uv_loop_t *loop)
{
    *w = (struct loop_watch){.second = uv_hrtime() / NS_PER_S};
    int rv = uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    assert(rv == 0);
    uv_prepare_init(loop, &w->prepare);
    w->prepare.data = w;
    uv_prepare_start(&w->prepare, loop_watch_prepare_cb);
    uv_unref((uv_handle_t *)&w->prepare);
}

void loop_watch_close(struct loop_watch *w)
{
    uv_close((uv_handle_t *)&w->prepare, NULL);
}
