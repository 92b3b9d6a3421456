/* row.h - what one measurement found, as a table for people and as one JSON object (a
 * row of build/bench.json) for programs. Figures that do not apply are left out. */
#ifndef ORDERBENCH_ROW_H
#define ORDERBENCH_ROW_H

#include <jansson.h>

#include "cluster.h"
#include "engine.h"

struct bench_row {
    const char *bench; /* the command */
    unsigned nodes;    /* 0: not known */
    uint64_t orders;
    /* NAN: does not apply. */
    double ops_per_s, p50_ms, p99_ms, p999_ms, max_ms, bytes_per_order, seconds, ratio;
    /* Of our own nodes, over what was measured; n_used 0: not known. */
    unsigned n_used;
    double cpu_s[CLUSTER_NODES_MAX];
    uint64_t rss_bytes[CLUSTER_NODES_MAX];
    json_t *details; /* further figures, by name */
    json_t *settings;
};

/* All figures NAN, with empty details and settings. */
void bench_row_init(struct bench_row *row, const char *bench);
void bench_row_free(struct bench_row *row);
/* Add a figure to the details, rounded as the others are. */
void bench_row_add(struct bench_row *row, const char *name, double value);
/* The operations a second, the latencies and the seconds of a run of the engine. */
void bench_row_take(struct bench_row *row, const struct engine_result *result);
/* What our own nodes used between two looks; resident memory as of the second. */
void bench_row_take_usage(struct bench_row *row, unsigned n, const struct bench_usage *before,
                          const struct bench_usage *after);
/* A new object. */
json_t *bench_row_json(const struct bench_row *row);
/* Print it: as a line of JSON, or as a table. 0, or an exit code of orderbench after a sentence. */
int bench_row_print(const struct bench_row *row, bool json);

#endif
