/* orderbench_clock.h - two clocks of orderbench: one that only runs, one that tells the time. */
#ifndef ORDERBENCH_CLOCK_H
#define ORDERBENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t bench_clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* For waiting: never set back. */
static inline uint64_t bench_running_ms(void)
{
    return bench_clock_ms(CLOCK_MONOTONIC);
}

static inline uint64_t bench_running_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline void bench_sleep_ms(uint64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL); /* a signal ends it */
}

/* For comparing with deadlines: since the epoch. */
static inline uint64_t bench_wall_ms(void)
{
    return bench_clock_ms(CLOCK_REALTIME);
}

/* Until that clock says so; looked at often, as it may be set. */
static inline void bench_wait_until_ms(uint64_t wall_ms)
{
    for (uint64_t now_ms; (now_ms = bench_wall_ms()) < wall_ms;) {
        bench_sleep_ms(wall_ms - now_ms < 100 ? wall_ms - now_ms : 100);
    }
}

/* The same to the microsecond. */
static inline uint64_t bench_wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

#endif
