/* metrics_process.h - what the system says of this process: memory, descriptors, processor time.
 *
 * Reads /proc, which takes up to a millisecond with thousands of descriptors: not on the raft loop. */
#ifndef METRICS_PROCESS_H
#define METRICS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct metrics_process { /* 0: not known */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds, max_fds;
    uint64_t cpu_us;     /* user and system */
    uint64_t started_us; /* since the Unix epoch */
    uint64_t threads;
};

void metrics_process_read(struct metrics_process *out);

#endif
