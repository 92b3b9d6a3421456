/* clock.c - see clock.h. */
#include "clock.h"

#include <assert.h>

#include "../../raft/mutant.h"

#define CLOCK_SLEW_DIVISOR 10
/* By which the earlier of two clocks may be behind, and still count. */
#define CLOCK_UNSTEADY_US 1000000

void clock_init(struct clock *c, uint64_t monotonic_us)
{
    *c = (struct clock){.monotonic_us = monotonic_us};
}

static int64_t between_us(uint64_t from_us, uint64_t to_us)
{
    return to_us > from_us ? (int64_t)(to_us - from_us) : 0;
}

/* The value will stand for now. */
static int64_t pass(struct clock *c, uint64_t monotonic_us)
{
    int64_t elapsed = between_us(c->monotonic_us, monotonic_us);

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
    int64_t elapsed = between_us(c->monotonic_us, monotonic_us);
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

/* This is the time, as well as it is known now. */
static void know(struct clock *c, uint64_t monotonic_us, int64_t true_us)
{
    c->true_us = true_us;
    c->true_at_us = monotonic_us;
}

/* To the time that is known: at once if it is ahead; else it is waited for. */
static void follow(struct clock *c, uint64_t monotonic_us)
{
    if (c->value_us - c->true_us > CLOCK_STANDS_MAX_US) {
        slew(c, monotonic_us, c->true_us);
        return;
    }
    (void)pass(c, monotonic_us);
    c->value_us = c->value_us < c->true_us ? c->true_us : c->value_us;
}

static void set(struct clock *c, uint64_t monotonic_us)
{
    c->is_set = true;
    c->is_told = false;
    c->is_by_trusted = false;
    c->goes = true;
    c->set_at_us = monotonic_us;
}

static void follow_own(struct clock *c, uint64_t monotonic_us)
{
    if (!c->is_set) {
        c->monotonic_us = monotonic_us;
        c->value_us = c->value_us < c->wall_us ? c->wall_us : c->value_us;
    }
    slew(c, monotonic_us, c->wall_us);
    set(c, monotonic_us);
    /* Not the wall clock, which may have stepped: what this clock says goes on if others come. */
    know(c, monotonic_us, c->value_us + between_us(c->monotonic_us, monotonic_us));
}

/* What is agreed on, or as good as that. */
static void follow_guide(struct clock *c, uint64_t monotonic_us, const struct clock_guide *guide)
{
    int64_t target_us = within(c->wall_us, (int64_t)guide->low_us, (int64_t)guide->high_us);

    know(c, monotonic_us, MUTANT(OWN_CLOCK_THOUGH_OUTVOTED) ? c->wall_us : target_us);
    follow(c, monotonic_us);
    set(c, monotonic_us);
}

/* Of two that disagree: never later than the earlier says. */
static void follow_earlier(struct clock *c, uint64_t monotonic_us, const struct clock_guide *guide)
{
    know(c, monotonic_us, within(c->wall_us, 0, (int64_t)guide->high_us));
    (void)pass(c, monotonic_us);
    c->goes = c->true_us + CLOCK_UNSTEADY_US >= c->value_us;
    c->value_us = c->value_us < c->true_us ? c->true_us : c->value_us;
}

/* From the last time that was known. */
static void go_on(struct clock *c, uint64_t monotonic_us)
{
    c->goes = c->is_set || c->is_told;
    if (!c->goes || MUTANT(UNGUIDED_TIME_STANDS)) {
        (void)pass(c, monotonic_us);
        return;
    }
    know(c, monotonic_us, c->true_us + between_us(c->true_at_us, monotonic_us));
    follow(c, monotonic_us);
}

bool clock_is_set(const struct clock *c)
{
    return c->is_set;
}

uint64_t clock_value_us(const struct clock *c, uint64_t monotonic_us)
{
    return (uint64_t)(c->value_us + between_us(c->monotonic_us, monotonic_us));
}

/* Is it known by now that no majority agrees, and since when? */
static void note_agreement(struct clock *c, uint64_t monotonic_us, enum clock_guidance guidance)
{
    if (guidance == CLOCK_WITHIN || guidance == CLOCK_BY_ITSELF) {
        c->unagreed_at_us = 0;
    } else if (c->unagreed_at_us == 0) {
        c->unagreed_at_us = monotonic_us;
    }
}

bool clock_goes_by_trusted(const struct clock *c, uint64_t monotonic_us)
{
    return c->guidance == CLOCK_TRUSTED && c->unagreed_at_us != 0 &&
           monotonic_us >= c->unagreed_at_us + CLOCK_UNAGREED_US;
}

uint64_t clock_read(struct clock *c, uint64_t wall_us, uint64_t monotonic_us,
                    const struct clock_guide *guide)
{
    c->wall_us = (int64_t)wall_us;
    c->guidance = guide->guidance;
    note_agreement(c, monotonic_us, guide->guidance);
    switch (guide->guidance) {
        case CLOCK_BY_ITSELF: follow_own(c, monotonic_us); break;
        case CLOCK_WITHIN: follow_guide(c, monotonic_us, guide); break;
        case CLOCK_TRUSTED:
            if (clock_goes_by_trusted(c, monotonic_us)) {
                follow_guide(c, monotonic_us, guide);
                c->is_by_trusted = true;
                break;
            }
            go_on(c, monotonic_us);
            break;
        case CLOCK_NOT_BEYOND:
            if (!c->is_set) {
                follow_earlier(c, monotonic_us, guide);
                break;
            }
            go_on(c, monotonic_us);
            break;
        case CLOCK_UNGUIDED: go_on(c, monotonic_us); break;
    }
    uint64_t now_ms = clock_value_us(c, monotonic_us) / 1000;
    c->read_ms = now_ms > c->read_ms ? now_ms : c->read_ms; /* what a slew left may be dropped */
    return c->read_ms;
}

void clock_raise(struct clock *c, uint64_t now_ms)
{
    int64_t now_us = (int64_t)now_ms * 1000;

    if (c->value_us < now_us) {
        c->value_us = now_us;
    }
}

void clock_forget_old(struct clock *c, uint64_t monotonic_us)
{
    c->unagreed_at_us = 0;
    if (!c->is_set || c->is_by_trusted || between_us(c->set_at_us, monotonic_us) > CLOCK_DRIFT_US) {
        clock_init(c, monotonic_us);
    }
}

void clock_tell(struct clock *c, uint64_t now_ms, uint64_t monotonic_us)
{
    if (!c->is_set) {
        c->is_told = false;
        c->told_us = now_ms * 1000;
        c->told_at_us = monotonic_us;
    }
}

bool clock_awaits_witness(const struct clock *c)
{
    return !c->is_set && !c->is_told && c->told_us != 0;
}

uint64_t clock_told_us(const struct clock *c, uint64_t monotonic_us)
{
    return c->told_us + (uint64_t)between_us(c->told_at_us, monotonic_us);
}

void clock_confirm(struct clock *c, uint64_t monotonic_us)
{
    c->is_told = true;
    know(c, monotonic_us, (int64_t)clock_told_us(c, monotonic_us));
}

bool clock_goes(const struct clock *c)
{
    return c->goes;
}

bool clock_goes_as_told(const struct clock *c)
{
    return c->goes && c->is_told && c->guidance == CLOCK_UNGUIDED;
}

int64_t clock_stands_us(const struct clock *c)
{
    int64_t ahead_us = c->value_us - c->true_us;

    return c->guidance != CLOCK_BY_ITSELF && ahead_us > 0 && ahead_us <= CLOCK_STANDS_MAX_US
               ? ahead_us
               : 0;
}

uint64_t clock_true_ms(const struct clock *c, uint64_t monotonic_us)
{
    if (c->guidance == CLOCK_BY_ITSELF) {
        return (uint64_t)c->wall_us / 1000;
    }
    return (uint64_t)(c->true_us + between_us(c->true_at_us, monotonic_us)) / 1000;
}

int64_t clock_offset_ms(const struct clock *c)
{
    return (c->wall_us - c->value_us) / 1000;
}
