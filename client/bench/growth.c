/* growth.c - what an order costs when many are pending, against what it costs when few
 * are: the same schedules, measured at both sizes of the same cluster. */
#include "commands.h"
#include "measure/measure.h"

#define CAUGHT_UP_MS 120000

enum { GROWTH_BASE = MEASURE_FLAGS, GROWTH_SAMPLE };

static const struct flag growth_flags[] = {
    {GROWTH_BASE, "base", 0, "N", "orders that are pending at the small size (10000)"},
    {GROWTH_SAMPLE, "sample", 0, "N", "orders that are scheduled at each size, measured (200000)"},
    {0},
};

static const struct measure_command growth_command = {
    .name = "growth",
    .what =
        "growth measures schedules with --base orders pending and again with --orders pending;\n"
        "its ratio is the orders a second at the large size over those at the small one.",
    .flags = growth_flags,
    .orders = 10000000,
    .outstanding = 4096,
};

static int growth_sample(struct measure *m, uint64_t n, const char *doing,
                         struct engine_result *result)
{
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, n);
    int rv = measure_run(m, &config, doing, result);

    m->next += n;
    return rv;
}

static int growth_run(struct measure *m, uint64_t base, uint64_t sample)
{
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage after[CLUSTER_NODES_MAX];
    struct engine_result few, many;

    json_object_set_new(m->row.settings, "base", json_integer((json_int_t)base));
    json_object_set_new(m->row.settings, "sample", json_integer((json_int_t)sample));
    int rv = measure_load(m, base);
    rv = rv == 0 ? growth_sample(m, sample, "the small size", &few) : rv;
    rv = rv == 0 ? measure_load(m, m->orders > m->next ? m->orders - m->next : 0) : rv;
    rv = rv == 0 && m->cluster.own ? measure_wait_caught_up(m, CAUGHT_UP_MS) : rv;
    bench_cluster_usage(&m->cluster, before);
    rv = rv == 0 ? growth_sample(m, sample, "the large size", &many) : rv;
    if (rv == 0) {
        bench_cluster_usage(&m->cluster, after);
        bench_row_take(&m->row, &many);
        bench_row_take_usage(&m->row, m->cluster.n, before, after);
        double few_per_s = (double)few.done / few.seconds;
        m->row.ratio = few_per_s > 0 ? m->row.ops_per_s / few_per_s : 0;
        bench_row_add(&m->row, "base_ops_per_s", few_per_s);
    }
    return rv;
}

int bench_growth(int argc, char **argv)
{
    struct measure m;
    uint64_t base, sample;
    int rv = measure_read(&m, &growth_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    if (!measure_count(&m, GROWTH_BASE, "--base", 10000, 0, 1000000000, &base) ||
        !measure_count(&m, GROWTH_SAMPLE, "--sample", 200000, 1, 1000000000, &sample)) {
        return 2;
    }
    if (m.orders < base + sample) {
        return bench_usage("--orders must be at least --base and --sample together", NULL);
    }
    rv = measure_open(&m);
    return rv != 0 ? rv : measure_close(&m, growth_run(&m, base, sample));
}
