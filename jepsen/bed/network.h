/* network.h - the test bed's network: a namespace for each node and one for the receivers, each
 * with one cable to a bridge that only this run can see.
 *
 * The harness itself sits at the bridge, so nothing that is broken between the nodes comes between
 * a client and a node. All namespaces are nameless and die with the harness. Nodes are numbered
 * from 1; place 0 is the receivers'. */
#ifndef BED_NETWORK_H
#define BED_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BED_NODES_MAX 9
#define BED_PLACES (BED_NODES_MAX + 1)
#define BED_RECEIVERS 0

struct bed_network {
    unsigned n_nodes;
    int netns[BED_PLACES];
    bool cut[BED_PLACES][BED_PLACES]; /* [from][to] */
    unsigned loss_percent;
    bool lossy[BED_PLACES]; /* the frames from and to it are lost */
    bool slow[BED_PLACES];
    pid_t forwarder[BED_PLACES]; /* 0: its cable ends at the bridge */
};

/* What the forwarder does to the frames of a node (jepsen-forwarder --help). */
struct bed_disturbance {
    unsigned delay_ms, jitter_ms, duplicate_percent, corrupt_percent;
};

/* Make it. The caller must be alone in a network namespace of its own. */
void network_open(struct bed_network *n, unsigned n_nodes);
/* "10.75.0.3" of a place. */
const char *network_host(unsigned place);

/* Let the rules take what `cut`, `lossy` and `loss_percent` say; everything at once. */
void network_apply(struct bed_network *n);
/* No connection in one direction between two places, or in both. */
void network_cut(struct bed_network *n, unsigned from, unsigned to);
void network_cut_both(struct bed_network *n, unsigned a, unsigned b);
/* A link of `kbit` per second to and from a node. */
void network_slow(struct bed_network *n, unsigned place, unsigned kbit);
/* Put the forwarder into the cable of a node. */
void network_disturb(struct bed_network *n, unsigned place, const struct bed_disturbance *d,
                     const char *forwarder, const char *log);
/* The machine of a place is off: what its dead processes gave to the kernel, which would send it
 * for as long as it takes, is not sent any more. Nothing of the place may be running. */
void network_forget(struct bed_network *n, unsigned place);
/* Everything as new: no rule, no slow link, no forwarder. */
void network_heal(struct bed_network *n);

#endif
