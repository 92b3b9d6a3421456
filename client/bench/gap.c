/* gap.c - see gap.h. */
#include "gap.h"

#include "../base/clocks.h"
#include "measure/engine.h"

/* An acknowledgement. */
static void gap_note(struct gap *g, uint64_t began_us, uint64_t now_us)
{
    if (g->over_us == 0) {
        g->found = began_us > g->event_us;
        g->found_us = now_us - g->event_us;
    } else {
        uint64_t since_us = now_us - (g->last_us != 0 ? g->last_us : g->event_us);
        g->found = now_us >= g->event_us + g->over_us;
        g->found_us = since_us > g->found_us ? since_us : g->found_us;
    }
    if (g->found) {
        pthread_cond_signal(&g->change);
    }
}

void gap_ended(void *arg, uint64_t number, uint64_t began_us, int error, int state)
{
    struct gap *g = arg;

    (void)number;
    (void)state;
    if (error != ORDERSCHED_OK) {
        return;
    }
    pthread_mutex_lock(&g->mutex);
    uint64_t now_us = clocks_running_us(); /* under the lock: in order */
    if (g->event_us != 0 && !g->found) {
        gap_note(g, began_us, now_us);
    }
    g->last_us = now_us;
    pthread_mutex_unlock(&g->mutex);
}

void gap_event(struct gap *g, uint64_t over_ms)
{
    pthread_mutex_lock(&g->mutex);
    g->event_us = clocks_running_us();
    g->over_us = over_ms * 1000;
    g->found_us = 0;
    g->found = false;
    pthread_mutex_unlock(&g->mutex);
}

bool gap_wait(struct gap *g, uint64_t give_up_ms, uint64_t *found_us)
{
    struct timespec until = clocks_in_ms(CLOCK_REALTIME, give_up_ms);

    pthread_mutex_lock(&g->mutex);
    while (!g->found && pthread_cond_timedwait(&g->change, &g->mutex, &until) == 0) {
    }
    bool found = g->found;
    *found_us = g->found_us;
    g->event_us = 0;
    pthread_mutex_unlock(&g->mutex);
    return found;
}
