/* guard_gone.c - a leader whose death is told, and need not be waited for.
 *
 * An election timeout is there for a leader that falls silent without a word. A process that was
 * killed is told of by its machine, at once. Then a follower stands after a short wait, and is no
 * longer bound to the dead leader when others ask for its vote. Both are only haste: pre-vote stays
 * (Ongaro 2014, 9.6), so that a follower who was told wrongly is refused by those who hear the
 * leader, and the next heartbeat takes it all back; and a follower that takes part in the election
 * of another does not stand against it.
 *
 * All followers are told at the same moment, so they take turns: the wait is a step for each voter
 * that comes before this one by its id, counted from the leader's. With random waits two of them would
 * now and then stand within the time of an election, and split the votes. The first waits, too: who
 * is asked for a vote should have been told already. */
#include "guard_parts.h"

#include <assert.h>

#define GONE_FIRST 50u /* the first waits this part of an election timeout... */
#define GONE_STEP 20u  /* ...and each of the others this part of one longer */

/* In the term in which it led: a later one has begun because somebody stood. */
bool guard_is_gone(const struct guard *g, raft_id id)
{
    return id != 0 && g->gone.id == id && g->gone.term == g->raft->current_term;
}

/* By ids counted from the leader's, upwards and then from the lowest one. */
static raft_id distance(raft_id from, raft_id id)
{
    return id - from; /* unsigned: who is below comes after all that are above */
}

static unsigned voters_before(const struct guard *g, raft_id leader)
{
    unsigned n = 0;

    for (unsigned i = 0; i < g->raft->configuration.n; i++) {
        const struct raft_server *s = &g->raft->configuration.servers[i];
        n += s->role == RAFT_VOTER && s->id != leader &&
             distance(leader, s->id) < distance(leader, g->raft->id);
    }
    return n;
}

static bool follows(const struct guard *g, raft_id id)
{
    const struct raft *r = g->raft;

    return !g->closing && id != 0 && r->state == RAFT_FOLLOWER &&
           r->follower_state.current_leader.id == id && guard_server(g, id) != NULL;
}

bool guard_peer_gone(struct guard *g, raft_id id, unsigned *wait_ms)
{
    unsigned timeout_ms = g->raft->election_timeout;

    if (!follows(g, id)) {
        return false;
    }
    g->gone = (struct guard_gone){.id = id, .term = g->raft->current_term};
    *wait_ms = timeout_ms / GONE_FIRST + voters_before(g, id) * (timeout_ms / GONE_STEP);
    return true;
}

/* libraft stands when its timeout is over, at a tick; but not while its log is not all on the disk, or a
 * snapshot is being installed: then it begins to count anew instead. */
bool guard_stand(struct guard *g, raft_id id)
{
    struct raft *r = g->raft;

    if (!guard_is_gone(g, id) || !follows(g, id)) {
        return true;
    }
    if (r->last_stored < raft_last_index(r) || r->snapshot.installing) {
        return false;
    }
    raft_time silent_ms = g->inner->time(g->inner) - r->election_timer_start;
    if (silent_ms < r->follower_state.randomized_election_timeout) {
        r->follower_state.randomized_election_timeout = (unsigned)silent_ms;
    }
    g->gone.id = 0; /* one try */
    g->tick(g->outer);
    guard_settle(g);
    return true;
}

void guard_gone_heard(struct guard *g, raft_id id)
{
    if (g->gone.id == id) {
        g->gone.id = 0;
    }
}
