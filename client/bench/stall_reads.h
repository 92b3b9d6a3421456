/* stall_reads.h - the longest stall of the leader's raft loop under loads that a client
 * should not ask for, one after the other: digests, large orders, lists that match nothing, long
 * lists of routes, status, readers that take no answer, refusals whose request ids collide. */
#ifndef ORDERBENCH_STALL_READS_H
#define ORDERBENCH_STALL_READS_H

#include "measure/measure.h"

/* Load the orders, then each load for `over_ms`, and fill the row: bench "stall_reads", max_ms the
 * longest round of all, `loads` a figure of each, `elections` their sum. A load under which the machine
 * itself stood still (witness.h) comes again, `again` times at most; how often, and the longest round
 * of the times that did not count, is told. 0, or an exit code. */
int stall_reads_run(struct measure *m, uint64_t over_ms, unsigned again);

#endif
