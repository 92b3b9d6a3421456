/* restart.c - how long a cluster is away when its nodes are killed and started again.
 *
 * With all nodes killed the clock runs from the moment at which the last one is dead and the first
 * one is started again, until a schedule is acknowledged, which takes a majority that has loaded
 * its disk. With one killed (a follower) it runs until that node answers for itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "commands.h"
#include "measure/ids.h"
#include "measure/measure.h"

#define CAUGHT_UP_MS 120000
#define ATTEMPT_MS 250
#define POLL_US 2000

enum { RESTART_KILL = MEASURE_FLAGS, RESTART_WITHIN };

static const struct flag restart_flags[] = {
    {RESTART_KILL, "kill", 0, "all|one", "all nodes, or a follower (all)"},
    {RESTART_WITHIN, "within", 0, "DURATION", "give up when it does not serve by then (2m)"},
    {0},
};

static const struct measure_command restart_command = {
    .name = "restart",
    .what = "restart schedules orders, kills nodes with SIGKILL, starts them again, and measures\n"
            "the time until an order is acknowledged again, and until all nodes have caught up.",
    .flags = restart_flags,
    .orders = 1000000,
    .outstanding = 8192,
    .kills = true,
};

struct restart {
    struct measure m;
    bool one;
    unsigned victim; /* when it is one */
    uint64_t within_ms;
    uint64_t began_us;
};

static double since_s(const struct restart *r)
{
    return (double)(clocks_running_us() - r->began_us) / 1e6;
}

/* A fresh client each time: one that has failed for a while waits longer and longer between its
 * attempts, and that is not what is measured. */
static bool restart_serves(struct restart *r)
{
    struct measure *m = &r->m;
    struct ordersched_config config = {.endpoints = m->cluster.endpoints,
                                       .cluster = m->cluster_config.name,
                                       .timeout_ms = ATTEMPT_MS};
    char id[BENCH_ID_SIZE];
    struct engine_config as = measure_engine(m, ORDERSCHED_SCHEDULE, 0, 1);
    struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                      .id = id,
                                      .id_len = sizeof id,
                                      .relative = true,
                                      .time_ms = bench_delay_ms(m->next),
                                      .route = as.route};
    ordersched_client *client;

    bench_id(m->run, m->next, id);
    if (ordersched_open(&config, &client) != ORDERSCHED_OK) {
        return false;
    }
    int rv = ordersched_call(client, &op, ATTEMPT_MS, NULL);
    /* EXISTS: an earlier attempt, whose answer was too late, has been committed. */
    bool served = rv == ORDERSCHED_OK || rv == ORDERSCHED_EXISTS;
    if (served) {
        m->row.seconds = since_s(r);
        m->next++;
    }
    ordersched_close(client);
    return served;
}

static bool restart_victim_answers(struct restart *r)
{
    struct operation op = {.code = OPERATION_STATUS};
    struct ask ask = {.target = r->m.cluster.nodes[r->victim].api};

    ask_nodes(r->m.client, &op, ATTEMPT_MS, &ask, 1);
    bool up = ask.reply.error == ORDERSCHED_OK;
    ask_reply_free(&ask.reply);
    if (up) {
        r->m.row.seconds = since_s(r);
    }
    return up;
}

static int restart_choose(struct restart *r)
{
    int leader = measure_leader(&r->m, 10000, NULL);

    if (leader < 0) {
        return 3;
    }
    r->victim = ((unsigned)leader + 1) % r->m.cluster.n;
    return 0;
}

static int restart_kill_and_start(struct restart *r)
{
    struct bench_cluster *c = &r->m.cluster;

    for (unsigned i = 0; i < c->n; i++) {
        if (!r->one || i == r->victim) {
            bench_cluster_kill(c, i);
        }
    }
    r->began_us = clocks_running_us();
    for (unsigned i = 0; i < c->n; i++) {
        if ((!r->one || i == r->victim) && bench_cluster_start(c, i) != 0) {
            return 3;
        }
    }
    return 0;
}

static int restart_wait(struct restart *r)
{
    while (!(r->one ? restart_victim_answers(r) : restart_serves(r))) {
        if (since_s(r) * 1000 > (double)r->within_ms) {
            fprintf(stderr, "orderbench: nothing is served %.1f s after the start\n", since_s(r));
            return 3;
        }
        usleep(POLL_US);
    }
    int rv = measure_wait_caught_up(&r->m, CAUGHT_UP_MS);
    bench_row_add(&r->m.row, "caught_up_seconds", since_s(r));
    return rv;
}

/* Nothing that was acknowledged is gone. */
static int restart_check(struct restart *r)
{
    struct node_status status;

    if (measure_leader(&r->m, 10000, &status) < 0) {
        return 3;
    }
    if (status.pending != r->m.next) {
        fprintf(stderr, "orderbench: %llu orders were acknowledged, %llu are pending\n",
                (unsigned long long)r->m.next, (unsigned long long)status.pending);
        return 3;
    }
    return 0;
}

static int restart_run(struct restart *r)
{
    struct measure *m = &r->m;
    struct bench_usage none[CLUSTER_NODES_MAX] = {{0}};
    struct bench_usage after[CLUSTER_NODES_MAX];

    json_object_set_new(m->row.settings, "killed", json_string(r->one ? "one" : "all"));
    int rv = measure_load(m, m->orders);
    rv = rv == 0 ? measure_wait_caught_up(m, CAUGHT_UP_MS) : rv;
    rv = rv == 0 ? restart_choose(r) : rv;
    rv = rv == 0 ? restart_kill_and_start(r) : rv;
    rv = rv == 0 ? restart_wait(r) : rv;
    rv = rv == 0 ? restart_check(r) : rv;
    if (rv == 0) {
        bench_cluster_usage(&m->cluster, after);
        bench_row_take_usage(&m->row, m->cluster.n, none, after);
    }
    return rv;
}

int bench_restart(int argc, char **argv)
{
    struct restart r = {0};
    int rv = measure_read(&r.m, &restart_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    const char *kill = r.m.values[RESTART_KILL] != NULL ? r.m.values[RESTART_KILL] : "all";
    r.one = strcmp(kill, "one") == 0;
    if (!r.one && strcmp(kill, "all") != 0) {
        return bench_usage("--kill is neither all nor one", kill);
    }
    if (r.one && r.m.cluster_config.nodes < 3) {
        return bench_usage("--kill one needs --nodes 3 or more", NULL);
    }
    if (!measure_duration(&r.m, RESTART_WITHIN, "--within", 120000, 3600000, &r.within_ms)) {
        return 2;
    }
    rv = measure_open(&r.m);
    return rv != 0 ? rv : measure_close(&r.m, restart_run(&r));
}
