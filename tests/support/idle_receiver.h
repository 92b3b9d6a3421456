/* idle_receiver.h - a receiver that keeps every delivery until the test says how it ends. */
#ifndef IDLE_RECEIVER_H
#define IDLE_RECEIVER_H

#include "../../node/receiver.h"

#define IDLE_DELIVERIES_MAX 512

struct idle_receiver {
    struct receiver receiver;
    struct delivery *held[IDLE_DELIVERIES_MAX]; /* in the order they were started */
    unsigned n_held;
    unsigned n_started; /* ever */
};

void idle_receiver_init(struct idle_receiver *r);
/* End the delivery that was started `i`-th of those still held. */
void idle_receiver_end(struct idle_receiver *r, unsigned i, enum outcome outcome,
                       uint64_t delay_ms);
/* How many of the held ones are of this route, orphans not counted. */
unsigned idle_receiver_count(const struct idle_receiver *r, const char *route);

#endif
