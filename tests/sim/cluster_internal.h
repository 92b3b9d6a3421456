/* cluster_internal.h - the inside of the simulated cluster, shared by its own files:
 *
 *   cluster.c         the cluster's life, and what the world sees of it
 *   cluster_node.c    one node: start, events, end
 *   cluster_identity.c  handshakes, and nodes of other clusters
 *   cluster_world.c   what a node's scheduler sees: clocks, receiver, clients
 *   cluster_faults.c  what happens to the nodes
 *   cluster_members.c who belongs to it
 *   cluster_restore.c disks that are put back
 *   partition.c       which links are cut */
#ifndef SIM_CLUSTER_INTERNAL_H
#define SIM_CLUSTER_INTERNAL_H

#include "../../raft/standing.h"
#include "cluster.h"
#include "io.h"
#include "network.h"

struct sim_node;

/* A client's message, from cluster_request until its reply. */
struct sim_request {
    struct sim_request *next, **at; /* in the node's list */
    struct inbound in;
    uint8_t *bytes;
    struct sim_node *node;
    struct sim_event *event; /* it has not arrived yet */
    void (*reply)(void *arg, const uint8_t *data, size_t len);
    void *arg;
};

/* A delivery, from the dispatcher's start until done. */
struct sim_delivery {
    struct sim_delivery *next, **at; /* in the node's list */
    struct delivery *delivery;
    struct sim_node *node;
    uint64_t token;
    struct sim_event *event; /* the answer is on its way */
    bool answered;
    enum outcome outcome;
    uint64_t delay_ms;
    bool overloaded;
    enum blame blame;
    /* with a worker: what its end means to the dispatcher */
    void (*done)(struct delivery *d, void *arg);
    void *done_arg;
};

struct sim_repeat; /* cluster_world.c */

struct sim_deferred {
    sim_event_cb cb;
    void *arg;
};

/* What a member leaves behind while a node of another cluster stands in its place. */
struct sim_home {
    struct storage storage;
    struct standing standing;
    bool joins;
};

struct sim_node {
    struct sim_cluster *cluster;
    unsigned number; /* 0 ..; the node's id is one more */
    char address[32];
    char api_address[32];
    struct storage storage;
    struct environment environment;
    struct receiver receiver;
    struct receiver worker; /* in front of the scheduler's own receiver for worker routes */
    struct receiver *worker_behind;

    /* the clocks of its computer */
    int64_t drift_ppm;
    int64_t offset_us;
    /* the highest that this process's leader clock can be, as of its last reading */
    uint64_t bound_us, bound_at_us;
    bool bounded;

    /* as a member */
    bool used;  /* it has been started; its process may be down for a while */
    bool gone;  /* removed, and stopped for good */
    bool joins; /* it did not found the cluster */
    uint32_t voters; /* while it leads: a bit for each, by the configuration that it acts by; 0: unknown */
    struct sim_event *retire; /* removed: its process is to be stopped */
    unsigned asked; /* how often it was to be added or removed */

    /* its cluster: as it believes (durable), and as it is */
    struct standing standing;
    unsigned foreign; /* 0: this one; else a number for each of another */
    struct sim_home *home;    /* of the member whose place it has */
    struct sim_event *leave;
    enum scheduler_disk disk; /* what it is told next of its disk's free space */

    /* one life */
    struct scheduler *scheduler; /* NULL: stopped */
    struct sim_io *io;
    bool paused;
    bool starting;
    bool dying;   /* fatal() was called, or the process is being taken down: it has no effects */
    bool draining;
    bool leaving; /* drained, to be stopped in good order */
    char sentence[256];
    struct sim_event *wake;
    uint64_t wake_us;
    struct sim_deferred *deferred; /* what happened to it while it was paused */
    size_t n_deferred, cap_deferred;
    struct sim_request *requests;
    struct sim_delivery *deliveries;
    unsigned n_deliveries;
    struct sim_repeat *repeats;
    bool leads;
    uint64_t term;
    uint64_t committed;

    struct sim_event *restart;
    struct sim_event *resume;
};

enum { SIM_FAULTS = 10 };

struct sim_cluster {
    struct sim_loop *loop;
    struct sim_options options;
    struct sim_cluster_hooks hooks;
    struct sim_counters counters;
    struct sim_io_counters io_counters;
    struct sim_io_options io_options;
    struct sim_network *network;
    struct sim_node nodes[SIM_NODES_MAX];
    bool healed;
    struct sim_event *heal_partition;
    struct sim_event *faults[SIM_FAULTS]; /* the next of each kind */
    struct sim_event *members_eager; /* a new leader is to be asked for a change */
    struct sim_event *members_cut;   /* a partition in the middle of a change */
    struct storage copy; /* of copy_of's disk, some time ago; -1: there is none */
    int copy_of;
    unsigned crash_waits; /* how often the next crash still waits for a write */
    int leader;               /* the node that was elected last, or -1 */
    uint64_t leaders_us;      /* the highest a leader's clock can be, as of leaders_at_us */
    uint64_t leaders_at_us;
    uint64_t last_token;
    unsigned foreign_last;
};

/* cluster_node.c */
void node_init(struct sim_node *n, struct sim_cluster *c, unsigned number);
void node_start(struct sim_node *n);
/* Run cb as an event of the node: now, or when it is resumed. The node is not stopped. */
void node_enter(struct sim_node *n, sim_event_cb cb, void *arg);
/* A message comes in: an event of the node, which is not paused. What it owns is the node's. */
void node_receive(struct sim_node *n, struct raft_message *message);
/* Between two events: the process is gone. `reason` is for the trace. */
void node_end(struct sim_node *n, const char *reason);
void node_pause(struct sim_node *n);
void node_resume(struct sim_node *n);
void node_restart_after(struct sim_node *n, uint64_t delay_us);

/* Must stop the process. */
void node_fatal(void *arg, const char *sentence);

/* cluster_identity.c */
/* Before it starts: what its flags make of it, if it is in no cluster yet. */
void node_plan_standing(struct sim_node *n);
int node_identified(void *arg, const uint8_t identity[PROTOCOL_IDENTITY_SIZE]);
/* Would these two talk to each other? Takes over identities, as the transport does. */
bool cluster_shakes_hands(struct sim_cluster *c, unsigned from, unsigned to);
/* A node of another cluster takes the place of one of ours, for a while. */
void cluster_send_foreigner(struct sim_cluster *c);
/* It is gone, if there is one, and the member's disk is back; nothing is started. */
void foreign_end(struct sim_node *n);

/* cluster_world.c */
void node_init_world(struct sim_node *n);
uint64_t node_monotonic_us(const struct sim_node *n);
uint64_t node_wall_us(const struct sim_node *n);
uint64_t node_real_us(const struct sim_node *n, uint64_t monotonic_us);
void cluster_raise_leaders_clock(struct sim_cluster *c);
/* See what its scheduler gives to workers. */
void node_watch_worker(struct sim_node *n);
/* The process is being taken down: its deliveries end, and its clients are told. */
void node_end_deliveries(struct sim_node *n);
void node_end_requests(struct sim_node *n);
/* Is this the event of a client's message? */
bool node_is_request(sim_event_cb cb);

/* cluster_faults.c */
void faults_begin(struct sim_cluster *c);
void faults_end(struct sim_cluster *c);
/* Its disk has room. */
void faults_free_disk(struct sim_node *n);

/* A partition with these nodes on one side, for as long as any. */
void faults_split(struct sim_cluster *c, const bool *side);

/* cluster_members.c */
/* Ask the leader, if there is one, for some change of members. */
void members_change(struct sim_cluster *c);
/* A node has just been elected. */
void members_elected(struct sim_cluster *c);
/* After an event of the node. */
void members_watch(struct sim_node *n);
void members_end(struct sim_cluster *c);

/* partition.c: cut all links between these nodes and the others. */
void partition_split(struct sim_cluster *c, const bool *side);
/* cluster_restore.c: a node's disk is copied, put back or emptied. False: not now. */
bool restore_one(struct sim_cluster *c);
void restore_end(struct sim_cluster *c); /* the copies go */

/* partition.c: draw a shape and cut; `leader` may be -1. */
void partition_draw(struct sim_cluster *c, int leader);

#endif
