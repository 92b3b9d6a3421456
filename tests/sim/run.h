/* run.h - one simulated run: everything that one seed determines. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "check/check.h"

struct run_result {
    char violation[16]; /* name of the invariant, or "" */
    char report[2200];
    char extras[SIM_EXTRAS_MAX]; /* the options of their own streams that were on, or "none" */
    uint64_t trace_hash;
    uint64_t events;
    uint64_t simulated_us;
    struct coverage coverage;
};

/* `with`: see options_draw; `trace`: where the trace goes, or NULL; `only`: the one invariant to look for,
 * or NULL. */
void run_seed(uint64_t seed, const char *with, FILE *trace, const char *only,
              struct run_result *result);
/* The line that describes the run: the seed and every option. */
void run_describe(uint64_t seed, const char *with, FILE *out);
/* The extras that are on in it, as in run_result. */
void run_extras(uint64_t seed, const char *with, char out[SIM_EXTRAS_MAX]);

#endif
