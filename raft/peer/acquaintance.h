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
 * And of two that would fit, one that has lost what it had confirmed is refused: it comes without
 * an identity and was seen with one, or its starts are not the ones that were seen (lives.h). Each
 * tells its own starts, and what it has seen of the other.
 *
 * The judgement of the two sides is the same, whoever speaks first. Whoever fits without an
 * identity takes over the other's, durably, before a byte of libraft's passes: so nothing that a
 * cluster says is ever mixed with what another one said. The transport and the simulator's network
 * both ask this. Pure functions. */
#ifndef ACQUAINTANCE_H
#define ACQUAINTANCE_H

#include "lives.h"
#include "handshake.h"

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
 * another cluster, or one that this node was a member of, so that the founding that this node is
 * about is not what was meant? */
bool acquaintance_ends_founding(const struct handshake *own, const struct handshake *peer);

/* Put into this node's handshake what it says of its starts, and what it has seen of the peer. */
void acquaintance_tell(struct handshake *own, const struct lives *lives,
                       const struct lives_seen *seen, uint64_t peer);
/* The life in which the peer says that it is; start 0: it tells none. */
void acquaintance_present(const struct handshake *peer, struct life *out);
/* Of two of one cluster: has `claimant` lost what it had confirmed, as far as `witness` has
 * seen? */
bool acquaintance_has_lost(const struct handshake *claimant, const struct handshake *witness);
/* The peer fits: keep what is seen of it. True: it was not known before. */
bool acquaintance_note(struct lives_seen *seen, const struct handshake *peer);

#endif
