/* http_hostile.c - what hostile HTTP clients do to everybody else.
 *
 * Orders fire all the time, a client writes at its port, and an honest HTTP client writes, too. Each
 * round has, for each kind of crowd (http_crowds.h), a turn without it and a turn with it, at the
 * leader. The figures are medians over the rounds; a ratio is of the two turns that follow each other.
 * In the end every order is judged as in a soak. */
#include "http.h"

#include <math.h>
#include <string.h>

#include "../base/clocks.h"
#include "http/http_load.h"
#include "http_crowds.h"
#include "measure/fired.h"
#include "witness.h"

#define FIRE_PER_S 500
#define CLIENT_PER_S 1000.0
#define CLIENT_OUTSTANDING 1000
#define FIRED_OUTSTANDING 4096 /* calls, when orders are loaded and read */
#define HTTP_PER_S 200.0
#define HTTP_CONNECTIONS 8
#define GATHER_MS 500 /* for a crowd to be there */
#define GATHER_MOST_MS 30000
#define BESIDE_MS 1000 /* a turn takes as much longer: starting, ending */
#define LEAD_MS 5000   /* for loading the orders that fire */
#define SETTLE_MS 60000
#define KINDS_MAX 32

/* What was seen in one turn, in ms. */
enum hostile_figure {
    LATE_P50,
    LATE_P99,
    LATE_MAX,
    CLIENT_P50,
    CLIENT_P99,
    CLIENT_MAX,
    HTTP_P50,
    HTTP_P99,
    HTTP_MAX,
    LOOP_MAX,
    MACHINE_MAX,
    FIGURES
};

static const char *const figure_names[FIGURES] = {"lateness_p50_ms", "lateness_p99_ms",
                                                  "lateness_max_ms", "client_p50_ms",
                                                  "client_p99_ms",   "client_max_ms",
                                                  "http_p50_ms",     "http_p99_ms",
                                                  "http_max_ms",     "loop_max_ms",
                                                  "machine_max_ms"};

struct hostile_turn {
    uint64_t from_us, to_us; /* since the epoch */
    double figures[FIGURES];
};

struct hostile_crowd {
    struct hostile_turn turns[2][HTTP_ROUNDS_MAX]; /* without it, with it */
    uint64_t opened, closed, sent, answered, refused;
};

struct hostile {
    struct http_bench *b;
    struct fired fired;
    struct hostile_crowd crowds[KINDS_MAX];
    uint64_t http_next; /* number of the honest HTTP client's next order */
    uint64_t done;      /* orders written beside those that fire */
    uint64_t not_done;  /* nobody knows of these */
    uint64_t client_failed, http_failed;
    uint64_t term, elections;
};

/* ---- one turn ---- */

static double ms_of(const struct histogram *h, double share)
{
    return (double)histogram_quantile(h, share) / 1000;
}

static void note_latencies(double *figures, const struct histogram *h)
{
    figures[0] = ms_of(h, 0.5);
    figures[1] = ms_of(h, 0.99);
    figures[2] = (double)h->max / 1000;
}

/* The longest round of the leader's loop in this turn; NAN: it does not say. */
static double loop_max_ms(const struct hostile *h, unsigned leader, uint64_t began_ms)
{
    struct node_status status[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];

    measure_look(&h->b->m, status, up);
    if (!up[leader]) {
        return NAN;
    }
    uint64_t us = node_rounds_most_us(&status[leader].loop_stalls,
                                      (clocks_running_ms() - began_ms) / 1000);
    return us == UINT64_MAX ? NAN : (double)us / 1000;
}

/* Both honest loads for the time of a turn. */
static int run_honest(struct hostile *h, unsigned leader, struct hostile_turn *t)
{
    static struct engine_result by_client, by_http; /* their histograms are large */
    struct measure *m = &h->b->m;
    struct engine_config client = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, UINT64_MAX / 2);
    struct http_load_config honest = {.port = http_port(m, leader),
                                      .connections = HTTP_CONNECTIONS,
                                      .orders = {.route = client.route,
                                                 .run = m->run + 2,
                                                 .first = h->http_next,
                                                 .n = UINT64_MAX / 2},
                                      .rate = HTTP_PER_S,
                                      .timeout_ms = m->timeout_ms,
                                      .go_on = true};
    struct http_load http;
    struct engine engine;

    client.rate = CLIENT_PER_S;
    client.outstanding = CLIENT_OUTSTANDING;
    client.go_on = true;
    int rv = measure_begin(&engine, &client, "starting to write");
    if (rv != 0) {
        return rv;
    }
    bool speaks = http_load_start(&http, &honest) == 0;
    uint64_t began_ms = clocks_running_ms();
    t->from_us = clocks_wall_us();
    clocks_sleep_ms(h->b->over_ms);
    t->to_us = clocks_wall_us();
    t->figures[LOOP_MAX] = loop_max_ms(h, leader, began_ms);
    engine_stop(&engine);
    engine_finish(&engine, &by_client);
    m->next += atomic_load(&engine.next);
    note_latencies(&t->figures[CLIENT_P50], &by_client.latency);
    h->done += by_client.counts.ok;
    h->not_done += by_client.failed;
    h->client_failed += by_client.failed;
    if (!speaks) { /* it is kept out */
        t->figures[HTTP_P50] = t->figures[HTTP_P99] = t->figures[HTTP_MAX] = NAN;
        h->http_failed++;
        return 0;
    }
    http_load_stop(&http);
    http_load_finish(&http, &by_http);
    h->http_next += http.next;
    note_latencies(&t->figures[HTTP_P50], &by_http.latency);
    h->done += by_http.done;
    h->not_done += by_http.failed;
    h->http_failed += by_http.failed;
    return 0;
}

/* 0, or 3 after a sentence: one of the nodes has ended. */
static int look_for_dead(const struct hostile *h, const struct http_kind *kind)
{
    const struct bench_cluster *c = &h->b->m.cluster;

    for (unsigned i = 0; i < c->n; i++) {
        if (!bench_process_is_alive(c->nodes[i].pid)) {
            fprintf(stderr, "orderbench: node %u has ended %s: %s; its log tells why\n", i + 1,
                    kind != NULL ? "beside a crowd" : "when a crowd had gone",
                    kind != NULL ? kind->name : "the last one");
            return 3;
        }
    }
    return 0;
}

static int run_turn(struct hostile *h, const struct http_kind *kind, struct hostile_crowd *seen,
                    struct hostile_turn *t)
{
    struct measure *m = &h->b->m;
    struct node_status status;
    struct witness witness;
    struct http_crowd crowd;
    int leader = measure_leader(m, 30000, &status);

    if (leader < 0) {
        return 3;
    }
    h->elections += h->term != 0 ? status.term - h->term : 0;
    h->term = status.term;
    if (kind != NULL) {
        struct http_crowd_config config = kind->crowd;
        config.port = http_port(m, (unsigned)leader);
        if (http_crowd_start(&crowd, &config) != 0) {
            return bench_out_of_memory();
        }
    }
    clocks_sleep_ms(GATHER_MS);
    if (kind != NULL) {
        http_crowd_await(&crowd, GATHER_MOST_MS);
    }
    bool watched = witness_start(&witness);
    int rv = run_honest(h, (unsigned)leader, t);
    t->figures[MACHINE_MAX] = watched ? (double)witness_stop(&witness) / 1000 : NAN;
    if (kind != NULL) {
        http_crowd_stop(&crowd);
        seen->opened += crowd.opened;
        seen->closed += crowd.closed;
        seen->sent += crowd.sent;
        seen->answered += crowd.answered;
        seen->refused += crowd.refused;
    }
    return rv == 0 ? look_for_dead(h, kind) : rv;
}

static int run_rounds(struct hostile *h)
{
    const char *only = h->b->only;
    uint64_t began_ms = clocks_running_ms();
    int rv = 0;

    for (unsigned round = 0; rv == 0 && round < h->b->rounds; round++) {
        for (unsigned i = http_kind_next(0, only); rv == 0 && i < http_kinds_n;
             i = http_kind_next(i + 1, only)) {
            struct hostile_crowd *c = &h->crowds[i];
            rv = run_turn(h, NULL, c, &c->turns[0][round]);
            rv = rv == 0 ? run_turn(h, &http_kinds[i], c, &c->turns[1][round]) : rv;
            if (rv == 0 && !h->b->m.quiet) {
                fprintf(stderr, "%4llu s  round %u, %s: p99 of the client %.2f ms, without %.2f\n",
                        (unsigned long long)(clocks_running_ms() - began_ms) / 1000, round + 1,
                        http_kinds[i].name, c->turns[1][round].figures[CLIENT_P99],
                        c->turns[0][round].figures[CLIENT_P99]);
            }
        }
    }
    return rv;
}

/* ---- the row ---- */

static void note_lateness(const struct hostile *h, struct hostile_turn *t)
{
    static struct histogram late; /* too large for a stack */

    book_lateness(&h->fired.book, t->from_us, t->to_us, 0, UINT64_MAX, &late);
    note_latencies(&t->figures[LATE_P50], &late);
    if (late.n == 0) { /* the turns took longer than was thought */
        t->figures[LATE_P50] = t->figures[LATE_P99] = t->figures[LATE_MAX] = NAN;
    }
}

/* The median over the rounds; of those turns that have it. */
static double turns_median(const struct hostile *h, const struct hostile_turn *turns,
                           enum hostile_figure figure)
{
    double values[HTTP_ROUNDS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < h->b->rounds; i++) {
        if (!isnan(turns[i].figures[figure])) {
            values[n++] = turns[i].figures[figure];
        }
    }
    return http_median(values, n);
}

/* Of each pair of turns: with it over without. */
static double turns_ratio(const struct hostile *h, const struct hostile_crowd *c,
                          enum hostile_figure figure)
{
    double values[HTTP_ROUNDS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < h->b->rounds; i++) {
        double without = c->turns[0][i].figures[figure];
        double with = c->turns[1][i].figures[figure];
        if (without > 0 && !isnan(with)) {
            values[n++] = with / without;
        }
    }
    return http_median(values, n);
}

static json_t *number(double v)
{
    return isnan(v) ? json_null() : json_real(round(v * 1000) / 1000);
}

static void take_worse(double *worst, double v)
{
    *worst = v > *worst ? v : *worst;
}

static json_t *figures_of(const struct hostile *h, const struct hostile_turn *turns)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < FIGURES; i++) {
        json_object_set_new(object, figure_names[i], number(turns_median(h, turns, i)));
    }
    return object;
}

static json_t *crowd_row(const struct hostile *h, unsigned i)
{
    const struct hostile_crowd *c = &h->crowds[i];
    json_t *object = json_object();

    json_object_set_new(object, "crowd", json_string(http_kinds[i].name));
    json_object_set_new(object, "connections", json_integer(http_kinds[i].crowd.connections));
    json_object_set_new(object, "without", figures_of(h, c->turns[0]));
    json_object_set_new(object, "with", figures_of(h, c->turns[1]));
    json_object_set_new(object, "lateness_p99_ratio", number(turns_ratio(h, c, LATE_P99)));
    json_object_set_new(object, "client_p99_ratio", number(turns_ratio(h, c, CLIENT_P99)));
    json_object_set_new(object, "opened", json_integer((json_int_t)c->opened));
    json_object_set_new(object, "closed", json_integer((json_int_t)c->closed));
    json_object_set_new(object, "sent", json_integer((json_int_t)c->sent));
    json_object_set_new(object, "answered", json_integer((json_int_t)c->answered));
    json_object_set_new(object, "refused", json_integer((json_int_t)c->refused));
    return object;
}

static void hostile_note(struct hostile *h)
{
    struct bench_row *row = &h->b->m.row;
    const char *only = h->b->only;
    json_t *crowds = json_array();
    double worst[4] = {0};

    for (unsigned i = http_kind_next(0, only); i < http_kinds_n; i = http_kind_next(i + 1, only)) {
        struct hostile_crowd *c = &h->crowds[i];
        for (unsigned k = 0; k < h->b->rounds; k++) {
            note_lateness(h, &c->turns[0][k]);
            note_lateness(h, &c->turns[1][k]);
        }
        json_array_append_new(crowds, crowd_row(h, i));
        take_worse(&worst[0], turns_median(h, c->turns[1], LATE_P99));
        take_worse(&worst[1], turns_median(h, c->turns[1], CLIENT_P99));
        take_worse(&worst[2], turns_ratio(h, c, LATE_P99));
        take_worse(&worst[3], turns_ratio(h, c, CLIENT_P99));
    }
    row->bench = "http_hostile";
    bench_row_add(row, "lateness_p99_ms", worst[0]);
    bench_row_add(row, "client_p99_ms", worst[1]);
    bench_row_add(row, "lateness_p99_ratio", worst[2]);
    bench_row_add(row, "client_p99_ratio", worst[3]);
    json_object_set_new(row->details, "crowds", crowds);
    json_object_set_new(row->details, "elections", json_integer((json_int_t)h->elections));
    json_object_set_new(row->details, "client_failed", json_integer((json_int_t)h->client_failed));
    json_object_set_new(row->details, "http_failed", json_integer((json_int_t)h->http_failed));
    json_object_set_new(row->details, "wrong",
                        json_integer((json_int_t)book_faults(&h->fired.book)));
    json_object_set_new(row->settings, "over_ms", json_integer((json_int_t)h->b->over_ms));
    json_object_set_new(row->settings, "fire_per_s", json_integer(FIRE_PER_S));
    json_object_set_new(row->settings, "client_per_s", json_real(CLIENT_PER_S));
    json_object_set_new(row->settings, "http_per_s", json_real(HTTP_PER_S));
}

/* ---- all of it ---- */

/* The orders that fire, for as long as all turns take. */
static int hostile_prepare(struct hostile *h)
{
    struct measure *m = &h->b->m;
    struct engine_result loaded;
    uint64_t turn_ms = h->b->over_ms + GATHER_MS + BESIDE_MS;
    uint64_t over_ms = 0;

    for (unsigned i = http_kind_next(0, h->b->only); i < http_kinds_n;
         i = http_kind_next(i + 1, h->b->only)) {
        over_ms += 2 * turn_ms * h->b->rounds;
    }
    int rv = fired_open(&h->fired, m, m->run + 1, over_ms * FIRE_PER_S / 1000 + 1, 0);
    rv = rv == 0 ? measure_load(m, m->orders) : rv;
    if (rv != 0) {
        return rv;
    }
    h->done = m->orders;
    h->fired.plan.first_ms = clocks_wall_ms() + LEAD_MS + over_ms / 20;
    h->fired.plan.over_ms = over_ms;
    rv = fired_load(&h->fired, &loaded);
    if (rv == 0 && !fired_in_time(&h->fired)) {
        fprintf(stderr, "orderbench: the first deadline came before the orders that fire were"
                        " loaded: a smaller --over has fewer\n");
        rv = 3;
    }
    return rv == 0 ? fired_work(&h->fired) : rv;
}

static int hostile_judge(struct hostile *h)
{
    struct fired *f = &h->fired;
    struct fired_counts counts = {.pending_min = h->done,
                                  .pending_max = h->done + h->not_done,
                                  .expired = f->plan.orders};
    uint64_t last_ms = f->plan.first_ms + f->plan.over_ms;

    clocks_wait_until_ms(last_ms);
    int rv = fired_wait(f, f->plan.orders, last_ms + SETTLE_MS);
    rv = rv == 0 ? fired_rest(f) : rv;
    return rv == 0 ? fired_judge(f, &counts) : rv;
}

int http_hostile_run(struct http_bench *b)
{
    static struct hostile h; /* too large for a stack */
    struct measure *m = &b->m;
    struct bench_usage before[CLUSTER_NODES_MAX], after[CLUSTER_NODES_MAX];

    h.b = b;
    m->outstanding = FIRED_OUTSTANDING; /* --outstanding is for the turns of the others */
    int rv = hostile_prepare(&h);
    if (rv == 0) {
        clocks_wait_until_ms(h.fired.plan.first_ms);
        bench_cluster_usage(&m->cluster, before);
        rv = run_rounds(&h);
        bench_cluster_usage(&m->cluster, after);
    }
    rv = rv == 0 ? hostile_judge(&h) : rv;
    if (rv == 0) {
        bench_row_take_usage(&m->row, m->cluster.n, before, after);
        hostile_note(&h);
    }
    fired_close(&h.fired);
    return rv;
}
