/* time.c - the clocks of one node, and what they say to each other. */
#include "../../raft/mutant.h"
#include "internal.h"

#define SCHEDULER_CLOCK_WARN_MS 1000
#define SCHEDULER_CLOCK_WARN_EVERY_US 60000000
/* Before anybody had a time, the cluster's is its beginning. 0 would say that it is not known, and who
 * waits for it would never hear why nothing is done. */
#define SCHEDULER_FIRST_MS 1
#define SCHEDULER_TRUST_WARN_EVERY_US 600000000
#define SCHEDULER_TIME_PATIENCE_US 2000000 /* before a leader says that it has no time */
#define SCHEDULER_WITNESS_EVERY_US 50000   /* is one looked for */
/* By which right clocks may differ, where the owner of the scheduler does not say. */
#define SCHEDULER_ERROR_MS 500

uint64_t scheduler_monotonic_us(const struct scheduler *s)
{
    return s->environment->monotonic_us(s->environment->impl);
}

/* The only voter: what its wall clock is worth. */
static struct clock_guide scheduler_lone_guide(struct scheduler *s, uint64_t wall_us,
                                               uint64_t monotonic_us)
{
    const struct environment *e = s->environment;
    struct lone_clock_facts facts = {
        .wall_us = wall_us,
        .monotonic_us = monotonic_us,
        .synchronized = e->synchronized(e->impl, wall_us, monotonic_us),
        .log_applied = s->state == SCHEDULER_LEADING,
        .is_set = clock_is_set(&s->clock),
        .now_us = s->machine.now_ms * 1000,
    };

    if (facts.is_set) {
        facts.now_us = clock_value_us(&s->clock, monotonic_us);
    }
    return lone_clock_guide(&s->lone, &facts);
}

static struct clock_guide scheduler_guide(struct scheduler *s, uint64_t wall_us,
                                          uint64_t monotonic_us)
{
    const struct environment *e = s->environment;
    struct clock_guide guide = {.guidance = CLOCK_BY_ITSELF};

    if (e->guide != NULL) {
        e->guide(e->impl, wall_us, monotonic_us, &guide);
    }
    if (guide.guidance == CLOCK_BY_ITSELF && e->synchronized != NULL) {
        return scheduler_lone_guide(s, wall_us, monotonic_us);
    }
    lone_clock_leave(&s->lone);
    return guide;
}

/* Does this node's wall clock show that time, or that of another voter that is heard? */
static bool scheduler_has_witness(const struct scheduler *s, uint64_t told_us, uint64_t wall_us)
{
    struct scheduler_clock seen = {.error_max_ms = SCHEDULER_ERROR_MS};

    if (s->config.clock != NULL) {
        s->config.clock(s->config.cluster_arg, &seen);
    }
    int64_t error_us = seen.error_max_ms * 1000;
    bool found = told_time_is_borne_out(told_us, (int64_t)wall_us, error_us);
    for (unsigned i = 0; i < seen.n && !found; i++) {
        found = told_time_is_borne_out(told_us, (int64_t)wall_us + seen.voters[i].offset_ms * 1000,
                                       error_us);
    }
    return found || MUTANT(TOLD_WITHOUT_WITNESS);
}

static void scheduler_seek_witness(struct scheduler *s, uint64_t wall_us, uint64_t monotonic_us,
                                   enum clock_guidance guidance)
{
    bool needed = guidance == CLOCK_UNGUIDED || guidance == CLOCK_TRUSTED;

    if (!needed || !clock_awaits_witness(&s->clock) || monotonic_us < s->witness_look_us) {
        return;
    }
    s->witness_look_us = monotonic_us + SCHEDULER_WITNESS_EVERY_US;
    if (scheduler_has_witness(s, clock_told_us(&s->clock, monotonic_us), wall_us)) {
        clock_confirm(&s->clock, monotonic_us);
    }
}

uint64_t scheduler_now_ms(struct scheduler *s)
{
    const struct environment *e = s->environment;
    uint64_t wall_us = e->wall_us(e->impl), monotonic_us = e->monotonic_us(e->impl);
    struct clock_guide guide = scheduler_guide(s, wall_us, monotonic_us);

    scheduler_seek_witness(s, wall_us, monotonic_us, guide.guidance);
    uint64_t now_ms = clock_read(&s->clock, wall_us, monotonic_us, &guide);
    if (!clock_goes(&s->clock)) { /* nor may others take what it stands at for the time */
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
        now_ms = now_ms > s->machine.now_ms ? now_ms : s->machine.now_ms;
        return now_ms == 0 && s->state == SCHEDULER_LEADING ? SCHEDULER_FIRST_MS : now_ms;
    }
    return told_time_ms(&s->told, scheduler_monotonic_us(s));
}

void scheduler_hear_time(struct scheduler *s, uint64_t index, uint64_t term)
{
    told_time_hear(&s->told, s->machine.now_ms, scheduler_monotonic_us(s),
                   s->starting || index <= s->own_index ? TOLD_BY_DISK
                   : term < s->term                     ? TOLD_BY_PAST
                                                        : TOLD_BY_LEADER);
}

void scheduler_catch_up_time(struct scheduler *s)
{
    uint64_t monotonic_us = scheduler_monotonic_us(s);

    if (told_time_is_trusted(&s->told, monotonic_us)) {
        clock_tell(&s->clock, told_time_ms(&s->told, monotonic_us), monotonic_us);
    } else if (MUTANT(UNTOLD_LEADER_BY_ITSELF)) {
        clock_tell(&s->clock, s->environment->wall_us(s->environment->impl) / 1000, monotonic_us);
    }
    s->witness_look_us = 0;
    if (!MUTANT(LEADER_FORGETS_TIME)) {
        clock_raise(&s->clock, s->machine.now_ms);
    }
}

void scheduler_begin_time(struct scheduler *s)
{
    (void)scheduler_now_ms(s);
    clock_forget_old(&s->clock, scheduler_monotonic_us(s));
    scheduler_catch_up_time(s);
    (void)scheduler_now_ms(s);
}

bool scheduler_time_goes(const struct scheduler *s)
{
    return clock_goes(&s->clock);
}

bool scheduler_goes_by_trusted(const struct scheduler *s)
{
    return s->state == SCHEDULER_LEADING &&
           clock_goes_by_trusted(&s->clock, scheduler_monotonic_us(s));
}

bool scheduler_time_is_agreed(const struct scheduler *s)
{
    return clock_goes(&s->clock) &&
           (s->clock.guidance == CLOCK_WITHIN || s->clock.guidance == CLOCK_BY_ITSELF ||
            scheduler_goes_by_trusted(s));
}

bool scheduler_awaits_time(const struct scheduler *s, enum operation_code code)
{
    return !clock_goes(&s->clock) && (code == OPERATION_SCHEDULE || code == OPERATION_EXTEND);
}

bool scheduler_knows_time(const struct scheduler *s)
{
    uint64_t monotonic_us = scheduler_monotonic_us(s);
    const struct environment *e = s->environment;

    return clock_goes(&s->clock) ||
           (s->state == SCHEDULER_FOLLOWING && told_time_is_trusted(&s->told, monotonic_us) &&
            scheduler_has_witness(s, told_time_ms(&s->told, monotonic_us) * 1000,
                                  e->wall_us(e->impl)));
}

/* A leader without a time decides, and fires nothing: whoever runs it is to know why. */
static void scheduler_watch_wait(struct scheduler *s, uint64_t now_us)
{
    bool waits = s->state == SCHEDULER_LEADING && !clock_goes(&s->clock) &&
                 s->lone.standing == LONE_CLOCK_UNUSED;

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
    log_line(
        s->config.log, LOG_WARN,
        "what time it is is not known: since this node started, no majority of the voters' "
        "wall clocks agreed within max-clock-error, and no other leader told it, or no clock "
        "confirms what it told. Nothing fires, and new orders and extensions are answered BUSY; "
        "payments and cancellations go on. Put the clocks right (NTP), or say whose counts until "
        "then (orderctl clock trust); orderctl clock shows them");
}

/* Right after an election it is only that the others were not heard yet. */
static void scheduler_watch_told(struct scheduler *s, uint64_t now_us)
{
    if (s->state != SCHEDULER_LEADING || !clock_goes_as_told(&s->clock)) {
        s->as_told_since_us = 0;
        s->as_told_said = false;
        return;
    }
    if (s->as_told_since_us == 0) {
        s->as_told_since_us = now_us;
    }
    if (s->as_told_said || now_us - s->as_told_since_us < SCHEDULER_TIME_PATIENCE_US ||
        s->config.log == NULL) {
        return;
    }
    s->as_told_said = true;
    log_line(s->config.log, LOG_WARN,
             "no majority of the voters' wall clocks agrees on a time, or is heard: the cluster's "
             "time goes on from what the leader before this one said. Put the clocks right (NTP); "
             "orderctl status names them");
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
    scheduler_watch_wait(s, now_us);
    scheduler_watch_told(s, now_us);
    scheduler_watch_lone(s, now_us);
    scheduler_watch_trust(s, now_us);

    int64_t offset_ms = clock_offset_ms(&s->clock);

    if (s->clock.guidance != CLOCK_BY_ITSELF ||
        (offset_ms < SCHEDULER_CLOCK_WARN_MS && offset_ms > -SCHEDULER_CLOCK_WARN_MS) ||
        now_us < s->clock_warned_us || s->config.log == NULL) {
        return;
    }
    s->clock_warned_us = now_us + SCHEDULER_CLOCK_WARN_EVERY_US;
    log_line(s->config.log, LOG_WARN,
             "this node's wall clock stepped, and the kernel does not say that it is synchronized; "
             "orders keep their pace while the scheduler follows it by at most 10 %; restart the "
             "node to take a wall clock that is ahead as it is",
             LOG_I64("offset_ms", offset_ms));
}
