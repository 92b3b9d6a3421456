/* nodes.c - see nodes.h. */
#include "nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "logs.h"
#include "../../client/base/clocks.h"

#define WATCH_MS 20
#define RESTART_MS 500 /* as a service manager would */

char *node_endpoint(unsigned place, char *out, size_t len)
{
    snprintf(out, len, "%s:%d", network_host(place), NODE_PORT + 1);
    return out;
}

char *node_address(unsigned place, char *out, size_t len)
{
    snprintf(out, len, "%s:%d", network_host(place), NODE_PORT);
    return out;
}

static void node_open_clock(struct bed_node *node)
{
    int fd = open(node->clock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, sizeof(int64_t)) != 0) {
        bed_fail("%s: %s", node->clock_file, strerror(errno));
    }
    void *at = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        bed_fail("%s: %s", node->clock_file, strerror(errno));
    }
    close(fd);
    node->clock_us = at;
}

/* Of its id: another one when it is another member. */
static void node_certify(struct bed_nodes *nodes, unsigned place)
{
    struct bed_node *node = &nodes->nodes[place];
    char id[24];

    snprintf(id, sizeof id, "%llu", (unsigned long long)node->id);
    certificates_add_node(nodes->certificates, node->id, network_host(place));
    certificates_file(nodes->certificates, "node", id, "crt", node->cert, sizeof node->cert);
    certificates_file(nodes->certificates, "node", id, "key", node->key, sizeof node->key);
}

void nodes_open(struct bed_nodes *nodes, unsigned n, const char *root, const char *store,
                unsigned disk_mib)
{
    nodes->n = n;
    nodes->next_id = n + 1;
    pthread_mutex_init(&nodes->mutex, NULL);
    for (unsigned place = 1; place <= n; place++) {
        struct bed_node *node = &nodes->nodes[place];
        char address[64];
        size_t len = strlen(nodes->peers);
        node->id = place;
        snprintf(node->mount, sizeof node->mount, "%s/n%u", root, place);
        snprintf(node->data, sizeof node->data, "%s/n%u/data", root, place);
        snprintf(node->clock_file, sizeof node->clock_file, "%s/clock-%u", root, place);
        snprintf(node->log, sizeof node->log, "%s/n%u.log", store, place);
        disk_open(&node->disk, store, node->mount, disk_mib);
        node_open_clock(node);
        node_certify(nodes, place);
        snprintf(nodes->peers + len, sizeof nodes->peers - len, "%s%u=%s", len > 0 ? "," : "",
                 place, node_address(place, address, sizeof address));
    }
}

/* The flags that say how it may be reached. Returns the number of flags. */
static unsigned node_add_door(const struct bed_nodes *nodes, const struct bed_node *node,
                              const char *argv[], unsigned n)
{
    if (nodes->certificates->none) {
        argv[n++] = "--insecure";
        return n;
    }
    argv[n++] = "--tls-cert";
    argv[n++] = node->cert;
    argv[n++] = "--tls-key";
    argv[n++] = node->key;
    argv[n++] = "--tls-ca";
    argv[n++] = nodes->certificates->ca;
    argv[n++] = "--tls-clients";
    argv[n++] = "token"; /* a token alone will do */
    return n;
}

static void node_start(struct bed_nodes *nodes, unsigned place)
{
    struct bed_node *node = &nodes->nodes[place];
    char id[24], address[64], clock[96], preload[560], mutant[96];
    const char *argv[NODE_FLAGS_MAX + 24] = {
        nodes->program, "--id", id, "--data", node->data, "--allow-private-callbacks"};
    const char *environment[] = {clock, preload, "ASAN_OPTIONS=verify_asan_link_order=0",
                                 nodes->mutant != NULL ? mutant : NULL, NULL};
    struct command c = {.netns = nodes->network->netns[place],
                        .output = node->log,
                        .environment = environment};
    unsigned n = 6;

    snprintf(id, sizeof id, "%llu", (unsigned long long)node->id);
    snprintf(clock, sizeof clock, "CLOCK_SHIM_FILE=%s", node->clock_file);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", nodes->preload);
    snprintf(mutant, sizeof mutant, "ORDERSCHEDD_MUTANT=%s",
             nodes->mutant != NULL ? nodes->mutant : "");
    n = node_add_door(nodes, node, argv, n);
    if (node->joins) {
        argv[n++] = "--join";
        argv[n++] = "--address";
        argv[n++] = node_address(place, address, sizeof address);
    } else {
        argv[n++] = "--peers";
        argv[n++] = nodes->peers;
    }
    for (unsigned i = 0; nodes->flags[i] != NULL; i++) {
        argv[n++] = nodes->flags[i];
    }
    node->pid = command_start(&c, argv);
    node->paused = false;
}

void nodes_start(struct bed_nodes *nodes, unsigned place)
{
    pthread_mutex_lock(&nodes->mutex);
    if (nodes->nodes[place].pid == 0) {
        node_start(nodes, place);
    }
    nodes->nodes[place].supervised = true;
    pthread_mutex_unlock(&nodes->mutex);
}

static int pid_wait(pid_t pid, int flags)
{
    int status = 0;
    pid_t got;

    while ((got = waitpid(pid, &status, flags)) < 0 && errno == EINTR) {
    }
    return got == pid ? status : -1;
}

void nodes_kill(struct bed_nodes *nodes, unsigned place)
{
    struct bed_node *node = &nodes->nodes[place];

    pthread_mutex_lock(&nodes->mutex);
    if (node->pid != 0) {
        kill(node->pid, SIGKILL);
        (void)pid_wait(node->pid, 0);
        node->pid = 0;
        network_forget(nodes->network, place);
    }
    node->supervised = false;
    pthread_mutex_unlock(&nodes->mutex);
}

void nodes_pause(struct bed_nodes *nodes, unsigned place, bool paused)
{
    struct bed_node *node = &nodes->nodes[place];

    pthread_mutex_lock(&nodes->mutex);
    if (node->pid != 0) {
        kill(node->pid, paused ? SIGSTOP : SIGCONT);
        node->paused = paused;
    }
    pthread_mutex_unlock(&nodes->mutex);
}

void nodes_expect_exit(struct bed_nodes *nodes, unsigned place, bool expected)
{
    pthread_mutex_lock(&nodes->mutex);
    nodes->nodes[place].may_exit = expected;
    pthread_mutex_unlock(&nodes->mutex);
}

bool nodes_running(struct bed_nodes *nodes, unsigned place)
{
    pthread_mutex_lock(&nodes->mutex);
    bool running = nodes->nodes[place].pid != 0;
    pthread_mutex_unlock(&nodes->mutex);
    return running;
}

bool nodes_wait_exit(struct bed_nodes *nodes, unsigned place, uint64_t timeout_ms)
{
    for (uint64_t waited = 0; nodes_running(nodes, place); waited += WATCH_MS) {
        if (waited > timeout_ms) {
            return false;
        }
        sleep_ms(WATCH_MS);
    }
    return true;
}

void nodes_replace(struct bed_nodes *nodes, unsigned place)
{
    struct bed_node *node = &nodes->nodes[place];
    const char *away[] = {"rm", "-rf", node->data, NULL};

    pthread_mutex_lock(&nodes->mutex);
    command_must(COMMAND_HERE, NULL, away);
    node->id = nodes->next_id++;
    node->joins = true;
    node_certify(nodes, place);
    pthread_mutex_unlock(&nodes->mutex);
}

/* --- the watcher --- */

static void node_ended(struct bed_nodes *nodes, unsigned place, int status)
{
    struct bed_node *node = &nodes->nodes[place];
    char how[32], reason[1024], quoted[1100];

    if (WIFEXITED(status)) {
        snprintf(how, sizeof how, "exit %d", WEXITSTATUS(status));
    } else {
        snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    }
    logs_last_line(node->log, reason, sizeof reason);
    node->pid = 0;
    node->exits++;
    record_line(nodes->record, RECORD_RUNNER, RECORD_INFO, "exit",
                "{:node %u, :status \"%s\", :expected %s, :reason %s}", place, how,
                node->may_exit ? "true" : "false", record_string(quoted, sizeof quoted, reason));
    if (WIFSIGNALED(status)) {
        record_line(nodes->record, RECORD_RUNNER, RECORD_INFO, "log",
                    "{:node %u, :kind :core, :line \"ended by signal %d\"}", place,
                    WTERMSIG(status));
    }
}

static void *nodes_watcher(void *arg)
{
    struct bed_nodes *nodes = arg;
    uint64_t ended_ms[BED_PLACES] = {0};
    bool watching = true;

    while (watching) {
        pthread_mutex_lock(&nodes->mutex);
        for (unsigned place = 1; place <= nodes->n; place++) {
            struct bed_node *node = &nodes->nodes[place];
            int status = node->pid != 0 ? pid_wait(node->pid, WNOHANG) : -1;
            if (status != -1) {
                node_ended(nodes, place, status);
                ended_ms[place] = clocks_wall_ms();
            }
            if (node->pid == 0 && node->supervised && !node->may_exit &&
                clocks_wall_ms() > ended_ms[place] + RESTART_MS) {
                node_start(nodes, place);
            }
        }
        watching = nodes->watching;
        pthread_mutex_unlock(&nodes->mutex);
        sleep_ms(WATCH_MS);
    }
    return NULL;
}

void nodes_watch(struct bed_nodes *nodes)
{
    nodes->watching = true;
    if (pthread_create(&nodes->watcher, NULL, nodes_watcher, nodes) != 0) {
        bed_fail("no thread");
    }
}

void nodes_unwatch(struct bed_nodes *nodes)
{
    pthread_mutex_lock(&nodes->mutex);
    nodes->watching = false;
    pthread_mutex_unlock(&nodes->mutex);
    pthread_join(nodes->watcher, NULL);
}

void nodes_close(struct bed_nodes *nodes)
{
    for (unsigned place = 1; place <= nodes->n; place++) {
        nodes_kill(nodes, place);
        disk_close(&nodes->nodes[place].disk);
    }
}
