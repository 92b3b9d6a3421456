/* measure.c - see measure.h. Running and looking is in
 * measure_run.c. */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../../base/clocks.h"
#include "ids.h"
#include "../../text/units.h"

#define MEASURE_ROUTE "orderbench"
/* Nothing of this route ever fires: all deadlines are an hour and more away. */
#define MEASURE_URL "http://127.0.0.1:9/"
#define MEASURE_SECRET "whsec_b3JkZXJiZW5jaCBmaXJlcyBub3RoaW5n"

static const struct flag measure_flags[] = {
    {MEASURE_ORDERS, "orders", 0, "N", "how many orders"},
    {MEASURE_CLIENTS, "clients", 0, "N", "handles of the client library (1)"},
    {MEASURE_OUTSTANDING, "outstanding", 0, "N",
     "calls under way for each client; 1: each is waited for"},
    {MEASURE_RATE, "rate", 0, "N",
     "begin N calls a second, whatever becomes of them (as fast as they end)"},
    {MEASURE_NODES, "nodes", 0, "N", "of the cluster that is started (3)"},
    {MEASURE_DATA, "data", 0, "DIR", "where its nodes write, on the disk to be measured (/tmp)"},
    {MEASURE_NODE_FLAGS, "node-flags", 0, "FLAG=VALUE,...",
     "further flags of its nodes, without dashes"},
    {MEASURE_ENDPOINTS, "endpoints", 0, "HOST:PORT,...",
     "measure a running cluster, instead of starting one"},
    {MEASURE_CLUSTER, "cluster", 0, "NAME", "the cluster's name (orderschedd)"},
    {MEASURE_TIMEOUT, "timeout", 0, "DURATION", "how long to try each call (30s)"},
    {MEASURE_WRITE, "write", 'w', "table|json", "how to print the figures (table)"},
    {MEASURE_QUIET, "quiet", 'q', NULL, "no progress lines"},
    {MEASURE_HELP, "help", 'h', NULL, "this text"},
    {0},
};

/* ---- flags ---- */

bool measure_count(const struct measure *m, int flag, const char *name, uint64_t otherwise,
                   uint64_t min, uint64_t max, uint64_t *out)
{
    char what[96];

    *out = otherwise;
    if (m->values[flag] == NULL || bench_parse_count(m->values[flag], min, max, out)) {
        return true;
    }
    snprintf(what, sizeof what, "%s must be a number from %llu to %llu", name,
             (unsigned long long)min, (unsigned long long)max);
    (void)bench_usage(what, m->values[flag]);
    return false;
}

bool measure_duration(const struct measure *m, int flag, const char *name, uint64_t otherwise_ms,
                      uint64_t max_ms, uint64_t *out_ms)
{
    char what[96];

    *out_ms = otherwise_ms;
    if (m->values[flag] == NULL ||
        (units_parse_duration(m->values[flag], out_ms) && *out_ms > 0 && *out_ms <= max_ms)) {
        return true;
    }
    snprintf(what, sizeof what, "%s must be a duration from 1ms to %llus", name,
             (unsigned long long)max_ms / 1000);
    (void)bench_usage(what, m->values[flag]);
    return false;
}

static int measure_read_load(struct measure *m)
{
    const struct measure_command *command = m->command;
    uint64_t clients, outstanding, timeout_ms;

    if (!measure_count(m, MEASURE_ORDERS, "--orders", command->orders, 1, 1000000000, &m->orders) ||
        !measure_count(m, MEASURE_CLIENTS, "--clients", 1, 1, ENGINE_CLIENTS_MAX, &clients) ||
        !measure_count(m, MEASURE_OUTSTANDING, "--outstanding", command->outstanding, 1,
                       ENGINE_OUTSTANDING_MAX, &outstanding) ||
        !measure_duration(m, MEASURE_TIMEOUT, "--timeout", 30000, 3600000, &timeout_ms)) {
        return 2;
    }
    m->clients = (unsigned)clients;
    m->outstanding = (unsigned)outstanding;
    m->timeout_ms = (unsigned)timeout_ms;
    if (m->values[MEASURE_RATE] != NULL &&
        !bench_parse_number(m->values[MEASURE_RATE], 0.1, 1e7, &m->rate)) {
        return bench_usage("--rate must be a number from 0.1 to 10000000", m->values[MEASURE_RATE]);
    }
    const char *write = m->values[MEASURE_WRITE] != NULL ? m->values[MEASURE_WRITE] : "table";
    m->json = strcmp(write, "json") == 0;
    m->quiet = m->values[MEASURE_QUIET] != NULL;
    return m->json || strcmp(write, "table") == 0
               ? 0
               : bench_usage("-w is neither table nor json", write);
}

static int measure_read_cluster(struct measure *m)
{
    struct bench_cluster_config *c = &m->cluster_config;
    uint64_t nodes;

    c->endpoints = m->values[MEASURE_ENDPOINTS];
    c->name = m->values[MEASURE_CLUSTER] != NULL ? m->values[MEASURE_CLUSTER] : "orderschedd";
    c->data = m->values[MEASURE_DATA];
    c->node_flags = m->values[MEASURE_NODE_FLAGS];
    if (*c->name == 0 || strlen(c->name) > PROTOCOL_CLUSTER_MAX) {
        return bench_usage("--cluster must have 1 to 64 bytes", c->name);
    }
    if (!measure_count(m, MEASURE_NODES, "--nodes", 3, 1, CLUSTER_NODES_MAX, &nodes)) {
        return 2;
    }
    c->nodes = (unsigned)nodes;
    if (c->endpoints == NULL) {
        return 0;
    }
    c->patience_ms = m->timeout_ms;
    if (c->data != NULL || c->node_flags != NULL || m->values[MEASURE_NODES] != NULL) {
        return bench_usage("--nodes, --data and --node-flags are of a cluster that is started;"
                           " --endpoints measures one that runs",
                           NULL);
    }
    if (m->command->kills) {
        return bench_usage("this command kills nodes, and does so in a cluster of its own only:"
                           " leave out --endpoints",
                           NULL);
    }
    if (m->command->looks_at_nodes) {
        return bench_usage("this command looks at its nodes' processes and files, so it needs a"
                           " cluster of its own: leave out --endpoints",
                           NULL);
    }
    return 0;
}

static void measure_help(const struct measure_command *command)
{
    printf("Usage: orderbench %s [FLAGS]\n\n%s\n\nFlags:\n", command->name, command->what);
    if (command->flags != NULL) {
        flags_print(command->flags, NULL, stdout);
    }
    flags_print(measure_flags, NULL, stdout);
    printf("\nThe default of --orders is %llu, that of --outstanding %u.\n",
           (unsigned long long)command->orders, command->outstanding);
}

int measure_read(struct measure *m, const struct measure_command *command, int argc, char **argv)
{
    memset(m, 0, sizeof *m);
    m->command = command;
    int rv = bench_flags_read(measure_flags, command->flags, argc, argv, m->values, MEASURE_HELP);
    if (rv < 0) {
        measure_help(command);
    }
    rv = rv == 0 ? measure_read_load(m) : rv;
    return rv == 0 ? measure_read_cluster(m) : rv;
}

/* ---- the settings that go with the figures ---- */

static const char *file_system_of(const char *path)
{
    struct statfs fs;

    if (statfs(path, &fs) != 0) {
        return "unknown";
    }
    switch ((unsigned long)fs.f_type) {
        case 0xEF53: return "ext4";
        case 0x58465342: return "xfs";
        case 0x9123683E: return "btrfs";
        case 0x2FC12FC1: return "zfs";
        case 0x794c7630: return "overlay";
        case 0x01021994: return "tmpfs";
        default: return "other";
    }
}

static void measure_note_settings(struct measure *m)
{
    json_t *s = m->row.settings;
    double load;

    json_object_set_new(s, "clients", json_integer(m->clients));
    json_object_set_new(s, "outstanding", json_integer(m->outstanding));
    json_object_set_new(s, "rate", json_real(m->rate));
    json_object_set_new(s, "id_bytes", json_integer(BENCH_ID_SIZE));
    json_object_set_new(s, "payload_bytes", json_integer(BENCH_PAYLOAD_SIZE));
    json_object_set_new(s, "own_cluster", json_boolean(m->cluster.own));
    json_object_set_new(s, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    if (getloadavg(&load, 1) == 1) { /* others make the figures worse */
        json_object_set_new(s, "load_before", json_real((double)(int)(load * 100) / 100));
    }
    if (!m->cluster.own) {
        return;
    }
    const char *fs = file_system_of(m->cluster.dir);
    json_object_set_new(s, "file_system", json_string(fs));
    if (m->cluster_config.node_flags != NULL) {
        json_object_set_new(s, "node_flags", json_string(m->cluster_config.node_flags));
    }
    if (strcmp(fs, "tmpfs") == 0) {
        fprintf(stderr, "orderbench: the nodes' data lies in memory, where fsync costs nothing;"
                        " --data chooses a disk\n");
    }
}

/* ---- open and close ---- */

/* By orderctl, as its user would. */
static int measure_put_route(const struct measure *m)
{
    char program[600];
    char *argv[] = {program,
                    "--endpoints",
                    (char *)m->cluster.endpoints,
                    "--cluster",
                    (char *)m->cluster_config.name,
                    "route",
                    "put",
                    MEASURE_ROUTE,
                    "--url",
                    MEASURE_URL,
                    "--secret",
                    MEASURE_SECRET,
                    NULL};

    if (bench_program_path("orderctl", program, sizeof program) != 0) {
        return 3;
    }
    pid_t pid = bench_process_start(argv, "/dev/null");
    int code = pid > 0 ? bench_process_wait(pid) : 3;
    if (code != 0) {
        fprintf(stderr,
                "orderbench: orderctl could not put the route " MEASURE_ROUTE " (exit code %d)\n",
                code);
    }
    return code == 0 ? 0 : 3;
}

int measure_open(struct measure *m)
{
    bench_row_init(&m->row, m->command->name);
    while (m->run == 0) {
        if (getrandom(&m->run, sizeof m->run, 0) < 0) {
            m->run = (uint32_t)clocks_wall_ms();
        }
    }
    int rv = bench_cluster_open(&m->cluster, &m->cluster_config);
    if (rv != 0) {
        bench_row_free(&m->row);
        return rv;
    }
    struct ordersched_config config = {.endpoints = m->cluster.endpoints,
                                       .cluster = m->cluster_config.name,
                                       .timeout_ms = m->timeout_ms};
    rv = ordersched_open(&config, &m->client);
    rv = rv == ORDERSCHED_OK ? measure_put_route(m)
                             : bench_explain(rv, NULL, "opening the cluster's endpoints");
    if (rv != 0) {
        return measure_close(m, rv);
    }
    m->row.nodes = m->cluster.n;
    m->row.orders = m->orders;
    measure_note_settings(m);
    m->stolen_s = bench_stolen_s();
    return 0;
}

int measure_close(struct measure *m, int rv)
{
    ordersched_close(m->client);
    m->client = NULL;
    bench_cluster_close(&m->cluster, rv != 0 || m->wrong);
    if (rv == 0) {
        bench_row_add(&m->row, "stolen_s", bench_stolen_s() - m->stolen_s);
        rv = bench_row_print(&m->row, m->json);
        rv = rv == 0 && m->wrong ? 1 : rv;
    }
    bench_row_free(&m->row);
    return rv;
}

struct engine_config measure_engine(const struct measure *m, enum ordersched_operation_kind kind,
                                    uint64_t first, uint64_t n)
{
    return (struct engine_config){
        .endpoints = m->cluster.endpoints,
        .cluster = m->cluster_config.name,
        .route = MEASURE_ROUTE,
        .kind = kind,
        .run = m->run,
        .first = first,
        .n = n,
        .clients = m->clients,
        .outstanding = m->outstanding,
        .rate = m->rate,
        .timeout_ms = m->timeout_ms,
    };
}
