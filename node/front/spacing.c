/* spacing.c - see spacing.h. */
#include "spacing.h"

#include <assert.h>

/* The state is when the next one were due at an even pace (the generic cell rate algorithm, ITU-T I.371). */
uint64_t spacing_next_us(const struct spacing *s, uint64_t *state, unsigned waiting,
                         uint64_t now_us)
{
    uint64_t early_us = s->interval_us * (s->at_once - 1);
    uint64_t last_us = now_us + early_us + s->interval_us * waiting;
    uint64_t due_us = *state > now_us ? *state : now_us;

    assert(s->interval_us > 0 && s->at_once > 0);
    due_us = due_us < last_us ? due_us : last_us;
    *state = due_us + s->interval_us;
    return due_us > now_us + early_us ? due_us - early_us : now_us;
}
