/* clock.c - see clock.h. */
#include "clock.h"

#include <assert.h>

#include "../../raft/mutant.h"

#define CLOCK_SLEW_DIVISOR 10

void clock_init(struct clock *c, uint64_t monotonic_us)
{
    *c = (struct clock){.monotonic_us = monotonic_us};
}

/* Since what the value stands for. */
static int64_t passed_us(const struct clock *c, uint64_t monotonic_us)
{
    return monotonic_us > c->monotonic_us ? (int64_t)(monotonic_us - c->monotonic_us) : 0;
}

/* The value will stand for now. */
static int64_t pass(struct clock *c, uint64_t monotonic_us)
{
    int64_t elapsed = passed_us(c, monotonic_us);

    c->monotonic_us += (uint64_t)elapsed;
    return elapsed;
}

static int64_t within(int64_t us, int64_t low_us, int64_t high_us)
{
    return us < low_us ? low_us : us > high_us ? high_us : us;
}

/* With the monotonic clock, and towards `target_us` by a tenth of what has passed. */
static void slew(struct clock *c, uint64_t monotonic_us, int64_t target_us)
{
    int64_t elapsed = passed_us(c, monotonic_us);
    int64_t slew_max = elapsed / CLOCK_SLEW_DIVISOR;

    /* What integer division drops is left for the next reading, or frequent readers would
     * never slew. */
    if (slew_max == 0 && elapsed > 0 && c->value_us != target_us) {
        return;
    }
    c->value_us += pass(c, monotonic_us);
    int64_t behind = within(target_us - c->value_us, -slew_max, slew_max);
    assert(elapsed + behind >= 0); /* it never goes back */
    c->value_us += behind;
}

static void follow_own(struct clock *c, uint64_t monotonic_us)
{
    if (!c->is_set) {
        c->monotonic_us = monotonic_us;
        c->value_us = c->value_us < c->wall_us ? c->wall_us : c->value_us;
    }
    slew(c, monotonic_us, c->wall_us);
    c->is_set = true;
    c->goes = true;
    c->best_us = c->wall_us;
}

static void follow_majority(struct clock *c, uint64_t monotonic_us, const struct clock_guide *guide)
{
    int64_t target_us = within(c->wall_us, (int64_t)guide->low_us, (int64_t)guide->high_us);

    if (MUTANT(OWN_CLOCK_THOUGH_OUTVOTED)) {
        target_us = c->wall_us;
    }
    if (c->value_us - target_us > CLOCK_STANDS_MAX_US) {
        slew(c, monotonic_us, target_us);
    } else {
        (void)pass(c, monotonic_us);
        c->value_us = c->value_us < target_us ? target_us : c->value_us;
    }
    c->is_set = true;
    c->goes = true;
    c->best_us = target_us;
}

/* Of two that disagree: never later than the earlier says. */
static void follow_earlier(struct clock *c, uint64_t monotonic_us, const struct clock_guide *guide)
{
    int64_t target_us = within(c->wall_us, 0, (int64_t)guide->high_us);

    (void)pass(c, monotonic_us);
    c->goes = target_us >= c->value_us;
    c->value_us = c->goes ? target_us : c->value_us;
    c->best_us = target_us;
}

static void go_on(struct clock *c, uint64_t monotonic_us)
{
    int64_t elapsed = pass(c, monotonic_us);

    c->goes = c->is_set;
    if (c->is_set && !MUTANT(UNGUIDED_TIME_STANDS)) {
        c->value_us += elapsed;
    }
    c->best_us = c->is_set ? c->best_us + elapsed : c->wall_us;
}

uint64_t clock_read(struct clock *c, uint64_t wall_us, uint64_t monotonic_us,
                    const struct clock_guide *guide)
{
    c->wall_us = (int64_t)wall_us;
    c->guidance = guide->guidance;
    switch (guide->guidance) {
        case CLOCK_BY_ITSELF: follow_own(c, monotonic_us); break;
        case CLOCK_WITHIN: follow_majority(c, monotonic_us, guide); break;
        case CLOCK_NOT_BEYOND:
            if (!c->is_set) {
                follow_earlier(c, monotonic_us, guide);
                break;
            }
            go_on(c, monotonic_us);
            break;
        case CLOCK_UNGUIDED: go_on(c, monotonic_us); break;
    }
    return (uint64_t)((c->value_us + passed_us(c, monotonic_us)) / 1000);
}

void clock_raise(struct clock *c, uint64_t now_ms)
{
    int64_t now_us = (int64_t)now_ms * 1000;

    if (c->value_us < now_us) {
        c->value_us = now_us;
    }
}

bool clock_goes(const struct clock *c)
{
    return c->goes;
}

int64_t clock_wall_ahead_ms(const struct clock *c)
{
    return (c->wall_us - c->best_us) / 1000;
}

int64_t clock_offset_ms(const struct clock *c)
{
    return (c->wall_us - c->value_us) / 1000;
}
