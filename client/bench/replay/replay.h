/* replay.h - replays orders against a cluster at their real, sped-up pace. */
#ifndef ORDERBENCH_REPLAY_H
#define ORDERBENCH_REPLAY_H

#include "judge.h"
#include "orders.h"
#include "replay_plan.h"

/* Run. 0 with the verdict; else an exit code of orderbench, after a sentence on stderr: 1 the
 * cluster refused to begin, 2 the journal is malformed, 3 unreachable or undecidable. */
int replay_run(const struct replay_config *config, const struct bench_orders *orders,
               struct verdict *verdict);

#endif
