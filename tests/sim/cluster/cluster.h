/* cluster.h - simulated nodes: each a production scheduler (machine, replica, guards, batcher,
 * expiry, dispatcher) over a simulated disk, network and clocks.
 *
 * A node's life:   stopped --start--> running --crash--> stopped (volatile state gone)
 *                                     running <--pause/resume--> paused (sees nothing, believes on)
 * A crash happens between two events; it frees the scheduler's memory without telling it (a new
 * process never knew the old one), keeps what the disk had made durable, and loses the rest. */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "../../../node/dispatch/receiver.h"
#include "../../../node/scheduler/scheduler.h"
#include "../options.h"

#define SIM_CLUSTER_NAME "sim" /* the identity that clients and nodes check */

struct sim_cluster; /* opaque; defined in cluster_internal.h for its own files */

/* Who watches (checkers) and who is outside (receivers, clients). */
struct sim_cluster_hooks {
    void *arg;
    /* After each entry a node applied; the machine is as of that entry. */
    void (*applied)(void *arg, unsigned node, uint64_t index, const struct machine *m);
    /* With the extra "wrong-clocks": the clock of a node that leads shows this, and must show `low_us`
     * at least. */
    void (*read_clock)(void *arg, unsigned node, uint64_t clock_us, uint64_t low_us);
    /* A node told its role: for "one leader a term". */
    void (*leads)(void *arg, unsigned node, uint64_t term);
    /* A node hands a batch of deliveries to its receiver: call deliver_done() exactly once for
     * each, later, unless the node crashed since (then their memory is gone: never touch it again;
     * what the receiver needs must be copied here). `token` names the first across crashes, and
     * those that follow it by batch_next have the numbers that follow. */
    void (*deliver)(void *arg, unsigned node, uint64_t token, const struct delivery *first);
    /* What a node knows to be committed has changed; `before`: in this life, 0 at its start. */
    void (*committed)(void *arg, unsigned node, uint64_t before, uint64_t index);
    /* A node hands an InstallSnapshot to the network; `match` is what it knows of the follower.
     * With term 0: the follower's disk was replaced, or it is no member, and nothing is on its way
     * to it any more. */
    void (*installs)(void *arg, unsigned node, unsigned to, uint64_t term, uint64_t match,
                     uint64_t monotonic_ms);
    /* A node gives an order to a worker, and: the worker's report, or the end of the lease, goes into
     * the log. Both are past when they are told. */
    void (*lease)(void *arg, unsigned node, uint64_t token, const struct delivery *d);
    void (*leased)(void *arg, unsigned node, uint64_t token, enum outcome outcome);
    /* A message passed between nodes of two clusters. */
    void (*crossed)(void *arg, unsigned from, unsigned to);
    /* A node was heard although it is not what the witness had seen of its id; or, `heard` is
     * false, it was refused for that although it is. */
    void (*misjudged)(void *arg, unsigned witness, unsigned node, bool heard);
    /* Something fatal in production (disk error ...): the node was stopped, it may be started
     * again. `expected`: the simulator injected its cause. */
    void (*died)(void *arg, unsigned node, const char *sentence, bool expected);
};

struct sim_counters { /* coverage: all must be above 0 over a batch of seeds */
    uint64_t elections, leaders_lost, failovers_with_deliveries, snapshots_taken, forged, damaged,
        restored, wiped, snapshots_installed, crashes, crashes_with_lost_writes, pauses, partitions,
        one_way, messages, dropped, duplicated, reordered, failed_writes, torn_tails, clock_steps,
        transfers, restarts_from_snapshot, applied_at_start, members_added, members_removed,
        foreign_nodes, peers_refused, identities_adopted, crashes_at_votes, crashes_behind_votes,
        lost_refused, clones, clones_heard, clones_refused, outcomes_repeated, disks_low,
        disks_compared, told, told_wrongly, clock_words, clock_words_lost, leaders_outvoted,
        leaders_unguided, leaders_as_told, leaders_by_trusted, set_backs_busy, leaders_of_two,
        leaders_without_time, times_found, outvoted_transfers, wrong_added;
};

struct sim_cluster *cluster_new(struct sim_loop *loop, const struct sim_options *options,
                                const struct sim_cluster_hooks *hooks);
void cluster_free(struct sim_cluster *c); /* before loop_close */

/* Start all nodes as founding members and begin the faults. */
void cluster_begin(struct sim_cluster *c);
/* End all faults: heal the network, resume, start what is stopped, clocks without steps. */
void cluster_heal(struct sim_cluster *c);

unsigned
cluster_size(const struct sim_cluster *c); /* with those that are added in the run, or never */
/* Has it been started, and not been stopped for good? */
bool cluster_is_used(const struct sim_cluster *c, unsigned node);
/* Is the disk of one of the two another one, and does the other refuse it for that? Both run. */
bool cluster_is_shut_out(struct sim_cluster *c, unsigned leader, unsigned node);
/* Is it a voter, as the node `leader`, which runs, knows it? */
bool cluster_is_voter(struct sim_cluster *c, unsigned leader, unsigned node);
bool cluster_is_up(const struct sim_cluster *c, unsigned node);      /* running, maybe paused */
bool cluster_is_serving(const struct sim_cluster *c, unsigned node); /* running, not paused */
/* NULL when stopped. */
struct scheduler *cluster_scheduler(struct sim_cluster *c, unsigned node);
const char *cluster_api_address(const struct sim_cluster *c, unsigned node);
/* The node whose client address this is, or -1. */
int cluster_node_at(const struct sim_cluster *c, const char *api_address);
/* True when a client may reach the node now (partitions may cut clients off, too). */
bool cluster_reachable(const struct sim_cluster *c, unsigned node);
/* A node's own wall clock now, and the highest that the clock of a node that ever led can show by now. */
uint64_t cluster_wall_us(const struct sim_cluster *c, unsigned node);
uint64_t cluster_leaders_clock_max_ms(const struct sim_cluster *c);
/* The time was set back to this: what clocks showed before bounds it no more. */
void cluster_set_back(struct sim_cluster *c, uint64_t now_ms);
uint64_t cluster_true_ms(const struct sim_cluster *c);
/* Draw the id of a node whose clock an operator may trust: one that is right, or 0 for none. */
uint64_t cluster_draw_trusted(struct sim_cluster *c);
/* With the extra "wrong-clocks", a while after the faults have ended: by how much may a leader's clock be
 * behind that? */
uint64_t cluster_time_error_ms(const struct sim_cluster *c);
/* Is true time followed? Not by two voters of which one is behind. */
bool cluster_time_is_promised(const struct sim_cluster *c);
/* Did such a time stand still, as it may, a short while ago? */
bool cluster_time_stood(const struct sim_cluster *c);

#define SIM_CLIENT_ADDRESS "192.0.2.7"

/* A client's message reaches a node: checked and submitted as api.c does it. reply(arg, data, len)
 * runs once, maybe at once; data NULL: the node crashed before it answered. The node must be
 * serving; the bytes are copied. */
void cluster_request(struct sim_cluster *c, unsigned node, const uint8_t *message, size_t len,
                     void (*reply)(void *arg, const uint8_t *data, size_t len), void *arg);
/* The receiver's answer to delivery `token` of this node; ignored if the node crashed since. */
void cluster_deliver_done(struct sim_cluster *c, unsigned node, uint64_t token,
                          enum outcome outcome, uint64_t delay_ms, bool overloaded,
                          enum blame blame);
/* Deliveries of this route that the node has under way in its present leadership. */
unsigned cluster_route_inflight(const struct sim_cluster *c, unsigned node, uint16_t route_slot);

const struct sim_counters *cluster_counters(const struct sim_cluster *c);

#endif
