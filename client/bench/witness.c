/* witness.c - see witness.h. */
#include "witness.h"

#include <sched.h>
#include <time.h>

#include "../base/clocks.h"

#define WITNESS_SLEEP_US 1000u

static void *witness_thread(void *arg)
{
    struct witness_seat *seat = arg;
    const struct timespec nap = {.tv_nsec = WITNESS_SLEEP_US * 1000L};

    while (!atomic_load_explicit(seat->stop, memory_order_relaxed)) {
        uint64_t before_us = clocks_running_us();
        (void)nanosleep(&nap, NULL);
        uint64_t took_us = clocks_running_us() - before_us;
        uint64_t late_us = took_us > WITNESS_SLEEP_US ? took_us - WITNESS_SLEEP_US : 0;
        seat->longest_us = late_us > seat->longest_us ? late_us : seat->longest_us;
    }
    return NULL;
}

static bool witness_seat_start(struct witness_seat *seat)
{
    struct sched_param priority = {.sched_priority = 1};
    pthread_attr_t attributes;
    cpu_set_t where;

    CPU_ZERO(&where);
    CPU_SET(seat->processor, &where);
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    seat->started = pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED) == 0 &&
                    pthread_attr_setschedpolicy(&attributes, SCHED_FIFO) == 0 &&
                    pthread_attr_setschedparam(&attributes, &priority) == 0 &&
                    pthread_attr_setaffinity_np(&attributes, sizeof where, &where) == 0 &&
                    pthread_create(&seat->thread, &attributes, witness_thread, seat) == 0;
    pthread_attr_destroy(&attributes);
    return seat->started;
}

bool witness_start(struct witness *w)
{
    cpu_set_t allowed;

    w->n = 0;
    atomic_store(&w->stop, false);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return false;
    }
    for (unsigned i = 0; i < CPU_SETSIZE && w->n < WITNESS_MAX; i++) {
        if (CPU_ISSET(i, &allowed)) {
            w->seats[w->n] = (struct witness_seat){.processor = i, .stop = &w->stop};
            if (!witness_seat_start(&w->seats[w->n++])) {
                (void)witness_stop(w);
                return false;
            }
        }
    }
    return w->n > 0;
}

uint64_t witness_stop(struct witness *w)
{
    uint64_t longest_us = 0;

    atomic_store(&w->stop, true);
    for (unsigned i = 0; i < w->n; i++) {
        struct witness_seat *seat = &w->seats[i];
        if (seat->started) {
            pthread_join(seat->thread, NULL);
            longest_us = seat->longest_us > longest_us ? seat->longest_us : longest_us;
        }
    }
    w->n = 0;
    return longest_us;
}
