/* idle_receiver.c - see idle_receiver.h. */
#include "idle_receiver.h"

#include <assert.h>
#include <string.h>

static void idle_start(struct receiver *receiver, struct delivery *d)
{
    struct idle_receiver *r = receiver->impl;

    assert(r->n_held < IDLE_DELIVERIES_MAX);
    r->held[r->n_held++] = d;
    r->n_started++;
}

void idle_receiver_init(struct idle_receiver *r)
{
    memset(r, 0, sizeof *r);
    r->receiver = (struct receiver){.impl = r, .start = idle_start};
}

void idle_receiver_end(struct idle_receiver *r, unsigned i, enum outcome outcome,
                       uint64_t delay_ms)
{
    struct delivery *d = r->held[i];

    assert(i < r->n_held);
    r->n_held--;
    memmove(&r->held[i], &r->held[i + 1], (r->n_held - i) * sizeof *r->held);
    d->outcome = outcome;
    d->delay_ms = delay_ms;
    d->done(d, d->done_arg);
}

unsigned idle_receiver_count(const struct idle_receiver *r, const char *route)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_held; i++) {
        n += !r->held[i]->orphan && strcmp(r->held[i]->route, route) == 0;
    }
    return n;
}
