/* network.h - messages between simulated nodes: delivered, delayed, reordered, duplicated,
 * dropped, cut off.
 *
 * A link is one direction between two nodes: in order unless a message is drawn to be reordered,
 * bounded (what does not fit is lost, as in raft_uv's queue and the sockets), sometimes slow for
 * a while. Reordered and duplicated messages are more than TCP would do; Raft must stand them.
 *
 * A message is copied as the wire would copy it when it is sent, and belongs to the receiver when
 * it arrives. A cut is tested when it is sent and again when it arrives. */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "../../raft/libraft.h"
#include "../../raft/peer/clock_samples.h"
#include "cluster/cluster.h"

struct sim_network; /* opaque */

struct sim_network_host {
    void *arg;
    /* The id and the address that a message of this node comes from. */
    raft_id (*id)(void *arg, unsigned node);
    const char *(*address)(void *arg, unsigned node);
    /* Do these two talk to each other, as they are now? */
    bool (*fits)(void *arg, unsigned from, unsigned to);
    /* A message is sent on a connection, which has this number from now on; false: there is none to
     * be had. Its message arrives: is it on the connection that there is? */
    bool (*take_seat)(void *arg, unsigned from, unsigned to, uint64_t *seat);
    bool (*has_seat)(void *arg, unsigned from, unsigned to, uint64_t seat);
    /* The number of the node's true cluster. */
    unsigned (*cluster_of)(void *arg, unsigned node);
    /* They talk, and are of two clusters. */
    void (*crossed)(void *arg, unsigned from, unsigned to);
    /* What the message owns is the callee's from now on. */
    void (*deliver)(void *arg, unsigned to, struct raft_message *message);
    void (*hear_clock)(void *arg, unsigned from, unsigned to, const uint8_t told[CLOCK_TOLD_SIZE]);
};

struct sim_network *network_new(struct sim_loop *loop, const struct sim_options *options,
                                struct sim_counters *counters, const struct sim_network_host *host);
void network_free(struct sim_network *w);

/* 0, or what the sender's callback is told: RAFT_NOCONNECTION. */
int network_send(struct sim_network *w, unsigned from, unsigned to,
                 const struct raft_message *message);
/* What a node tells of its clock, on the same links; nothing says whether it is lost. */
void network_send_clock(struct sim_network *w, unsigned from, unsigned to,
                        const uint8_t told[CLOCK_TOLD_SIZE]);
/* A node that is held gets nothing; when it is let go, all at once. */
void network_hold(struct sim_network *w, unsigned node, bool held);
/* The process ended: what was held for it is lost. */
void network_forget(struct sim_network *w, unsigned node);
/* From now on messages are only delayed. */
void network_calm(struct sim_network *w);

void network_cut(struct sim_network *w, unsigned from, unsigned to);
bool network_passes(const struct sim_network *w, unsigned from, unsigned to); /* it is not cut */
void network_cut_clients(struct sim_network *w, unsigned node);
void network_heal(struct sim_network *w);
bool network_client_reaches(const struct sim_network *w, unsigned node);

#endif
