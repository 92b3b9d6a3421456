/* measure.h - what the commands that measure a cluster have in common: their flags, the
 * cluster, the orders that are loaded into it beforehand, runs with progress, the row at the end.
 *
 * Orders are numbered from 0 in the order in which they were scheduled. */
#ifndef ORDERBENCH_MEASURE_H
#define ORDERBENCH_MEASURE_H

#include "flags.h"
#include "row.h"
#include "../../survey/survey.h"

/* Keys of the common flags; a command's own follow from MEASURE_FLAGS on. */
enum measure_flag {
    MEASURE_ENDPOINTS,
    MEASURE_CLUSTER,
    MEASURE_NODES,
    MEASURE_DATA,
    MEASURE_NODE_FLAGS,
    MEASURE_ORDERS,
    MEASURE_CLIENTS,
    MEASURE_OUTSTANDING,
    MEASURE_RATE,
    MEASURE_TLS,
    MEASURE_TLS_CA,
    MEASURE_TLS_CERT,
    MEASURE_TLS_KEY,
    MEASURE_TIMEOUT,
    MEASURE_WRITE,
    MEASURE_QUIET,
    MEASURE_HELP,
    MEASURE_FLAGS
};
#define MEASURE_FLAGS_MAX (MEASURE_FLAGS + 8)

/* What a command is. */
struct measure_command {
    const char *name;
    const char *what;         /* for --help */
    const struct flag *flags; /* its own */
    uint64_t orders;          /* as if by --orders */
    unsigned outstanding;
    bool kills;          /* needs a cluster of our own, */
    bool looks_at_nodes; /* the same, for what its nodes use */
};

struct measure {
    const struct measure_command *command;
    const char *values[MEASURE_FLAGS_MAX];
    struct bench_cluster_config cluster_config;
    struct bench_cluster cluster;
    uint64_t orders;
    unsigned clients;
    unsigned outstanding;
    double rate;
    unsigned timeout_ms;
    bool json;
    bool quiet;
    uint32_t run;    /* of the orders' ids */
    uint64_t next;   /* number of the next order to be scheduled */
    double stolen_s; /* bench_stolen_s, when it began */
    bool wrong;      /* it was measured, and what became of the orders is not right */
    ordersched_client *client;
    struct bench_row row;
};

/* All that return int: 0, or an exit code of orderbench after a sentence on stderr. */

/* Read the flags. -1: --help was asked for and given. Add to m->cluster_config.args before
 * measure_open. */
int measure_read(struct measure *m, const struct measure_command *command, int argc, char **argv);
/* The cluster, a client, the route of the orders. */
int measure_open(struct measure *m);
/* Print the row if rv is 0, clean up. Returns the exit code of all: 1 if something was wrong. */
int measure_close(struct measure *m, int rv);

/* Values of the command's own flags. False after a sentence. */
bool measure_count(const struct measure *m, int flag, const char *name, uint64_t otherwise,
                   uint64_t min, uint64_t max, uint64_t *out);
bool measure_duration(const struct measure *m, int flag, const char *name, uint64_t otherwise_ms,
                      uint64_t max_ms, uint64_t *out_ms);

/* An engine for this cluster as the flags say: clients, outstanding, rate. */
struct engine_config measure_engine(const struct measure *m, enum ordersched_operation_kind kind,
                                    uint64_t first, uint64_t n);
/* Schedule so many more orders as fast as it goes, without measuring. */
int measure_load(struct measure *m, uint64_t n);
/* Run to the end, with progress. A call that failed is an error. */
int measure_run(struct measure *m, const struct engine_config *config, const char *doing,
                struct engine_result *result);
/* The same in two steps, for several engines at once. */
int measure_begin(struct engine *e, const struct engine_config *config, const char *doing);
int measure_end(struct engine *e, const char *doing, struct engine_result *result);
/* Let engines run for a while, with progress of the first. Ends early when it stops by itself. */
void measure_watch(const struct measure *m, struct engine *e, const char *doing, uint64_t ms);

/* Ask each of our own nodes for its status. */
void measure_look(const struct measure *m, struct node_status status[CLUSTER_NODES_MAX],
                  bool up[CLUSTER_NODES_MAX]);
/* Position of our own node that leads, within timeout_ms. -1: none answers. */
int measure_leader(const struct measure *m, unsigned timeout_ms, struct node_status *status);
/* Wait until each of our own nodes has applied what the leader has committed. */
int measure_wait_caught_up(const struct measure *m, unsigned timeout_ms);

#endif
