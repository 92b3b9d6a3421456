/* memory.c - how much memory a node takes for a pending order. */
#include <stdlib.h>

#include "../base/clocks.h"
#include "commands.h"
#include "measure/measure.h"

#define CAUGHT_UP_MS 60000

enum { MEMORY_REST = MEASURE_FLAGS };

static const struct flag memory_flags[] = {
    {MEMORY_REST, "rest", 0, "DURATION", "between the last order and the measurement (10s)"},
    {0},
};

static const struct measure_command memory_command = {
    .name = "memory",
    .what =
        "memory schedules orders with ids of 32 bytes and payloads of 64, lets the nodes rest,\n"
        "and measures by how much each node's resident memory has grown, divided by the\n"
        "orders; the largest counts. A node that rests takes a snapshot after some seconds,\n"
        "so that hardly any log is left in memory; the figure before that is given as well.",
    .flags = memory_flags,
    .orders = 1000000,
    .outstanding = 4096,
    .looks_at_nodes = true,
};

/* Bytes an order of each node, in an array; returns the largest. */
static double memory_of_each(const struct measure *m, const struct bench_usage *before,
                             const struct bench_usage *after, json_t *each)
{
    double most = 0;

    for (unsigned i = 0; i < m->cluster.n; i++) {
        double grown = (double)after[i].rss_bytes - (double)before[i].rss_bytes;
        double bytes = grown / (double)m->orders;
        most = bytes > most ? bytes : most;
        json_array_append_new(each, json_real((double)(int64_t)(bytes * 10) / 10));
    }
    return most;
}

static void memory_note(struct measure *m, const struct bench_usage *before,
                        const struct bench_usage *loaded, const struct bench_usage *rested,
                        const struct node_status *status)
{
    json_t *each_loaded = json_array();
    json_t *each = json_array();
    double most_loaded = memory_of_each(m, before, loaded, each_loaded);

    m->row.bytes_per_order = memory_of_each(m, before, rested, each);
    json_object_set_new(m->row.details, "bytes_per_order_each_node", each);
    bench_row_add(&m->row, "bytes_per_order_before_rest", most_loaded);
    json_object_set_new(m->row.details, "bytes_per_order_before_rest_each_node", each_loaded);
    /* As the store itself counts: the rest is the log's tail, snapshots and the allocator. */
    bench_row_add(&m->row, "store_bytes_per_order",
                  (double)status->memory_bytes / (double)m->orders);
}

static int memory_run(struct measure *m, uint64_t rest_ms)
{
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, 0, m->orders);
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage loaded[CLUSTER_NODES_MAX];
    struct bench_usage rested[CLUSTER_NODES_MAX];
    struct engine_result result;
    struct node_status status;

    bench_cluster_usage(&m->cluster, before);
    int rv = measure_run(m, &config, "scheduling", &result);
    rv = rv == 0 ? measure_wait_caught_up(m, CAUGHT_UP_MS) : rv;
    if (rv == 0) {
        bench_cluster_usage(&m->cluster, loaded);
        clocks_sleep_ms(rest_ms);
    }
    if (rv == 0 && measure_leader(m, CAUGHT_UP_MS, &status) < 0) {
        rv = 3;
    }
    if (rv == 0) {
        bench_cluster_usage(&m->cluster, rested);
        bench_row_take(&m->row, &result);
        bench_row_take_usage(&m->row, m->cluster.n, before, rested);
        memory_note(m, before, loaded, rested, &status);
    }
    return rv;
}

int bench_memory(int argc, char **argv)
{
    struct measure m;
    uint64_t rest_ms;
    int rv = measure_read(&m, &memory_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    if (!measure_duration(&m, MEMORY_REST, "--rest", 10000, 3600000, &rest_ms)) {
        return 2;
    }
    rv = measure_open(&m);
    return rv != 0 ? rv : measure_close(&m, memory_run(&m, rest_ms));
}
