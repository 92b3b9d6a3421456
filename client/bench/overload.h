/* overload.h - what one overload is and has found so far (see overload.c),
 * and its row. */
#ifndef ORDERBENCH_OVERLOAD_H
#define ORDERBENCH_OVERLOAD_H

#include "measure/fired.h"

#define OVERLOAD_PARTS 10

/* The rate that a closed loop reached. */
struct overload_peak {
    double per_s;
    struct engine_result load;
};

struct overload {
    struct measure m;
    struct fired fired;
    /* By the flags. */
    uint64_t over_ms;
    uint64_t calm_ms;
    uint64_t after_ms;
    uint64_t fire_per_s;
    double factor;
    uint64_t began_ms; /* for progress */
    struct overload_peak before_peak;
    struct overload_peak after_peak;
    /* The overload: from its first call to its last, by the wall clock. */
    uint64_t from_us;
    uint64_t to_us;
    double offered_per_s;               /* calls that came up, also those that were shed */
    double goodput_per_s;               /* answered OK, before the load ended */
    double parts_per_s[OVERLOAD_PARTS]; /* the same, of each tenth of the time */
    struct engine_result load;
    struct bench_usage rss_before[CLUSTER_NODES_MAX];
    struct bench_usage rss_after[CLUSTER_NODES_MAX];
    uint64_t rss_max[CLUSTER_NODES_MAX];
};

/* All that was found, into m.row. After the judgement. */
void overload_note_row(struct overload *o);

#endif
