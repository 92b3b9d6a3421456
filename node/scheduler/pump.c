/* pump.c - the one function that does the scheduler's work, in rounds. See scheduler.h. */
#include <assert.h>

#include "../commit/expiry.h"
#include "internal.h"

#define SCHEDULER_ADVANCE_MAX 4096 /* orders moved by the wheel in one run */
#define SCHEDULER_FOLLOW_MAX 512   /* of whoever does not lead: acknowledging comes first */
#define SCHEDULER_FOLLOW_US 1000   /* ... and goes on after this */
#define SCHEDULER_IDLE_US 1000000  /* look again at least this often */
#define SCHEDULER_NO_TIME_US 50000 /* ... or, of a leader that has no time, at whether it has */
#define SCHEDULER_NOTE_MS 3600000  /* an entry for the time at least so often, of who leads alone */
#define SCHEDULER_NOTE_PART 4      /* ... and in this part of the largest jump of its clock */
#define SCHEDULER_HELD_UP_US 5000  /* ... at whether clients have taken their answers */

/* Within an eighth of what is refused as FULL. */
static bool scheduler_room_is_short(const struct scheduler *s)
{
    const struct scheduler_config *c = &s->config;

    return s->machine.store.n >= c->max_orders - c->max_orders / 8 ||
           s->machine.memory >= c->max_bytes - c->max_bytes / 8;
}

/* Often enough that the time since the last entry is far from what a jump is. */
static uint64_t scheduler_note_every_ms(const struct scheduler *s)
{
    uint64_t part_ms = s->lone.rules.jump_max_us / 1000 / SCHEDULER_NOTE_PART;

    return part_ms < SCHEDULER_NOTE_MS ? part_ms : SCHEDULER_NOTE_MS;
}

/* The parts know what the state says: who follows proposes nothing, and only who leads fires. */
static bool scheduler_is_consistent(const struct scheduler *s)
{
    return (s->state == SCHEDULER_FOLLOWING || s->role == REPLICA_LEADER) &&
           s->batcher.open == (s->state != SCHEDULER_FOLLOWING) &&
           s->dispatch.active == (s->state == SCHEDULER_LEADING);
}

static bool scheduler_dispatch(struct scheduler *s)
{
    s->dispatch.true_ms = clock_true_ms(&s->clock, scheduler_monotonic_us(s));
    return dispatch_run(&s->dispatch, scheduler_clock_us(s));
}

/* One round. Returns the leader-clock time of the next time entry, UINT64_MAX for none. */
static uint64_t scheduler_round(struct scheduler *s, uint64_t now_us)
{
    uint64_t clock_ms = scheduler_now_ms(s);
    uint64_t next_ms = UINT64_MAX;

    assert(scheduler_is_consistent(s));
    if (s->role == REPLICA_LEADER && s->state == SCHEDULER_FOLLOWING &&
        now_us >= s->retry_lead_us && !s->transfer_tried) {
        scheduler_take_over(s);
    }
    bool leads = s->role == REPLICA_LEADER;
    s->behind = !machine_advance(&s->machine, leads ? SCHEDULER_ADVANCE_MAX : SCHEDULER_FOLLOW_MAX);
    s->again = s->again || (s->behind && leads);
    if (s->state == SCHEDULER_LEADING && !s->draining) {
        if (!scheduler_is_setting_back(s) && hurry_run(&s->hurry, &s->machine, &s->batcher)) {
            s->again = true;
        }
        if (!scheduler_time_goes(s) || scheduler_is_setting_back(s)) {
            s->dispatch.wake_us = UINT64_MAX;
        } else if (scheduler_dispatch(s)) {
            s->again = true;
        }
        next_ms = expiry_plan(&s->machine, &s->batcher, clock_ms);
        if (s->lone.standing != LONE_CLOCK_UNUSED && scheduler_time_goes(s)) {
            uint64_t note_ms = expiry_plan_note(&s->machine, &s->batcher, clock_ms,
                                                scheduler_note_every_ms(s));
            next_ms = note_ms < next_ms ? note_ms : next_ms;
        }
        if (scheduler_room_is_short(s)) {
            uint64_t room_ms = expiry_plan_room(&s->machine, &s->batcher, clock_ms);
            next_ms = room_ms < next_ms ? room_ms : next_ms;
        }
    }
    scheduler_note_step(s, now_us);
    scheduler_canary_step(s, now_us);
    s->worker_wake_us = callback_worker_run(&s->worker);
    scheduler_watch_quiet(s, now_us);
    scheduler_build_snapshot(s, now_us);
    batcher_pump(&s->batcher);
    if (s->state != SCHEDULER_FOLLOWING && !s->batcher.open) {
        scheduler_lose_leadership(s, ORDERSCHED_NOT_LEADER);
    }
    assert(scheduler_is_consistent(s));
    scheduler_read_on(s);
    s->again = s->again || scheduler_has_reads(s);
    return next_ms;
}

/* Until at_us at the latest (UINT64_MAX: never). */
static uint64_t sooner_us(uint64_t sleep_us, uint64_t at_us, uint64_t now_us)
{
    uint64_t wait_us = at_us > now_us ? at_us - now_us : 0;

    return wait_us < sleep_us ? wait_us : sleep_us;
}

static uint64_t scheduler_sleep_us(struct scheduler *s, uint64_t next_ms, uint64_t now_us)
{
    uint64_t sleep_us = SCHEDULER_IDLE_US;

    if (s->again) {
        return 0;
    }
    if (next_ms != UINT64_MAX) {
        uint64_t clock_ms = scheduler_now_ms(s);
        uint64_t wait_us = next_ms > clock_ms ? (next_ms - clock_ms) * 1000 : 0;
        wait_us += wait_us > 0 ? clock_stands_us(&s->clock) : 0;
        sleep_us = wait_us < sleep_us ? wait_us : sleep_us;
    }
    if (s->state == SCHEDULER_LEADING && !scheduler_time_goes(s)) {
        sleep_us = SCHEDULER_NO_TIME_US;
    }
    if (s->behind && sleep_us > SCHEDULER_FOLLOW_US) {
        sleep_us = SCHEDULER_FOLLOW_US;
    }
    if (s->role == REPLICA_LEADER && s->state == SCHEDULER_FOLLOWING && s->retry_lead_us > now_us) {
        sleep_us = sooner_us(sleep_us, s->retry_lead_us, now_us);
    }
    sleep_us = sooner_us(sleep_us, s->worker_wake_us, now_us);
    if (s->state == SCHEDULER_LEADING && !s->draining) {
        sleep_us = sooner_us(sleep_us, s->dispatch.wake_us, now_us);
    }
    if (scheduler_is_building(s)) {
        sleep_us = sooner_us(sleep_us, s->snapshot_next_us, now_us);
    }
    if (reader_is_held_up(&s->reader) && sleep_us > SCHEDULER_HELD_UP_US) {
        sleep_us = SCHEDULER_HELD_UP_US;
    }
    if (scheduler_is_setting_back(s) && !s->set_back.held) {
        sleep_us = sooner_us(sleep_us, s->set_back.until_us, now_us);
    }
    sleep_us = sooner_us(sleep_us, scheduler_note_due_us(s), now_us);
    if (s->drain_cb != NULL) {
        sleep_us = sooner_us(sleep_us, s->drain_until_us, now_us);
    }
    return sleep_us;
}

static uint64_t scheduler_go(struct scheduler *s, bool turn_begins)
{
    if (s->running || s->closing) {
        return SCHEDULER_IDLE_US;
    }
    if (turn_begins) {
        reader_turn(&s->reader);
    }
    s->running = true;
    s->again = false;
    uint64_t now_us = scheduler_monotonic_us(s);
    uint64_t next_ms = scheduler_round(s, now_us);
    scheduler_watch_clock(s, now_us);
    scheduler_watch_leader(s);
    scheduler_set_back_step(s, now_us);
    scheduler_administer_step(s);
    scheduler_drain_step(s, now_us);
    scheduler_transfer_if_short(s, now_us);
    scheduler_transfer_if_outvoted(s, now_us);
    s->running = false;
    return scheduler_sleep_us(s, next_ms, now_us);
}

uint64_t scheduler_run(struct scheduler *s)
{
    return scheduler_go(s, true);
}

uint64_t scheduler_run_on(struct scheduler *s)
{
    return scheduler_go(s, false);
}
