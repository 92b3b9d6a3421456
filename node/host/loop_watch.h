/* loop_watch.h - how long the rounds of an event loop keep it from whatever else arrives.
 *
 * A round is what happens between two polls: everything that arrived is handled, and nothing else
 * is. Its length is the time from one prepare callback to the next, without what libuv counts as
 * idle in the poll (UV_METRICS_IDLE_TIME; that costs a second epoll_wait in a round that sleeps).
 * A processor that is busy elsewhere counts when it is taken from the loop in the middle of a
 * round, and not when it comes late to a loop that was woken. The round's processor time, which
 * includes that of the poll, tells the two apart: what the loop itself did, and what it waited for.
 *
 * Kept is the longest round, and the most processor time that one took, of each of the last
 * LOOP_WATCH_SECONDS, by the second in which it ended: so that whoever looks can choose how far back, and the start of the node is forgotten.
 * Loop's thread only, but for the beat: when it turned last, which tells others whether it does. */
#ifndef LOOP_WATCH_H
#define LOOP_WATCH_H

#include <stdint.h>
#include <uv.h>

#include "../../client/wire/protocol.h"
#include "../metrics/metrics_histogram.h"

#define LOOP_WATCH_SECONDS PROTOCOL_STALL_SECONDS

struct loop_watch {
    uv_prepare_t prepare;
    struct metrics_histogram *rounds; /* each is added there; NULL: none */
    atomic_ullong beat_ns;            /* when the newest round began, by clocks_running_ns() */
    uint64_t began_ns;                /* of the round under way; 0: none yet */
    uint64_t idle_ns;                 /* of the loop, until then */
    uint64_t second;                  /* the newest one */
    uint64_t processor_ns;            /* of the thread, until then */
    uint32_t longest_us[LOOP_WATCH_SECONDS];   /* of second % LOOP_WATCH_SECONDS... */
    uint32_t processor_us[LOOP_WATCH_SECONDS]; /* ...likewise */
};

/* Watch `loop`, which has not run yet. Does not keep it alive. `rounds` may be NULL. */
void loop_watch_start(struct loop_watch *w, uv_loop_t *loop, struct metrics_histogram *rounds);
/* Any thread: when the newest round began; 0: none has. */
uint64_t loop_watch_beat_ns(const struct loop_watch *w);
/* The handle is gone when the loop has run out. */
void loop_watch_close(struct loop_watch *w);
/* Fill in the longest rounds, and the most processor time of one, in us, of the last
 * n <= LOOP_WATCH_SECONDS seconds: the present one first, 0 where none ended. The round under way is
 * not in it. */
void loop_watch_read(struct loop_watch *w, uint32_t *longest_us, uint32_t *processor_us,
                     unsigned n);

/* The window without the loop: a round of busy_ns, of which processor_ns were used, ended at now_ns
 * (which never goes back); and what loop_watch_read does at that time. */
void loop_watch_note(struct loop_watch *w, uint64_t now_ns, uint64_t busy_ns,
                     uint64_t processor_ns);
void loop_watch_read_at(struct loop_watch *w, uint64_t now_ns, uint32_t *longest_us,
                        uint32_t *processor_us, unsigned n);

#endif
