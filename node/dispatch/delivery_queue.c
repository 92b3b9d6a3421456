/* delivery_queue.c - see delivery_queue.h. */
#include "delivery_queue.h"

#include <assert.h>
#include <stddef.h>

void delivery_queue_push(struct delivery_queue *q, struct delivery *d)
{
    assert((q->first == NULL) == (q->last == NULL) && q->last != d);
    d->queued = NULL;
    if (q->last != NULL) {
        q->last->queued = d;
    } else {
        q->first = d;
    }
    q->last = d;
}

struct delivery *delivery_queue_pop(struct delivery_queue *q)
{
    struct delivery *d = q->first;

    if (d != NULL) {
        q->first = d->queued;
        if (q->first == NULL) {
            q->last = NULL;
        }
    }
    return d;
}

void delivery_queue_move(struct delivery_queue *to, struct delivery_queue *from)
{
    if (from->first == NULL) {
        return;
    }
    assert(to != from && from->last != NULL);
    if (to->last != NULL) {
        to->last->queued = from->first;
    } else {
        to->first = from->first;
    }
    to->last = from->last;
    *from = (struct delivery_queue){0};
}
