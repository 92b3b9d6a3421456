/* idle_receiver.c - see idle_receiver.h. */
#include "idle_receiver.h"

#include <assert.h>
#include <string.h>

static void idle_start(struct receiver *receiver, struct delivery *first)
{
    struct idle_receiver *r = receiver->impl;

    r->n_batches++;
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        assert(r->n_held < IDLE_DELIVERIES_MAX);
        assert(d->settings == first->settings);
        r->held[r->n_held++] = d;
        r->n_started++;
    }
}

static unsigned idle_room(struct receiver *receiver, uint16_t route_slot, const char *route)
{
    struct idle_receiver *r = receiver->impl;

    (void)route_slot;
    return r->room > idle_receiver_count(r, route) ? r->room - idle_receiver_count(r, route) : 0;
}

static void idle_abandon(struct receiver *receiver)
{
    struct idle_receiver *r = receiver->impl;

    r->n_abandoned++;
}

void idle_receiver_init(struct idle_receiver *r)
{
    memset(r, 0, sizeof *r);
    r->receiver = (struct receiver){.impl = r,
                                    .start = idle_start,
                                    .room = idle_room,
                                    .abandon = idle_abandon};
}

void idle_receiver_end(struct idle_receiver *r, unsigned i, enum outcome outcome, uint64_t delay_ms)
{
    struct delivery *d = r->held[i];

    assert(i < r->n_held);
    r->n_held--;
    memmove(&r->held[i], &r->held[i + 1], (r->n_held - i) * sizeof *r->held);
    d->outcome = outcome;
    d->delay_ms = delay_ms;
    d->done(d, d->done_arg);
}

static bool find_of(const struct idle_receiver *r, const char *route, unsigned *i)
{
    for (*i = 0; *i < r->n_held; ++*i) {
        if (!r->held[*i]->orphan && strcmp(r->held[*i]->route, route) == 0) {
            return true;
        }
    }
    return false;
}

bool idle_receiver_end_of(struct idle_receiver *r, const char *route, enum outcome outcome,
                          uint64_t delay_ms)
{
    unsigned i;

    if (!find_of(r, route, &i)) {
        return false;
    }
    idle_receiver_end(r, i, outcome, delay_ms);
    return true;
}

bool idle_receiver_overload(struct idle_receiver *r, const char *route, uint64_t silence_ms)
{
    unsigned i;

    if (!find_of(r, route, &i)) {
        return false;
    }
    r->held[i]->overloaded = true;
    idle_receiver_end(r, i, OUTCOME_FAILED, silence_ms);
    return true;
}

unsigned idle_receiver_count(const struct idle_receiver *r, const char *route)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_held; i++) {
        n += !r->held[i]->orphan && strcmp(r->held[i]->route, route) == 0;
    }
    return n;
}
