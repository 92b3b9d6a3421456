/* lone.c - what a leader that is the only voter says of its wall clock, in the log. */
#include "internal.h"

#define LONE_SAY_EVERY_US 60000000 /* of a leader that has no time */

static void say_wait_is_over(const struct scheduler *s)
{
    if (s->lone.standing == LONE_CLOCK_AHEAD) {
        return; /* more is to be said */
    }
    if (s->lone.synchronized) {
        log_line(s->config.log, LOG_INFO, "the kernel says that the clock is synchronized");
        return;
    }
    log_line(s->config.log, LOG_WARN,
             "the kernel does not say that this machine's clock is synchronized: after "
             "--clock-wait the wall clock counts as it is",
             LOG_U64("waited_ms", s->lone.rules.wait_us / 1000));
}

static void say_ahead(const struct scheduler *s)
{
    bool goes = clock_goes(&s->clock);

    log_line(s->config.log, LOG_WARN,
             goes ? "this node's wall clock jumped ahead by more than --max-clock-jump, and is not "
                    "followed. Put it right, or, if it is right, restart the node once with "
                    "--accept-clock"
                  : "this node's wall clock is ahead of the cluster's last entry by more than "
                    "--max-clock-jump: nothing fires, and new orders and extensions are answered "
                    "BUSY; payments and cancellations go on. If it is wrong, put it right. If it "
                    "is right, because this node was down for so long, start it once with "
                    "--accept-clock",
             LOG_I64("ahead_ms", s->lone.ahead_us / 1000),
             LOG_U64("max_clock_jump_ms", s->lone.rules.jump_max_us / 1000));
}

static void say_behind(const struct scheduler *s)
{
    int64_t behind_ms = -s->lone.ahead_us / 1000;

    if (s->lone.standing == LONE_CLOCK_SLOWED) {
        log_line(s->config.log, LOG_WARN,
                 "the cluster's time is ahead of this node's wall clock, which is right: it is "
                 "held back until the wall clock has come there",
                 LOG_I64("ahead_ms", behind_ms));
        return;
    }
    log_line(s->config.log, LOG_WARN,
             "this node's wall clock is behind the cluster's time, which goes on without it. Put "
             "it right, or, if it is right, restart the node once with --accept-clock",
             LOG_I64("behind_ms", behind_ms));
}

static void say(const struct scheduler *s, enum lone_clock_standing before)
{
    switch (s->lone.standing) {
        case LONE_CLOCK_UNUSED: break;
        case LONE_CLOCK_FOLLOWED:
            if (before > LONE_CLOCK_AWAITED) {
                log_line(s->config.log, LOG_INFO, "the wall clock is followed again");
            }
            break;
        case LONE_CLOCK_AWAITED:
            log_line(s->config.log, LOG_INFO,
                     "the machine was booted a moment ago: nothing fires before the kernel says "
                     "that the clock is synchronized, or --clock-wait is over",
                     LOG_U64("clock_wait_ms", s->lone.rules.wait_us / 1000));
            break;
        case LONE_CLOCK_AHEAD: say_ahead(s); break;
        case LONE_CLOCK_BEHIND:
        case LONE_CLOCK_SLOWED: say_behind(s); break;
    }
}

void scheduler_watch_lone(struct scheduler *s, uint64_t now_us)
{
    enum lone_clock_standing before = s->lone_said;
    bool again = s->lone.standing == LONE_CLOCK_AHEAD && !clock_goes(&s->clock) &&
                 now_us - s->lone_said_us >= LONE_SAY_EVERY_US;

    if (s->state != SCHEDULER_LEADING || s->config.log == NULL ||
        (s->lone.standing == before && !again)) {
        return;
    }
    s->lone_said = s->lone.standing;
    s->lone_said_us = now_us;
    if (before == LONE_CLOCK_AWAITED && s->lone.standing != LONE_CLOCK_UNUSED) {
        say_wait_is_over(s);
    }
    say(s, before);
}
