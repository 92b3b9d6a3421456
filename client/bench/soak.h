/* soak.h - what one soak is and has found so far (see soak.c), and its row.
 */
#ifndef ORDERBENCH_SOAK_H
#define ORDERBENCH_SOAK_H

#include "measure/fired.h"
#include "measure/probe.h"

struct soak {
    struct measure m;
    struct fired fired;
    struct probe probe;
    /* By the flags; lead_ms 0 until it is known. */
    uint64_t pay_share;
    uint64_t over_ms;
    uint64_t down_ms;
    uint64_t lead_ms;
    bool kills;
    /* For progress. */
    uint64_t began_ms;
    uint64_t said_ms;
    /* Loading and paying. */
    uint64_t sampled; /* orders of the sample, all of them paid */
    struct engine_result load;
    struct engine_result pay;
    double waited_s; /* from the last payment to the first deadline */
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage loaded[CLUSTER_NODES_MAX];
    struct bench_usage fired_all[CLUSTER_NODES_MAX];
    uint64_t peak_bytes[CLUSTER_NODES_MAX];
    uint64_t loop_stall_us; /* by the nodes themselves: of the minutes before each look */
    double stall_load_ms;   /* of the leader */
    /* Firing. */
    double stall_fire_ms; /* of whoever led */
    unsigned leader;
    unsigned victim;
    uint64_t leadership_before; /* of the leader that was killed */
    uint64_t killed_us;         /* wall clock; 0: nobody was */
    uint64_t resumed_us;        /* wall clock: first delivery by another leader; 0: none */
    uint64_t restarted_us;      /* running clock */
    double restart_s;           /* from there until it answers */
    double caught_up_s;         /* ... and has applied what was committed */
};

/* All that was found, into m.row. After the judgement. */
void soak_note_row(struct soak *s);

#endif
