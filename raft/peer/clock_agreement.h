/* clock_agreement.h - which time do a majority of the voters' clocks agree on?
 *
 * Of each voter's clock is known within which bounds it stands, as seen from this node's. Whoever is
 * right within an error has the true time within those bounds and that error; so, as long as a majority
 * is right, the true time is where the bounds of a majority overlap (Marzullo 1984, "Maintaining the
 * Time in a Distributed System"; RFC 5905, 11.2.1). That may be in several places: those where most
 * overlap need not be it, as wrong clocks may stand together. So what is agreed on is all from the first
 * of these places to the last; any two majorities have a clock in common, whose bounds and error hold
 * all of it. Pure. */
#ifndef CLOCK_AGREEMENT_H
#define CLOCK_AGREEMENT_H

#include <stdint.h>

#define CLOCK_VOTERS_MAX 64

enum clock_standing {
    CLOCK_UNKNOWN,   /* too few of the others were heard */
    CLOCK_ALONE,     /* the only voter: there is nobody to compare with */
    CLOCK_DISAGREED, /* enough were heard, and no majority agrees */
    CLOCK_AGREED,    /* a majority agrees, and this node's clock with it, within its error */
    CLOCK_OUTVOTED,  /* a majority agrees, and this node's clock does not */
};

/* Microseconds, from this node's wall clock: the true time minus it. */
struct clock_bounds {
    int64_t low_us, high_us;
};

struct clock_agreement {
    enum clock_standing standing;
    unsigned n; /* the most voters that agree */
    /* On this; 0, 0 unless AGREED or OUTVOTED. If OUTVOTED, it is as narrow as the smallest error makes
     * it at which a majority still agrees. It ends at most two errors behind its beginning: that is
     * before the true time, wherever the bounds of clocks that are badly known may reach. */
    struct clock_bounds in;
    /* By how much this node's clock is ahead of the nearest time that they agree on (negative: behind
     * it); 0 unless OUTVOTED. */
    int64_t ahead_us;
};

/* `known` are the bounds of `n` other voters' clocks, of `voters` in all; `own` is 1 if this node is one
 * of them, else 0. Each clock may be `error_us` off. At most CLOCK_VOTERS_MAX. */
struct clock_agreement clock_agree(const struct clock_bounds *known, unsigned n, unsigned voters,
                                   unsigned own, int64_t error_us);

/* "agreed", "outvoted", "disagreed", "unknown" or "alone". */
const char *clock_standing_name(enum clock_standing standing);

#endif
