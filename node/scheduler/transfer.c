/* transfer.c - a leader whose data disk is short of room transfers its leadership to a voter that
 * has more.
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
