/* transport.h - connections between the members (a raft_uv_transport).
 *
 * libraft's own parser trusts every byte, so nothing reaches it before the handshake, and then
 * only whole, checked frames: each connection has a wire (wire.h), plain TCP or inside TLS, on one side
 * and one end of a socketpair on libraft's side, with a pump between them. With TLS who says that it is a
 * node must have this node's certificate, in both directions.
 *
 *   handshake (both ways): magic, protocol version, cluster, sender's id, expected receiver's
 *     id, sender's address, and the sender's standing in its cluster. acquaintance.h judges; who
 *     does not fit is refused, with one log line on both sides that says why and what to do.
 *   frames: the length (at most TRANSPORT_FRAME_MAX) and checksums of the header and of what
 *     follows, a run of libraft's byte stream (frame.h). On the receiving side libraft's
 *     own message headers are parsed and validated (type, lengths, counts, plausible terms)
 *     before the bytes are let through. Whether a term leaps is the guard's to tell.
 *
 * Seats: a member has one incoming connection, and nobody takes it; of two nodes with one id the one
 * whose address the members know is heard, else the one that was there first. Those who have not shaken hands
 * have TRANSPORT_STRANGERS_MAX of their own, for TRANSPORT_HANDSHAKE_MS at most, and nodes that are
 * no members (they are heard a little: guard_admit.c) TRANSPORT_UNKNOWN_MAX.
 *
 * TCP_NODELAY, keep-alive and TCP_USER_TIMEOUT are set; names are resolved in the thread pool.
 * Peers off the loopback are refused unless there is TLS, or `insecure` is set. One thread: the raft loop. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "../../client/wire/protocol.h"
#include "../libraft.h"
#include "../peer/clock_samples.h"
#include "../peer/lives.h"
#include "../peer/standing.h"

#define TRANSPORT_FRAME_MAX (256u * 1024)
/* An InstallSnapshot: four times what --max-bytes may be. What is announced takes no memory before
 * it comes. */
#define TRANSPORT_MESSAGE_MAX (4ull << 40)
#define TRANSPORT_STRANGERS_MAX 64 /* incoming connections that have not shaken hands */
#define TRANSPORT_UNKNOWN_MAX 8    /* that have, from nodes that are no members */
#define TRANSPORT_HANDSHAKE_MS 2000
#define TRANSPORT_LOST_MS 10000
#define TRANSPORT_SENTENCE_MAX 1024 /* of what is told of a peer */

struct transport_config {
    const char *cluster;
    const struct standing *standing; /* this node's, copied; NULL: a member without an identity */
    /* The peer fits, and this node, which has no identity yet, is of its cluster from now on: make
     * that durable (standing_adopt) before anything comes of it. 0, or -1: the peer is refused.
     * May be NULL. */
    int (*adopt)(void *arg, const struct standing *standing);
    /* A member of this node's list of founders belongs to another cluster already (the sentence
     * says which). May be NULL. */
    void (*founded_elsewhere)(void *arg, const char *sentence);
    /* This node's starts, told to others, and what it has seen of theirs (lives.h): noted there,
     * when a member is reached, also to ask it. Both outlive the transport; or both are NULL, and
     * nothing is told. */
    const struct lives *lives;
    struct lives_seen *seen;
    /* Something new was noted: make it durable soon. NULL: nothing is noted. */
    void (*noted)(void *arg);
    /* The log index of the committed configuration in which this node's cluster has no member of
     * this id; 0: it has, or that is not known. It is told to the peer. May be NULL. */
    uint64_t (*without)(void *arg, uint64_t id);
    /* A peer of this cluster tells this node the same. Only for people. May be NULL. */
    void (*removed)(void *arg, uint64_t by, uint64_t index);
    /* The connection on which a node of this cluster sent to this one was closed by it, or lost: the
     * node may be gone, or the link. May be NULL. */
    void (*ended)(void *arg, uint64_t id);
    void *cluster_arg; /* of the six */
    /* What the members' clocks say, noted there; it outlives the transport. NULL: nothing is told of
     * clocks. */
    struct clock_samples *clocks;
    const char *bind; /* HOST:PORT to listen on; NULL = the node's own address */
    bool insecure;    /* plain TCP off the loopback allowed */
    /* TLS on every connection, by this node's certificate; NULL: plain TCP. Outlives the
     * transport. */
    struct tls_files *tls;
    bool tls_looks;           /* this transport looks after the files (tls_relay.h) */
    uint64_t tls_max_age_ms;  /* of a connection; 0: none */
    unsigned user_timeout_ms; /* a connection is given up after so long without an
                               * acknowledgement; 0 = 2000 */
    /* One line for the log: level "info" | "warn" | "error", never with secrets. May be NULL. */
    void (*log)(void *arg, const char *level, const char *sentence);
    void *log_arg;
    /* The address at which the members know this node; NULL: it is not a member. The function NULL:
     * all are, wherever they are. */
    const char *(*member_address)(void *arg, uint64_t id);
    void *member_arg;
};

/* Fill `t`. The config's strings are copied. 0, or -1 (out of memory, or cluster or bind too
 * long). The loop must outlive it. libraft calls init/listen/connect/close, whose errors leave a
 * sentence in t->errmsg; transport_free after raft_uv_close. Sets SIGPIPE to be ignored if the
 * process has no handler for it: libuv's writes to a closed connection would kill it. */
int transport_init(struct raft_uv_transport *t, uv_loop_t *loop,
                   const struct transport_config *config);
void transport_free(struct raft_uv_transport *t);

/* With TLS: look now whether its files have changed. */
void transport_look_at_files(struct raft_uv_transport *t);

/* This node's standing has changed: its log told it its identity. Copied. */
void transport_set_standing(struct raft_uv_transport *t, const struct standing *standing);

/* Has this node lost what it had confirmed, as far as this one has seen? Then it is refused, and
 * was so within the last TRANSPORT_LOST_MS. */
bool transport_has_lost(const struct raft_uv_transport *t, uint64_t id);

/* Tell this node's clock to all to whom it has a connection: about once a second. */
void transport_tell_clocks(struct raft_uv_transport *t);

/* How short of room a member's data disk is, as it said when this node reached it last: 0 not, or
 * not known; 1 it refuses new orders; 2 all client writes. Each node tells its own to all. */
void transport_set_shortage(struct raft_uv_transport *t, uint8_t shortage);
uint8_t transport_shortage_of(const struct raft_uv_transport *t, uint64_t id);

enum transport_answer {
    TRANSPORT_FITS,      /* it may talk to this node */
    TRANSPORT_REFUSED,   /* it does not fit */
    TRANSPORT_ELSEWHERE, /* the same, and it is a founder of this node's list */
    TRANSPORT_SILENT,    /* nobody answers who could be it */
    TRANSPORT_GONE,      /* the same, and its machine says that nobody listens there */
};
typedef void (*transport_ask_cb)(void *arg, enum transport_answer answer, const char *sentence);
/* Shake hands with a node and go, to learn whether it fits; neither side takes part in anything,
 * nor takes an identity over. While nobody answers it is tried again, for patience_ms. After init.
 * 0: cb runs later, exactly once, at the latest when the transport is closed; the sentence says
 * why, if it does not fit. Or -1: errmsg says why not. */
int transport_ask(struct raft_uv_transport *t, uint64_t id, const char *address,
                  unsigned patience_ms, transport_ask_cb cb, void *arg) ORDERSCHED_MUST_CHECK;

/* Is HOST of "HOST:PORT" a loopback address or name ("localhost", 127/8, ::1)? */
bool transport_is_loopback(const char *address);

#endif
