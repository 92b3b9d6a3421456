/* clock.h - the clock a leader stamps entries with: the wall clock, without its steps.
 *
 * Between readings it advances with the monotonic clock, and is pulled towards the wall clock by
 * at most a tenth of the elapsed time. So an operator or NTP stepping a node's wall clock by an
 * hour neither fires an hour's orders at once nor stops the firing for an hour. A restart takes
 * the wall clock as it is. Pure: the readings come from outside. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

struct clock {
    int64_t value_us;
    int64_t wall_us; /* the last reading, for clock_offset_ms */
    uint64_t monotonic_us;
};

void clock_init(struct clock *c, uint64_t wall_us, uint64_t monotonic_us);
/* Milliseconds since the epoch; never less than before. */
uint64_t clock_read(struct clock *c, uint64_t wall_us, uint64_t monotonic_us);
/* From now on not below `now_ms` (the replicated time, when a leader takes over behind it). */
void clock_raise(struct clock *c, uint64_t now_ms);
/* Wall clock minus this clock at the last reading: how far a step is not followed yet. */
int64_t clock_offset_ms(const struct clock *c);

#endif
