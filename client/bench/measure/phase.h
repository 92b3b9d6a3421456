/* phase.h - one measurement: orders are scheduled, become due, are delivered and
 * settled, and every one of them is accounted for.
 *
 * The cluster's own count of expired orders tells when all are settled: nothing else should expire
 * there meanwhile, else the orders have to be read again and again until they are. */
#ifndef ORDERBENCH_PHASE_H
#define ORDERBENCH_PHASE_H

#include "load.h"
#include "receiver.h"
#include "setup.h"
#include "../../text/table.h"

/* What lateness is measured with. */
#define PHASE_CLOCK \
    "the receiver's CLOCK_REALTIME when the delivery's headers had arrived, against the deadline"

struct phase {
    const struct bench_setup *setup;
    struct plan plan;
    struct tally tally;
    uint64_t expired_before;
    double schedule_s; /* how long scheduling took */
    double settled_s;  /* from the first deadline until all were settled, to 20 ms */
    struct tally_figures figures;
};

/* All of these: 0, or an exit code of orderbench after a sentence on stderr. */

/* Schedule a plan whose outcomes nobody waits for. */
int phase_schedule_only(const struct bench_setup *setup, const struct plan *plan, double *seconds);
/* Schedule p->plan, which has been filled in, in time for its first deadline. Close in any case. */
int phase_schedule(struct phase *p, const struct bench_setup *setup);
/* Wait until all is settled, or the time to settle is over: what is not settled then is lost. How
 * each order ended is in the tally. */
int phase_wait(struct phase *p);
/* Take the receivers' journals, and sum up. */
int phase_judge(struct phase *p, const struct bench_receiver *receivers, unsigned n);
void phase_close(struct phase *p);

/* Nothing wrong, nothing lost? */
bool phase_is_sound(const struct phase *p);
/* Orders settled a second, from the first deadline to the last settlement. */
double phase_fires_per_s(const struct phase *p);
/* Add to the object: fires_per_s, lateness_ms, duplicates, wrong, lost, seconds. */
void phase_write_json(const struct phase *p, json_t *object);
/* The columns of a table for people, and a row of it. */
void phase_table_init(struct table *t);
void phase_table_row(struct table *t, const char *name, const struct phase *p);

#endif
