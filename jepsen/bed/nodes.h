/* nodes.h - the real orderschedd processes of a run: each in its network namespace, on its own
 * disk, under its own clock, its log in the store.
 *
 * A node is known by its place, 1 to n, which it keeps; its id changes when it has to be added
 * again (README, "A node lost its disk"). Whoever ends a process here does it under the lock, so
 * that the watcher can tell a node that stops by itself. */
#ifndef BED_NODES_H
#define BED_NODES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "certificates.h"
#include "disk.h"
#include "network.h"
#include "record.h"

#define NODE_PORT 7400 /* of Raft; clients at the next one */
#define NODE_FLAGS_MAX 16

struct bed_node {
    uint64_t id;
    pid_t pid; /* 0: not running */
    bool paused;
    bool joins;      /* no founding member: waits to be added */
    bool may_exit;   /* a fault is on that explains it when it stops by itself */
    bool supervised; /* started again when it stops by itself without such a fault */
    unsigned exits;  /* how often it stopped by itself */
    struct bed_disk disk;
    volatile int64_t *clock_us; /* the offset of its wall clock */
    char mount[64], data[80], clock_file[64], log[512];
    char cert[112], key[112]; /* its files of TLS */
};

struct bed_nodes {
    unsigned n;
    struct bed_network *network;
    struct record *record;
    const struct bed_certificates *certificates;
    const char *program;               /* orderschedd */
    const char *preload;               /* the clock shim */
    const char *mutant;                /* or NULL */
    const char *flags[NODE_FLAGS_MAX]; /* further ones, NULL-terminated */
    char peers[512];
    uint64_t next_id;
    pthread_mutex_t mutex;
    pthread_t watcher;
    bool watching;
    struct bed_node nodes[BED_PLACES]; /* from 1 */
};

/* Prepare `n` nodes with a disk of `disk_mib` each below `root`; logs and disks go to `store`.
 * What is set of `nodes` before the call: network, record, certificates, program, preload, mutant,
 * flags. */
void nodes_open(struct bed_nodes *nodes, unsigned n, const char *root, const char *store,
                unsigned disk_mib);
void nodes_start(struct bed_nodes *nodes, unsigned place);
/* SIGKILL, reaped, and nothing that it sent before arrives later. Nothing when it does not run. */
void nodes_kill(struct bed_nodes *nodes, unsigned place);
/* SIGSTOP and SIGCONT. */
void nodes_pause(struct bed_nodes *nodes, unsigned place, bool paused);
/* Say whether a fault explains it when the node stops by itself. */
void nodes_expect_exit(struct bed_nodes *nodes, unsigned place, bool expected);
bool nodes_running(struct bed_nodes *nodes, unsigned place);
/* Wait until the node has stopped by itself; false after timeout_ms. */
bool nodes_wait_exit(struct bed_nodes *nodes, unsigned place, uint64_t timeout_ms);
/* Forget its data; when it is started next it is another member, of a new id, that joins. */
void nodes_replace(struct bed_nodes *nodes, unsigned place);
/* Start, and stop, recording nodes that stop by themselves and starting them again. */
void nodes_watch(struct bed_nodes *nodes);
void nodes_unwatch(struct bed_nodes *nodes);
/* Kill all, unmount all. */
void nodes_close(struct bed_nodes *nodes);

/* "10.75.0.3:7401": where its clients go. */
char *node_endpoint(unsigned place, char *out, size_t len);
/* "10.75.0.3:7400". */
char *node_address(unsigned place, char *out, size_t len);

#endif
