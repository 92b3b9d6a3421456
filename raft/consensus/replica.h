/* replica.h - one member of the consensus group: the only user of libraft's state machine side.
 *
 * Takes a raft_io from outside (raft/disk/disk.h in production, an in-memory one in the simulator)
 * and gives: propose, who leads, membership, transfer. What is committed goes to `apply`; the
 * snapshot of the state is asked and given through `snapshot` and `restore`.
 *
 * All on one thread, the raft loop. Callbacks never run inside replica_propose(). An entry is
 * applied first, and its proposer told COMMITTED later in the same turn of the loop, or in the
 * next. */
#ifndef REPLICA_H
#define REPLICA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/snapshot_part.h"

struct raft_io;
struct replica; /* opaque */

enum replica_role { REPLICA_FOLLOWER, REPLICA_CANDIDATE, REPLICA_LEADER };

#define REPLICA_MEMBERS_MAX 32

/* Why a proposal ended. COMMITTED: applied just before the callback. LOST: leadership was lost
 * with it in the log, it may still be committed by another leader: unknown. */
enum replica_status { REPLICA_COMMITTED, REPLICA_LOST };

struct replica_callbacks {
    void *arg;
    /* The entry at `index` is committed. Must not fail, nor call the replica but for reading. */
    void (*apply)(void *arg, uint64_t index, const uint8_t *data, size_t len);
    /* Give the snapshot, as of the entry applied last: n > 0 parts, in a malloc'ed array, all of
     * which is the replica's then (snapshot_parts_free). 0 = given, else "not now": asked again
     * soon. No part is empty. Must not call the replica but for reading. */
    int (*snapshot)(void *arg, struct snapshot_part **parts, unsigned *n);
    /* Replace the state by a snapshot. 0, or fatal. `index` of the last entry in it is not known
     * to libraft's callback; the snapshot carries its own. */
    int (*restore)(void *arg, const uint8_t *data, size_t len);
    /* Role or term changed. Called outside of any step of the library: it may propose. */
    void (*changed)(void *arg, enum replica_role role, uint64_t term);
    /* What comes from a leader is stored only if it is whole (guard.h, struct guard_judge); both may
     * be NULL. May this entry be? And: verify some more of a snapshot. */
    bool (*check_entry)(void *arg, const uint8_t *data, size_t len);
    const char *(*check_snapshot)(void *arg, const uint8_t *data, size_t len, size_t max,
                                  size_t *done);
    /* A line for the log: level "warn" | "error". May be NULL. */
    void (*log)(void *arg, const char *level, const char *sentence);
    /* Something that must stop the process. Does not return in production. */
    void (*fatal)(void *arg, const char *sentence);
};

/* What is measured, for people alone: nothing follows from it. */
struct replica_meter {
    void *arg;
    uint64_t (*now_us)(void *arg); /* a clock that never goes back; NULL: nothing is measured */
    /* Entries were handed to the disk, and were durable after so long. */
    void (*log_written)(void *arg, uint64_t us);
    /* A snapshot of so many bytes is durable: this node's own, or one that it loaded or was sent. */
    void (*snapshot_stored)(void *arg, uint64_t bytes);
};

struct replica_config {
    uint64_t id;
    const char *address;          /* HOST:PORT, as in --peers */
    unsigned election_timeout_ms; /* 500 */
    bool take_turns; /* voters stand one after the other when a leader is silent (guard_random) */
    unsigned heartbeat_timeout_ms; /* 50; the election timeout must be a multiple */
    unsigned snapshot_threshold;   /* entries; 0 = when the log has outgrown the state, by bytes */
    unsigned snapshot_trailing;    /* entries; 0 = default; never below 1024 in production */
    unsigned random_seed;          /* for election timers */
    unsigned add_patience_ms;      /* replica_add gives up on a silent member; 0 = 60000 */
    struct replica_meter meter;
};

struct replica_member {
    uint64_t id;
    const char *address;
    bool voter;
    bool self;
    bool lost;      /* it has not what it confirmed, as the leader has seen; else false */
    uint64_t match; /* on the leader: log index known to be stored there, else 0 */
};

typedef void (*replica_propose_cb)(void *arg, enum replica_status status);
/* error: 0, or an ordersched error: NOT_LEADER, MEMBER_CHANGE and NOT_FOUND are definite,
 * UNKNOWN_OUTCOME is not. text may be NULL. */
typedef void (*replica_change_cb)(void *arg, int error, const char *text);

/* `io` is wrapped by the guards and stays the caller's. NULL = no memory or invalid (errbuf). */
struct replica *replica_new(const struct replica_config *config, struct raft_io *io,
                            const struct replica_callbacks *callbacks, char *errbuf,
                            size_t errbuf_len);
/* Bootstrap a pristine disk with these voters. Before replica_start. 0 or -1 (errbuf). */
int replica_bootstrap(struct replica *r, const struct replica_member *members, unsigned n,
                      char *errbuf, size_t errbuf_len);
/* Load the disk (restore and apply callbacks may run) and take part. 0 or -1 (errbuf). */
int replica_start(struct replica *r, char *errbuf, size_t errbuf_len);
/* Asynchronous; pending proposals end as LOST first; cb runs last, then replica_free. */
void replica_close(struct replica *r, void (*cb)(void *arg), void *arg);
void replica_free(struct replica *r);

/* Propose an entry (length: a positive multiple of 8; raft_malloc'ed by replica_alloc). On 0 the
 * buffer belongs to the library and cb runs later, exactly once. -1: not the leader (or
 * leadership is being transferred); the buffer stays the caller's. Any other failure is fatal. */
int replica_propose(struct replica *r, uint8_t *data, size_t len, replica_propose_cb cb, void *arg)
    __attribute__((warn_unused_result));
/* Bytes, and entries, of the log since the last snapshot. */
uint64_t replica_log_bytes(const struct replica *r);
uint64_t replica_log_entries(const struct replica *r);
/* Hardly anything has been logged for a while: take a snapshot now if much of the log is left. */
void replica_log_is_quiet(struct replica *r);
uint8_t *replica_alloc(size_t len);
void replica_dealloc(uint8_t *data);

enum replica_role replica_role(const struct replica *r);
uint64_t replica_term(const struct replica *r);
uint64_t replica_commit_index(const struct replica *r);
/* What the leader had committed when it was heard last; on the leader what it has. */
uint64_t replica_heard_commit_index(const struct replica *r);
uint64_t replica_applied_index(const struct replica *r);
uint64_t replica_last_index(const struct replica *r);
/* 0 when unknown, or no member as far as this node knows. *address stays valid until the next event. */
uint64_t replica_leader(const struct replica *r, const char **address);
/* A member's machine says that it no longer runs. True: it led this node, and another leader need not
 * wait until it was silent for an election timeout: call replica_stand() in *wait_ms. Whoever still
 * hears it refuses that. */
bool replica_peer_gone(struct replica *r, uint64_t id, unsigned *wait_ms);
/* False: not yet, its log is not all on its disk; call it again soon. */
bool replica_stand(struct replica *r, uint64_t id);
/* Of a member of the present configuration; NULL: it is none. Valid until the next event. */
const char *replica_member_address(const struct replica *r, uint64_t id);
/* The log index of the present configuration, if it is committed and has this node and not `id`;
 * else 0. */
uint64_t replica_without(const struct replica *r, uint64_t id);
/* Is this node none of the members in a committed configuration at this index, of which another
 * one has told? A later one may be known here. Never of a node that waits to be added, or that
 * reads of its addition in older configurations. */
bool replica_is_removed(const struct replica *r, uint64_t index);
/* Members of the present configuration; returns their number, fills at most max. */
unsigned replica_members(const struct replica *r, struct replica_member *out, unsigned max);
/* The same where there is room for all of a group's: returns how many are in `out`. */
static inline unsigned replica_list_members(const struct replica *r,
                                            struct replica_member out[REPLICA_MEMBERS_MAX])
{
    unsigned n = replica_members(r, out, REPLICA_MEMBERS_MAX);

    return n < REPLICA_MEMBERS_MAX ? n : REPLICA_MEMBERS_MAX;
}

/* Leader only. Add an empty node as a non-voter, let it catch up, make it a voter; then cb. One
 * change at a time, a transfer included: else MEMBER_CHANGE at once. All three may call cb before
 * they return. A non-voter that is there already under the same id and address is taken up where
 * it stands, so that an add that got stuck can be repeated. The leader does not remove itself, nor
 * a member whose leaving would stop the cluster; the text says what to do. */
void replica_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                 void *arg);
/* Could it begin now? Else cb has run, as replica_add would call it. */
bool replica_may_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                     void *arg);
void replica_remove(struct replica *r, uint64_t id, replica_change_cb cb, void *arg);
/* Leader only. The other voter that holds most of the log, of those that answer and fit; 0: none. */
uint64_t replica_choose(const struct replica *r, bool (*fits)(void *arg, uint64_t id), void *arg);
/* id 0 = the most up-to-date voter. cb when the other leads, or it did not come about. */
void replica_transfer(struct replica *r, uint64_t id, replica_change_cb cb, void *arg);

#endif
