/* sim_bench.h - one process of the simulator (tests/sim/io.h) and its disk, on a bench.
 *
 * What it sends is counted; it can be paused, and crashes when it is told to. */
#ifndef SIM_BENCH_H
#define SIM_BENCH_H

#include "../../sim/io.h"

struct sim_bench {
    struct sim_loop loop;
    struct storage storage;
    struct sim_io_options options;
    struct sim_io_counters counters;
    struct sim_io *sim;
    struct raft_io *io;
    struct raft raft;
    bool paused;
    sim_event_cb waiting_cb; /* while it is paused: one event is enough here */
    void *waiting_arg;
    unsigned n_sent, n_ticks, n_closed;
};

/* What the disk holds, as a new process finds it. */
struct loaded {
    raft_term term;
    raft_id vote;
    struct raft_snapshot *snapshot;
    raft_index start;
    struct raft_entry *entries;
    size_t n;
};

/* A process on a fresh disk, which is bootstrapped as the only member. Random draws are of this
 * seed. */
struct sim_bench *sim_bench_open(uint64_t seed);
void sim_bench_close(struct sim_bench *b);
void sim_bench_pass(struct sim_bench *b, uint64_t us);
/* Load as libraft does at a start. */
void sim_bench_load(struct sim_bench *b, struct loaded *l);
void loaded_free(struct loaded *l);
/* The process crashes, and a new one starts. */
void sim_bench_restart(struct sim_bench *b, struct loaded *l);

#endif
