/* schedule.c - how many orders a second the cluster takes, and how many payments. */
#include "by_hand.h"
#include "commands.h"

enum { THROUGHPUT_PENDING = MEASURE_FLAGS, THROUGHPUT_BY_HAND };

static const struct flag schedule_flags[] = {
    {THROUGHPUT_PENDING, "pending", 0, "N", "orders that are pending before (0)"},
    {THROUGHPUT_BY_HAND, "by-hand", 0, NULL,
     "one at a time, without the client library: over a socket, with --tls by OpenSSL"},
    {0},
};

static const struct measure_command schedule_command = {
    .name = "schedule",
    .what = "schedule measures how fast orders are scheduled: each is on the disks of a majority\n"
            "when its call ends.",
    .flags = schedule_flags,
    .orders = 500000,
    .outstanding = 4096,
};

static const struct measure_command pay_command = {
    .name = "pay",
    .what = "pay schedules orders, and then measures how fast they are paid before their deadline.",
    .orders = 500000,
    .outstanding = 4096,
};

static bool throughput_by_hand(const struct measure *m)
{
    return m->values[THROUGHPUT_BY_HAND] != NULL;
}

/* The run that is measured, with what the nodes use meanwhile. */
static int throughput_run(struct measure *m, enum ordersched_operation_kind kind, uint64_t first,
                          const char *doing)
{
    struct engine_config config = measure_engine(m, kind, first, m->orders);
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage after[CLUSTER_NODES_MAX];
    struct engine_result result;

    bench_cluster_usage(&m->cluster, before);
    int rv = throughput_by_hand(m) ? by_hand_schedule(m, &config, &result)
                                   : measure_run(m, &config, doing, &result);
    if (rv == 0) {
        bench_cluster_usage(&m->cluster, after);
        bench_row_take(&m->row, &result);
        bench_row_take_usage(&m->row, m->cluster.n, before, after);
    }
    return rv;
}

static int schedule_run(struct measure *m, uint64_t pending)
{
    int rv = measure_load(m, pending);

    /* TLS has goals of its own, beside the plain one's. */
    m->row.bench = throughput_by_hand(m)   ? (m->cluster_config.tls ? "by_hand_tls" : "by_hand")
                   : m->cluster_config.tls ? "schedule_tls"
                                           : m->row.bench;
    json_object_set_new(m->row.settings, "pending", json_integer((json_int_t)pending));
    return rv != 0 ? rv : throughput_run(m, ORDERSCHED_SCHEDULE, m->next, "scheduling");
}

/* By hand there is one connection with one call under way, and its cluster is our own. */
static int by_hand_settle(struct measure *m)
{
    m->outstanding = 1;
    if (m->values[MEASURE_ENDPOINTS] != NULL) {
        return bench_usage("--by-hand needs a cluster of its own: leave out --endpoints", NULL);
    }
    if (m->values[MEASURE_OUTSTANDING] != NULL || m->values[MEASURE_CLIENTS] != NULL ||
        m->values[MEASURE_RATE] != NULL) {
        return bench_usage("--by-hand makes one call after the other: leave out --outstanding,"
                           " --clients and --rate",
                           NULL);
    }
    return 0;
}

int bench_schedule(int argc, char **argv)
{
    struct measure m;
    uint64_t pending;
    int rv = measure_read(&m, &schedule_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    if (!measure_count(&m, THROUGHPUT_PENDING, "--pending", 0, 0, 1000000000, &pending)) {
        return 2;
    }
    if (throughput_by_hand(&m) && (rv = by_hand_settle(&m)) != 0) {
        return rv;
    }
    rv = measure_open(&m);
    return rv != 0 ? rv : measure_close(&m, schedule_run(&m, pending));
}

int bench_pay(int argc, char **argv)
{
    struct measure m;
    int rv = measure_read(&m, &pay_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    rv = measure_open(&m);
    if (rv != 0) {
        return rv;
    }
    rv = measure_load(&m, m.orders);
    rv = rv == 0 ? throughput_run(&m, ORDERSCHED_PAY, 0, "paying") : rv;
    return measure_close(&m, rv);
}
