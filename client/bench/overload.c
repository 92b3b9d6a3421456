/* overload.c - what becomes of a load that cannot be borne: orders are scheduled faster
 * than the cluster can take them, in an open loop, while others fire beside it at a steady rate.
 *
 *   calm ──► peak (closed loop) ──► overload (open loop, factor x peak) ──► calm ──► peak ──► judge
 *
 * The orders fire all the time, beside the peak as well. The peak is measured again at the end, as
 * what the cluster sustains falls while its orders become more: goodput is compared with the mean
 * of the two.
 * Every call has an account: OK, BUSY (the client's queue was full when it was to be made, or nodes
 * refused it until its time was up), unknown, or another error. What was acknowledged must be there
 * at the end, and the orders that fire are judged as those of a soak. The row is in
 * overload_row.c. */
#include "overload.h"

#include <string.h>

#include "../base/clocks.h"
#include "commands.h"
#include "../text/units.h"

#define OVERLOAD_CLIENTS 16
#define OVERLOAD_OUTSTANDING 8192
#define OVERLOAD_TIMEOUT_MS 10000 /* then a caller gives up */
/* The library sends 8 messages at a time: so many clients can have twice as many under way. */
#define OVERLOAD_NODE_FLAGS "max-requests=64"
#define PEAK_CLIENTS 2
#define PEAK_OUTSTANDING 8192
#define PEAK_WARM_MS 500
#define PEAK_MORE_MS 2000 /* for its last calls to end */
#define LEAD_MS 5000      /* for loading the orders that fire */
#define SETTLE_MS 60000
#define LOOK_MS 100 /* at the nodes' memory */

enum {
    OVERLOAD_OVER = MEASURE_FLAGS,
    OVERLOAD_FACTOR,
    OVERLOAD_CALM,
    OVERLOAD_AFTER,
    OVERLOAD_FIRE
};

static const struct flag overload_flags[] = {
    {OVERLOAD_OVER, "over", 0, "DURATION", "how long the overload lasts (60s)"},
    {OVERLOAD_FACTOR, "factor", 0, "X", "times the rate that can be sustained (2)"},
    {OVERLOAD_CALM, "calm", 0, "DURATION",
     "how long to watch without load, and to look for that rate (5s)"},
    {OVERLOAD_AFTER, "after", 0, "DURATION", "how long to watch when the load is over (30s)"},
    {OVERLOAD_FIRE, "fire", 0, "N", "orders that fire a second, all the time (500)"},
    {0},
};

static const struct measure_command overload_command = {
    .name = "overload",
    .what = "overload finds the rate of schedules that the cluster sustains, in a closed loop,\n"
            "then schedules at --factor times that rate in an open loop: what is answered OK and\n"
            "BUSY, how much memory the nodes take, how late the orders that fire beside it are,\n"
            "and how soon they are in time again. --clients (16) make the load; --orders has no\n"
            "effect. Without --node-flags its nodes have --max-requests 64, so that these few\n"
            "clients reach the bound. Exit code 1 and a sentence when an order had a wrong fate.",
    .flags = overload_flags,
    .orders = 1,
    .outstanding = OVERLOAD_OUTSTANDING,
    .kills = true, /* a load that must not hit a cluster that somebody uses */
    .looks_at_nodes = true,
};

static int overload_read(struct overload *o)
{
    struct measure *m = &o->m;

    if (m->values[MEASURE_ORDERS] != NULL || m->values[MEASURE_RATE] != NULL) {
        return bench_usage("overload goes by time and --factor: leave out --orders and --rate",
                           NULL);
    }
    o->factor = 2;
    if (m->values[OVERLOAD_FACTOR] != NULL &&
        !bench_parse_number(m->values[OVERLOAD_FACTOR], 0.1, 100, &o->factor)) {
        return bench_usage("--factor must be a number from 0.1 to 100", m->values[OVERLOAD_FACTOR]);
    }
    if (!measure_duration(m, OVERLOAD_OVER, "--over", 60000, 3600000, &o->over_ms) ||
        !measure_duration(m, OVERLOAD_CALM, "--calm", 5000, 3600000, &o->calm_ms) ||
        !measure_duration(m, OVERLOAD_AFTER, "--after", 30000, 3600000, &o->after_ms) ||
        !measure_count(m, OVERLOAD_FIRE, "--fire", 500, 1, 100000, &o->fire_per_s)) {
        return 2;
    }
    if (m->values[MEASURE_TIMEOUT] == NULL) {
        m->timeout_ms = OVERLOAD_TIMEOUT_MS;
    }
    if (m->values[MEASURE_CLIENTS] == NULL) {
        m->clients = OVERLOAD_CLIENTS;
    }
    if (m->cluster_config.node_flags == NULL) {
        m->cluster_config.node_flags = OVERLOAD_NODE_FLAGS;
    }
    return 0;
}

static void overload_say(const struct overload *o, const char *text)
{
    if (!o->m.quiet) {
        fprintf(stderr, "%4llu s  overload: %s\n",
                (unsigned long long)(clocks_running_ms() - o->began_ms) / 1000, text);
    }
}

/* ---- the two loads ---- */

/* What was answered OK in a span of time, as orders a second. */
static double ok_per_s(const struct engine *e, const struct engine_counts *from, uint64_t from_us)
{
    struct engine_counts now;

    engine_count(e, &now);
    return (double)(now.ok - from->ok) * 1e6 / (double)(clocks_running_us() - from_us);
}

static int overload_find_peak(struct overload *o, struct overload_peak *peak)
{
    struct measure *m = &o->m;
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, UINT64_MAX / 2);
    struct engine_counts warm;
    struct engine e;

    config.clients = PEAK_CLIENTS;
    config.outstanding = PEAK_OUTSTANDING;
    config.rate = 0;
    config.go_on = true; /* what a stall of the machine ends is counted */
    int rv = measure_begin(&e, &config, "starting to look for the peak");
    if (rv != 0) {
        return rv;
    }
    measure_watch(m, &e, "in a closed loop", PEAK_WARM_MS);
    engine_count(&e, &warm);
    uint64_t from_us = clocks_running_us();
    measure_watch(m, &e, "in a closed loop", o->calm_ms);
    peak->per_s = ok_per_s(&e, &warm, from_us);
    engine_stop(&e);
    rv = measure_end(&e, "looking for the peak", &peak->load);
    m->next += atomic_load(&e.next);   /* no number twice */
    if (rv == 0 && peak->per_s <= 0) { /* all failed */
        rv = bench_explain(peak->load.first_error, peak->load.text, "looking for the peak");
    }
    return rv;
}

static void overload_note_memory(struct overload *o)
{
    struct bench_usage now[CLUSTER_NODES_MAX];

    bench_cluster_usage(&o->m.cluster, now);
    for (unsigned i = 0; i < o->m.cluster.n; i++) {
        uint64_t rss = now[i].rss_bytes;
        o->rss_max[i] = rss > o->rss_max[i] ? rss : o->rss_max[i];
    }
}

static int overload_overload(struct overload *o)
{
    struct measure *m = &o->m;
    struct engine_config config = measure_engine(m, ORDERSCHED_SCHEDULE, m->next, UINT64_MAX / 2);
    struct engine_counts none = {0};
    struct engine e;

    config.rate = o->factor * o->before_peak.per_s;
    config.shed = config.go_on = true;
    o->from_us = clocks_wall_us();
    int rv = measure_begin(&e, &config, "starting the overload");
    if (rv != 0) {
        return rv;
    }
    uint64_t began_us = clocks_running_us();
    struct engine_counts part = none;
    uint64_t part_us = began_us;
    for (unsigned i = 0; i < OVERLOAD_PARTS; i++) {
        while (clocks_running_us() < began_us + o->over_ms * 1000 * (i + 1) / OVERLOAD_PARTS) {
            measure_watch(m, &e, "at too high a rate", LOOK_MS);
            overload_note_memory(o);
        }
        o->parts_per_s[i] = ok_per_s(&e, &part, part_us);
        engine_count(&e, &part);
        part_us = clocks_running_us();
    }
    o->goodput_per_s = ok_per_s(&e, &none, began_us);
    double seconds = (double)(clocks_running_us() - began_us) / 1e6;
    o->offered_per_s = (double)atomic_load(&e.next) / seconds; /* also those that were shed */
    o->to_us = clocks_wall_us();
    engine_stop(&e);
    engine_finish(&e, &o->load);
    m->next += atomic_load(&e.next);
    overload_note_memory(o);
    return 0;
}

/* ---- all of it ---- */

/* The orders that fire, from the calm to the end, whatever happens meanwhile. */
static int overload_prepare(struct overload *o)
{
    struct measure *m = &o->m;
    uint64_t over_ms = o->calm_ms + 2 * (PEAK_WARM_MS + o->calm_ms + PEAK_MORE_MS) + o->over_ms +
                       m->timeout_ms + o->after_ms;
    struct engine_result loaded;
    unsigned clients = m->clients;

    int rv = fired_open(&o->fired, m, m->run + 1, over_ms * o->fire_per_s / 1000 + 1, 0);
    o->fired.plan.first_ms = clocks_wall_ms() + LEAD_MS;
    o->fired.plan.over_ms = over_ms;
    m->clients = 1;
    rv = rv == 0 ? fired_load(&o->fired, &loaded) : rv;
    m->clients = clients;
    if (rv == 0 && !fired_in_time(&o->fired)) {
        fprintf(stderr, "orderbench: the first deadline came before the orders that fire were"
                        " loaded: --fire is too much for this machine\n");
        rv = 3;
    }
    return rv == 0 ? fired_work(&o->fired) : rv;
}

static int overload_measure(struct overload *o)
{
    struct fired *f = &o->fired;

    clocks_wait_until_ms(f->plan.first_ms + o->calm_ms);
    overload_say(o, "looking for the rate that can be sustained");
    int rv = overload_find_peak(o, &o->before_peak);
    overload_say(o, "the overload begins");
    bench_cluster_usage(&o->m.cluster, o->rss_before);
    rv = rv == 0 ? overload_overload(o) : rv;
    if (rv != 0) {
        return rv;
    }
    overload_say(o, "it is over");
    clocks_wait_until_ms(o->to_us / 1000 + o->after_ms);
    bench_cluster_usage(&o->m.cluster, o->rss_after);
    overload_say(o, "looking for the rate that can be sustained now");
    rv = overload_find_peak(o, &o->after_peak);
    if (rv != 0) {
        return rv;
    }
    uint64_t last_ms = f->plan.first_ms + f->plan.over_ms;
    clocks_wait_until_ms(last_ms);
    rv = fired_wait(f, f->plan.orders, last_ms + SETTLE_MS);
    return rv == 0 ? fired_rest(f) : rv;
}

/* All that was acknowledged is there, and nothing that was refused. */
static int overload_judge(struct overload *o)
{
    const struct engine_counts *before = &o->before_peak.load.counts;
    const struct engine_counts *after = &o->after_peak.load.counts;
    uint64_t ok = before->ok + o->load.counts.ok + after->ok;
    uint64_t unknown = before->unknown + o->load.counts.unknown + after->unknown;
    struct fired_counts counts = {.pending_min = ok,
                                  .pending_max = ok + unknown,
                                  .expired = o->fired.plan.orders};

    return fired_judge(&o->fired, &counts);
}

static int overload_run(struct overload *o)
{
    o->began_ms = clocks_running_ms();
    int rv = overload_prepare(o);
    rv = rv == 0 ? overload_measure(o) : rv;
    rv = rv == 0 ? overload_judge(o) : rv;
    if (rv == 0) {
        overload_note_row(o);
    }
    fired_close(&o->fired);
    return rv;
}

int bench_overload(int argc, char **argv)
{
    static struct overload o; /* its histograms are large */
    int rv = measure_read(&o.m, &overload_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    rv = overload_read(&o);
    rv = rv == 0 ? measure_open(&o.m) : rv;
    return rv != 0 ? rv : measure_close(&o.m, overload_run(&o));
}
