/* past.h - what the last looks saw: figures of which only the difference tells how fast something goes. */
#ifndef PAST_H
#define PAST_H

#include "look.h"

#define PAST_LOOKS_MAX 240

struct past_point {
    double entries_per_s; /* of the log */
    double fired_per_s;   /* orders told for the first time */
    double late_ms;       /* p90 of the leader's, since its node started */
};

struct past {
    unsigned n;
    struct past_point points[PAST_LOOKS_MAX]; /* the newest last */
};

/* How many a second between two counts; 0: another leader counts, or they are none. */
double past_rate(const struct look *before, const struct look *now, uint64_t count_before,
                 uint64_t count_now);
/* Keep what a look saw, beside the one before it (or NULL). */
void past_keep(struct past *past, const struct look *before, const struct look *now);

#endif
