/* outside.c - what a node takes from the machine it runs on, and how it takes its leave. */
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>
#include <unistd.h>

#include "../client/base/clocks.h"
#include "node_internal.h"

#define NODE_EXIT_FATAL 74 /* EX_IOERR: the supervisor starts the node again */

static uint64_t system_wall_us(void *impl)
{
    (void)impl;
    return clocks_wall_us();
}

/* CLOCK_BOOTTIME: a suspended machine's orders were due while it slept. */
static uint64_t system_monotonic_us(void *impl)
{
    (void)impl;
    return clocks_boot_us();
}

uint64_t node_monotonic_us(void)
{
    return system_monotonic_us(NULL);
}

bool node_synchronized(void *impl, uint64_t wall_us, uint64_t monotonic_us)
{
    struct node *n = impl;

    return kernel_clock_is_synchronized(&n->kernel_clock, wall_us, monotonic_us);
}

static uint64_t system_random(void *impl)
{
    uint64_t v;

    (void)impl;
    if (getrandom(&v, sizeof v, 0) != sizeof v) {
        abort();
    }
    return v;
}

static void system_secret(void *impl, uint8_t *out, size_t len)
{
    (void)impl;
    if (getrandom(out, len, 0) != (ssize_t)len) { /* always whole up to 256 bytes */
        abort();
    }
}

const struct environment node_environment = {
    .wall_us = system_wall_us,
    .monotonic_us = system_monotonic_us,
    .random = system_random,
    .secret = system_secret,
};

/* May run on a thread of libraft's pool. What is durable is on disk; the rest must not be
 * guessed at: leave, and start again from the disk. */
void node_fatal(void *arg, const char *sentence)
{
    struct node *n = arg;

    log_line(&n->log, LOG_ERROR, "stopping at once", LOG_STR("reason", sentence));
    (void)log_flush(&n->log, NODE_LAST_WORDS_MS);
    _exit(NODE_EXIT_FATAL);
}

int node_fail(struct node *n, const char *what, const char *why)
{
    log_line(&n->log, LOG_ERROR, what, LOG_STR("reason", why));
    return -1;
}
