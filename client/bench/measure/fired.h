/* fired.h - orders that fire while something is measured: their route and the workers
 * that take them, the book of what became of them, and at the end the same asked of the cluster.
 *
 *   fired_open ──► fired_load ──► fired_work ──► ... ──► fired_wait ──► fired_rest ──► fired_judge
 *                                                                          ──► fired_close
 *
 * All that return int: 0, or an exit code of orderbench after a sentence on stderr. */
#ifndef ORDERBENCH_FIRED_H
#define ORDERBENCH_FIRED_H

#include "book.h"
#include "measure.h"
#include "workers.h"

#define FIRED_WORKERS 4
#define FIRED_BATCH 100
#define FIRED_UNDER_WAY_MAX (FIRED_WORKERS * FIRED_BATCH) /* and the route's window */

struct fired {
    struct measure *m;
    uint32_t run; /* of the orders' ids */
    struct soak_plan plan;
    struct engine_orders orders; /* the plan's, for an engine */
    struct book book;
    struct bench_setup setup; /* as the workers know the cluster */
    struct bench_workers workers;
};

/* What has to be in the cluster at the end, all orders together. */
struct fired_counts {
    uint64_t pending_min, pending_max, paid, expired;
};

/* So many orders, of which a share will be paid. Close in any case. */
int fired_open(struct fired *f, struct measure *m, uint32_t run, uint64_t orders,
               uint64_t pay_share);
/* Schedule them; plan.first_ms and over_ms are set. */
int fired_load(struct fired *f, struct engine_result *result);
/* Has the clock not reached the first deadline yet? */
bool fired_in_time(const struct fired *f);
/* The workers begin, and end. */
int fired_work(struct fired *f);
int fired_rest(struct fired *f);
/* Wait until the leader has counted so many expired orders, but not beyond give_up_ms by the wall
 * clock: then the judgement says what is missing. */
int fired_wait(struct fired *f, uint64_t expired, uint64_t give_up_ms);
/* Wait until all nodes have caught up; read how each order ended; compare the nodes' counts with
 * what has to be there, and their digests; judge. m->wrong is the outcome, with a sentence each. */
int fired_judge(struct fired *f, const struct fired_counts *counts);
void fired_close(struct fired *f);

/* {"p50", "p99", "max"} in ms, of a book's histogram. */
json_t *fired_lateness_json(const struct histogram *late);

#endif
