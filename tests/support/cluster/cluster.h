/* cluster.h - a cluster of real orderschedd processes on loopback, with real disks, for tests. */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "../../../client/ordersched.h"
#include "process.h"

#define CLUSTER_NODES_MAX 8

struct cluster_node {
    uint64_t id;
    unsigned port; /* Raft; clients at port + 1 */
    pid_t pid;     /* 0 = not running */
    char data[320];
    char log[320];
    const char *args[16];    /* further flags, NULL-terminated */
    const char *preload;     /* LD_PRELOAD of this node, or NULL */
    const char *environment; /* "NAME=value" for this node, or NULL */
    bool joins;
    const char *peers; /* its own --peers, or NULL: the cluster's */
};

struct cluster {
    char dir[256];
    char peers[512];
    char endpoints[512];
    const char *tls_ca, *tls_cert, *tls_key; /* of its clients (cluster_tls.h); NULL: plain TCP */
    unsigned n;
    struct cluster_node nodes[CLUSTER_NODES_MAX];
};

/* What a node says of itself. */
struct cluster_status {
    bool up;
    bool leader;
    char identity[33];
    uint64_t term, commit, applied, pending, closing, paid, cancelled, expired, dead;
    uint64_t now_ms, oldest_overdue_ms;
};

/* Prepare `n` nodes (ids 1..n), none started. `dir` is made and removed by the cluster. */
void cluster_init(struct cluster *c, unsigned n);
/* One node more, to be started with --join. Returns its position. */
unsigned cluster_grow(struct cluster *c, uint64_t id);
void cluster_start(struct cluster *c, unsigned i);
void cluster_start_all(struct cluster *c);
/* SIGKILL, reaped. */
void cluster_kill(struct cluster *c, unsigned i);
/* SIGTERM, once the node listens or has ended; returns the wait status. */
int cluster_stop(struct cluster *c, unsigned i);
void cluster_wipe(struct cluster *c, unsigned i); /* remove the data directory */
/* Kill what runs. Keeps the directory when `keep` (its path is printed), else removes it. */
void cluster_close(struct cluster *c, bool keep);

/* The one node of a cluster runs and leads, for a group of tests; c->nodes[0].args may be set. */
void cluster_start_alone(struct cluster *c);
/* It is told to stop, and everything removed. 0, or -1 when it did not end in order: what the
 * teardown of a group returns. */
int cluster_close_alone(struct cluster *c);

/* A client for all of the cluster. */
ordersched_client *cluster_client(const struct cluster *c);
/* One operation with its default timeout; returns the answer's error. */
int cluster_raw(ordersched_client *client, const void *operation, size_t len, bool mutating,
                const char *target, unsigned timeout_ms);
int cluster_route_put(ordersched_client *client, const char *name, const char *url,
                      const char *secret, const uint32_t *retries_ms, unsigned n_retries);
/* Any settings. */
struct route_settings;
int cluster_route_configure(ordersched_client *client, const char *name,
                            const struct route_settings *settings);
/* A paused route keeps its due orders. */
int cluster_route_pause(ordersched_client *client, const char *name, bool paused);
int cluster_member_add(ordersched_client *client, uint64_t id, unsigned port);
int cluster_member_remove(ordersched_client *client, uint64_t id);
int cluster_transfer(ordersched_client *client, uint64_t id);

/* Ask node i itself; up is false when it does not answer within a second. */
struct cluster_status cluster_status(const struct cluster *c, unsigned i);
/* Digest of the state of node i and the applied index it holds for; 0 = done. */
int cluster_digest(const struct cluster *c, unsigned i, uint64_t *applied, uint64_t *digest);
/* What orderctl prints to these words comes to match this pattern of grep's within 15 s; aborts
 * otherwise. */
void cluster_expect_orderctl(const struct cluster *c, const char *words, const char *pattern);
/* The log of some node comes to match this pattern of grep's within 20 s; aborts otherwise. */
void cluster_expect_log(const struct cluster *c, const char *pattern);
/* Position of the node that leads; aborts the test after timeout_ms. */
unsigned cluster_wait_leader(const struct cluster *c, unsigned timeout_ms);
/* All running nodes applied the same index and their digests are equal; aborts otherwise. */
void cluster_expect_equal_digests(const struct cluster *c, unsigned timeout_ms);

/* A reference receiver. */
struct sink {
    pid_t pid;
    unsigned port;
    char url[128];
    char journal[320];
    char log[320];
};
#define SINK_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw"
/* extra: further flags, NULL-terminated, or NULL. */
void sink_start(struct sink *s, const char *dir, const char *const *extra);
void sink_stop(struct sink *s);

/* What a journal says of one order. */
struct sink_order {
    unsigned deliveries;
    unsigned effects;
    uint64_t first_ms;    /* arrival of the first delivery */
    uint64_t deadline_ms; /* of the first delivery */
};
struct sink_order sink_find(const struct sink *s, const char *order_id);
/* Call `each` for every line of the journal. */
void sink_each(const struct sink *s,
               void (*each)(void *arg, const char *kind, const char *order_id,
                            const char *webhook_id, uint64_t t_ms, uint64_t deadline_ms,
                            const char *fence),
               void *arg);

#endif
