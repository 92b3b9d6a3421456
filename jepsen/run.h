/* run.h - one run of the harness: its bed, its clients' common ground, and its phases
 * stable, load, heal, settle, final. */
#ifndef RUN_H
#define RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bed/network.h"
#include "bed/nodes.h"
#include "bed/receivers.h"
#include "bed/record.h"
#include "run_options.h"

#define RUN_NODES 5
#define RUN_LATENESS_BOUND_MS 1000
#define RUN_RECOVERY_BOUND_MS 5000
#define RUN_CLOCK_ERROR_MS 500 /* max-clock-error */
#define RUN_CALL_TIMEOUT_MS 3000

struct workload;

struct run {
    struct run_options options;
    const struct workload *workload;
    char programs[512]; /* directory of orderschedd and the others */
    char store[512];    /* directory of this run */
    char root[64];      /* where the disks are mounted, seen by this run alone */
    struct record *record;
    struct bed_network network;
    struct bed_nodes nodes;
    struct bed_receivers receivers;
    char endpoints[512];
    ordersched_client *admin; /* for what the harness itself asks; any thread */
    atomic_bool loading;
    _Atomic int64_t next_process; /* a number of a client never used before */
    atomic_ullong calls;
};

/* The whole run, up to the end of the history, which is in store/history.edn. The caller is alone
 * in its namespaces. Ends the harness when the bed does not work. */
void run_run(struct run *r);

/* Full path of a program of this build. Returns out. */
char *run_program(const struct run *r, const char *name, char *out, size_t len);
/* The place that leads by its own word, in the highest term, which is stored in *term (may be
 * NULL); 0 when none does. */
unsigned run_leader(struct run *r, uint64_t *term);
/* One of orderctl's commands against the cluster; its exit code. */
int run_orderctl(struct run *r, const char *const arguments[]);

/* Write through every node's endpoint, and record how long after now it succeeded. */
void run_probe(struct run *r);
/* What every node holds, from its own state (HISTORY.md, "Final reads"). */
void run_final(struct run *r);

#endif
