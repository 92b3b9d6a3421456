/* run.c - see run.h. */
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../client/base/clocks.h"
#include "bed/command.h"
#include "bed/logs.h"
#include "nemesis/nemesis.h"
#include "ask/ask.h"
#include "workload/workload.h"

#define DISK_MIB 192
#define LEADER_WAIT_MS 20000
#define SETTLE_MS_MAX 60000

static void await_leader(struct run *r)
{
    uint64_t until_ns = clocks_running_ns() + (uint64_t)LEADER_WAIT_MS * 1000000;

    while (run_leader(r, NULL) == 0) {
        if (clocks_running_ns() > until_ns) {
            bed_fail("no leader within %d s of the start; see the logs in %s",
                     LEADER_WAIT_MS / 1000, r->store);
        }
        sleep_ms(50);
    }
}

static void record_phase(struct run *r, const char *phase)
{
    fprintf(stderr, "jepsen: %5.1f s  phase %s\n", (double)record_now_ns(r->record) / 1e9, phase);
    record_line(r->record, RECORD_RUNNER, RECORD_INFO, "phase", ":%s", phase);
}

/* --- setting up --- */

/* The commit of the sources around the program, or nil where there are none. */
static void commit_of(const struct run *r, char *out, size_t len)
{
    char command[700], text[64] = "";
    snprintf(command, sizeof command, "git -C '%s' rev-parse --short HEAD 2>/dev/null",
             r->programs);
    FILE *f = popen(command, "r");

    if (f != NULL) {
        if (fgets(text, sizeof text, f) != NULL) {
            text[strcspn(text, "\n")] = '\0';
        }
        pclose(f);
    }
    record_string(out, len, text[0] != '\0' ? text : NULL);
}

static void record_header(struct run *r)
{
    const struct run_options *o = &r->options;
    char nemesis[520], mutant[96], commit[80];

    record_string(nemesis, sizeof nemesis, o->nemesis);
    record_string(mutant, sizeof mutant, o->mutant);
    commit_of(r, commit, sizeof commit);
    record_line(r->record, RECORD_RUNNER, RECORD_INFO, "test",
                "{:workload \"%s\", :nemesis %s, :nodes %u, :seed %" PRIu64
                ", :time-limit-s %" PRIu64 ", :commit %s, :version \"" ORDERSCHEDD_VERSION
                "\", :mutant %s, :epoch-ms %" PRIu64
                ", :lateness-bound-ms %d, :recovery-bound-ms %d, :retries %d, :clock-faults %s, "
                ":clock-error-ms %d, :clients %u, :authorisation %s, :http %s, :traces true}",
                o->workload, nemesis, r->nodes.n, o->seed, o->time_ms / 1000, commit, mutant,
                record_epoch_ms(r->record), RUN_LATENESS_BOUND_MS, RUN_RECOVERY_BOUND_MS,
                RECEIVER_RETRIES, nemesis_moves_clocks(o->nemesis) ? "true" : "false",
                nemesis_starts_wrong(o->nemesis) ? RUN_CLOCK_ERROR_MS : 0, o->clients,
                o->plain ? "false" : "true", o->http ? "true" : "false");
}

static void open_nodes(struct run *r)
{
    static char program[600], preload[600], orderctl[600], log[600];
    /* An order a slice: a snapshot takes a while, and has the entries of that time as its tail. */
    static const char *const flags[] = {"--snapshot-threshold",
                                        "200",
                                        "--snapshot-trailing",
                                        "1024",
                                        "--snapshot-slice",
                                        "1",
                                        "--min-free",
                                        "32MiB",
                                        NULL};

    run_program(r, "orderctl", orderctl, sizeof orderctl);
    run_program(r, "clock_shim.so", preload, sizeof preload);
    snprintf(log, sizeof log, "%s/orderctl.log", r->store);
    certificates_open(&r->certificates, r->options.plain, r->root, orderctl, preload, log);
    r->nodes.network = &r->network;
    r->nodes.certificates = &r->certificates;
    r->nodes.record = r->record;
    r->nodes.program = run_program(r,
                                   r->options.mutant != NULL ? "orderschedd-mutants"
                                                             : "orderschedd",
                                   program, sizeof program);
    r->nodes.preload = preload;
    r->nodes.mutant = r->options.mutant;
    memcpy(r->nodes.flags, flags, sizeof flags);
    nodes_open(&r->nodes, RUN_NODES, r->root, r->store, DISK_MIB);
}

static void open_admin(struct run *r)
{
    size_t at = 0;

    for (unsigned place = 1; place <= r->nodes.n; place++) {
        char endpoint[64];
        at += (size_t)snprintf(r->endpoints + at, sizeof r->endpoints - at, "%s%s",
                               at > 0 ? "," : "", node_endpoint(place, endpoint, sizeof endpoint));
    }
    run_access_open(r);
}

static void put_routes(struct run *r)
{
    char retries[RECEIVER_RETRIES * 8] = "500ms";

    for (unsigned i = 1; i < RECEIVER_RETRIES; i++) {
        strcat(retries, ",1s");
    }
    for (unsigned i = 0; i < r->receivers.n; i++) {
        const struct bed_receiver *to = &r->receivers.receivers[i];
        const char *put[] = {
            "route",         "put",           to->name, "--url",    to->url, "--secret",
            RECEIVER_SECRET, "--timeout",     "2s",     "--window", "256",   "--retry",
            retries,         "--traceparent", "on",     NULL};
        if (run_orderctl(r, put) != 0) {
            bed_fail("the route %s cannot be put; see %s/orderctl.log", to->name, r->store);
        }
    }
}

/* --- phases --- */

static void phase_stable(struct run *r)
{
    record_phase(r, "stable");
    for (unsigned place = 1; place <= r->nodes.n; place++) {
        nodes_start(&r->nodes, place);
    }
    nodes_watch(&r->nodes);
    if (r->options.http) {
        r->leaderships = run_leaderships_watch(r);
    }
    await_leader(r);
    run_access_begin(r);
    put_routes(r);
    run_probe(r);
}

static void phase_load(struct run *r)
{
    record_phase(r, "load");
    atomic_store(&r->loading, true);
    struct workers *workers = workload_start(r);
    struct nemeses *nemeses = nemesis_start(r);
    sleep_ms(r->options.time_ms);
    atomic_store(&r->loading, false);
    workload_join(workers);
    unsigned faults = nemesis_join(nemeses);
    fprintf(stderr, "jepsen: %u faults, %llu operations\n", faults,
            (unsigned long long)atomic_load(&r->calls));
}

/* The nemesis has healed what it broke; this makes sure, whatever it was. */
static void phase_heal(struct run *r)
{
    record_phase(r, "heal");
    network_heal(&r->network);
    for (unsigned place = 1; place <= r->nodes.n; place++) {
        *r->nodes.nodes[place].clock_us = 0;
        nodes_start(&r->nodes, place);
    }
    run_probe(r);
}

/* Until every order that can end has ended. Whether that is soon enough, the checkers say. */
static void phase_settle(struct run *r)
{
    uint64_t until_ns = clocks_running_ns() + (uint64_t)SETTLE_MS_MAX * 1000000;
    bool settled = false;

    record_phase(r, "settle");
    while (!settled && clocks_running_ns() < until_ns) {
        char endpoint[64];
        unsigned leader = run_leader(r, NULL);
        sleep_ms(200);
        if (leader != 0) {
            struct asked_status s = ask_status(r->admin,
                                               node_endpoint(leader, endpoint, sizeof endpoint),
                                               ASK_STATUS_TIMEOUT_MS);
            settled = s.leader && s.closing == 0 && (s.pending == 0 || r->workload->keeps_pending);
        }
    }
}

static void phase_final(struct run *r)
{
    record_phase(r, "final");
    run_final(r);
    if (r->leaderships != NULL) {
        run_leaderships_end(r->leaderships);
    }
    nodes_unwatch(&r->nodes);
    ordersched_close(r->admin);
    receivers_close(&r->receivers);
    for (unsigned place = 1; place <= r->nodes.n; place++) {
        nodes_kill(&r->nodes, place);
        logs_scan(r->nodes.nodes[place].log, place, r->record);
    }
    receivers_record(&r->receivers, r->record);
}

static void keep_data(struct run *r)
{
    for (unsigned place = 1; place <= r->nodes.n; place++) {
        char to[600];
        snprintf(to, sizeof to, "%s/n%u-data", r->store, place);
        const char *copy[] = {"cp", "-a", "--sparse=always", r->nodes.nodes[place].data, to, NULL};
        command_must(COMMAND_HERE, NULL, copy);
    }
}

void run_run(struct run *r)
{
    char path[600], program[600];

    r->workload = workload_find(r->options.workload);
    snprintf(path, sizeof path, "%s/history.edn", r->store);
    network_open(&r->network, RUN_NODES);
    r->record = record_open(path);
    open_nodes(r);
    record_header(r);
    open_admin(r);
    receivers_open(&r->receivers, &r->network, run_program(r, "ordersink", program, sizeof program),
                   r->store, r->workload->receivers, r->options.seed);
    phase_stable(r);
    phase_load(r);
    phase_heal(r);
    phase_settle(r);
    phase_final(r);
    if (r->options.keep) {
        keep_data(r);
    }
    nodes_close(&r->nodes);
    record_close(r->record);
}
