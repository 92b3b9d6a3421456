/* transfer.c - a leader whose data disk is short of room transfers its leadership to a voter that
 * has more, and one whose wall clock is wrong to a voter whose clock is right.
 *
 * What it refuses, another one takes: a payment refused for lack of room is an order called back.
 * Whoever is elected with such a disk does the same as soon as it leads; where nobody has more
 * room, the leadership stays where it is. Members tell each other of their disks in their
 * handshakes, some seconds late: so a transfer that turns out to bring nothing is not repeated at
 * once. */
#include <inttypes.h>
#include <stdio.h>

#include "internal.h"

#define TRANSFER_AGAIN_US 5000000
#define OUTVOTED_LOOK_US 1000000
#define OUTVOTED_PATIENCE_US 5000000 /* a clock that is being put right has so long */
#define OUTVOTED_AGAIN_US 60000000   /* a transfer that came to nothing cost a moment's writes */

const char *scheduler_disk_name(enum scheduler_disk disk)
{
    return disk == SCHEDULER_DISK_OK ? "ok" : disk == SCHEDULER_DISK_LOW ? "low" : "full";
}

static enum scheduler_disk disk_of(const struct scheduler *s, uint64_t id)
{
    return id == s->config.replica.id || s->config.disk_of == NULL
               ? s->disk
               : s->config.disk_of(s->config.cluster_arg, id);
}

bool scheduler_is_shorter_of_room(const struct scheduler *s, uint64_t id)
{
    return disk_of(s, id) > s->disk;
}

static bool has_room(void *arg, uint64_t id)
{
    return disk_of(arg, id) == SCHEDULER_DISK_OK;
}

static bool has_more_room(void *arg, uint64_t id)
{
    const struct scheduler *s = arg;

    return disk_of(s, id) < s->disk;
}

uint64_t scheduler_successor(struct scheduler *s)
{
    return s->config.disk_of != NULL ? replica_choose(s->replica, has_room, s) : 0;
}

static void transfer_done_cb(void *arg, int error, const char *text)
{
    struct scheduler *s = arg;

    if (error != ORDERSCHED_OK && s->config.log != NULL) {
        log_line(s->config.log, LOG_WARN, "leadership was not transferred",
                 LOG_STR("reason", text != NULL ? text : ordersched_error_text(error)));
    }
    s->again = true;
}

void scheduler_transfer_if_short(struct scheduler *s, uint64_t now_us)
{
    if (s->disk == SCHEDULER_DISK_OK || s->config.disk_of == NULL ||
        s->state != SCHEDULER_LEADING || s->draining || s->administering > 0 ||
        now_us < s->transfer_next_us) {
        return;
    }
    uint64_t id = replica_choose(s->replica, has_room, s);
    id = id != 0 ? id : replica_choose(s->replica, has_more_room, s);
    if (id == 0) {
        return;
    }
    s->transfer_next_us = now_us + TRANSFER_AGAIN_US;
    if (s->config.log != NULL) {
        log_line(s->config.log, LOG_WARN,
                 "the data disk is short of room: the leadership is transferred to a member that "
                 "has more",
                 LOG_STR("disk", scheduler_disk_name(s->disk)), LOG_U64("member", id));
    }
    replica_transfer(s->replica, id, transfer_done_cb, s);
}

struct right_clocks {
    const struct scheduler *s;
    const struct scheduler_clock *clock;
};

static bool has_right_clock(void *arg, uint64_t id)
{
    const struct right_clocks *r = arg;

    for (unsigned i = 0; i < r->clock->n; i++) {
        if (r->clock->voters[i].id == id) {
            return r->clock->voters[i].ahead_ms == 0 && disk_of(r->s, id) == SCHEDULER_DISK_OK;
        }
    }
    return false;
}

/* Its time is the majority's already; but one more clock that goes wrong would leave none. */
static void transfer_to_right_clock(struct scheduler *s, const struct scheduler_clock *clock)
{
    struct right_clocks right = {s, clock};
    uint64_t id = replica_choose(s->replica, has_right_clock, &right);

    if (id == 0) {
        return;
    }
    if (s->config.log != NULL) {
        log_line(s->config.log, LOG_WARN,
                 "this node's wall clock is wrong: the leadership is transferred to a member whose "
                 "clock is right",
                 LOG_I64("ahead_ms", clock->ahead_ms), LOG_U64("successor", id));
    }
    replica_transfer(s->replica, id, transfer_done_cb, s);
}

void scheduler_transfer_if_outvoted(struct scheduler *s, uint64_t now_us)
{
    struct scheduler_clock clock;

    if (s->config.clock == NULL || now_us < s->outvoted_look_us) {
        return;
    }
    if (s->state != SCHEDULER_LEADING || s->draining || s->administering > 0) {
        s->outvoted_since_us = 0;
        return;
    }
    s->outvoted_look_us = now_us + OUTVOTED_LOOK_US;
    s->config.clock(s->config.cluster_arg, &clock);
    if (clock.standing != CLOCK_OUTVOTED) {
        s->outvoted_since_us = 0;
        return;
    }
    if (s->outvoted_since_us == 0) {
        s->outvoted_since_us = now_us;
    }
    if (now_us >= s->outvoted_since_us + OUTVOTED_PATIENCE_US) {
        s->outvoted_since_us = now_us + OUTVOTED_AGAIN_US - OUTVOTED_PATIENCE_US;
        transfer_to_right_clock(s, &clock);
    }
}
