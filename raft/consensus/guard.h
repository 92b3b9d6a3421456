/* guard.h - a raft_io in front of a raft_io, that keeps libraft 0.22.1's hazards away from us.
 *
 * Each guard and the hazard it stands against is listed in docs/hazards.md. They sit at this
 * level so that the simulator, whose disk and network are another raft_io, runs them too.
 *
 *   set_term       an unchanged term is not written again (it would first persist vote = 0)
 *   set_vote       an unchanged vote is not written again
 *   set_term/vote  a failure is fatal
 *   append         a status other than 0 or CANCELED is fatal; entry lengths are checked
 *   truncate       a failure is fatal; so is a truncation of what was applied at the start
 *   send           never fails towards libraft: a message that cannot be sent is lost
 *   send           the refusal of a pre-vote for a term that is over shows our term
 *   send           entries that are on their way to a member are not sent again
 *   send           one InstallSnapshot in flight for each follower, released when the follower's
 *                  match index moves, it shows that it did not get it, or
 *                  GUARD_INSTALL_TIMEOUT_MS is over
 *   snapshot_get   never fails and never loads: the snapshot is loaded when it is known to be sent,
 *                  and shared by all followers that need it
 *   snapshot_put   a failure is fatal
 *   recv           an InstallSnapshot waits for our own snapshot to be stored, and is dropped
 *                  while another is being installed
 *   recv           entries of impossible length or type are dropped; a configuration change
 *                  always comes first in its batch; the commit index never goes back; what is
 *                  in our snapshot is not taken again
 *   recv           a leader that is silent for the minimum election timeout is no reason to
 *                  refuse a vote
 *   recv           a member that does not know yet that it is a voter votes
 *   recv           a follower's refusal of what it confirmed before is stale, and forgotten
 *   recv           a node that is not a member is heard only as a leader or candidate whose
 *                  configuration we may not have yet, and only while no member is heard
 *                  (guard_admit.c)
 *   recv           a member that refuses what it confirmed, again and again, has lost it: it is
 *                  no longer counted, sent it again, and its votes are void (guard_lost.c)
 *   recv           a leader that commits nothing, though entries wait, gives up (guard_stuck.c)
 *   recv           a term that leaps is dropped; so are entries and snapshots that are not whole
 *
 * "Fatal" calls `fatal(arg, sentence)`, which must not return in production (the supervisor
 * restarts the node from what is durable).
 *
 * What the guard asks of the inner raft_io: `inner->data` is set to the struct raft (raft_uv needs
 * it there to complete requests), and the tick and receive callbacks are called with a raft_io
 * whose `data` is that. When snapshot_get fails, a snapshot struct that is handed over
 * nevertheless is freed, what it points to is not. All on one thread, the raft loop. */
#ifndef GUARD_H
#define GUARD_H

#include "../libraft.h"

#define GUARD_INSTALL_TIMEOUT_MS 300000u
/* A follower that refuses entries this long after a snapshot was sent has not got it. */
#define GUARD_INSTALL_DOUBT_MS 2000u

/* A message's term is at most so far above ours: more than a hundred elections a day for 20 years.
 * What terms have leapt is added up, and forgotten at GUARD_TERM_LEAP_PER_S. */
#define GUARD_TERM_LEAP_MAX (UINT64_C(1) << 20)
#define GUARD_TERM_LEAP_PER_S 16u
/* No term is above this one: at ten elections a second, in 3,400 years. */
#define GUARD_TERM_MAX (UINT64_C(1) << 40)
/* Who leads, but is in no configuration of ours, has so many election timeouts to bring us one. */
#define GUARD_UNKNOWN_LEADER_ELECTIONS 10u
/* A leader for which nothing moves so many election timeouts long gives up its leadership. */
#define GUARD_STUCK_ELECTIONS 10u
/* Bytes of a snapshot that are verified at a time: about a millisecond. */
#define GUARD_VERIFY_SLICE (UINT64_C(8) << 20)

typedef void (*guard_fatal_cb)(void *arg, const char *sentence);

struct guard; /* opaque */

/* Wrap `inner`, which stays the caller's and must outlive the guard. `outer` is filled in and is
 * what raft_init gets. Returns NULL on lack of memory. `raft` is the instance that will use it
 * (read only, for match indexes). */
struct guard *guard_new(struct raft_io *inner, struct raft_io *outer, struct raft *raft,
                        guard_fatal_cb fatal, void *arg);
/* After raft_close's callback. */
void guard_free(struct guard *g);
/* May a snapshot of our own be started now (no install under way)? Asked by fsm->snapshot. */
bool guard_may_snapshot(const struct guard *g);
/* `settled` runs after each event that libraft handled, outside of it: libraft may be called. */
void guard_on_settled(struct guard *g, void (*settled)(void *arg), void *arg);
/* When a leader is silent, voters stand one after the other, in order of their ids; else at random. */
void guard_take_turns(struct guard *g);
/* `loaded` sees the entries that were loaded at the start. Their bytes stay where they are until
 * raft_start has returned; the array does not. */
typedef void (*guard_loaded_cb)(void *arg, raft_index start_index, const struct raft_entry *entries,
                                size_t n_entries);
void guard_on_loaded(struct guard *g, guard_loaded_cb loaded, void *arg);
/* The state holds the entries up to `index`, though libraft may not know yet that they are
 * committed: a leader that wants any of them cut off contradicts what was decided, which is fatal. */
void guard_keep_applied(struct guard *g, raft_index index);
/* What only the owner of the state can tell of it; any may be NULL. */
struct guard_judge {
    void *arg;
    /* May this command be stored? */
    bool (*command)(void *arg, const uint8_t *data, size_t len);
    /* Verify some more of a leader's snapshot, at most `max` bytes. *done says how far it is: 0
     * begins anew, `len` is the end. NULL, or a phrase that says why it is refused. */
    const char *(*snapshot)(void *arg, const uint8_t *data, size_t len, size_t max, size_t *done);
    /* A line for the log, level "warn" or "error"; not more of them than it can bear. */
    void (*log)(void *arg, const char *level, const char *sentence);
};
void guard_judge_by(struct guard *g, const struct guard_judge *judge);
/* What is measured of the disk, for people alone. */
struct guard_meter {
    void *arg;
    uint64_t (*now_us)(void *arg);               /* NULL: nothing is measured */
    void (*log_written)(void *arg, uint64_t us); /* entries are durable, after so long */
    void (*snapshot_stored)(void *arg);          /* one of our own is durable */
};
void guard_meter_by(struct guard *g, const struct guard_meter *meter);
/* What the leader of the newest term had committed, when it was last heard; never below what is
 * committed here. */
raft_index guard_heard_commit(const struct guard *g);
/* In the newest configuration, until it changes; or NULL. */
struct raft_server *guard_server(const struct guard *g, raft_id id);
/* Is this a member that lost what it had confirmed, as far as this node has seen? */
bool guard_has_lost(const struct guard *g, raft_id id);
/* Messages refused so far. */
uint64_t guard_refusals(const struct guard *g);
/* Is an InstallSnapshot on its way to this follower? */
bool guard_is_installing(const struct guard *g, raft_id id);
/* Its machine says that this member no longer runs, which is forgotten as soon as it is heard. True:
 * it led this node, which should stand (guard_stand) in *wait_ms. */
bool guard_peer_gone(struct guard *g, raft_id id, unsigned *wait_ms);
/* Stand for election, if it still counts as gone, and nobody else has stood and got this node's vote.
 * False: its log is not on its disk yet, try again soon. */
bool guard_stand(struct guard *g, raft_id id);
/* When a message of this member last came in, by the raft_io's clock; 0 = never. */
raft_time guard_last_heard(const struct guard *g, raft_id id);

#endif
