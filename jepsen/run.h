/* run.h - one run of the harness: its bed, its clients' common ground, and its phases
 * stable, load, heal, settle, final. */
#ifndef RUN_H
#define RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bed/certificates.h"
#include "bed/network.h"
#include "bed/nodes.h"
#include "bed/receivers.h"
#include "bed/record.h"
#include "run_options.h"

#define RUN_NODES 5

/* What is promised of time is promised of a release build: a sanitizer makes all of it several times slower, nodes
 * and clients, and is there for what is done, not for when. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUN_SLOWER 3
#else
#define RUN_SLOWER 1
#endif
#define RUN_LATENESS_BOUND_MS (1000 * RUN_SLOWER)
#define RUN_RECOVERY_BOUND_MS (5000 * RUN_SLOWER)

#define RUN_CLOCK_ERROR_MS 500 /* max-clock-error */
#define RUN_CALL_TIMEOUT_MS 3000
#define RUN_TOKEN_SIZE 64

struct workload;
struct run_leaderships;

struct run {
    struct run_options options;
    const struct workload *workload;
    char programs[512]; /* directory of orderschedd and the others */
    char store[512];    /* directory of this run */
    char root[64];      /* where the disks are mounted, seen by this run alone */
    struct record *record;
    struct bed_certificates certificates;
    struct bed_network network;
    struct bed_nodes nodes;
    struct bed_receivers receivers;
    char endpoints[512];
    struct run_leaderships *leaderships; /* NULL: nobody looks */
    ordersched_client *admin;            /* for what the harness itself asks; any thread */
    char token[RUN_TOKEN_SIZE];          /* of the workers, for all orders; "": none is needed */
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

/* A client of these endpoints ("HOST:PORT,..."), over TLS unless the run is plain, with a token (NULL:
 * none) and the certificate of a name (NULL: none; it was made). Ends the harness if it cannot be. */
ordersched_client *run_client(struct run *r, const char *endpoints, unsigned timeout_ms,
                              const char *token, const char *certificate);
/* Make r->admin, over the harness's own certificate, whose name the last of these returns. And, once
 * a node leads, name it the first administrator, make the workers' token and switch authorisation on;
 * nothing of that in a plain run. */
void run_access_open(struct run *r);
void run_access_begin(struct run *r);
const char *run_harness_certificate(void);

/* Write through every node's endpoint, and record how long after now it succeeded. */
void run_probe(struct run *r);
/* Look at each node all the time, and record from when to when it said that it leads (HISTORY.md,
 * "Leaderships"); until the end is asked for. */
struct run_leaderships *run_leaderships_watch(struct run *r);
void run_leaderships_end(struct run_leaderships *all);
/* What every node holds, from its own state (HISTORY.md, "Final reads"). */
void run_final(struct run *r);

#endif
