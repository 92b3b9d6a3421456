/* receivers.h - the receiver that hands each delivery to the one for its route's kind. */
#ifndef RECEIVERS_H
#define RECEIVERS_H

#include "../dispatch/receiver.h"

struct receivers {
    struct receiver receiver;
    struct receiver *http;
    struct receiver *worker;
    struct receiver *exec;
};

/* The three stay the caller's and may be the same. One that is NULL gets nothing: deliveries of its
 * kind must not come. */
void receivers_init(struct receivers *r, struct receiver *http, struct receiver *worker,
                    struct receiver *exec);

#endif
