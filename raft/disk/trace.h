/* trace.h - libraft's trace messages, where some disk errors are told and nowhere else.
 *
 * After the first failed write of the log libraft 0.22.1 writes through a wrong pointer, and a
 * failed truncation goes unnoticed; both are traced first, some from other threads. The
 * emit function decides at once, on the thread it is called on. */
#ifndef DISK_TRACE_H
#define DISK_TRACE_H

#include <stdatomic.h>

#include "../libraft.h"

struct disk_trace {
    struct raft_tracer tracer; /* for raft_uv_set_tracer */
    void (*fatal)(void *arg, const char *sentence);
    void (*log)(void *arg, const char *level, const char *sentence);
    void *arg;
    atomic_bool truncating; /* begun, and not yet said to be done */
    atomic_uint n_retries;
};

void disk_trace_init(struct disk_trace *t, void (*fatal)(void *arg, const char *sentence),
                     void (*log)(void *arg, const char *level, const char *sentence), void *arg);

#endif
