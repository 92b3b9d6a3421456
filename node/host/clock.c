/* clock.c - see clock.h. */
#include "clock.h"

#include <assert.h>

#define CLOCK_SLEW_DIVISOR 10

void clock_init(struct clock *c, uint64_t wall_us, uint64_t monotonic_us)
{
    c->value_us = (int64_t)wall_us;
    c->wall_us = (int64_t)wall_us;
    c->monotonic_us = monotonic_us;
}

uint64_t clock_read(struct clock *c, uint64_t wall_us, uint64_t monotonic_us)
{
    int64_t elapsed = monotonic_us > c->monotonic_us ? (int64_t)(monotonic_us - c->monotonic_us)
                                                     : 0;
    int64_t slew_max = elapsed / CLOCK_SLEW_DIVISOR;

    /* What integer division drops is left for the next reading, or frequent readers would
     * never slew. */
    if (slew_max == 0 && elapsed > 0 && c->value_us != (int64_t)wall_us) {
        return (uint64_t)((c->value_us + elapsed) / 1000);
    }
    c->monotonic_us += (uint64_t)elapsed;
    c->wall_us = (int64_t)wall_us;
    c->value_us += elapsed;
    int64_t behind = c->wall_us - c->value_us;
    if (behind > slew_max) {
        behind = slew_max;
    } else if (behind < -slew_max) {
        behind = -slew_max;
    }
    assert(elapsed + behind >= 0); /* it never goes back */
    c->value_us += behind;
    return (uint64_t)(c->value_us / 1000);
}

void clock_raise(struct clock *c, uint64_t now_ms)
{
    int64_t now_us = (int64_t)now_ms * 1000;

    if (c->value_us < now_us) {
        c->value_us = now_us;
    }
}

int64_t clock_offset_ms(const struct clock *c)
{
    return (c->wall_us - c->value_us) / 1000;
}
