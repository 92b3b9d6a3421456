/* clock_samples.h - what time it is on the machines of other nodes, as seen from this one.
 *
 * Nodes tell each other their wall clocks, once a second on each connection that they send on. With
 * it goes when the other one's last word was sent, by the other's own clock, and for how long this
 * node has had it; so who gets it knows how long both ways took, and thereby within which bounds the
 * other's clock stands (Mills, RFC 5905, 8; the symmetric mode, without its estimate of the middle):
 *
 *   told wall  <=  the other's clock now  <=  told wall + round trip
 *
 * A round trip that waited in a queue only makes the bounds wider: of the last samples the one with
 * the shortest counts. Samples are kept against this node's monotonic clock, so a step of its own
 * wall clock spoils none; a step of the other's is seen as a sample that contradicts those before it,
 * which are forgotten. Pure: time comes from outside. All times in microseconds. */
#ifndef CLOCK_SAMPLES_H
#define CLOCK_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_TOLD_SIZE 32 /* on the wire */
#define CLOCK_PEERS_MAX 64 /* nodes that are kept; the one not heard for longest goes */
#define CLOCK_WINDOW 16    /* samples of each */
#define CLOCK_AGE_MAX_US 30000000ull
#define CLOCK_DRIFT_PPM 500 /* by which the clocks of two machines may run apart (RFC 5905: 15) */

/* A peer's wall clock minus this node's monotonic one lay between these. */
struct clock_sample {
    int64_t low_us, high_us;
    uint64_t at_us; /* of this node's monotonic clock */
};

struct clock_peer {
    uint64_t id;       /* 0: free */
    uint64_t told_us;  /* the last word's own time, by the peer's monotonic clock; 0: none came */
    uint64_t heard_us; /* when it came, by ours */
    struct clock_sample window[CLOCK_WINDOW];
    unsigned n, next;
};

/* Zero to start. */
struct clock_samples {
    struct clock_peer peers[CLOCK_PEERS_MAX];
};

/* What this node tells `id` now. */
void clock_samples_tell(const struct clock_samples *s, uint64_t id, uint64_t monotonic_us,
                        uint64_t wall_us, uint8_t out[CLOCK_TOLD_SIZE]);
/* `id` tells this. True: it cannot know this node's clock yet, and is to be told at once. What is not
 * possible (answers to what was never said, times that no clock has) is passed over. */
bool clock_samples_take(struct clock_samples *s, uint64_t id, uint64_t monotonic_us,
                        const uint8_t told[CLOCK_TOLD_SIZE]);
/* Within which bounds is this node's clock's distance to that of `id`: the other's minus `wall_us`?
 * False: not known, or not any more. */
bool clock_samples_look(const struct clock_samples *s, uint64_t id, uint64_t monotonic_us,
                        uint64_t wall_us, int64_t *low_us, int64_t *high_us);

/* The newest round trip to `id`, and when it ended (of this node's monotonic clock). False: there is none. */
bool clock_samples_newest(const struct clock_samples *s, uint64_t id, uint64_t *at_us,
                          uint64_t *round_trip_us);

#endif
