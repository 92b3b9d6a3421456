/* clocks.h - the one place that reads clocks: one that only runs, one that tells the time, and what
 * processors did.
 *
 * Any thread. Who must be the same in each run is handed the time instead (node/host/environment.h,
 * client/lib/client_logic.h), and raft/core gets it in the entries of the log. */
#ifndef CLOCKS_H
#define CLOCKS_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clocks_read_ns(clockid_t clock)
{
    struct timespec t;

    return clock_gettime(clock, &t) == 0
               ? (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec
               : 0;
}

/* For waiting: never set back. */
static inline uint64_t clocks_running_ns(void)
{
    return clocks_read_ns(CLOCK_MONOTONIC);
}

static inline uint64_t clocks_running_us(void)
{
    return clocks_running_ns() / 1000;
}

static inline uint64_t clocks_running_ms(void)
{
    return clocks_running_ns() / 1000000;
}

/* For comparing with deadlines: since the epoch; may be set. */
/* Runs on while the machine is suspended. */
static inline uint64_t clocks_boot_us(void)
{
    return clocks_read_ns(CLOCK_BOOTTIME) / 1000;
}

static inline uint64_t clocks_wall_us(void)
{
    return clocks_read_ns(CLOCK_REALTIME) / 1000;
}

static inline uint64_t clocks_wall_ms(void)
{
    return clocks_read_ns(CLOCK_REALTIME) / 1000000;
}

/* What all threads of this process have had of the processors, in seconds. */
static inline double clocks_process_cpu_s(void)
{
    return (double)clocks_read_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

/* A condition whose waits end by CLOCK_MONOTONIC. 0, or the error of pthreads. */
static inline int clocks_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int rv = pthread_condattr_init(&attr);

    if (rv != 0) {
        return rv;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rv = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return rv;
}

/* So much later by a clock, for the waits of pthreads. */
static inline struct timespec clocks_in_ms(clockid_t clock, uint64_t ms)
{
    uint64_t then_ns = clocks_read_ns(clock) + ms * 1000000;

    return (struct timespec){.tv_sec = (time_t)(then_ns / 1000000000),
                             .tv_nsec = (long)(then_ns % 1000000000)};
}

static inline void clocks_sleep_ms(uint64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL); /* a signal ends it */
}

/* Until the time of day is that; looked at often, as it may be set. */
static inline void clocks_wait_until_ms(uint64_t wall_ms)
{
    for (uint64_t now_ms; (now_ms = clocks_wall_ms()) < wall_ms;) {
        clocks_sleep_ms(wall_ms - now_ms < 100 ? wall_ms - now_ms : 100);
    }
}

#endif
