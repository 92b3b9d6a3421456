/* snapshot.c - the snapshot of the state: built in slices, given to the replica, restored. */
#include <assert.h>

#include "../../raft/core/snapshot.h"
#include "internal.h"

#define SCHEDULER_SLICE 2000     /* orders at most, */
#define SCHEDULER_SLICE_US 1000  /* and none are begun after this, which is looked at... */
#define SCHEDULER_SLICE_STEP 250 /* ...after so many */
#define SCHEDULER_SLICE_PAUSE_US 1000
#define SCHEDULER_SLICE_TIMES 8                   /* larger are they, when what waits beside... */
#define SCHEDULER_TAIL_BYTES (256u * 1024 * 1024) /* ...the snapshot has grown to this */
#define SCHEDULER_QUIET_US 4000000
#define SCHEDULER_QUIET_BYTES (64u * 1024) /* of log in that time: as good as nothing */

static unsigned scheduler_slice(const struct scheduler *s)
{
    return s->config.snapshot_slice != 0 ? s->config.snapshot_slice : SCHEDULER_SLICE;
}

/* How far the entries that wait in memory beside the snapshot have grown to their bound; 1: to it
 * or beyond it. */
static double tail_share(const struct scheduler *s)
{
    double share = (double)snapshot_tail_bytes(snapshot_under_way(&s->machine)) /
                   SCHEDULER_TAIL_BYTES;

    return share < 1 ? share : 1;
}

/* A part of the snapshot. Bounded by time as well: what an order takes depends on the caches, and
 * on who else wants the processor. The more waits beside the snapshot, the larger it is, and
 * steeply near the bound: the loop gives more of its time to the snapshot, and so takes fewer
 * entries, but never stands still. */
static void build_slice(struct scheduler *s, uint64_t now_us)
{
    double share = tail_share(s);
    double times = 1 + share * share * share * (SCHEDULER_SLICE_TIMES - 1);
    uint64_t until_us = now_us + (uint64_t)(times * SCHEDULER_SLICE_US);
    unsigned left = (unsigned)(times * scheduler_slice(s));

    while (left > 0) {
        unsigned step = left < SCHEDULER_SLICE_STEP ? left : SCHEDULER_SLICE_STEP;
        if (snapshot_step(snapshot_under_way(&s->machine), step) ||
            scheduler_monotonic_us(s) >= until_us) {
            return;
        }
        left -= step;
    }
}

/* The snapshot is begun when it is first asked for, built in slices by scheduler_run, and given
 * when it is complete and asked for again. A small state is given at once. */
int scheduler_told_snapshot(void *arg, struct snapshot_part **parts, unsigned *n)
{
    struct scheduler *s = arg;
    struct snapshot_build *snapshot = snapshot_under_way(&s->machine);

    if (snapshot == NULL) {
        snapshot = snapshot_begin(&s->machine);
        if (snapshot == NULL) {
            return -1;
        }
        metrics_note_snapshot_begun(s->config.metrics, scheduler_monotonic_us(s));
        build_slice(s, scheduler_monotonic_us(s));
    }
    if (!snapshot_is_complete(snapshot)) {
        return -1;
    }
    snapshot_finish(snapshot, parts, n);
    return 0;
}

bool scheduler_is_building(const struct scheduler *s)
{
    return snapshot_under_way(&s->machine) != NULL &&
           !snapshot_is_complete(snapshot_under_way(&s->machine));
}

/* A slice, and then as long for everything else; less long when much waits beside the snapshot. */
void scheduler_build_snapshot(struct scheduler *s, uint64_t now_us)
{
    if (!scheduler_is_building(s) || now_us < s->snapshot_next_us) {
        return;
    }
    build_slice(s, now_us);
    uint64_t took_us = scheduler_monotonic_us(s) - now_us;
    uint64_t pause_us = (uint64_t)((double)took_us * (1 - tail_share(s)));
    pause_us = pause_us > SCHEDULER_SLICE_PAUSE_US ? pause_us : SCHEDULER_SLICE_PAUSE_US;
    s->snapshot_next_us = now_us + took_us + pause_us;
}

/* A snapshot costs nobody anything while hardly anything happens. */
void scheduler_watch_quiet(struct scheduler *s, uint64_t now_us)
{
    uint64_t bytes = replica_log_bytes(s->replica);
    bool busy = bytes < s->quiet_bytes || bytes - s->quiet_bytes > SCHEDULER_QUIET_BYTES;

    if (busy || now_us - s->quiet_since_us >= SCHEDULER_QUIET_US) {
        s->quiet_since_us = now_us;
        s->quiet_bytes = bytes;
        if (!busy) {
            replica_log_is_quiet(s->replica);
        }
    }
}

static void scheduler_told_progress(void *arg, uint64_t orders, uint64_t of)
{
    scheduler_progress(arg, "restoring the snapshot's orders", orders, of);
}

int scheduler_told_restore(void *arg, const uint8_t *data, size_t len)
{
    struct scheduler *s = arg;
    uint64_t applied = s->machine.applied;
    enum snapshot_error error;

    assert(!s->dispatch.active);
    snapshot_abort(snapshot_under_way(&s->machine)); /* it was of the state that is replaced */
    s->machine.clock_us = scheduler_clock_us(s);
    struct snapshot_progress progress = {scheduler_told_progress, s};
    error = snapshot_restore_telling(&s->machine, data, len, &progress);
    s->again = true;
    if (error == SNAPSHOT_OK && s->machine.applied < applied) {
        scheduler_fatal(s, "the leader's snapshot ends before what this node has applied: the data "
                           "of a majority of the members was lost or put back. Compare both before "
                           "you move this node's data directory away and add the machine again, "
                           "empty, under a new id");
        return -1;
    }
    if (error == SNAPSHOT_OK) {
        scheduler_follow_era(s);
        scheduler_hear_time(s, s->machine.applied, s->term);
        return scheduler_identify(s) ? 0 : -1;
    }
    scheduler_fatal(s, error == SNAPSHOT_TOO_NEW
                           ? "the snapshot was written by a newer version of orderschedd"
                       : error == SNAPSHOT_CORRUPT
                           ? "the snapshot is damaged (its checksum or structure is wrong); move "
                             "the data directory away and add this machine again under a new id"
                           : "not enough memory to restore the snapshot");
    return -1;
}
