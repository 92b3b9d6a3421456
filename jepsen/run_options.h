/* run_options.h - the command line of the harness. */
#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct run_options {
    const char *workload;
    const char *nemesis;
    uint64_t time_ms; /* of the load */
    uint64_t hold_ms; /* the longest that a fault lasts */
    uint64_t seed;
    unsigned rate; /* operations a second, all clients together; 0: the workload's own */
    unsigned clients;
    const char *store;  /* folder of the runs' folders */
    const char *mutant; /* or NULL */
    bool plain;         /* no TLS, no authorisation */
    bool http;          /* clients speak HTTP, to any node */
    bool keep;          /* copy the nodes' disks into the store */
};

enum run_options_status { RUN_OPTIONS_OK, RUN_OPTIONS_HELP, RUN_OPTIONS_ERROR };

/* Parse. On HELP the text was printed; on ERROR one sentence that names the flag. Strings stay
 * argv's. */
enum run_options_status run_options_parse(struct run_options *o, int argc, char **argv);

#endif
