/* failover.c - how long nothing is acknowledged when the leader is killed.
 *
 * Under light load (an open loop) the leader gets SIGKILL, several times over. A round's gap is
 * from the moment at which it is dead to the first acknowledgement of an order whose call began
 * after that: what a client sees that goes on trying, its own search for the leader included. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "commands.h"
#include "measure/measure.h"

#define FAILOVER_ROUNDS_MAX 100
#define FAILOVER_RATE 200.0
#define FAILOVER_GIVE_UP_MS 30000
#define FAILOVER_CALM_MS 1000 /* of load before each kill */
#define CAUGHT_UP_MS 60000

enum { FAILOVER_ROUNDS = MEASURE_FLAGS };

static const struct flag failover_flags[] = {
    {FAILOVER_ROUNDS, "rounds", 0, "N", "how often the leader is killed (5)"},
    {0},
};

static const struct measure_command failover_command = {
    .name = "failover",
    .what = "failover kills the leader under light load (--rate, 200 calls a second) and measures\n"
            "the time until an order that was sent afterwards is acknowledged; --orders are\n"
            "pending before that.",
    .flags = failover_flags,
    .orders = 10000,
    .outstanding = 4096,
    .kills = true,
};

struct failover {
    struct measure m;
    uint64_t rounds;
    uint64_t gaps_us[FAILOVER_ROUNDS_MAX];
    unsigned n_gaps;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t resumed;
    uint64_t dead_us;    /* when the leader was dead; 0: no round is on */
    uint64_t resumed_us; /* first acknowledgement after it */
};

static void failover_ended(void *arg, uint64_t number, uint64_t began_us, int error, int state)
{
    struct failover *f = arg;

    (void)number;
    (void)state;
    pthread_mutex_lock(&f->mutex);
    if (error == ORDERSCHED_OK && f->dead_us != 0 && f->resumed_us == 0 && began_us > f->dead_us) {
        f->resumed_us = clocks_running_us();
        pthread_cond_signal(&f->resumed);
    }
    pthread_mutex_unlock(&f->mutex);
}

/* False: nothing was acknowledged for too long. */
static bool failover_wait(struct failover *f)
{
    struct timespec until = clocks_in_ms(CLOCK_REALTIME, FAILOVER_GIVE_UP_MS);

    pthread_mutex_lock(&f->mutex);
    while (f->resumed_us == 0 && pthread_cond_timedwait(&f->resumed, &f->mutex, &until) == 0) {
    }
    bool resumed = f->resumed_us != 0;
    if (resumed) {
        f->gaps_us[f->n_gaps++] = f->resumed_us - f->dead_us;
    }
    f->dead_us = f->resumed_us = 0;
    pthread_mutex_unlock(&f->mutex);
    return resumed;
}

static int failover_round(struct failover *f, struct engine *e)
{
    struct measure *m = &f->m;

    measure_watch(m, e, "under load", FAILOVER_CALM_MS);
    int leader = measure_leader(m, 10000, NULL);
    if (leader < 0) {
        return 3;
    }
    bench_cluster_kill(&m->cluster, (unsigned)leader);
    pthread_mutex_lock(&f->mutex);
    f->dead_us = clocks_running_us();
    pthread_mutex_unlock(&f->mutex);
    if (!failover_wait(f)) {
        fprintf(stderr,
                "orderbench: nothing was acknowledged for %d s after node %d, the leader,"
                " was killed\n",
                FAILOVER_GIVE_UP_MS / 1000, leader + 1);
        return 3;
    }
    if (!m->quiet) {
        fprintf(stderr, "failover %u/%llu: node %d killed, next acknowledgement after %.0f ms\n",
                f->n_gaps, (unsigned long long)f->rounds, leader + 1,
                (double)f->gaps_us[f->n_gaps - 1] / 1000);
    }
    return bench_cluster_start(&m->cluster, (unsigned)leader) != 0
               ? 3
               : measure_wait_caught_up(m, CAUGHT_UP_MS);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
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
}

static int failover_run(struct failover *f)
{
    struct measure *m = &f->m;
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage after[CLUSTER_NODES_MAX];
    struct engine_result result;
    struct engine e;

    int rv = measure_load(m, m->orders);
    if (rv != 0) {
        return rv;
    }
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, UINT64_MAX / 2);
    config.rate = m->rate > 0 ? m->rate : FAILOVER_RATE;
    config.go_on = true;
    config.ended = failover_ended;
    config.ended_arg = f;
    json_object_set_new(m->row.settings, "rate", json_real(config.rate));
    json_object_set_new(m->row.settings, "rounds", json_integer((json_int_t)f->rounds));
    rv = measure_begin(&e, &config, "starting the load");
    if (rv != 0) {
        return rv;
    }
    bench_cluster_usage(&m->cluster, before);
    while (rv == 0 && f->n_gaps < f->rounds) {
        rv = failover_round(f, &e);
    }
    bench_cluster_usage(&m->cluster, after);
    engine_stop(&e);
    int end = measure_end(&e, "under load", &result);
    if (rv == 0 && end == 0) {
        failover_note(f, &result);
        bench_row_take_usage(&m->row, m->cluster.n, before, after);
    }
    return rv != 0 ? rv : end;
}

int bench_failover(int argc, char **argv)
{
    struct failover f = {.mutex = PTHREAD_MUTEX_INITIALIZER, .resumed = PTHREAD_COND_INITIALIZER};
    int rv = measure_read(&f.m, &failover_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    if (f.m.cluster_config.nodes < 3) {
        return bench_usage("failover needs --nodes 3 or more: without a majority nobody leads",
                           NULL);
    }
    if (!measure_count(&f.m, FAILOVER_ROUNDS, "--rounds", 5, 1, FAILOVER_ROUNDS_MAX, &f.rounds)) {
        return 2;
    }
    rv = measure_open(&f.m);
    return rv != 0 ? rv : measure_close(&f.m, failover_run(&f));
}
