/* failover_round.c - see failover.h. */
#include "failover.h"

#include <stdio.h>

#include "../base/clocks.h"

#define GIVE_UP_MS 30000
#define CAUGHT_UP_MS 60000
#define END_MS 30000 /* for a node that got SIGTERM */

static const char *const gone[FAILOVER_WAYS] = {"was killed", "was cut off", "got SIGTERM"};

/* The leader goes, and its gap is watched from then on. */
static int leader_go(struct failover *f, unsigned leader)
{
    struct bench_cluster *c = &f->m.cluster;
    int rv = 0;

    switch (f->way) {
        case FAILOVER_KILLS: bench_cluster_kill(c, leader); break;
        case FAILOVER_CUT: rv = cables_pull(&c->cables, leader); break;
        default: break;
    }
    gap_event(&f->gap, f->way == FAILOVER_TERM ? FAILOVER_AROUND_MS : 0);
    f->events_us[f->n_gaps] = clocks_wall_us();
    if (f->way == FAILOVER_TERM) {
        bench_cluster_term(c, leader);
    }
    return rv;
}

static int leader_ended(struct failover *f, unsigned leader)
{
    int code = bench_cluster_wait_end(&f->m.cluster, leader, END_MS);

    if (code != 0) {
        fprintf(stderr, "orderbench: node %u, which led, ", leader + 1);
        fprintf(stderr, code < 0 ? "had not ended %d s after SIGTERM\n" : "ended with %d\n",
                code < 0 ? END_MS / 1000 : code);
    }
    return code == 0 ? 0 : 3;
}

static int leader_return(struct failover *f, unsigned leader)
{
    struct measure *m = &f->m;
    int rv = f->way == FAILOVER_TERM  ? leader_ended(f, leader)
             : f->way == FAILOVER_CUT ? cables_plug_in(&m->cluster.cables, leader)
                                      : 0;

    if (rv == 0 && f->way != FAILOVER_CUT) {
        rv = bench_cluster_start(&m->cluster, leader) == 0 ? 0 : 3;
    }
    return rv == 0 ? measure_wait_caught_up(m, CAUGHT_UP_MS) : rv;
}

int failover_round(struct failover *f, struct engine *e)
{
    struct measure *m = &f->m;
    uint64_t *gap_us = &f->gaps_us[f->n_gaps];

    measure_watch(m, e, "under load", FAILOVER_CALM_MS);
    int leader = measure_leader(m, 10000, NULL);
    int rv = leader < 0 ? 3 : leader_go(f, (unsigned)leader);
    if (rv != 0) {
        return rv;
    }
    if (!gap_wait(&f->gap, GIVE_UP_MS, gap_us)) {
        fprintf(stderr,
                "orderbench: nothing was acknowledged for %d s after node %d, the leader, %s\n",
                GIVE_UP_MS / 1000, leader + 1, gone[f->way]);
        return 3;
    }
    f->n_gaps++;
    if (!m->quiet) {
        fprintf(stderr, "failover %u/%llu: node %d %s, %s %.0f ms\n", f->n_gaps,
                (unsigned long long)f->rounds, leader + 1, gone[f->way],
                f->way == FAILOVER_TERM ? "longest without an acknowledgement"
                                        : "next acknowledgement after",
                (double)*gap_us / 1000);
    }
    return leader_return(f, (unsigned)leader);
}
