/* idle_receiver.h - a receiver that keeps every delivery until the test says how it ends. */
#ifndef IDLE_RECEIVER_H
#define IDLE_RECEIVER_H

#include "../../../node/dispatch/receiver.h"

#define IDLE_DELIVERIES_MAX 4096

struct idle_receiver {
    struct receiver receiver;
    struct delivery *held[IDLE_DELIVERIES_MAX]; /* in the order they were started */
    unsigned n_held;
    unsigned n_started;   /* ever */
    unsigned n_batches;   /* ever */
    unsigned n_abandoned; /* times it was told to end all */
    unsigned room;        /* for deliveries of worker routes */
};

void idle_receiver_init(struct idle_receiver *r);
/* End the delivery that was started `i`-th of those still held. */
void idle_receiver_end(struct idle_receiver *r, unsigned i, enum outcome outcome,
                       uint64_t delay_ms);
/* End the first held one of this route; false: none is held. */
bool idle_receiver_end_of(struct idle_receiver *r, const char *route, enum outcome outcome,
                          uint64_t delay_ms);
/* The same as FAILED, because the receiver is overloaded. */
bool idle_receiver_overload(struct idle_receiver *r, const char *route, uint64_t silence_ms);
/* How many of the held ones are of this route, orphans not counted. */
unsigned idle_receiver_count(const struct idle_receiver *r, const char *route);

#endif
