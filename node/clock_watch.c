/* clock_watch.c - see clock_watch.h. */
#include "clock_watch.h"

#include "../client/base/clocks.h"
#include "../raft/consensus/replica.h"
#include "../raft/transport/transport.h"
#include "scheduler/scheduler.h"

#define WATCH_EVERY_MS 1000
#define SAY_EVERY_US 600000000ull
#define LOOK_EVERY_US 50000  /* at what was heard, for the time */
#define LOOK_WAITING_US 1000 /* ... of a node that waits for a time */
#define STEP_US 1000         /* of this machine's wall clock, that is looked at at once */

static void look(const struct clock_watch *w, struct clock_view *view, uint64_t wall_us,
                 uint64_t monotonic_us)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned n = w->replica != NULL ? replica_list_members(w->replica, members) : 0;

    uint64_t trusted = w->scheduler != NULL ? scheduler_clock_trusted(w->scheduler) : 0;

    clock_view_make(view, &w->samples, members, n, trusted, w->error_max_us, wall_us, monotonic_us);
}

void clock_watch_view(const struct clock_watch *w, struct clock_view *view)
{
    look(w, view, clocks_wall_us(), clocks_boot_us());
}

/* This machine's clocks go alike since the last look: what was seen holds, moved by what passed. */
static bool is_fresh(const struct clock_watch *w, uint64_t wall_us, uint64_t monotonic_us)
{
    int64_t passed_us = (int64_t)(monotonic_us - w->monotonic_us);
    int64_t stepped_us = (int64_t)(wall_us - w->wall_us) - passed_us;
    bool waits = w->guide.guidance == CLOCK_UNGUIDED || w->guide.guidance == CLOCK_TRUSTED;
    int64_t every_us = waits ? LOOK_WAITING_US : LOOK_EVERY_US;

    return w->monotonic_us != 0 && passed_us < every_us && stepped_us < STEP_US &&
           stepped_us > -STEP_US;
}

void clock_watch_guide(struct clock_watch *w, uint64_t wall_us, uint64_t monotonic_us,
                       struct clock_guide *guide)
{
    if (!is_fresh(w, wall_us, monotonic_us)) {
        struct clock_view view;

        look(w, &view, wall_us, monotonic_us);
        w->guide = clock_view_guide(&view, wall_us);
        w->wall_us = wall_us;
        w->monotonic_us = monotonic_us;
    }
    uint64_t passed_us = monotonic_us - w->monotonic_us;
    *guide = (struct clock_guide){w->guide.guidance, w->guide.low_us + passed_us,
                                  w->guide.high_us + passed_us};
}

/* Is it time to say that this node's clock is so far off? */
static bool is_to_be_said(struct clock_watch *w, uint64_t id, int direction, uint64_t now_us)
{
    struct clock_said *free_one = NULL;

    for (unsigned i = 0; i < CLOCK_VOTERS_MAX; i++) {
        struct clock_said *s = &w->said[i];
        if (s->id == id) {
            bool again = s->direction != direction || now_us - s->at_us >= SAY_EVERY_US;
            if (again) {
                *s = (struct clock_said){direction != 0 ? id : 0, direction, now_us};
            }
            return again;
        }
        free_one = s->id == 0 ? s : free_one;
    }
    if (direction == 0 || free_one == NULL) {
        return false;
    }
    *free_one = (struct clock_said){id, direction, now_us};
    return true;
}

static void say(struct clock_watch *w, uint64_t id, bool own, int64_t ahead_us)
{
    int direction = (ahead_us > 0) - (ahead_us < 0);

    if (!is_to_be_said(w, id, direction, clocks_boot_us())) {
        return;
    }
    if (direction == 0) {
        log_line(w->log, LOG_INFO, "a node's wall clock agrees with a majority again",
                 LOG_U64("member", id));
        return;
    }
    log_line(
        w->log, LOG_WARN,
        own ? "this node's wall clock is wrong: a majority of the voters' clocks agree on "
              "another time. Put it right (NTP), or let another node lead: it decides when "
              "orders fire"
            : "a node's wall clock is wrong: a majority of the voters' clocks agree on another "
              "time. Put it right (NTP) before that node leads",
        LOG_U64("member", id), LOG_I64("ahead_ms", ahead_us / 1000));
}

static void say_disagreement(struct clock_watch *w, const struct clock_view *view)
{
    uint64_t now_us = clocks_boot_us();
    bool heard_all = view->agreement.standing == CLOCK_DISAGREED;

    if (!heard_all) {
        w->disagreed_us = 0;
    } else if (w->disagreed_us == 0 || now_us - w->disagreed_us >= SAY_EVERY_US) {
        w->disagreed_us = now_us;
        log_line(w->log, LOG_WARN,
                 "no majority of the voters' wall clocks agrees on a time: put them right (NTP)",
                 LOG_U64("heard", view->n));
    }
}

/* A follower hears its leader alone, and cannot tell which of the two is wrong: that is the leader's. */
static void watch_cb(uv_timer_t *timer)
{
    struct clock_watch *w = timer->data;
    struct clock_view view;

    transport_tell_clocks(w->transport);
    clock_watch_view(w, &view);
    if (w->replica == NULL || replica_role(w->replica) != REPLICA_LEADER) {
        return;
    }
    if (clock_view_is_agreed(&view)) {
        say(w, w->id, true, view.agreement.ahead_us);
        for (unsigned i = 0; i < view.n; i++) {
            say(w, view.voters[i].id, false, view.voters[i].ahead_us);
        }
    }
    say_disagreement(w, &view);
}

void clock_watch_init(struct clock_watch *w, uv_loop_t *loop, struct raft_uv_transport *transport,
                      struct log *log)
{
    w->transport = transport;
    w->log = log;
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
}

void clock_watch_begin(struct clock_watch *w, uint64_t id, struct scheduler *scheduler,
                       int64_t error_max_us)
{
    w->error_max_us = error_max_us;
    w->monotonic_us = 0;
    w->id = id;
    w->scheduler = scheduler;
    w->replica = scheduler_replica(scheduler);
    uv_timer_start(&w->timer, watch_cb, WATCH_EVERY_MS, WATCH_EVERY_MS);
}

void clock_watch_close(struct clock_watch *w)
{
    w->scheduler = NULL;
    w->replica = NULL;
    uv_close((uv_handle_t *)&w->timer, NULL);
}
