/* batch.h - many runs, in several processes: a run that crashes is one more finding, not the end of
 * the others. */
#ifndef SIM_BATCH_H
#define SIM_BATCH_H

#include "run.h"

struct batch {
    uint64_t first, last; /* seeds, both included */
    unsigned jobs;        /* processes */
    const char *only;     /* one invariant, or NULL */
    const char *replay;   /* options to be told with the command that replays a seed */
    bool until_found;     /* stop at the first violation */
    const char *with;     /* see options_draw */
    FILE *out;            /* where violations are told; NULL: nowhere */
};

struct batch_report {
    uint64_t runs;
    uint64_t events;
    uint64_t simulated_us;
    uint64_t violations;
    uint64_t crashes;
    uint64_t found;     /* a seed with a violation (the first told), if any */
    char violation[16]; /* its name */
    uint64_t hashes;    /* of all trace hashes, in whatever order they were had */
    struct coverage coverage;
};

void batch_run(const struct batch *batch, struct batch_report *report);

#endif
