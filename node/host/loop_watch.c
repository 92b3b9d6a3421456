/* loop_watch.c - see loop_watch.h. */
#include "loop_watch.h"
#include "../../client/base/clocks.h"

#include <assert.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* Forget the seconds that are over. */
static void loop_watch_advance(struct loop_watch *w, uint64_t now_ns)
{
    uint64_t second = now_ns / NS_PER_S;

    if (second >= w->second + LOOP_WATCH_SECONDS) {
        memset(w->longest_us, 0, sizeof w->longest_us);
        memset(w->processor_us, 0, sizeof w->processor_us);
        w->second = second;
    }
    while (w->second < second) {
        w->second++;
        w->longest_us[w->second % LOOP_WATCH_SECONDS] = 0;
        w->processor_us[w->second % LOOP_WATCH_SECONDS] = 0;
    }
}

static void take_longer(uint32_t *longest_us, uint64_t ns)
{
    uint64_t us = ns / 1000;

    if (us > *longest_us) {
        *longest_us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    }
}

void loop_watch_note(struct loop_watch *w, uint64_t now_ns, uint64_t busy_ns, uint64_t processor_ns)
{
    loop_watch_advance(w, now_ns);
    take_longer(&w->longest_us[w->second % LOOP_WATCH_SECONDS], busy_ns);
    take_longer(&w->processor_us[w->second % LOOP_WATCH_SECONDS], processor_ns);
}

void loop_watch_read_at(struct loop_watch *w, uint64_t now_ns, uint32_t *longest_us,
                        uint32_t *processor_us, unsigned n)
{
    assert(n <= LOOP_WATCH_SECONDS);
    loop_watch_advance(w, now_ns);
    for (unsigned i = 0; i < n; i++) { /* + a whole turn: the first minute after a boot has begun */
        uint64_t at = (w->second + LOOP_WATCH_SECONDS - i) % LOOP_WATCH_SECONDS;
        longest_us[i] = w->longest_us[at];
        processor_us[i] = w->processor_us[at];
    }
}

void loop_watch_read(struct loop_watch *w, uint32_t *longest_us, uint32_t *processor_us, unsigned n)
{
    loop_watch_read_at(w, clocks_running_ns(), longest_us, processor_us, n);
}

static uint64_t thread_processor_ns(void)
{
    return clocks_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void loop_watch_prepare_cb(uv_prepare_t *prepare)
{
    struct loop_watch *w = prepare->data;
    uint64_t now_ns = clocks_running_ns();
    uint64_t idle_ns = uv_metrics_idle_time(prepare->loop);
    uint64_t passed_ns = now_ns - w->began_ns;
    uint64_t slept_ns = idle_ns - w->idle_ns;
    uint64_t processor_ns = thread_processor_ns();

    if (w->began_ns != 0) {
        uint64_t busy_ns = passed_ns > slept_ns ? passed_ns - slept_ns : 0;
        loop_watch_note(w, now_ns, busy_ns, processor_ns - w->processor_ns);
        if (w->rounds != NULL) {
            metrics_histogram_add(w->rounds, &metrics_scale_fine, busy_ns / 1000);
        }
    }
    atomic_store_explicit(&w->beat_ns, now_ns, memory_order_relaxed);
    w->began_ns = now_ns;
    w->idle_ns = idle_ns;
    w->processor_ns = processor_ns;
}

void loop_watch_start(struct loop_watch *w, uv_loop_t *loop, struct metrics_histogram *rounds)
{
    memset(w, 0, sizeof *w);
    w->second = clocks_running_ns() / NS_PER_S;
    w->rounds = rounds;
    int rv = uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    assert(rv == 0);
    uv_prepare_init(loop, &w->prepare);
    w->prepare.data = w;
    uv_prepare_start(&w->prepare, loop_watch_prepare_cb);
    uv_unref((uv_handle_t *)&w->prepare);
}

uint64_t loop_watch_beat_ns(const struct loop_watch *w)
{
    return atomic_load_explicit(&w->beat_ns, memory_order_relaxed);
}

void loop_watch_close(struct loop_watch *w)
{
    uv_close((uv_handle_t *)&w->prepare, NULL);
}
