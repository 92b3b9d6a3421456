/* neighbour.h - a good client beside whatever else goes on: how long its calls take, one at a time and in a
 * stream. */
#ifndef NEIGHBOUR_H
#define NEIGHBOUR_H

#include "cluster.h"

#define NEIGHBOUR_CALLS_MAX 20000
#define NEIGHBOUR_PACE_US \
    250 /* between two calls of a stream: so many as a machine of two cores bears */

/* What its schedules took. */
struct neighbour_times {
    unsigned n;
    uint32_t us[NEIGHBOUR_CALLS_MAX];
};

struct neighbour {
    ordersched_client *client;
    const char *route;
    uint64_t made;   /* orders so far; they are named by it */
    unsigned failed; /* calls, ever; the last one's error: */
    int error;
};

/* For `ms`, one at a time, then for as long in a stream, which waits for no answer. */
void neighbour_turn(struct neighbour *n, struct neighbour_times *single,
                    struct neighbour_times *stream, unsigned ms);
uint32_t neighbour_median_us(struct neighbour_times *times); /* sorts them */

#endif
