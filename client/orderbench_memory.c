/* orderbench_memory.c - how much memory a node takes for a pending order. */
#include <stdlib.h>

#include "orderbench_commands.h"
#include "orderbench_measure.h"

#define CAUGHT_UP_MS 60000

static const struct measure_command memory_command = {
    .name = "memory",
    .what = "memory schedules orders with ids of 32 bytes and payloads of 64, and measures by how\n"
            "much each node's resident memory grows, divided by the orders; the largest counts.",
    .orders = 1000000,
    .outstanding = 4096,
    .looks_at_nodes = true,
};

static void memory_note(struct measure *m, const struct bench_usage *before,
                        const struct bench_usage *after, const struct node_status *status)
{
    json_t *each = json_array();
    double most = 0;

    for (unsigned i = 0; i < m->cluster.n; i++) {
        double grown = (double)after[i].rss_bytes - (double)before[i].rss_bytes;
        double bytes = grown / (double)m->orders;
        most = bytes > most ? bytes : most;
        json_array_append_new(each, json_real((double)(int64_t)(bytes * 10) / 10));
    }
    m->row.bytes_per_order = most;
    json_object_set_new(m->row.details, "bytes_per_order_each_node", each);
    /* As the store itself counts: the rest is the log's tail, snapshots and the allocator. */
    bench_row_add(&m->row, "store_bytes_per_order",
                  (double)status->memory_bytes / (double)m->orders);
}

static int memory_run(struct measure *m)
{
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, 0, m->orders);
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage after[CLUSTER_NODES_MAX];
    struct engine_result result;
    struct node_status status;

    bench_cluster_usage(&m->cluster, before);
    int rv = measure_run(m, &config, "scheduling", &result);
    rv = rv == 0 ? measure_wait_caught_up(m, CAUGHT_UP_MS) : rv;
    if (rv == 0 && measure_leader(m, CAUGHT_UP_MS, &status) < 0) {
        rv = 3;
    }
    if (rv == 0) {
        bench_cluster_usage(&m->cluster, after);
        bench_row_take(&m->row, &result);
        bench_row_take_usage(&m->row, m->cluster.n, before, after);
        memory_note(m, before, after, &status);
    }
    return rv;
}

int bench_memory(int argc, char **argv)
{
    struct measure m;
    int rv = measure_read(&m, &memory_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    rv = measure_open(&m);
    return rv != 0 ? rv : measure_close(&m, memory_run(&m));
}
