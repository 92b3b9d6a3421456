/* time.c - the clocks of one node, and what they say to each other. */
#include "internal.h"

#define SCHEDULER_CLOCK_WARN_MS 1000
#define SCHEDULER_CLOCK_WARN_EVERY_US 60000000
#define SCHEDULER_TRUST_WARN_EVERY_US 600000000
#define SCHEDULER_TIME_PATIENCE_US 2000000 /* before a leader says that it has no time */

uint64_t scheduler_monotonic_us(const struct scheduler *s)
{
    return s->environment->monotonic_us(s->environment->impl);
}

uint64_t scheduler_now_ms(struct scheduler *s)
{
    const struct environment *e = s->environment;
    struct clock_guide guide = {.guidance = CLOCK_BY_ITSELF};
    uint64_t wall_us = e->wall_us(e->impl), monotonic_us = e->monotonic_us(e->impl);

    if (e->guide != NULL) {
        e->guide(e->impl, wall_us, monotonic_us, &guide);
    }
    uint64_t now_ms = clock_read(&s->clock, wall_us, monotonic_us, &guide);
    if (!clock_goes(&s->clock) && now_ms < s->machine.now_ms) {
        now_ms = s->machine.now_ms;
    }
    return now_ms < ENTRY_TIME_MAX_MS ? now_ms : ENTRY_TIME_MAX_MS;
}

/* The same clock, finer: for measuring. */
uint64_t scheduler_clock_us(struct scheduler *s)
{
    uint64_t now_ms = scheduler_now_ms(s);

    return clock_goes(&s->clock) ? (uint64_t)s->clock.value_us : now_ms * 1000;
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

bool scheduler_time_goes(const struct scheduler *s)
{
    return clock_goes(&s->clock);
}

/* A leader without a time decides, and fires nothing: whoever runs it is to know why. */
static void scheduler_watch_time(struct scheduler *s, uint64_t now_us)
{
    bool waits = s->state == SCHEDULER_LEADING && !clock_goes(&s->clock);

    if (!waits) {
        if (s->time_said_us != 0 && s->config.log != NULL) {
            log_line(s->config.log, LOG_INFO, "the cluster's time goes on: orders fire again");
        }
        s->time_awaited_us = s->time_said_us = 0;
        return;
    }
    if (s->time_awaited_us == 0) {
        s->time_awaited_us = now_us;
    }
    if (now_us - s->time_awaited_us < SCHEDULER_TIME_PATIENCE_US ||
        (s->time_said_us != 0 && now_us - s->time_said_us < SCHEDULER_CLOCK_WARN_EVERY_US) ||
        s->config.log == NULL) {
        return;
    }
    s->time_said_us = now_us;
    log_line(s->config.log, LOG_WARN,
             "what time it is is not known: since this node started, no majority of the voters' "
             "wall clocks agreed within max-clock-error. Nothing fires, and new orders and "
             "extensions are answered BUSY; payments and cancellations go on. Put the clocks "
             "right (NTP), or say whose counts until then (orderctl clock trust); orderctl clock "
             "shows them");
}

bool scheduler_goes_by_trusted(const struct scheduler *s)
{
    return s->state == SCHEDULER_LEADING &&
           clock_goes_by_trusted(&s->clock, scheduler_monotonic_us(s));
}

/* Each node tells whose clock is trusted, also when it has started. */
static void scheduler_tell_trusted(struct scheduler *s)
{
    uint64_t trusted = s->machine.clock_trusted;

    if (trusted == s->trusted_said) {
        return;
    }
    s->trusted_said = trusted;
    if (trusted != 0) {
        log_line(s->config.log, LOG_INFO,
                 "whenever no majority of the voters' wall clocks agrees on a time, this member's "
                 "counts (orderctl clock trust)",
                 LOG_U64("member", trusted));
    } else {
        log_line(s->config.log, LOG_INFO, "no member's wall clock is trusted any more");
    }
}

static void scheduler_watch_trust(struct scheduler *s, uint64_t now_us)
{
    if (s->config.log == NULL) {
        return;
    }
    scheduler_tell_trusted(s);
    if (!scheduler_goes_by_trusted(s)) {
        s->by_trusted_said_us = 0;
    } else if (s->by_trusted_said_us == 0 ||
               now_us - s->by_trusted_said_us >= SCHEDULER_TRUST_WARN_EVERY_US) {
        s->by_trusted_said_us = now_us;
        log_line(s->config.log, LOG_WARN,
                 "orders fire by the wall clock of one member, which is trusted, as no majority of "
                 "the voters' agrees on a time: put them right (NTP)",
                 LOG_U64("member", s->machine.clock_trusted));
    }
}

void scheduler_watch_clock(struct scheduler *s, uint64_t now_us)
{
    scheduler_watch_time(s, now_us);
    scheduler_watch_trust(s, now_us);

    int64_t offset_ms = clock_offset_ms(&s->clock);

    if (s->clock.guidance != CLOCK_BY_ITSELF ||
        (offset_ms < SCHEDULER_CLOCK_WARN_MS && offset_ms > -SCHEDULER_CLOCK_WARN_MS) ||
        now_us < s->clock_warned_us || s->config.log == NULL) {
        return;
    }
    s->clock_warned_us = now_us + SCHEDULER_CLOCK_WARN_EVERY_US;
    log_line(s->config.log, LOG_WARN,
             "this node's wall clock stepped; orders keep their pace while the scheduler follows "
             "it by at most 10 %; restart the node to take the wall clock as it is",
             LOG_I64("offset_ms", offset_ms));
}
