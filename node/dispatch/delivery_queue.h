/* delivery_queue.h - deliveries in order, linked by delivery.queued: how they cross between the raft
 * loop and the thread of a receiver. Zero it to start. Locking is its owner's. */
#ifndef DELIVERY_QUEUE_H
#define DELIVERY_QUEUE_H

#include "receiver.h"

struct delivery_queue {
    struct delivery *first;
    struct delivery *last;
};

void delivery_queue_push(struct delivery_queue *q, struct delivery *d);
struct delivery *delivery_queue_pop(struct delivery_queue *q); /* or NULL */
/* All of `from` go behind `to`. O(1). */
void delivery_queue_move(struct delivery_queue *to, struct delivery_queue *from);

#endif
