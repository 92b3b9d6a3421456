/* time.c - the clocks of one node, and what they say to each other. */
#include "internal.h"

#define SCHEDULER_CLOCK_WARN_MS 1000
#define SCHEDULER_CLOCK_WARN_EVERY_US 60000000

uint64_t scheduler_monotonic_us(const struct scheduler *s)
{
    return s->environment->monotonic_us(s->environment->impl);
}

uint64_t scheduler_now_ms(struct scheduler *s)
{
    const struct environment *e = s->environment;

    uint64_t now_ms = clock_read(&s->clock, e->wall_us(e->impl), e->monotonic_us(e->impl));

    return now_ms < ENTRY_TIME_MAX_MS ? now_ms : ENTRY_TIME_MAX_MS;
}

/* The same clock, finer: for measuring. */
uint64_t scheduler_clock_us(struct scheduler *s)
{
    (void)scheduler_now_ms(s);
    return (uint64_t)s->clock.value_us;
}

/* A follower's own wall clock does not come into it: one that is ahead would hand out request ids
 * of the future. */
uint64_t scheduler_told_ms(struct scheduler *s)
{
    if (s->state != SCHEDULER_FOLLOWING) {
        uint64_t now_ms = scheduler_now_ms(s);
        return now_ms > s->machine.now_ms ? now_ms : s->machine.now_ms;
    }
    if (s->machine.now_ms == 0) {
        return 0; /* no entry ever came: not known */
    }
    uint64_t now_us = scheduler_monotonic_us(s);
    uint64_t passed_us = now_us > s->told_at_us ? now_us - s->told_at_us : 0;
    if (s->told_at_us == 0 || s->told_ms + passed_us / 1000 < s->machine.now_ms) {
        s->told_ms = s->machine.now_ms;
        s->told_at_us = now_us;
        return s->told_ms;
    }
    return s->told_ms + passed_us / 1000;
}

void scheduler_watch_clock(struct scheduler *s, uint64_t now_us)
{
    int64_t offset_ms = clock_offset_ms(&s->clock);

    if ((offset_ms < SCHEDULER_CLOCK_WARN_MS && offset_ms > -SCHEDULER_CLOCK_WARN_MS) ||
        now_us < s->clock_warned_us || s->config.log == NULL) {
        return;
    }
    s->clock_warned_us = now_us + SCHEDULER_CLOCK_WARN_EVERY_US;
    log_line(s->config.log, LOG_WARN,
             "this node's wall clock stepped; orders keep their pace while the scheduler follows "
             "it by at most 10 %; restart the node to take the wall clock as it is",
             LOG_I64("offset_ms", offset_ms));
}
