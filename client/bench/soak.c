/* soak.c - the whole life of very many orders, with a leader's death in it, and exact
 * accounts of each: loaded, half of them paid, the rest fired at a steady rate.
 *
 *   sample: rates ──► load ──► pay ──► fire ───────┬──────────────► all fired ──► judge
 *                                                  └ kill, start again, catch up
 *
 * The first deadline has to be fixed before the first order is loaded. Unless --lead says when it
 * is, a sample of orders is loaded and paid first, and the time for all follows from its rates.
 * The figures and their row are in soak_row.c. */
#include "soak.h"

#include <string.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "commands.h"
#include "../text/units.h"

#define FIRE_PER_S 10000 /* without --over */
#define SAMPLE_MAX 100000
#define LEAD_FACTOR 5 /* a sample is too small for a snapshot; and to be on the safe side */
#define LEAD_MIN_MS 10000
#define SETTLE_MS 120000 /* after the last deadline */
#define CAUGHT_UP_MS 900000
#define POLL_MS 50
#define PROGRESS_MS 5000

enum { SOAK_PAY = MEASURE_FLAGS, SOAK_OVER, SOAK_KILL, SOAK_DOWN, SOAK_LEAD };

static const struct flag soak_flags[] = {
    {SOAK_PAY, "pay", 0, "SHARE", "of the orders that is paid, 0 to 0.99 (0.5)"},
    {SOAK_OVER, "over", 0, "DURATION",
     "the deadlines of the others are spread over it (10000 of them a second)"},
    {SOAK_KILL, "kill", 0, "leader|none", "what is killed in the middle of that (leader)"},
    {SOAK_DOWN, "down", 0, "DURATION", "how long until the killed node is started again (5s)"},
    {SOAK_LEAD, "lead", 0, "DURATION",
     "from the first schedule to the first deadline (by the rates of a sample)"},
    {0},
};

static const struct measure_command soak_command = {
    .name = "soak",
    .what = "soak loads orders, pays a share of them, and lets the rest fire at a steady rate to\n"
            "workers of its own; in the middle of that the leader gets SIGKILL, and is started\n"
            "again. At the end each order is accounted for: one ending, the right one, nothing\n"
            "early, nothing lost, one effect each; all nodes agree. Exit code 1 and a sentence\n"
            "that names the order and the fault when anything is wrong.",
    .flags = soak_flags,
    .orders = 10000000,
    .outstanding = 8192,
    .kills = true,
    .looks_at_nodes = true,
};

/* ---- flags ---- */

static int soak_read(struct soak *s)
{
    struct measure *m = &s->m;
    const char *kill = m->values[SOAK_KILL] != NULL ? m->values[SOAK_KILL] : "leader";
    double share = 0.5;

    if (m->values[MEASURE_RATE] != NULL) {
        return bench_usage("soak loads and pays as fast as it can, and fires by --over: leave out"
                           " --rate",
                           NULL);
    }
    if (m->values[SOAK_PAY] != NULL && !bench_parse_number(m->values[SOAK_PAY], 0, 0.99, &share)) {
        return bench_usage("--pay must be a share from 0 to 0.99", m->values[SOAK_PAY]);
    }
    s->pay_share = (uint64_t)(share * SOAK_SHARE_WHOLE + 0.5);
    s->kills = strcmp(kill, "leader") == 0;
    if (!s->kills && strcmp(kill, "none") != 0) {
        return bench_usage("--kill is neither leader nor none", kill);
    }
    if (s->kills && m->cluster_config.nodes < 3) {
        return bench_usage("--kill leader needs --nodes 3 or more: without a majority nothing"
                           " fires",
                           NULL);
    }
    uint64_t over_ms = (uint64_t)((double)m->orders * (1 - share) * 1000 / FIRE_PER_S);
    if (!measure_duration(m, SOAK_OVER, "--over", over_ms > 1000 ? over_ms : 1000, 86400000,
                          &s->over_ms) ||
        !measure_duration(m, SOAK_DOWN, "--down", 5000, 3600000, &s->down_ms) ||
        !measure_duration(m, SOAK_LEAD, "--lead", 0, 86400000, &s->lead_ms)) {
        return 2;
    }
    return 0;
}

/* ---- progress ---- */

static void soak_say(const struct soak *s, const char *text)
{
    if (!s->m.quiet) {
        fprintf(stderr, "%4llu s  soak: %s\n",
                (unsigned long long)(clocks_running_ms() - s->began_ms) / 1000, text);
    }
}

static void soak_progress(struct soak *s, const char *doing)
{
    char text[128];

    if (clocks_running_ms() < s->said_ms + PROGRESS_MS) {
        return;
    }
    s->said_ms = clocks_running_ms();
    snprintf(text, sizeof text, "%s, %llu of %llu orders have fired", doing,
             (unsigned long long)book_delivered(&s->fired.book),
             (unsigned long long)soak_fired(&s->fired.plan));
    soak_say(s, text);
}

/* Until the wall clock says so. */
static void soak_wait_until(struct soak *s, uint64_t wall_ms, const char *doing)
{
    for (uint64_t now_ms; (now_ms = clocks_wall_ms()) < wall_ms;) {
        uint64_t left_ms = wall_ms - now_ms;
        clocks_sleep_ms(left_ms < POLL_MS ? left_ms : POLL_MS);
        soak_progress(s, doing);
    }
}

/* ---- loading and paying ---- */

static int soak_pay_all(struct soak *s, uint32_t run, const struct engine_orders *orders,
                        uint64_t n, struct engine_result *result)
{
    struct engine_config config = measure_engine(&s->m, ORDERSCHED_PAY, 0, n);

    config.run = run;
    config.orders = orders;
    config.rate = 0;
    return measure_run(&s->m, &config, "paying", result);
}

/* Orders of their own, an hour ahead, all of them paid. */
static int soak_sample(struct soak *s)
{
    struct engine_config config = measure_engine(&s->m, ORDERSCHED_SCHEDULE, 0, 0);
    double n = (double)s->m.orders;
    double share = (double)s->pay_share / SOAK_SHARE_WHOLE;

    s->sampled = s->m.orders / 10 < SAMPLE_MAX ? s->m.orders / 10 + 1 : SAMPLE_MAX;
    config.run = s->m.run + 1;
    config.n = s->sampled;
    config.rate = 0;
    int rv = measure_run(&s->m, &config, "loading a sample", &s->load);
    rv = rv == 0 ? soak_pay_all(s, config.run, NULL, s->sampled, &s->pay) : rv;
    if (rv == 0) {
        double s_each = s->load.seconds + share * s->pay.seconds;
        s->lead_ms = LEAD_MIN_MS + (uint64_t)(LEAD_FACTOR * 1000 * n * s_each / (double)s->sampled);
    }
    return rv;
}

static uint64_t soak_paid_order(const void *arg, uint64_t k)
{
    return soak_paid_number(arg, k);
}

/* The longest round of any node's loop in the last minute, as they say themselves. */
static void soak_look_at_loops(struct soak *s)
{
    struct node_status status[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];

    measure_look(&s->m, status, up);
    for (unsigned i = 0; i < s->m.cluster.n; i++) {
        uint64_t us = up[i] ? node_rounds_most_us(&status[i].loop_stalls, PROTOCOL_STALL_SECONDS)
                            : UINT64_MAX;
        if (us != UINT64_MAX && us > s->loop_stall_us) {
            s->loop_stall_us = us;
        }
    }
}

static int soak_prepare(struct soak *s)
{
    struct fired *f = &s->fired;
    struct engine_orders paid = {&f->plan, soak_paid_order, NULL};

    int leader = measure_leader(&s->m, 10000, NULL);
    int rv = leader >= 0 ? probe_begin(&s->probe, &s->m, (unsigned)leader) : 3;
    f->plan.first_ms = clocks_wall_ms() + s->lead_ms;
    f->plan.over_ms = s->over_ms;
    rv = rv == 0 ? fired_load(f, &s->load) : rv;
    rv = rv == 0 ? measure_wait_caught_up(&s->m, CAUGHT_UP_MS) : rv;
    bench_cluster_usage(&s->m.cluster, s->loaded);
    if (rv == 0 && soak_paid(&f->plan) > 0) {
        rv = soak_pay_all(s, f->run, &paid, soak_paid(&f->plan), &s->pay);
    }
    s->stall_load_ms = probe_end(&s->probe);
    soak_look_at_loops(s);
    if (!fired_in_time(f)) { /* then orders and payments are refused, too */
        fprintf(stderr, "orderbench: the first deadline came before all orders were loaded and"
                        " paid; give them more time with --lead\n");
        return 3;
    }
    s->waited_s = (double)(f->plan.first_ms - clocks_wall_ms()) / 1000;
    return rv;
}

/* ---- firing, and the leader's death ---- */

static void soak_note_peaks(struct soak *s)
{
    for (unsigned i = 0; i < s->m.cluster.n; i++) {
        uint64_t peak = s->m.cluster.nodes[i].pid > 0
                            ? bench_process_peak(s->m.cluster.nodes[i].pid)
                            : 0;
        s->peak_bytes[i] = peak > s->peak_bytes[i] ? peak : s->peak_bytes[i];
    }
}

static int soak_probe_leader(struct soak *s, struct node_status *status)
{
    int leader = measure_leader(&s->m, 30000, status);

    if (leader < 0) {
        return 3;
    }
    int rv = probe_begin(&s->probe, &s->m, (unsigned)leader);
    s->leader = (unsigned)leader;
    return rv;
}

static void soak_end_probe(struct soak *s)
{
    double stall_ms = probe_end(&s->probe);

    s->stall_fire_ms = stall_ms > s->stall_fire_ms ? stall_ms : s->stall_fire_ms;
}

/* The node was started at restarted_us: has it answered, and applied what the leader had committed
 * when it was looked at last? */
static bool soak_look_at_restarted(struct soak *s, uint64_t *committed)
{
    struct node_status status[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];
    bool caught_up = false;

    measure_look(&s->m, status, up);
    double since_s = (double)(clocks_running_us() - s->restarted_us) / 1e6;
    if (up[s->victim]) {
        s->restart_s = s->restart_s == 0 ? since_s : s->restart_s;
        caught_up = *committed != 0 && status[s->victim].applied >= *committed;
        s->caught_up_s = caught_up ? since_s : 0;
    }
    for (unsigned i = 0; i < s->m.cluster.n; i++) {
        if (i != s->victim && up[i] && status[i].commit > *committed) {
            *committed = status[i].commit;
        }
    }
    return caught_up;
}

static int soak_bring_back(struct soak *s)
{
    uint64_t committed = 0;

    soak_say(s, "the killed node is started again");
    s->restarted_us = clocks_running_us();
    if (bench_cluster_start(&s->m.cluster, s->victim) != 0) {
        return 3;
    }
    while (!soak_look_at_restarted(s, &committed)) {
        if (clocks_running_us() > s->restarted_us + CAUGHT_UP_MS * 1000ull) {
            fprintf(stderr,
                    "orderbench: node %u has not caught up %d s after it was started"
                    " again\n",
                    s->victim + 1, CAUGHT_UP_MS / 1000);
            return 3;
        }
        clocks_sleep_ms(POLL_MS);
        soak_progress(s, "catching up");
    }
    soak_say(s, "it has caught up");
    return 0;
}

static int soak_kill(struct soak *s, struct node_status *status)
{
    soak_end_probe(s); /* its reads would fail from here on */
    soak_look_at_loops(s);
    int leader = measure_leader(&s->m, 30000, status);
    if (leader < 0) {
        return 3;
    }
    s->victim = (unsigned)leader;
    s->leadership_before = status->term;
    soak_note_peaks(s);
    bench_cluster_kill(&s->m.cluster, s->victim);
    s->killed_us = clocks_wall_us();
    soak_say(s, "the leader was killed");
    int rv = soak_probe_leader(s, status);
    if (rv == 0) {
        soak_wait_until(s, s->killed_us / 1000 + s->down_ms, "firing without the killed node");
        rv = soak_bring_back(s);
    }
    return rv;
}

static int soak_fire(struct soak *s)
{
    const struct soak_plan *plan = &s->fired.plan;
    uint64_t last_ms = plan->first_ms + plan->over_ms;
    struct node_status status;

    int rv = fired_work(&s->fired);
    soak_wait_until(s, plan->first_ms, "waiting for the first deadline");
    rv = rv == 0 ? soak_probe_leader(s, &status) : rv;
    if (rv == 0 && s->kills) {
        soak_wait_until(s, plan->first_ms + plan->over_ms / 2, "firing");
        rv = soak_kill(s, &status);
    }
    if (rv == 0) {
        soak_wait_until(s, last_ms, "firing");
        soak_say(s, "the last deadline has come");
        rv = fired_wait(&s->fired, soak_fired(plan), last_ms + SETTLE_MS);
    }
    soak_end_probe(s);
    soak_look_at_loops(s);
    if (rv == 0) {
        s->resumed_us = s->kills ? book_leadership_after(&s->fired.book, s->leadership_before) : 0;
        rv = fired_rest(&s->fired);
    }
    return rv;
}

/* ---- all of it ---- */

static int soak_run(struct soak *s)
{
    s->began_ms = clocks_running_ms();
    int rv = fired_open(&s->fired, &s->m, s->m.run, s->m.orders, s->pay_share);
    bench_cluster_usage(&s->m.cluster, s->before);
    rv = rv == 0 && s->lead_ms == 0 ? soak_sample(s) : rv;
    rv = rv == 0 ? soak_prepare(s) : rv;
    rv = rv == 0 ? soak_fire(s) : rv;
    if (rv == 0) {
        struct fired_counts counts = {.paid = soak_paid(&s->fired.plan) + s->sampled,
                                      .expired = soak_fired(&s->fired.plan)};
        soak_note_peaks(s);
        soak_say(s, "comparing what was seen with what the cluster says");
        bench_cluster_usage(&s->m.cluster, s->fired_all);
        rv = fired_judge(&s->fired, &counts);
        soak_note_peaks(s);
    }
    if (rv == 0) {
        soak_note_row(s);
    }
    probe_end(&s->probe);
    fired_close(&s->fired);
    return rv;
}

int bench_soak(int argc, char **argv)
{
    static struct soak s; /* its histograms are large */
    int rv = measure_read(&s.m, &soak_command, argc, argv);

    if (rv != 0) {
        return rv < 0 ? 0 : rv;
    }
    rv = soak_read(&s);
    rv = rv == 0 ? measure_open(&s.m) : rv;
    return rv != 0 ? rv : measure_close(&s.m, soak_run(&s));
}
