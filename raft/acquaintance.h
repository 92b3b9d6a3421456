/* acquaintance.h - may two nodes talk to each other? Judged from their two handshakes alone.
 *
 * A cluster's name is for people and can be given twice; its identity decides. The rules, `-` for a
 * node that has no identity yet (standing.h):
 *
 *   both have one          fit when they are the same
 *   founding -, founding - fit when their lists are the same
 *   founding -, has one    fit when the lists are the same: the founding went on without the first
 *   joining  -, has one    fit; the joining node takes the identity over, and no other afterwards
 *   old      -, old -      fit: members since before there were identities; as then, by the name
 *   old      -, has one    fit when that cluster was founded before there were identities, too
 *   all else               refused
 *
 * The judgement of the two sides is the same, whoever speaks first. Whoever fits without an
 * identity takes over the other's, durably, before a byte of libraft's passes: so nothing that a
 * cluster says is ever mixed with what another one said. The transport and the simulator's network
 * both ask this. Pure functions. */
#ifndef ACQUAINTANCE_H
#define ACQUAINTANCE_H

#include "transport_handshake.h"

enum acquaintance {
    ACQUAINTANCE_FITS,
    ACQUAINTANCE_ADOPT, /* it fits, once this node has taken over the peer's standing */
    ACQUAINTANCE_REFUSED,
    ACQUAINTANCE_STRANGER, /* refused without an answer: of another name, or not for this node */
};

/* `own` is this node's handshake to the peer (own->receiver: whom it dialed; 0: it was dialed),
 * `peer` the peer's to this node. Refused: `reason` has a sentence or two for the log, with what to
 * do; "this node" in it is `own`. */
enum acquaintance acquaintance_judge(const struct handshake *own, const struct handshake *peer,
                                     char *reason, size_t reason_len);
/* After a refusal: has the peer, which is in this node's list of founders, founded or joined
 * another cluster, so that the founding that this node is about is not what was meant? */
bool acquaintance_ends_founding(const struct handshake *own, const struct handshake *peer);

#endif
