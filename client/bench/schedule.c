/* schedule.c - how many orders a second the cluster takes, and how many payments. */
#include "commands.h"
#include "measure/measure.h"

enum { THROUGHPUT_PENDING = MEASURE_FLAGS };

static const struct flag schedule_flags[] = {
    {THROUGHPUT_PENDING, "pending", 0, "N", "orders that are pending before (0)"},
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

/* The run that is measured, with what the nodes use meanwhile. */
static int throughput_run(struct measure *m, enum ordersched_operation_kind kind, uint64_t first,
                          const char *doing)
{
    struct engine_config config = measure_engine(m, kind, first, m->orders);
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage after[CLUSTER_NODES_MAX];
    struct engine_result result;

    bench_cluster_usage(&m->cluster, before);
    int rv = measure_run(m, &config, doing, &result);
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

    if (m->cluster_config.tls) { /* goals of its own, beside the plain one's */
        m->row.bench = "schedule_tls";
    }
    json_object_set_new(m->row.settings, "pending", json_integer((json_int_t)pending));
    return rv != 0 ? rv : throughput_run(m, ORDERSCHED_SCHEDULE, m->next, "scheduling");
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
