/* clock.h - the clock a leader stamps entries with.
 *
 * Where a majority of the voters' clocks agree on a time, it is the wall clock within the bounds of
 * that: who is behind catches up at once, who is ahead stands still until that time has come. While
 * none agrees any more it goes on from there with the monotonic clock; before any agreed, since this process
 * began, it goes on from what the leaders before it said (told_time.h), once a clock has confirmed that. Who
 * was told nothing stands where the cluster's time stands, and nothing may go by it.
 *
 * Where none agrees, and an operator has said whose clock is to be trusted, that one counts as an
 * agreement does, once this node has led for CLOCK_UNAGREED_US without one: a leader that is new may
 * not have heard yet that a majority agrees, and on what.
 *
 * A voter that is alone has nobody to ask, and is told by lone_clock.h which of these rules holds. Where its
 * kernel does not say that its wall clock is synchronized, its clock advances with the monotonic clock, and is
 * pulled towards the wall clock by at most a tenth of the elapsed time. So an operator who steps that
 * by an hour neither fires an hour's orders at once nor stops the firing for an hour.
 *
 * A cluster whose time was set far ahead by clocks that were wrong would stand still as long: beyond
 * CLOCK_STANDS_MAX_US it goes on at nine tenths of its pace instead. Pure: readings come from
 * outside. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_STANDS_MAX_US 60000000
#define CLOCK_DRIFT_US 500000000ll /* clocks that run 500 ppm apart are 250 ms apart after it */
#define CLOCK_UNAGREED_US 5000000ull

enum clock_guidance {
    CLOCK_BY_ITSELF, /* the wall clock, slowly: of the only voter */
    CLOCK_WITHIN,    /* a majority agrees that the time is between low_us and high_us */
    CLOCK_TRUSTED, /* no majority agrees; that of the node that is trusted says low_us to high_us */
    CLOCK_NOT_BEYOND, /* two voters that disagree: the earlier says high_us */
    CLOCK_UNGUIDED,   /* the others were not heard, or no majority agrees */
};

/* What the voters' clocks say of the time. Microseconds since the epoch, at the moment of a reading. */
struct clock_guide {
    enum clock_guidance guidance;
    uint64_t low_us, high_us;
};

struct clock {
    int64_t value_us;
    uint64_t monotonic_us;        /* when it was that */
    int64_t true_us;              /* the time as well as it is known, whatever the value may do, */
    uint64_t true_at_us;          /* at this reading of the monotonic clock */
    int64_t wall_us;              /* the last reading, for clock_offset_ms */
    uint64_t read_ms;             /* the last that was told */
    enum clock_guidance guidance; /* of the last reading */
    uint64_t unagreed_at_us;      /* since when no majority agrees, while it leads; 0: one does */
    bool is_set;                  /* from a wall clock or an agreement, since it began */
    uint64_t set_at_us;           /* last */
    bool is_by_trusted;           /* last from the clock that is trusted */
    uint64_t told_us, told_at_us; /* what its owner was told, and when it was that; 0: nothing */
    bool is_told;                 /* it is not set, but goes by that, which was confirmed */
    bool goes;
};

/* It stands at 0 until it is read. */
void clock_init(struct clock *c, uint64_t monotonic_us);
/* Milliseconds since the epoch; never less than before. */
uint64_t clock_read(struct clock *c, uint64_t wall_us, uint64_t monotonic_us,
                    const struct clock_guide *guide);
/* From now on not below `now_ms` (the replicated time, when a leader takes over behind it). */
void clock_raise(struct clock *c, uint64_t now_ms);
/* Its owner begins to lead. What was agreed on longer ago than CLOCK_DRIFT_US is forgotten: two clocks
 * may have run apart too far by then. So is what was not agreed on: what a trusted clock said, what was told before an earlier
 * leadership, and what the earlier of two that disagree showed meanwhile. Whoever leads goes on by it. */
void clock_forget_old(struct clock *c, uint64_t monotonic_us);
/* Now it is `now_ms`, as those said who led before. It has to be confirmed. No effect where the voters'
 * clocks agreed, and that was not forgotten. */
void clock_tell(struct clock *c, uint64_t now_ms, uint64_t monotonic_us);
/* Is what it was told to be confirmed? */
bool clock_awaits_witness(const struct clock *c);
/* What it was told, and what has passed since: microseconds since the epoch. It was told something. */
uint64_t clock_told_us(const struct clock *c, uint64_t monotonic_us);
/* What it was told is right: from the next reading on it goes on from there, until the voters' clocks agree.
 * Two that disagree are believed more. */
void clock_confirm(struct clock *c, uint64_t monotonic_us);
/* Has it a time, from a wall clock or an agreement, since it began? */
bool clock_is_set(const struct clock *c);
/* What it stands at, gone on to this reading of the monotonic clock: microseconds since the epoch. */
uint64_t clock_value_us(const struct clock *c, uint64_t monotonic_us);
/* May orders be fired and deadlines be set by it, as of the last reading? */
bool clock_goes(const struct clock *c);
/* Does it go by what it was told, as of the last reading? */
bool clock_goes_as_told(const struct clock *c);
/* For how long it will stand, as of the last reading: until the time has come that it is ahead by. */
int64_t clock_stands_us(const struct clock *c);
/* The time as well as it is known, also where the clock stands. */
uint64_t clock_true_ms(const struct clock *c, uint64_t monotonic_us);
/* Does it go by the clock of a node that is trusted, as of the last reading? */
bool clock_goes_by_trusted(const struct clock *c, uint64_t monotonic_us);
/* Wall clock minus this clock at the last reading: how far a step is not followed yet. */
int64_t clock_offset_ms(const struct clock *c);

#endif
