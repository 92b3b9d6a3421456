/* environment.h - what the leader's logic takes from outside: clocks and randomness.
 *
 * In production these are the system's; in the simulator they are a node's simulated ones. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_guide;

struct environment {
    void *impl;
    uint64_t (*wall_us)(void *impl);      /* since the Unix epoch; may step */
    uint64_t (*monotonic_us)(void *impl); /* never steps */
    /* What the voters' clocks say of the time, at these readings of the two clocks above. NULL: there
     * is one voter. */
    void (*guide)(void *impl, uint64_t wall_us, uint64_t monotonic_us, struct clock_guide *out);
    /* At these readings: does the kernel say that the wall clock is synchronized? What a voter that is
     * alone takes of its wall clock depends on it (lone_clock.h). NULL: it takes it as it is, and follows
     * it slowly. */
    bool (*synchronized)(void *impl, uint64_t wall_us, uint64_t monotonic_us);
    uint64_t (*random)(void *impl); /* 64 random bits, for jitter and seeds */
    /* Random bytes that nobody can guess: the cluster's identity and secret. Rarely called. */
    void (*secret)(void *impl, uint8_t *out, size_t len);
};

#endif
