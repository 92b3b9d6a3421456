/* stall.c - the longest stall of the leader's raft loop while snapshots are taken under
 * load.
 *
 * A node that counts its loop's stalls itself says so in its STATUS (loop_stalls_us), and then the
 * longest of the seconds that were measured is the figure (of the first one, what is left of it).
 * Else it is looked at from outside: a prober begins a read of the leader's own state, which is
 * answered on that loop, once a ms, and its longest wait is the figure. It holds the way there and
 * back as well, so it is an upper bound. A second prober does the same with linearizable reads,
 * which wait for a commit, too. */
#include <stdio.h>
#include <string.h>

#include "../base/clocks.h"
#include "commands.h"
#include "measure/measure.h"
#include "stall_reads.h"

#define STALL_PROBES_PER_S 1000
#define STALL_LOAD_PER_S 5000.0
#define STALL_SNAPSHOTS 3
#define STALL_SLICE_MS 100
#define STALL_AGAIN_MAX 1000
#define STALL_LOOK_MS 30000 /* well before the node forgets */

enum { STALL_OVER = MEASURE_FLAGS, STALL_AT_MOST, STALL_READS, STALL_AGAIN };

static const struct flag stall_flags[] = {
    {STALL_AT_MOST, "at-most", 0, "DURATION", "how long to wait for 3 snapshots (60s)"},
    {STALL_OVER, "over", 0, "DURATION",
     "measure at least this long (10s); with --reads, under each load"},
    {STALL_AGAIN, "again", 0, "N",
     "with --reads: at most N times a load again under which the machine stood still (0)"},
    {STALL_READS, "reads", 0, NULL, "under loads of too many reads, instead of snapshots"},
    {0},
};

static const struct measure_command stall_command = {
    .name = "stall",
    .what =
        "stall measures the longest stall of the leader's raft loop while --orders are\n"
        "pending, load goes on (--rate, 5000 schedules a second) and the leader takes\n"
        "snapshots. Let it take more of them with\n"
        "--node-flags snapshot-threshold=N,snapshot-trailing=N.\n\n"
        "With --reads: under loads that clients should not ask for, one after the other:\n"
        "digests, large orders, lists that match nothing, lists of a thousand routes, status,\n"
        "readers that take no answer, refusals whose request ids collide. The loop should be\n"
        "deaf for no more than 10 ms, and nobody should be elected. Threads of real-time\n"
        "priority that only sleep tell whether the machine itself stood still meanwhile; with\n"
        "--again a load under which that was for more than 4 ms is measured again, and the row\n"
        "says how often that was, and the longest round of the times that did not count.",
    .flags = stall_flags,
    .orders = 1000000,
    .outstanding = 8192,
    .looks_at_nodes = true,
};

enum { STALL_COMMITTED, STALL_LOCAL, STALL_LOAD, STALL_ENGINES };

struct stall {
    struct measure m;
    uint64_t over_ms;
    uint64_t at_most_ms;
    unsigned leader;
    uint64_t term;
    unsigned snapshots; /* of the leader, seen to become whole */
    uint64_t looked_ms; /* when the node was last asked for its stalls */
    uint64_t inside_us; /* the longest that it told of; UINT64_MAX: it tells of none */
    struct engine engines[STALL_ENGINES];
    unsigned n_engines; /* begun */
};

static int stall_begin_one(struct stall *s, const struct engine_config *config)
{
    int rv = measure_begin(&s->engines[s->n_engines], config, "starting to measure");

    s->n_engines += rv == 0;
    return rv;
}

static int stall_begin(struct stall *s)
{
    struct measure *m = &s->m;
    struct engine_config load = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, UINT64_MAX / 2);
    struct engine_config probe = measure_engine(m, ORDERSCHED_GET, 0, UINT64_MAX / 2);

    load.rate = m->rate > 0 ? m->rate : STALL_LOAD_PER_S;
    load.go_on = true; /* the leader may change */
    json_object_set_new(m->row.settings, "rate", json_real(load.rate));
    probe.rate = STALL_PROBES_PER_S;
    probe.clients = 1;
    probe.span = m->orders;
    probe.go_on = true;
    int rv = stall_begin_one(s, &probe); /* STALL_COMMITTED */
    probe.target = m->cluster.nodes[s->leader].api;
    rv = rv == 0 ? stall_begin_one(s, &probe) : rv;
    return rv == 0 ? stall_begin_one(s, &load) : rv;
}

static void stall_end(struct stall *s, struct engine_result results[STALL_ENGINES])
{
    for (unsigned i = 0; i < s->n_engines; i++) {
        engine_stop(&s->engines[i]);
    }
    for (unsigned i = 0; i < s->n_engines; i++) {
        engine_finish(&s->engines[i], &results[i]); /* what failed is in the row */
    }
}

/* The node's own figure of the time since began_ms. One that does not answer adds nothing now. */
static void stall_look(struct stall *s, uint64_t began_ms)
{
    struct node_status status[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];

    s->looked_ms = clocks_running_ms();
    measure_look(&s->m, status, up);
    if (!up[s->leader]) {
        return;
    }
    uint64_t us = node_rounds_most_us(&status[s->leader].loop_stalls,
                                      (s->looked_ms - began_ms) / 1000);
    if (s->inside_us == UINT64_MAX || (us != UINT64_MAX && us > s->inside_us)) {
        s->inside_us = us;
    }
}

static void stall_watch(struct stall *s)
{
    uint64_t began_ms = clocks_running_ms();
    uint64_t newest = bench_cluster_snapshot(&s->m.cluster, s->leader);
    uint64_t passed_ms = 0;

    s->looked_ms = began_ms;
    s->inside_us = UINT64_MAX;
    while (passed_ms < s->over_ms ||
           (passed_ms < s->at_most_ms && s->snapshots < STALL_SNAPSHOTS)) {
        measure_watch(&s->m, &s->engines[STALL_LOAD], "under load", STALL_SLICE_MS);
        uint64_t now_newest = bench_cluster_snapshot(&s->m.cluster, s->leader);
        if (now_newest > newest) {
            s->snapshots++;
            newest = now_newest;
        }
        passed_ms = clocks_running_ms() - began_ms;
        if (clocks_running_ms() - s->looked_ms > STALL_LOOK_MS) {
            stall_look(s, began_ms);
        }
    }
    stall_look(s, began_ms);
}

static void stall_note_reads(struct stall *s, const char *name, const struct engine_result *r)
{
    json_t *reads = json_object();

    json_object_set_new(reads, "p50_ms",
                        json_real((double)histogram_quantile(&r->latency, 0.5) / 1000));
    json_object_set_new(reads, "p99_ms",
                        json_real((double)histogram_quantile(&r->latency, 0.99) / 1000));
    json_object_set_new(reads, "max_ms", json_real((double)r->latency.max / 1000));
    json_object_set_new(reads, "n", json_integer((json_int_t)r->latency.n));
    json_object_set_new(reads, "failed", json_integer((json_int_t)r->failed));
    json_object_set_new(s->m.row.details, name, reads);
}

static void stall_note(struct stall *s, const struct node_status *status,
                       const struct engine_result results[STALL_ENGINES])
{
    struct bench_row *row = &s->m.row;
    const struct engine_result *load = &results[STALL_LOAD];
    const struct engine_result *local = &results[STALL_LOCAL];
    bool inside = s->inside_us != UINT64_MAX;

    bench_row_take(row, load);
    bench_row_add(row, "load_max_ms", row->max_ms);
    row->p50_ms = (double)histogram_quantile(&local->latency, 0.5) / 1000;
    row->p99_ms = (double)histogram_quantile(&local->latency, 0.99) / 1000;
    row->p999_ms = (double)histogram_quantile(&local->latency, 0.999) / 1000;
    row->max_ms = (double)(inside ? s->inside_us : local->latency.max) / 1000;
    json_object_set_new(row->details, "stall_seen_from",
                        json_string(inside ? "the node (loop_stalls_us)"
                                           : "outside (local reads of the leader, 1 a ms)"));
    stall_note_reads(s, "local_reads", local);
    stall_note_reads(s, "linearizable_reads", &results[STALL_COMMITTED]);
    json_object_set_new(row->details, "snapshots", json_integer(s->snapshots));
    json_object_set_new(row->details, "elections",
                        json_integer((json_int_t)(status->term - s->term)));
    json_object_set_new(row->details, "failed_calls", json_integer((json_int_t)load->failed));
}

static int stall_measure(struct stall *s)
{
    struct engine_result results[STALL_ENGINES];
    struct bench_usage before[CLUSTER_NODES_MAX];
    struct bench_usage after[CLUSTER_NODES_MAX];
    struct node_status status;

    bench_cluster_usage(&s->m.cluster, before);
    int rv = stall_begin(s);
    if (rv == 0) {
        stall_watch(s);
        bench_cluster_usage(&s->m.cluster, after);
    }
    stall_end(s, results);
    if (rv == 0 && measure_leader(&s->m, 10000, &status) < 0) {
        rv = 3;
    }
    if (rv == 0) {
        bench_row_take_usage(&s->m.row, s->m.cluster.n, before, after);
        stall_note(s, &status, results);
    }
    return rv;
}

static int stall_run(struct stall *s)
{
    struct measure *m = &s->m;
    struct node_status status;

    int rv = measure_load(m, m->orders);
    rv = rv == 0 ? measure_wait_caught_up(m, 120000) : rv;
    if (rv != 0) {
        return rv;
    }
    int leader = measure_leader(m, 10000, &status);
    if (leader < 0) {
        return 3;
    }
    s->leader = (unsigned)leader;
    s->term = status.term;
    return stall_measure(s);
}

int bench_stall(int argc, char **argv)
{
    struct stall s = {0};
    int rv = measure_read(&s.m, &stall_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    if (!measure_duration(&s.m, STALL_OVER, "--over", 10000, 3600000, &s.over_ms) ||
        !measure_duration(&s.m, STALL_AT_MOST, "--at-most", 60000, 3600000, &s.at_most_ms)) {
        return 2;
    }
    uint64_t again;
    if (!measure_count(&s.m, STALL_AGAIN, "--again", 0, 0, STALL_AGAIN_MAX, &again)) {
        return 2;
    }
    rv = measure_open(&s.m);
    if (rv != 0) {
        return rv;
    }
    return measure_close(&s.m, s.m.values[STALL_READS] != NULL
                                   ? stall_reads_run(&s.m, s.over_ms, (unsigned)again)
                                   : stall_run(&s));
}
