/* failover.h - the rounds in which a leader goes, one after the other, under load: failover.c is
 * the command, failover_round.c a round of each kind. */
#ifndef ORDERBENCH_FAILOVER_H
#define ORDERBENCH_FAILOVER_H

#include "gap.h"
#include "measure/fired.h"

#define FAILOVER_ROUNDS_MAX 100
#define FAILOVER_CALM_MS 1000   /* of load before a leader goes */
#define FAILOVER_AROUND_MS 1000 /* after the SIGTERM, in which gap and lateness are looked at */

enum failover_way {
    FAILOVER_KILLS, /* SIGKILL */
    FAILOVER_CUT,   /* its machine is off the network, without a word */
    FAILOVER_TERM,  /* SIGTERM: it hands the leadership over, and ends */
    FAILOVER_WAYS
};

struct failover {
    struct measure m;
    enum failover_way way;
    uint64_t rounds;
    struct gap gap;
    unsigned n_gaps; /* rounds that were measured */
    uint64_t gaps_us[FAILOVER_ROUNDS_MAX];
    uint64_t events_us[FAILOVER_ROUNDS_MAX]; /* when the leader went, since the epoch */
    struct fired fired;                      /* of FAILOVER_TERM */
};

/* Some calm under load, the leader goes, its gap is measured, it comes back and catches up. 0, or
 * an exit code of orderbench after a sentence. */
int failover_round(struct failover *f, struct engine *e);

#endif
