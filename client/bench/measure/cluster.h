/* cluster.h - the cluster that is measured: one of our own on this machine, or one that
 * runs already.
 *
 * Our own are nodes of the orderschedd beside orderbench, on free ports of 127.0.0.1 or each on a
 * machine of its own (cables.h), with their data in a scratch directory, and with real fsync. They end with the cluster, by pid: also when a
 * signal (INT, TERM, HUP) or an error ends orderbench. Of a cluster that runs already only the
 * endpoints are known: nothing is killed there, and what its nodes use is not seen.
 *
 * One at a time in a process, as it takes over the signals; open and close on the main thread. */
#ifndef ORDERBENCH_CLUSTER_H
#define ORDERBENCH_CLUSTER_H

#include <pthread.h>
#include <signal.h>

#include "cables.h"
#include "process.h"

#define CLUSTER_NODES_MAX CABLES_MAX
#define CLUSTER_DIR_MAX 256
#define CLUSTER_FLAGS_MAX 16

struct bench_cluster_config {
    const char *endpoints; /* not NULL: of the cluster that runs */
    const char *name;      /* of the cluster */
    const char *data;      /* where the scratch directory is made; NULL: TMPDIR, else /tmp */
    unsigned nodes;
    unsigned patience_ms;   /* to wait for a leader; 0: 20 s */
    const char *node_flags; /* further ones of each node: "FLAG=VALUE,FLAG=VALUE"; or NULL */
    bool tls;               /* all of it inside TLS, by certificates that are made for it */
    bool apart;             /* each node on a machine of its own, whose cable can be pulled */
};

struct bench_cluster_node {
    pid_t pid; /* 0: not running */
    unsigned port;
    char api[64];
    char data[CLUSTER_DIR_MAX + 32];
    char log[CLUSTER_DIR_MAX + 32];
};

struct bench_cluster {
    struct bench_cluster_config config;
    bool own;
    unsigned n;           /* nodes of our own */
    struct cables cables; /* none unless they are apart */
    char dir[CLUSTER_DIR_MAX];
    char flags[1024]; /* the further ones, each ended by a NUL */
    char *args[CLUSTER_FLAGS_MAX + 1];
    char peers[512];
    char endpoints[512];
    struct bench_cluster_node nodes[CLUSTER_NODES_MAX];
    pthread_mutex_t mutex; /* guards the pids */
    pthread_t watcher;     /* of signals */
    sigset_t signals;
    sigset_t signals_before;
};

/* Start the nodes, unless there are endpoints, and wait until a leader answers. 0; or an exit code
 * of orderbench after a sentence, and everything is cleaned up. */
int bench_cluster_open(struct bench_cluster *c, const struct bench_cluster_config *config);
/* End the nodes and remove their data; when something failed, keep their logs and say where. */
void bench_cluster_close(struct bench_cluster *c, bool failed);

/* Our own cluster only. Node i's number in the cluster is i + 1. */
void bench_cluster_kill(struct bench_cluster *c, unsigned i); /* SIGKILL */
void bench_cluster_term(struct bench_cluster *c, unsigned i); /* SIGTERM, and do not wait */
/* Wait until a node that was asked to has ended. Its exit code, 128 + N after signal N; -1: it had
 * not within timeout_ms. */
int bench_cluster_wait_end(struct bench_cluster *c, unsigned i, unsigned timeout_ms);
int bench_cluster_start(struct bench_cluster *c, unsigned i); /* 0, or -1 after a sentence */
/* What each node has used so far, 0 where it does not run. */
void bench_cluster_usage(const struct bench_cluster *c,
                         struct bench_usage usage[CLUSTER_NODES_MAX]);
/* The log index of the latest snapshot that is whole on a node's disk, 0 without any. */
uint64_t bench_cluster_snapshot(const struct bench_cluster *c, unsigned i);

#endif
