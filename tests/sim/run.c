/* run.c - see run.h. */
#include "run.h"

#include <string.h>

#include "clients.h"
#include "receivers.h"

#define CONVERGE_US 3000000 /* after the liveness phase, for what is just under way */

struct run {
    struct sim_loop loop;
    struct sim_options options;
    struct coverage coverage;
    struct check *check;
    struct sim_cluster *cluster;
    struct receivers *receivers;
    struct clients *clients;
};

static void run_applied(void *arg, unsigned node, uint64_t index, const struct machine *m)
{
    check_applied(((struct run *)arg)->check, node, index, m);
}

static void run_leads(void *arg, unsigned node, uint64_t term)
{
    check_leads(((struct run *)arg)->check, node, term);
}

static void run_read_clock(void *arg, unsigned node, uint64_t clock_us, uint64_t low_us)
{
    check_leaders_clock(((struct run *)arg)->check, node, clock_us / 1000, low_us / 1000);
}

static void run_deliver(void *arg, unsigned node, uint64_t token, const struct delivery *first)
{
    struct run *r = arg;

    receivers_deliver(r->receivers, r->cluster, node, token, first);
}

static void run_committed(void *arg, unsigned node, uint64_t before, uint64_t index)
{
    check_committed(((struct run *)arg)->check, node, before, index);
}

static void run_installs(void *arg, unsigned node, unsigned to, uint64_t term, uint64_t match,
                         uint64_t monotonic_ms)
{
    check_installs(((struct run *)arg)->check, node, to, term, match, monotonic_ms);
}

static void run_lease(void *arg, unsigned node, uint64_t token, const struct delivery *d)
{
    receivers_lease(((struct run *)arg)->receivers, node, token, d);
}

static void run_leased(void *arg, unsigned node, uint64_t token, enum outcome outcome)
{
    check_delivery_done(((struct run *)arg)->check, node, token, outcome);
}

static void run_crossed(void *arg, unsigned from, unsigned to)
{
    check_crossed(((struct run *)arg)->check, from, to);
}

static void run_misjudged(void *arg, unsigned witness, unsigned node, bool heard)
{
    check_misjudged(((struct run *)arg)->check, witness, node, heard);
}

static void run_died(void *arg, unsigned node, const char *sentence, bool expected)
{
    check_died(((struct run *)arg)->check, node, sentence, expected);
}

static void run_open(struct run *r, uint64_t seed, const char *with, FILE *trace, const char *only)
{
    struct sim_cluster_hooks hooks = {
        .arg = r,
        .applied = run_applied,
        .leads = run_leads,
        .read_clock = run_read_clock,
        .deliver = run_deliver,
        .committed = run_committed,
        .installs = run_installs,
        .lease = run_lease,
        .leased = run_leased,
        .crossed = run_crossed,
        .misjudged = run_misjudged,
        .died = run_died,
    };

    loop_init(&r->loop, seed, trace);
    options_draw(&r->options, &r->loop, seed, with);
    r->check = check_new(&r->loop, &r->options, &r->coverage, only);
    r->cluster = cluster_new(&r->loop, &r->options, &hooks);
    check_set_cluster(r->check, r->cluster);
    r->receivers = receivers_new(&r->loop, &r->options, r->check, &r->coverage);
    r->clients = clients_new(&r->loop, &r->options, r->cluster, r->check, r->receivers,
                             &r->coverage);
}

static void run_close(struct run *r)
{
    cluster_free(r->cluster);
    clients_free(r->clients);
    receivers_free(r->receivers);
    check_free(r->check);
    loop_close(&r->loop);
}

/* False when an invariant was violated. */
static bool run_until(struct run *r, uint64_t until_us)
{
    while (check_violation(r->check) == NULL) {
        if (!loop_step(&r->loop, until_us)) {
            return true;
        }
    }
    return false;
}

static void run_phases(struct run *r)
{
    uint64_t healed_us = r->options.run_ms * 1000;
    uint64_t end_us = healed_us + r->options.settle_ms * 1000;

    cluster_begin(r->cluster);
    clients_begin(r->clients);
    if (!run_until(r, healed_us)) {
        return;
    }
    cluster_heal(r->cluster);
    check_healed(r->check);
    receivers_heal(r->receivers);
    clients_heal(r->clients);
    if (!run_until(r, end_us)) {
        return;
    }
    while (check_violation(r->check) == NULL && !check_is_converged(r->check) &&
           loop_step(&r->loop, end_us + CONVERGE_US)) {
    }
    check_end(r->check);
}

void run_seed(uint64_t seed, const char *with, FILE *trace, const char *only,
              struct run_result *result)
{
    struct run r = {0};
    const char *violation;

    memset(result, 0, sizeof *result);
    run_open(&r, seed, with, trace, only);
    run_extras(seed, with, result->extras);
    run_phases(&r);
    violation = check_violation(r.check);
    if (violation != NULL) {
        snprintf(result->violation, sizeof result->violation, "%s", violation);
        snprintf(result->report, sizeof result->report, "%s", check_report(r.check));
    }
    result->trace_hash = r.loop.trace_hash;
    result->events = r.loop.events;
    result->simulated_us = r.loop.now_us;
    coverage_add_cluster(&r.coverage, cluster_counters(r.cluster));
    result->coverage = r.coverage;
    run_close(&r);
}

void run_describe(uint64_t seed, const char *with, FILE *out)
{
    struct sim_loop loop;
    struct sim_options options;

    loop_init(&loop, seed, NULL);
    options_draw(&options, &loop, seed, with);
    options_print(&options, seed, out);
    loop_close(&loop);
}

void run_extras(uint64_t seed, const char *with, char out[SIM_EXTRAS_MAX])
{
    struct sim_loop loop;
    struct sim_options options;

    loop_init(&loop, seed, NULL);
    options_draw(&options, &loop, seed, with);
    snprintf(out, SIM_EXTRAS_MAX, "%s", options.extras[0] != '\0' ? options.extras : "none");
    loop_close(&loop);
}
