/* lone_clock.c - see lone_clock.h. */
#include "lone_clock.h"

static const struct clock_guide no_guide = {.guidance = CLOCK_UNGUIDED};
static const struct clock_guide slow_guide = {.guidance = CLOCK_BY_ITSELF};

void lone_clock_init(struct lone_clock *l, const struct lone_clock_rules *rules,
                     uint64_t monotonic_us)
{
    *l = (struct lone_clock){.rules = *rules, .began_us = monotonic_us};
}

static struct clock_guide exactly(uint64_t us)
{
    return (struct clock_guide){CLOCK_WITHIN, us, us};
}

static bool waits(const struct lone_clock *l, const struct lone_clock_facts *f)
{
    uint64_t boot_us = l->rules.wait_us > LONE_CLOCK_BOOT_US ? l->rules.wait_us
                                                             : LONE_CLOCK_BOOT_US;

    return !f->synchronized && !l->rules.accepts && l->began_us < boot_us &&
           f->monotonic_us - l->began_us < l->rules.wait_us;
}

static struct clock_guide stay(struct lone_clock *l, enum lone_clock_standing standing,
                               struct clock_guide guide)
{
    l->standing = standing;
    return guide;
}

/* It is not too far ahead. */
static struct clock_guide take(struct lone_clock *l, const struct lone_clock_facts *f)
{
    bool was_behind = l->standing == LONE_CLOCK_BEHIND || l->standing == LONE_CLOCK_SLOWED;
    bool is_right = f->synchronized || (!f->is_set && l->rules.accepts);

    if (l->ahead_us < -LONE_CLOCK_BEHIND_US) {
        if (is_right || l->standing == LONE_CLOCK_SLOWED) {
            return stay(l, LONE_CLOCK_SLOWED, exactly(f->wall_us));
        }
        if (!f->is_set) {
            return stay(l, LONE_CLOCK_BEHIND, exactly(f->now_us));
        }
        if (was_behind) {
            return stay(l, LONE_CLOCK_BEHIND, no_guide);
        }
    }
    bool at_once = f->synchronized || (was_behind && l->ahead_us > 0);
    return stay(l, LONE_CLOCK_FOLLOWED, at_once ? exactly(f->wall_us) : slow_guide);
}

static struct clock_guide start(struct lone_clock *l, const struct lone_clock_facts *f)
{
    if (!f->log_applied) {
        return stay(l, LONE_CLOCK_UNUSED, no_guide);
    }
    if (waits(l, f)) {
        return stay(l, LONE_CLOCK_AWAITED, no_guide);
    }
    if (l->ahead_us > (int64_t)l->rules.jump_max_us && !l->rules.accepts) {
        return stay(l, LONE_CLOCK_AHEAD, no_guide);
    }
    return take(l, f);
}

static struct clock_guide go_on(struct lone_clock *l, const struct lone_clock_facts *f)
{
    if (l->ahead_us > (int64_t)l->rules.jump_max_us) {
        return stay(l, LONE_CLOCK_AHEAD, no_guide);
    }
    return take(l, f);
}

struct clock_guide lone_clock_guide(struct lone_clock *l, const struct lone_clock_facts *f)
{
    l->synchronized = f->synchronized;
    l->ahead_us = f->now_us != 0 ? (int64_t)(f->wall_us - f->now_us) : 0;
    return f->is_set ? go_on(l, f) : start(l, f);
}

void lone_clock_leave(struct lone_clock *l)
{
    l->standing = LONE_CLOCK_UNUSED;
    l->ahead_us = 0;
}

const char *lone_clock_name(enum lone_clock_standing standing)
{
    switch (standing) {
        case LONE_CLOCK_UNUSED: break;
        case LONE_CLOCK_FOLLOWED: return "followed";
        case LONE_CLOCK_AWAITED: return "awaited";
        case LONE_CLOCK_AHEAD: return "ahead";
        case LONE_CLOCK_BEHIND: return "behind";
        case LONE_CLOCK_SLOWED: return "slowed";
    }
    return "";
}
