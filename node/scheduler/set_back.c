/* set_back.c - a cluster's time that is ahead of the one that the clocks agree on is put right, as an
 * operator asked (docs/semantics.md, "Set back").
 *
 * Whoever is being told of an order may be carrying it out, and that order may not be PENDING again:
 * so nothing new is delivered, what is under way ends, its outcomes are applied, and only then is the
 * operation proposed, with nothing else in flight. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define SET_BACK_PATIENCE_US 30000000 /* for the deliveries under way */
#define SET_BACK_MIN_MS 1000          /* ahead by less than this, it is right soon */

bool scheduler_is_setting_back(const struct scheduler *s)
{
    return s->set_back.done != NULL;
}

static void set_back_finish(struct scheduler *s, int error, const char *text)
{
    struct set_back b = s->set_back;

    s->set_back = (struct set_back){0};
    s->again = true;
    b.done(b.arg, error, text);
}

static void set_back_tell(struct scheduler *s, const struct set_back *b)
{
    buffer_reset(&s->body);
    write_array(&s->body, 4);
    write_uint(&s->body, b->from_ms);
    write_uint(&s->body, b->to_ms);
    write_uint(&s->body, b->foreseen.again);
    write_uint(&s->body, b->foreseen.stay);
}

/* The only voter may be going on without its wall clock, which is behind: who asks for this says that it
 * is right. */
static bool goes_by_own_clock(const struct scheduler *s)
{
    return s->lone.standing > LONE_CLOCK_AWAITED;
}

/* From the replicated time to the one that is known; the same twice if that is not earlier. */
static void set_back_plan(struct scheduler *s, struct set_back *b)
{
    (void)scheduler_now_ms(s);
    b->from_ms = s->machine.now_ms;
    b->to_ms = goes_by_own_clock(s) ? (uint64_t)s->clock.wall_us / 1000
                                    : clock_true_ms(&s->clock, scheduler_monotonic_us(s));
    if (b->to_ms + SET_BACK_MIN_MS > b->from_ms) {
        b->to_ms = b->from_ms;
    }
    machine_foresee_set_back(&s->machine, b->to_ms, &b->foreseen);
}

/* Why the time may not be what the clocks say; NULL: it may. */
static const char *set_back_refused(const struct scheduler *s, const struct set_back *b)
{
    bool vouched = s->lone.synchronized || s->lone.rules.accepts;

    if (goes_by_own_clock(s)) {
        return vouched || b->from_ms - b->to_ms <= s->lone.rules.jump_max_us / 1000
                   ? NULL
                   : "the kernel does not say that this node's wall clock is synchronized, and it "
                     "is "
                     "behind by more than --max-clock-jump. If it is right, start the node with "
                     "--accept-clock, and ask again";
    }
    return scheduler_time_is_agreed(s) ? NULL
                                       : "what time it is is not known: no majority of the voters' "
                                         "wall clocks agrees. Put them right (NTP) first; orderctl "
                                         "clock shows them";
}

void scheduler_set_back(struct scheduler *s, bool carry_out, const struct caller *caller,
                        scheduler_administered_fn *done, void *arg)
{
    struct set_back b = {.done = done, .arg = arg};

    if (caller != NULL) {
        b.caller = *caller;
    }

    if (s->state != SCHEDULER_LEADING) {
        done(arg, ORDERSCHED_NOT_LEADER, NULL);
        return;
    }
    if (scheduler_is_setting_back(s)) {
        done(arg, ORDERSCHED_BUSY, "the time is being set back already");
        return;
    }
    set_back_plan(s, &b);
    const char *unknown = set_back_refused(s, &b);
    if (unknown != NULL) {
        done(arg, ORDERSCHED_BUSY, unknown);
        return;
    }
    if (!carry_out || b.to_ms == b.from_ms) {
        set_back_tell(s, &b);
        done(arg, ORDERSCHED_OK, NULL);
        return;
    }
    b.until_us = scheduler_monotonic_us(s) + SET_BACK_PATIENCE_US;
    s->set_back = b;
    s->again = true;
}

static void set_back_propose(struct scheduler *s)
{
    struct set_back *b = &s->set_back;

    set_back_plan(s, b);
    const char *unknown = set_back_refused(s, b); /* the clocks may say something else by now */
    if (unknown != NULL || b->to_ms == b->from_ms) {
        batcher_release(&s->batcher);
        set_back_tell(s, b);
        set_back_finish(s, unknown != NULL ? ORDERSCHED_BUSY : ORDERSCHED_OK, unknown);
        return;
    }
    buffer_reset(&s->body);
    struct operation op = machine_set_back_operation(&s->machine, b->to_ms, &s->body);
    op.kind = b->caller.kind;
    op.secret = b->caller.who;
    op.address = b->caller.from;
    b->ticket = batcher_submit_alone(&s->batcher, &op);
    s->again = true;
}

void scheduler_set_back_step(struct scheduler *s, uint64_t now_us)
{
    char text[256];

    if (!scheduler_is_setting_back(s) || s->set_back.ticket != 0) {
        return;
    }
    if (s->set_back.held) {
        if (s->batcher.inflight == 0) {
            set_back_propose(s);
        }
    } else if (s->dispatch.inflight.used == 0 && s->batcher.n_internal == 0) {
        batcher_hold(&s->batcher);
        s->set_back.held = true;
        s->again = true;
    } else if (now_us >= s->set_back.until_us && s->dispatch.inflight.used > 0) {
        snprintf(text, sizeof text,
                 "nothing was changed: %" PRIu64 " deliveries are still under way, and what their "
                 "receivers answer decides their orders. Pause the routes (orderctl route pause), "
                 "or wait until leases have ended, and ask again",
                 s->dispatch.inflight.used);
        set_back_finish(s, ORDERSCHED_BUSY, text);
    }
}

void scheduler_set_back_applied(struct scheduler *s, uint64_t ticket, const struct result *result)
{
    if (s->set_back.ticket == 0 || ticket != s->set_back.ticket) {
        return;
    }
    set_back_tell(s, &s->set_back);
    set_back_finish(s, result->error == ORDERSCHED_OK ? ORDERSCHED_OK : ORDERSCHED_BUSY, NULL);
}

void scheduler_set_back_end(struct scheduler *s, int error)
{
    if (!scheduler_is_setting_back(s)) {
        return;
    }
    if (s->set_back.ticket != 0) {
        set_back_finish(s, ORDERSCHED_UNKNOWN_OUTCOME, NULL);
    } else { /* under another leadership more would stay due than was told: nobody repeats it unasked */
        set_back_finish(s, error == ORDERSCHED_NOT_LEADER ? ORDERSCHED_BUSY : error,
                        "nothing was changed: the leadership moved. Look again what it would do "
                        "now: orderctl clock set-back");
    }
}

void scheduler_follow_era(struct scheduler *s)
{
    if (s->era == s->machine.era) {
        return;
    }
    s->era = s->machine.era;
    clock_init(&s->clock, scheduler_monotonic_us(s));
    batcher_forget_time(&s->batcher);
    s->told = (struct told_time){0};
    if (s->state == SCHEDULER_LEADING) {
        hurry_again(&s->hurry);
    }
    s->again = true;
    if (s->config.log != NULL && !s->starting && s->machine.applied > s->own_index) {
        log_line(s->config.log, s->state == SCHEDULER_LEADING ? LOG_WARN : LOG_INFO,
                 "the cluster's time was set back: what was due and of which nobody was told is "
                 "pending again",
                 LOG_U64("now_ms", s->machine.now_ms), LOG_U64("era", s->era),
                 LOG_U64("index", s->machine.applied));
    }
}
