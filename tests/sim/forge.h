/* forge.h - messages that no healthy member sends: of nodes that are none, with terms that
 * leap, and with bytes that were altered where no checksum of the network sees it. */
#ifndef SIM_FORGE_H
#define SIM_FORGE_H

#include "../../raft/libraft.h"
#include "loop.h"

/* The ids of those that are no members are above this one. */
#define FORGE_STRANGER 1000u

/* What a forger knows of the node it writes to. */
struct forge_view {
    raft_id id;
    raft_term term;
    raft_index last;
    raft_term last_term;
    unsigned nodes; /* members 1..nodes */
};

/* Draw a message; all but its addresses. Its sender is a stranger, or (then the term leaps) a
 * member. What it owns is the receiver's. */
void forge_message(struct sim_loop *l, const struct forge_view *view, struct raft_message *out);
/* Alter a byte of a command or a snapshot that the message carries. False: it carries none. */
bool forge_damage(struct sim_loop *l, struct raft_message *message);

#endif
