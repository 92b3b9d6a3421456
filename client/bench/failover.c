/* failover.c - how long nothing is acknowledged when the leader goes: by SIGKILL, with its machine,
 * or by SIGTERM.
 *
 * Under an open loop the leader goes, several times over. A killed one, and one that was cut off,
 * has its gap until the next acknowledgement, the client's own search for the leader included. One
 * that got SIGTERM hands over what it leads, under a load that should not notice: its gap is the
 * longest of the second after that, and orders fire meanwhile whose lateness is noted. */
#include "failover.h"

#include <stdlib.h>

#include "../base/clocks.h"
#include "commands.h"

#define ROUND_MS_MAX 8000 /* for which there are orders that fire */
#define FIRE_PER_S 500
#define FIRE_LEAD_MS 2000 /* to load them in, and a second more for so many */
#define FIRE_LOADED_PER_S 50000

enum { FAILOVER_FIRST_WAY = MEASURE_FLAGS };

static const struct flag failover_flags[] = {
    {FAILOVER_FIRST_WAY + FAILOVER_KILLS, "kills", 0, "N", "SIGKILL the leader, N times (5)"},
    {FAILOVER_FIRST_WAY + FAILOVER_CUT, "cut", 0, "N",
     "instead: N times its machine is off the network, without a word"},
    {FAILOVER_FIRST_WAY + FAILOVER_TERM, "term", 0, "N",
     "instead: SIGTERM, N times, upon which it hands over and ends"},
    {0},
};
static const double rates[FAILOVER_WAYS] = {200, 200, 20000};

static const struct measure_command failover_command = {
    .name = "failover",
    .what =
        "failover lets the leader go under load (--rate; 200 calls a second, with --term 20000)\n"
        "and measures how long nothing is acknowledged; --orders are pending before that.\n"
        "\n"
        "With --kills and --cut that is the time until an order that was sent afterwards is\n"
        "acknowledged; with --term the longest time between two acknowledgements in the second\n"
        "after the signal. With --term 500 orders a second fire as well; how late they are in\n"
        "that second is in the row.\n"
        "\n"
        "For --cut each node has a network namespace of its own, with a cable that is pulled\n"
        "and plugged in again. That takes root, or a machine where users may make namespaces,\n"
        "and the program ip: else exit code 2, NO_CABLES.",
    .flags = failover_flags,
    .orders = 10000,
    .outstanding = 4096,
    .kills = true,
};

/* ---- what was found ---- */

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Of the orders that were due in the second after each SIGTERM: together, and the worst p99 of one
 * such second. */
static void failover_note_lateness(struct failover *f)
{
    static struct histogram all, one; /* large */
    uint64_t p99_us = 0;

    for (unsigned i = 0; i < f->n_gaps; i++) {
        uint64_t from_us = f->events_us[i];
        book_lateness(&f->fired.book, from_us, from_us + FAILOVER_AROUND_MS * 1000, 0, UINT64_MAX,
                      &one);
        uint64_t us = histogram_quantile(&one, 0.99);
        p99_us = us > p99_us ? us : p99_us;
        histogram_merge(&all, &one);
    }
    json_object_set_new(f->m.row.details, "lateness_ms", fired_lateness_json(&all));
    bench_row_add(&f->m.row, "lateness_p99_worst_ms", (double)p99_us / 1000);
}

static void failover_note(struct failover *f, const struct engine_result *result)
{
    json_t *gaps = json_array();
    struct bench_row *row = &f->m.row;

    bench_row_take(row, result);
    for (unsigned i = 0; i < f->n_gaps; i++) {
        json_array_append_new(gaps, json_real((double)f->gaps_us[i] / 1000));
    }
    json_object_set_new(row->details, "gaps_ms", gaps);
    qsort(f->gaps_us, f->n_gaps, sizeof *f->gaps_us, compare);
    bench_row_add(row, "gap_median_ms", (double)f->gaps_us[(f->n_gaps - 1) / 2] / 1000);
    json_object_set_new(row->details, "failed_calls", json_integer((json_int_t)result->failed));
    row->max_ms = (double)f->gaps_us[f->n_gaps - 1] / 1000;
    if (f->way == FAILOVER_TERM) {
        failover_note_lateness(f);
    }
}

/* ---- the run ---- */

/* Orders that fire from soon on, for as long as the rounds may take, and who takes them. */
static int failover_fire(struct failover *f)
{
    uint64_t over_ms = FAILOVER_CALM_MS + f->rounds * ROUND_MS_MAX;
    uint64_t orders = over_ms * FIRE_PER_S / 1000;
    struct engine_result loaded;

    int rv = fired_open(&f->fired, &f->m, f->m.run + 1, orders, 0);
    f->fired.plan.first_ms = clocks_wall_ms() + FIRE_LEAD_MS + orders * 1000 / FIRE_LOADED_PER_S;
    f->fired.plan.over_ms = over_ms;
    rv = rv == 0 ? fired_load(&f->fired, &loaded) : rv;
    rv = rv == 0 ? fired_work(&f->fired) : rv;
    if (rv == 0) {
        clocks_wait_until_ms(f->fired.plan.first_ms);
    }
    return rv;
}

static int failover_rounds(struct failover *f, struct engine *e)
{
    int rv = 0;

    while (rv == 0 && f->n_gaps < f->rounds) {
        rv = failover_round(f, e);
    }
    if (rv == 0 && f->way == FAILOVER_TERM) { /* the last ones may be late */
        measure_watch(&f->m, e, "under load", FAILOVER_CALM_MS);
    }
    return rv;
}

static int failover_under_load(struct failover *f)
{
    struct measure *m = &f->m;
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage after[CLUSTER_NODES_MAX];
    struct engine_result result;
    struct engine e;
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, UINT64_MAX / 2);

    config.rate = m->rate > 0 ? m->rate : rates[f->way];
    config.go_on = true;
    config.ended = gap_ended;
    config.ended_arg = &f->gap;
    json_object_set_new(m->row.settings, "rate", json_real(config.rate));
    json_object_set_new(m->row.settings, failover_flags[f->way].name,
                        json_integer((json_int_t)f->rounds));
    int rv = measure_begin(&e, &config, "starting the load");
    if (rv != 0) {
        return rv;
    }
    bench_cluster_usage(&m->cluster, before);
    rv = failover_rounds(f, &e);
    bench_cluster_usage(&m->cluster, after);
    engine_stop(&e);
    int end = measure_end(&e, "under load", &result);
    if (f->way == FAILOVER_TERM) {
        int rested = fired_rest(&f->fired);
        end = end == 0 ? rested : end;
    }
    if (rv == 0 && end == 0) {
        failover_note(f, &result);
        bench_row_take_usage(&m->row, m->cluster.n, before, after);
    }
    return rv != 0 ? rv : end;
}

static int failover_run(struct failover *f)
{
    int rv = measure_load(&f->m, f->m.orders);

    if (rv == 0 && f->way == FAILOVER_TERM) {
        rv = failover_fire(f);
    }
    rv = rv == 0 ? failover_under_load(f) : rv;
    fired_close(&f->fired);
    return rv;
}

/* ---- the command ---- */

/* Which way, and how often. */
static int failover_read(struct failover *f)
{
    char name[16];
    unsigned ways = 0;

    for (unsigned way = 0; way < FAILOVER_WAYS; way++) {
        if (f->m.values[FAILOVER_FIRST_WAY + way] != NULL) {
            f->way = way;
            ways++;
        }
    }
    if (ways > 1) {
        return bench_usage("--kills, --cut and --term exclude each other", NULL);
    }
    if (f->m.cluster_config.nodes < 3) {
        return bench_usage("failover needs --nodes 3 or more: without a majority nobody leads",
                           NULL);
    }
    snprintf(name, sizeof name, "--%s", failover_flags[f->way].name);
    f->m.cluster_config.apart = f->way == FAILOVER_CUT;
    return measure_count(&f->m, FAILOVER_FIRST_WAY + (int)f->way, name, 5, 1, FAILOVER_ROUNDS_MAX,
                         &f->rounds)
               ? 0
               : 2;
}

int bench_failover(int argc, char **argv)
{
    static struct failover f = {.gap = GAP_INIT}; /* large */
    int rv = measure_read(&f.m, &failover_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    rv = failover_read(&f);
    rv = rv == 0 ? measure_open(&f.m) : rv;
    return rv != 0 ? rv : measure_close(&f.m, failover_run(&f));
}
