/* cluster_internal.h - the inside of the simulated cluster, shared by its own files:
 *
 *   cluster.c         the cluster's life, and what the world sees of it
 *   cluster_node.c    one node: start, events, end
 *   cluster_identity.c  handshakes, and nodes of other clusters
 *   cluster_world.c   what a node's scheduler sees: clocks, receiver, clients
 *   cluster_faults.c  what happens to the nodes
 *   cluster_clocks.c  wall clocks that are wrong, and what is told of them
 *   cluster_time.c    the time that follows from that
 *   cluster_votes.c   crashes that are aimed at a vote
 *   cluster_members.c who belongs to it
 *   cluster_lives.c   their starts, and what they see of each other's
 *   cluster_restore.c disks that are put back
 *   cluster_clones.c  a copy of a member that runs beside it
 *   cluster_told.c    deaths that are told
 *   partition.c       which links are cut */
#ifndef SIM_CLUSTER_INTERNAL_H
#define SIM_CLUSTER_INTERNAL_H

#include "../../../raft/peer/acquaintance.h"
#include "../../../raft/peer/clock_samples.h"
#include "../../../raft/peer/standing.h"
#include "cluster.h"
#include "../io.h"
#include "../network.h"

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

/* cluster_time.c: what a leader's time went by when it was read last. */
enum clocks_seen {
    CLOCKS_NOT_LED,
    CLOCKS_AGREED,
    CLOCKS_OUTVOTED,
    CLOCKS_BY_TRUSTED,
    CLOCKS_UNGUIDED,
    CLOCKS_TOLD,
    CLOCKS_EARLIER_OF_TWO,
    CLOCKS_WITHOUT_TIME,
};

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
    unsigned number; /* 0 ..: its place */
    raft_id id;      /* one more; a clone's is that of whom it is a copy of, 0: it is none now */
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
    bool clock_wrong;  /* or may be: it is one of the minority (cluster_clocks.c) */
    bool to_leave;     /* somebody was asked to remove it, ever */
    bool surely_votes; /* and will in all configurations to come */
    /* the offsets that it had when it may have been heard last, beside the present one */
    int64_t shown_low_us, shown_high_us;
    uint64_t shown_until_us;

    /* as a member */
    bool used;  /* it has been started; its process may be down for a while */
    bool gone;  /* removed, and stopped for good */
    bool joins; /* it did not found the cluster */
    /* While it leads: a bit for each, by the configuration that it acts by; 0: unknown. */
    uint32_t voters;
    struct sim_event *retire; /* removed: its process is to be stopped */
    unsigned asked;           /* how often it was to be added or removed */

    /* its cluster: as it believes (durable), and as it is */
    struct standing standing;
    bool spoilt;      /* its disk was put back or emptied: it may have lost what it had confirmed */
    unsigned foreign; /* 0: this one; else a number for each of another */
    struct sim_home *home; /* of the member whose place it has */
    struct sim_event *leave;
    enum scheduler_disk disk; /* what it is told next of its disk's free space */

    /* one life */
    struct scheduler *scheduler; /* NULL: stopped */
    struct sim_io *io;
    bool paused;
    bool starting;
    bool dying;    /* fatal() was called, or the process is being taken down: it has no effects */
    bool crashing; /* at a vote: it ends with this event */
    bool draining;
    bool leaving; /* drained, to be stopped in good order */
    char sentence[256];
    struct sim_event *wake;
    uint64_t wake_us;
    struct sim_event *told; /* the news of another's death is on its way, or it is to stand; */
    unsigned told_of;
    bool told_wrongly, told_gone;
    bool told_due; /* its time has come: a node that stands still sees it when it goes on */
    struct sim_deferred *deferred; /* what happened to it while it was paused */
    size_t n_deferred, cap_deferred;
    struct sim_request *requests;
    struct sim_delivery *deliveries;
    unsigned n_deliveries;
    struct sim_repeat *repeats;
    struct clock_samples clocks; /* what it heard of the others' clocks */
    uint32_t clocks_told;        /* a bit for each that it has sent something to */
    struct sim_event *clocks_tell;
    enum clocks_seen clocks_seen;
    uint64_t clock_low_us; /* its clock shows as much, as of the last reading; 0: not known */
    bool leads;
    uint64_t term;
    uint64_t committed;
    struct storage_seen seen;
    struct sim_event *keep; /* `keeping` is being written */
    struct storage_seen keeping;
    bool keep_again;
    struct sim_event *ask; /* another member, for a handshake */
    uint64_t asked_id;     /* the last one */
    uint64_t version;      /* another one whenever its handshakes change */

    struct sim_event *restart;
    struct sim_event *resume;
};

/* The one connection that a node has for an id (cluster_clones.c). */
struct sim_seat {
    unsigned holder;
    uint64_t birth, to_birth; /* of the processes at its ends */
    uint64_t serial;          /* 0: there was none yet */
};

/* Of two nodes, as they were then. */
struct sim_verdict {
    uint64_t versions[2];
    bool fits;
};

enum { SIM_FAULTS = 13 };

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
    uint64_t healed_us;
    int64_t clocks_wrong_us;   /* by which many of the wrong clocks are off */
    uint64_t stood_us;         /* when the time of two voters stood last, as it may; 0: never */
    uint64_t clocks_elections; /* there were so many before no clock was told of any more */
    struct sim_event *heal_partition;
    struct sim_event *faults[SIM_FAULTS]; /* the next of each kind */
    struct sim_event *members_eager;      /* a new leader is to be asked for a change */
    struct sim_event *members_cut;        /* a partition in the middle of a change */
    struct storage copy;                  /* of copy_of's disk, some time ago; -1: there is none */
    struct standing copy_standing;
    int copy_of;
    unsigned crash_waits; /* how often the next crash still waits for a write */
    int leader;           /* the node that was elected last, or -1 */
    uint64_t leaders_us;  /* the highest a leader's clock can be, as of leaders_at_us */
    uint64_t leaders_at_us;
    uint64_t last_token;
    unsigned foreign_last;
    uint64_t last_birth, last_version, last_seat;
    struct sim_verdict verdicts[SIM_NODES_MAX][SIM_NODES_MAX];
    struct sim_seat seats[SIM_NODES_MAX][SIM_NODES_MAX]; /* of each node, for each id */
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
/* Would these two talk to each other? Takes over identities, and sees the other's life, as the
 * transport does. `from` has dialed. */
bool cluster_shakes_hands(struct sim_cluster *c, unsigned from, unsigned to);
/* `from` dials for the answer alone. */
void cluster_ask(struct sim_cluster *c, unsigned from, unsigned to);
/* Has `node` lost what it had confirmed, as far as the product's `witness` can tell? Both run. */
bool cluster_has_lost(struct sim_cluster *c, unsigned witness, unsigned node);
/* A node of another cluster takes the place of one of ours, for a while. */
void cluster_send_foreigner(struct sim_cluster *c);
/* It is gone, if there is one, and the member's disk is back; nothing is started. */
void foreign_end(struct sim_node *n);

/* cluster_lives.c */
/* Before the process speaks; when it is gone. */
void lives_start(struct sim_node *n);
void lives_end(struct sim_node *n);
/* It has dialed the peer, which said this of itself, and fits. */
void lives_see(struct sim_node *n, const struct sim_node *peer, const struct handshake *told);
void lives_keep(struct sim_node *n);
void lives_ask_later(struct sim_node *n);
uint64_t lives_birth(const struct sim_node *n);
/* The truth: is the node what the witness saw of its id, if anything? */
bool lives_are_as_seen(const struct sim_node *witness, const struct sim_node *n);

/* cluster_clones.c */
void clones_init(struct sim_cluster *c);
void clones_end(struct sim_cluster *c);
/* One is started, or stopped. */
void clones_change(struct sim_cluster *c);
bool clones_is_one(const struct sim_node *n);
bool clones_is_where_known(const struct sim_node *n);
/* Who is met by a message for this id at this address? */
unsigned clones_route(const struct sim_cluster *c, raft_id id, const char *address);
/* Both as in network.h. */
bool clones_take_seat(struct sim_cluster *c, unsigned from, unsigned to, uint64_t *serial);
bool clones_has_seat(struct sim_cluster *c, unsigned from, unsigned to, uint64_t serial);

/* cluster_world.c */
void node_init_world(struct sim_node *n);
uint64_t node_monotonic_us(const struct sim_node *n);
uint64_t node_wall_us(const struct sim_node *n);
uint64_t node_real_us(const struct sim_node *n, uint64_t monotonic_us);
void cluster_raise_leaders_clock(struct sim_cluster *c);
/* Its clock can be as high as this from now on, if it reads it now. */
void node_raise_bound(struct sim_node *n, uint64_t us);
/* See what its scheduler gives to workers. */
void node_watch_worker(struct sim_node *n);
/* The process is being taken down: its deliveries end, and its clients are told. */
void node_end_deliveries(struct sim_node *n);
void node_end_requests(struct sim_node *n);
/* Is this the event of a client's message? */
bool node_is_request(sim_event_cb cb);

/* cluster_clocks.c: nothing without the extra. */
#define CLOCKS_ERROR_US 500000     /* by which right clocks may differ, as the nodes are told */
#define CLOCKS_RIGHT_MAX_US 200000 /* and by which they are off, at most */
void clocks_init(struct sim_cluster *c);
/* Before the process begins, and when it is gone. */
void clocks_start(struct sim_node *n);
void clocks_end(struct sim_node *n);
/* One of the wrong clocks is set. */
void clocks_step(struct sim_cluster *c);
/* What may others believe that its clock shows now? */
void clocks_believed(const struct sim_node *n, uint64_t *low_us, uint64_t *high_us);
/* Would a majority still be right without it, whatever else is under way? */
bool clocks_may_leave(const struct sim_cluster *c, unsigned node);
/* It is started, to be added: its clock may be wrong, if a majority stays right with it. */
void clocks_draw_new(struct sim_node *n);
/* The node has sent a message, so it has a connection. */
void clocks_sent(struct sim_node *n, unsigned to);
/* An event of the node, which is not paused. */
void clocks_hear(struct sim_node *n, unsigned from, const uint8_t told[CLOCK_TOLD_SIZE]);
uint64_t clocks_true_us(const struct sim_cluster *c);

/* cluster_time.c */
uint64_t clocks_calm_error_us(const struct sim_cluster *c);
/* After an event of the node; it leads no more. */
void clocks_watch(struct sim_node *n);
void clocks_lost(struct sim_node *n);
/* As in struct environment, and in struct scheduler_config. */
void clocks_guide(void *impl, uint64_t wall_us, uint64_t monotonic_us, struct clock_guide *guide);
void clocks_report(void *arg, struct scheduler_clock *out);

/* cluster_faults.c */
void faults_begin(struct sim_cluster *c);
void faults_end(struct sim_cluster *c);
/* Its disk has room. */
void faults_free_disk(struct sim_node *n);

/* A partition with these nodes on one side, for as long as any. */
void faults_split(struct sim_cluster *c, const bool *side);

/* cluster_told.c */
/* Its process is gone: others may be told, and it is told nothing more. */
void told_ended(struct sim_node *n);
/* Somebody is told that the leader is gone, which it is not. */
void told_lie(struct sim_cluster *c);

/* cluster_votes.c */
/* It writes its vote; what it has sent grants one. */
enum sim_io_fate votes_write(struct sim_node *n);
void votes_sent(struct sim_node *n, const struct raft_message *message);
/* Its process is gone, by such a crash. */
void votes_crashed(struct sim_node *n);

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
