/* cluster.c - see cluster.h. */
#include "cluster.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/clocks.h"
#include "../../ordersched.h"

#define CLUSTER_PORTS 4      /* from one node's Raft port to the next one's */
#define CLUSTER_UP_MS 20000  /* until a leader answers */
#define CLUSTER_LOOK_MS 1000 /* between looks whether the nodes still run */

/* ---- its nodes ---- */

static void bench_cluster_place(struct bench_cluster *c, unsigned i, unsigned port)
{
    struct bench_cluster_node *node = &c->nodes[i];
    size_t peers = strlen(c->peers);
    size_t endpoints = strlen(c->endpoints);
    char host[CABLES_HOST_SIZE] = "127.0.0.1";

    if (c->cables.n > 0) {
        cables_host(i, host);
    }
    node->pid = 0;
    node->port = port;
    snprintf(node->api, sizeof node->api, "%s:%u", host, port + 1);
    snprintf(node->data, sizeof node->data, "%.*s/node-%u", CLUSTER_DIR_MAX, c->dir, i + 1);
    snprintf(node->log, sizeof node->log, "%.*s/node-%u.log", CLUSTER_DIR_MAX, c->dir, i + 1);
    snprintf(c->peers + peers, sizeof c->peers - peers, "%s%u=%s:%u", i > 0 ? "," : "", i + 1, host,
             port);
    snprintf(c->endpoints + endpoints, sizeof c->endpoints - endpoints, "%s%s", i > 0 ? "," : "",
             node->api);
}

static int bench_cluster_make_dir(struct bench_cluster *c)
{
    const char *base = c->config.data != NULL ? c->config.data : getenv("TMPDIR");

    base = base != NULL && *base != 0 ? base : "/tmp";
    if ((size_t)snprintf(c->dir, sizeof c->dir, "%s/orderbench-XXXXXX", base) >= sizeof c->dir) {
        fprintf(stderr, "orderbench: the path of the data directory is too long: %s\n", base);
        return 2;
    }
    if (mkdtemp(c->dir) == NULL) {
        fprintf(stderr, "orderbench: cannot make a directory in %s: %s\n", base, strerror(errno));
        return 3;
    }
    return 0;
}

/* "FLAG=VALUE,..." as "--FLAG=VALUE" each. 0, or 2 after a sentence. */
static int bench_cluster_take_flags(struct bench_cluster *c)
{
    const char *at = c->config.node_flags != NULL ? c->config.node_flags : "";
    size_t used = 0;

    for (unsigned n = 0; *at != 0; n++) {
        size_t len = strcspn(at, ",");
        if (n == CLUSTER_FLAGS_MAX || used + len + 3 > sizeof c->flags || len == 0) {
            fprintf(stderr, "orderbench: these are not flags of nodes, or too many: \"%s\"\n",
                    c->config.node_flags);
            return 2;
        }
        c->args[n] = c->flags + used;
        used += (size_t)snprintf(c->flags + used, sizeof c->flags - used, "--%.*s", (int)len, at);
        used++;
        at += len + (at[len] == ',');
    }
    return 0;
}

int bench_cluster_start(struct bench_cluster *c, unsigned i)
{
    struct bench_cluster_node *node = &c->nodes[i];
    char program[600], id[16];
    char *argv[10 + CLUSTER_FLAGS_MAX + 1] = {program,  "--id",      id,
                                              "--data", node->data,  "--peers",
                                              c->peers, "--cluster", (char *)c->config.name};
    unsigned n = 9;

    if (bench_program_path("orderschedd", program, sizeof program) != 0) {
        return -1;
    }
    snprintf(id, sizeof id, "%u", i + 1);
    if (c->cables.n > 0) { /* off the loopback, where only we are */
        argv[n++] = "--insecure";
    }
    for (unsigned k = 0; c->args[k] != NULL; k++) {
        argv[n++] = c->args[k];
    }
    if (c->cables.n > 0 && cables_enter(&c->cables, i) != 0) {
        return -1;
    }
    pthread_mutex_lock(&c->mutex);
    pid_t pid = bench_process_start(argv, node->log);
    node->pid = pid > 0 ? pid : 0;
    pthread_mutex_unlock(&c->mutex);
    if (c->cables.n > 0 && cables_leave(&c->cables) != 0) {
        return -1;
    }
    return pid > 0 ? 0 : -1;
}

void bench_cluster_kill(struct bench_cluster *c, unsigned i)
{
    pthread_mutex_lock(&c->mutex);
    if (c->nodes[i].pid > 0) {
        bench_process_kill(c->nodes[i].pid);
        c->nodes[i].pid = 0;
    }
    pthread_mutex_unlock(&c->mutex);
}

void bench_cluster_term(struct bench_cluster *c, unsigned i)
{
    pthread_mutex_lock(&c->mutex);
    if (c->nodes[i].pid > 0) {
        kill(c->nodes[i].pid, SIGTERM);
    }
    pthread_mutex_unlock(&c->mutex);
}

int bench_cluster_wait_end(struct bench_cluster *c, unsigned i, unsigned timeout_ms)
{
    uint64_t until_ms = clocks_running_ms() + timeout_ms;

    while (bench_process_is_alive(c->nodes[i].pid)) {
        if (clocks_running_ms() > until_ms) {
            return -1;
        }
        clocks_sleep_ms(1);
    }
    pthread_mutex_lock(&c->mutex);
    int code = bench_process_wait(c->nodes[i].pid);
    c->nodes[i].pid = 0;
    pthread_mutex_unlock(&c->mutex);
    return code;
}

static void bench_cluster_remove_data(const struct bench_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        bench_directory_remove(c->nodes[i].data);
    }
}

/* ---- signals ---- */

/* Takes the signals that would end us, and ends the nodes first. */
static void *bench_cluster_watch_signals(void *arg)
{
    struct bench_cluster *c = arg;
    int signal_number;

    while (sigwait(&c->signals, &signal_number) != 0) {
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); /* this goes through to the end */
    pthread_mutex_lock(&c->mutex);                        /* kept: no node starts any more */
    for (unsigned i = 0; i < c->n; i++) {
        if (c->nodes[i].pid > 0) {
            bench_process_kill(c->nodes[i].pid);
        }
    }
    bench_directory_remove(c->dir);
    _exit(128 + signal_number);
}

static int bench_cluster_take_signals(struct bench_cluster *c)
{
    sigemptyset(&c->signals);
    sigaddset(&c->signals, SIGINT);
    sigaddset(&c->signals, SIGTERM);
    sigaddset(&c->signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &c->signals, &c->signals_before);
    if (pthread_create(&c->watcher, NULL, bench_cluster_watch_signals, c) != 0) {
        pthread_sigmask(SIG_SETMASK, &c->signals_before, NULL);
        fprintf(stderr, "orderbench: cannot start a thread\n");
        return 3;
    }
    return 0;
}

static void bench_cluster_give_signals_back(struct bench_cluster *c)
{
    pthread_cancel(c->watcher); /* in sigwait; or it ends the process */
    pthread_join(c->watcher, NULL);
    pthread_sigmask(SIG_SETMASK, &c->signals_before, NULL);
}

/* ---- open and close ---- */

/* The number of a node of our own that has ended, with a wrong flag, say; or 0. */
static unsigned bench_cluster_dead(const struct bench_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (!bench_process_is_alive(c->nodes[i].pid)) {
            return i + 1;
        }
    }
    return 0;
}

/* A leader answers: a read rides on the commit of an entry. */
static int bench_cluster_await_leader(const struct bench_cluster *c, ordersched_client *client)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_GET, .id = "nobody", .id_len = 6};
    unsigned patience_ms = c->config.patience_ms != 0 ? c->config.patience_ms : CLUSTER_UP_MS;
    uint64_t until_ms = clocks_running_ms() + patience_ms;
    int rv;

    do {
        rv = ordersched_call(client, &op, CLUSTER_LOOK_MS, NULL);
        if (rv == ORDERSCHED_OK || rv == ORDERSCHED_NOT_FOUND) {
            return 0;
        }
        unsigned dead = bench_cluster_dead(c);
        if (dead != 0) {
            fprintf(stderr, "orderbench: node %u has ended; its log tells why\n", dead);
            return 3;
        }
    } while (clocks_running_ms() < until_ms);
    fprintf(stderr, "orderbench: %s: %s, while waiting for a leader at %s\n",
            ordersched_error_name(rv), ordersched_error_text(rv), c->endpoints);
    return 3;
}

static int bench_cluster_wait_leader(const struct bench_cluster *c)
{
    struct ordersched_config config = {.endpoints = c->endpoints,
                                       .cluster = c->config.name,
                                       .timeout_ms = CLUSTER_LOOK_MS};
    ordersched_client *client;
    int rv = ordersched_open(&config, &client);

    if (rv != ORDERSCHED_OK) {
        fprintf(stderr, "orderbench: %s: \"%s\" cannot be used as --endpoints\n",
                ordersched_error_name(rv), c->endpoints);
        return rv == ORDERSCHED_ARGUMENT ? 2 : 3;
    }
    rv = bench_cluster_await_leader(c, client);
    ordersched_close(client);
    return rv;
}

static int bench_cluster_open_own(struct bench_cluster *c)
{
    int rv = c->config.apart ? cables_open(&c->cables, c->config.nodes) : 0;
    if (rv != 0) {
        return rv;
    }
    unsigned base = bench_ports_free(CLUSTER_PORTS * c->config.nodes);

    if (base == 0) {
        fprintf(stderr, "orderbench: no free ports on 127.0.0.1\n");
        return 3;
    }
    rv = bench_cluster_take_flags(c);
    rv = rv == 0 ? bench_cluster_make_dir(c) : rv;
    if (rv != 0) {
        return rv;
    }
    rv = bench_cluster_take_signals(c);
    if (rv != 0) {
        bench_directory_remove(c->dir);
        return rv;
    }
    c->own = true;
    c->n = c->config.nodes;
    for (unsigned i = 0; i < c->n; i++) {
        bench_cluster_place(c, i, base + CLUSTER_PORTS * i);
    }
    for (unsigned i = 0; rv == 0 && i < c->n; i++) {
        rv = bench_cluster_start(c, i) == 0 ? 0 : 3;
    }
    return rv;
}

int bench_cluster_open(struct bench_cluster *c, const struct bench_cluster_config *config)
{
    int rv = 0;

    memset(c, 0, sizeof *c);
    c->config = *config;
    pthread_mutex_init(&c->mutex, NULL);
    if (config->endpoints == NULL) {
        rv = bench_cluster_open_own(c);
    } else if ((size_t)snprintf(c->endpoints, sizeof c->endpoints, "%s", config->endpoints) >=
               sizeof c->endpoints) {
        fprintf(stderr, "orderbench: --endpoints is too long\n");
        rv = 2;
    }
    rv = rv == 0 ? bench_cluster_wait_leader(c) : rv;
    if (rv != 0) {
        bench_cluster_close(c, true);
    }
    return rv;
}

void bench_cluster_close(struct bench_cluster *c, bool failed)
{
    for (unsigned i = 0; i < c->n; i++) {
        bench_cluster_kill(c, i);
    }
    if (c->own) {
        bench_cluster_give_signals_back(c);
        bench_cluster_remove_data(c);
        if (failed) {
            fprintf(stderr, "orderbench: the logs of the nodes are kept in %s\n", c->dir);
        } else {
            bench_directory_remove(c->dir);
        }
    }
    if (c->cables.n > 0) {
        cables_close(&c->cables);
    }
    pthread_mutex_destroy(&c->mutex);
}

/* ---- what its nodes use ---- */

void bench_cluster_usage(const struct bench_cluster *c, struct bench_usage usage[CLUSTER_NODES_MAX])
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->nodes[i].pid == 0 || !bench_process_usage(c->nodes[i].pid, &usage[i])) {
            usage[i] = (struct bench_usage){0};
        }
    }
}

/* libraft's names: snapshot-TERM-INDEX-TIME for the data, the same with .meta once it is whole. */
uint64_t bench_cluster_snapshot(const struct bench_cluster *c, unsigned i)
{
    char path[sizeof c->nodes[i].data + 8];
    struct dirent *entry;
    uint64_t newest = 0;

    snprintf(path, sizeof path, "%s/raft", c->nodes[i].data);
    DIR *dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        unsigned long long term, index, time;
        int length = 0;
        if (sscanf(entry->d_name, "snapshot-%llu-%llu-%llu.meta%n", &term, &index, &time,
                   &length) == 3 &&
            length > 0 && entry->d_name[length] == 0) {
            newest = index > newest ? index : newest;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return newest;
}
