/* judge_time.h - what the answers tell of the cluster's own time, and of nothing but it.
 *
 * The replicated time moves only with the log and never goes back, so every answer that carries a
 * deadline and what remains of it is a sighting: somewhere between the call and its end the
 * cluster's time was exactly deadline - remaining. A decision after the deadline is a lower bound.
 * No clock of any node or of the harness takes part, so this holds under clock faults too. */
#ifndef JUDGE_TIME_H
#define JUDGE_TIME_H

#include "judge_history.h"

/* At some moment in [from_ns, to_ns] the cluster's time was now_ms (or, if not exact, no less). */
struct sighting {
    int64_t from_ns;
    int64_t to_ns;
    uint64_t now_ms;
    bool exact;
    uint32_t line; /* of the completion that tells it */
};

struct cluster_time {
    struct sighting *by_to;   /* all, in order of to_ns; now_ms replaced by the highest so far */
    struct sighting *by_from; /* the exact ones, in order of from_ns; the lowest from there on */
    size_t n_to;
    size_t n_from;
    struct sighting *raw; /* all, as they are, in order of to_ns */
};

void cluster_time_of(struct cluster_time *t, const struct history *h);
void cluster_time_free(struct cluster_time *t);
/* The sighting that proves the highest time reached before `ns`; NULL: none. */
const struct sighting *cluster_time_floor(const struct cluster_time *t, int64_t ns);
/* The sighting that proves the lowest time not passed yet at `ns`; NULL: none. */
const struct sighting *cluster_time_ceiling(const struct cluster_time *t, int64_t ns);
/* When the first sighting ended that proves a time of at least `now_ms`; HISTORY_NEVER: none. */
int64_t cluster_time_reached_ns(const struct cluster_time *t, uint64_t now_ms);

#endif
