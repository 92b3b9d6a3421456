/* http_turns.c - how fast orders are scheduled over HTTP, beside the client library, in turns: each
 * round has a turn of the library, one over HTTP at the leader, and one over HTTP through a follower.
 *
 * The ratios are of turns of one round, so that what the machine does in the course of the run is in
 * both of their sides. */
#include "http.h"

#include <math.h>

#include "../base/clocks.h"
#include "http/http_load.h"

#define TURN_WARM 2000 /* orders before the first turn */
#define TURN_PACED_OUTSTANDING 4096
#define TURN_LOOK_MS 20

enum http_way { WAY_CLIENT, WAY_LEADER, WAY_FOLLOWER, WAYS };

static const char *const way_names[WAYS] = {"client", "leader", "follower"};
static const char *const way_words[WAYS] = {"by the client", "over HTTP at the leader",
                                            "over HTTP through a follower"};

enum http_turn_figure {
    TURN_PER_S,
    TURN_P50,
    TURN_P99,
    TURN_P999,
    TURN_MAX,
    TURN_SECONDS,
    FIGURES
};

static const char *const figure_names[FIGURES] = {"ops_per_s", "p50_ms", "p99_ms",
                                                  "p999_ms",   "max_ms", "seconds"};

/* What one way has shown so far. */
struct http_side {
    double figures[FIGURES][HTTP_ROUNDS_MAX];
    uint64_t done;
    double load_cpu_s;
    double nodes_cpu_s;
};

struct http_turns {
    struct http_bench *b;
    struct http_side sides[WAYS];
    unsigned n; /* ways; a cluster of one has no follower */
};

/* ---- one turn ---- */

static int turn_by_client(struct measure *m, const struct http_bench *b, struct engine_result *r)
{
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, m->orders);

    config.outstanding = m->outstanding * (b->batch > 0 ? b->batch : 1);
    if (config.outstanding > ENGINE_OUTSTANDING_MAX) {
        config.outstanding = ENGINE_OUTSTANDING_MAX;
    }
    if (config.rate > 0) {
        config.rate *= b->batch > 0 ? b->batch : 1;
        config.outstanding = TURN_PACED_OUTSTANDING;
    }
    return measure_run(m, &config, way_words[WAY_CLIENT], r);
}

static int turn_over_http(struct measure *m, const struct http_bench *b, enum http_way way,
                          struct engine_result *r)
{
    struct node_status status;
    struct http_load load;
    int node = measure_leader(m, 10000, &status);

    if (node < 0) {
        return 3;
    }
    if (way == WAY_FOLLOWER) {
        node = (node + 1) % (int)m->cluster.n;
    }
    struct http_load_config config = {.port = http_port(m, (unsigned)node),
                                      .connections = m->outstanding,
                                      .orders = {.route = measure_engine(m, 0, 0, 0).route,
                                                 .run = m->run,
                                                 .first = m->next,
                                                 .n = m->orders,
                                                 .batch = b->batch},
                                      .rate = m->rate,
                                      .timeout_ms = m->timeout_ms};
    if (http_load_start(&load, &config) != 0) {
        fprintf(stderr, "orderbench: node %d cannot be reached over HTTP at 127.0.0.1:%u\n",
                node + 1, config.port);
        return 3;
    }
    while (!http_load_has_ended(&load)) {
        clocks_sleep_ms(TURN_LOOK_MS);
    }
    http_load_finish(&load, r);
    if (r->failed > 0) {
        fprintf(stderr, "orderbench: %llu orders were not scheduled %s; the first: %s\n",
                (unsigned long long)r->failed, way_words[way], r->text);
        return 3;
    }
    return 0;
}

static double nodes_cpu_s(const struct measure *m)
{
    struct bench_usage usage[CLUSTER_NODES_MAX];
    double sum = 0;

    bench_cluster_usage(&m->cluster, usage);
    for (unsigned i = 0; i < m->cluster.n; i++) {
        sum += usage[i].cpu_s;
    }
    return sum;
}

static int turn_run(struct http_turns *t, enum http_way way, unsigned round)
{
    static struct engine_result r; /* its histogram is large */
    struct http_side *side = &t->sides[way];
    struct measure *m = &t->b->m;
    double before_s = nodes_cpu_s(m);

    int rv = way == WAY_CLIENT ? turn_by_client(m, t->b, &r) : turn_over_http(m, t->b, way, &r);
    if (rv != 0) {
        return rv;
    }
    const struct histogram *h = &r.latency;
    m->next += m->orders;
    side->done += r.done;
    side->load_cpu_s += r.cpu_s;
    side->nodes_cpu_s += nodes_cpu_s(m) - before_s;
    side->figures[TURN_PER_S][round] = r.seconds > 0 ? (double)r.done / r.seconds : 0;
    side->figures[TURN_P50][round] = (double)histogram_quantile(h, 0.5) / 1000;
    side->figures[TURN_P99][round] = (double)histogram_quantile(h, 0.99) / 1000;
    side->figures[TURN_P999][round] = (double)histogram_quantile(h, 0.999) / 1000;
    side->figures[TURN_MAX][round] = (double)h->max / 1000;
    side->figures[TURN_SECONDS][round] = r.seconds;
    if (!m->quiet) {
        fprintf(stderr, "round %u  %-28s %8.0f orders/s, p99 %.2f ms\n", round + 1, way_words[way],
                side->figures[TURN_PER_S][round], side->figures[TURN_P99][round]);
    }
    return 0;
}

/* ---- the row ---- */

/* Of the turns of both in one round. */
static double turns_ratio(const struct http_turns *t, enum http_way way)
{
    double ratios[HTTP_ROUNDS_MAX];

    for (unsigned i = 0; i < t->b->rounds; i++) {
        ratios[i] = t->sides[way].figures[TURN_PER_S][i] /
                    t->sides[WAY_CLIENT].figures[TURN_PER_S][i];
    }
    return http_median(ratios, t->b->rounds);
}

static double rounded(double v)
{
    return round(v * 1000) / 1000;
}

static void note_side(struct http_turns *t, enum http_way way)
{
    struct http_side *side = &t->sides[way];
    json_t *object = json_object();
    json_t *rounds = json_array();

    for (unsigned i = 0; i < t->b->rounds; i++) {
        json_array_append_new(rounds, json_real(rounded(side->figures[TURN_PER_S][i])));
    }
    for (unsigned i = 0; i < FIGURES; i++) {
        double median = http_median(side->figures[i], t->b->rounds); /* puts them in order */
        json_object_set_new(object, figure_names[i], json_real(rounded(median)));
    }
    json_object_set_new(object, "ops_per_s_of_each_round", rounds);
    double orders = side->done > 0 ? (double)side->done : NAN;
    json_object_set_new(object, "load_cpu_us_an_order",
                        json_real(rounded(side->load_cpu_s * 1e6 / orders)));
    json_object_set_new(object, "nodes_cpu_us_an_order",
                        json_real(rounded(side->nodes_cpu_s * 1e6 / orders)));
    json_object_set_new(t->b->m.row.details, way_names[way], object);
}

/* Which of the measurements of http it is: goals are for each of them. */
static const char *turns_name(const struct http_bench *b)
{
    return b->m.rate > 0           ? "http_paced"
           : b->batch > 0          ? "http_batch"
           : b->m.outstanding == 1 ? "http_one"
                                   : "http";
}

static void turns_note(struct http_turns *t)
{
    struct bench_row *row = &t->b->m.row;
    struct http_side *leader = &t->sides[WAY_LEADER];

    row->bench = turns_name(t->b);
    row->ratio = turns_ratio(t, WAY_LEADER);
    if (t->n > WAY_FOLLOWER) {
        bench_row_add(row, "ratio_through_follower", turns_ratio(t, WAY_FOLLOWER));
    }
    double load_cpu_s = 0;
    for (unsigned i = 0; i < t->n; i++) {
        load_cpu_s += t->sides[i].load_cpu_s;
        note_side(t, i);
    }
    bench_row_add(row, "load_cpu_s", load_cpu_s);
    row->ops_per_s = http_median(leader->figures[TURN_PER_S], t->b->rounds);
    row->p50_ms = http_median(leader->figures[TURN_P50], t->b->rounds);
    row->p99_ms = http_median(leader->figures[TURN_P99], t->b->rounds);
    row->p999_ms = http_median(leader->figures[TURN_P999], t->b->rounds);
    row->max_ms = http_median(leader->figures[TURN_MAX], t->b->rounds);
    row->seconds = http_median(leader->figures[TURN_SECONDS], t->b->rounds);
    json_object_set_new(row->settings, "batch", json_integer(t->b->batch > 0 ? t->b->batch : 1));
}

int http_turns_run(struct http_bench *b)
{
    static struct http_turns t; /* too large for a stack */
    struct measure *m = &b->m;
    struct bench_usage before[CLUSTER_NODES_MAX], after[CLUSTER_NODES_MAX];

    t = (struct http_turns){.b = b, .n = m->cluster.n > 1 ? WAYS : WAY_FOLLOWER};
    int rv = measure_load(m, TURN_WARM);
    bench_cluster_usage(&m->cluster, before);
    for (unsigned round = 0; rv == 0 && round < b->rounds; round++) {
        for (unsigned way = 0; rv == 0 && way < t.n; way++) {
            rv = turn_run(&t, way, round);
        }
    }
    bench_cluster_usage(&m->cluster, after);
    if (rv == 0) {
        bench_row_take_usage(&m->row, m->cluster.n, before, after);
        turns_note(&t);
    }
    return rv;
}
