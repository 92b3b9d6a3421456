/* with.c - runs a program beside a cluster that is started for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/cluster.h"
#include "commands.h"
#include "measure/flags.h"

enum with_flag { WITH_NODES, WITH_DATA, WITH_NODE_FLAGS, WITH_HELP, WITH_FLAGS };

static const struct flag with_flags[] = {
    {WITH_NODES, "nodes", 0, "N", "of the cluster (3)"},
    {WITH_DATA, "data", 0, "DIR", "where its nodes write (/tmp)"},
    {WITH_NODE_FLAGS, "node-flags", 0, "FLAG=VALUE,...",
     "further flags of its nodes, without dashes"},
    {WITH_HELP, "help", 'h', NULL, "this text"},
    {0},
};

static int with_help(void)
{
    printf(
        "Usage: orderbench with [FLAGS] -- PROGRAM [ARGUMENT...]\n\n"
        "with starts a cluster, runs the program with ORDERSCHED_ENDPOINTS set to its endpoints,\n"
        "ends the cluster, and exits with the program's exit code.\n\nFlags:\n");
    flags_print(with_flags, NULL, stdout);
    return 0;
}

static int with_run(struct bench_cluster *c, char **argv)
{
    if (setenv("ORDERSCHED_ENDPOINTS", c->endpoints, 1) != 0) {
        return bench_out_of_memory();
    }
    pid_t pid = bench_process_start(argv, NULL);
    return pid > 0 ? bench_process_wait(pid) : 3;
}

int bench_with(int argc, char **argv)
{
    const char *values[WITH_FLAGS] = {NULL};
    struct bench_cluster_config config = {.name = "orderschedd"};
    struct bench_cluster cluster;
    uint64_t nodes = 3;
    int own = 0; /* arguments before "--" */

    while (own < argc && strcmp(argv[own], "--") != 0) {
        own++;
    }
    int rv = bench_flags_read(with_flags, NULL, own, argv, values, WITH_HELP);
    if (rv != 0) {
        return rv < 0 ? with_help() : rv;
    }
    if (own + 1 >= argc) {
        return bench_usage("with needs a program, after --", NULL);
    }
    if (values[WITH_NODES] != NULL &&
        !bench_parse_count(values[WITH_NODES], 1, CLUSTER_NODES_MAX, &nodes)) {
        return bench_usage("--nodes must be a number from 1 to 9", values[WITH_NODES]);
    }
    config.nodes = (unsigned)nodes;
    config.data = values[WITH_DATA];
    config.node_flags = values[WITH_NODE_FLAGS];
    rv = bench_cluster_open(&cluster, &config);
    if (rv == 0) {
        rv = with_run(&cluster, argv + own + 1);
        bench_cluster_close(&cluster, rv != 0);
    }
    return rv;
}
