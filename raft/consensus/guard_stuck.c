/* guard_stuck.c - a leader that is heard but commits nothing gives up its leadership.
 *
 * libraft's leader stays as long as a majority answers, whatever it answers. If entries wait,
 * and for ten election timeouts none is committed, no member's log grows, and nobody is being
 * sent a snapshot, then this leader is of no use, and another may be. libraft has no word for
 * it: it steps down when it has not heard a majority for an election timeout. So for a while we
 * are deaf to answers. */
#include "guard_parts.h"

#include <inttypes.h>
#include <stdio.h>

/* Do the members' logs, or what is committed, still move? */
static bool stuck_moves(struct guard *g)
{
    struct guard_stuck *s = &g->stuck;
    raft_index sum = g->raft->commit_index;
    bool installs = false;

    for (unsigned i = 0; i < g->raft->configuration.n; i++) {
        raft_index match = 0;
        raft_id id = g->raft->configuration.servers[i].id;
        if (id != g->raft->id && raft_match_index(g->raft, id, &match) == 0) {
            sum += match;
        }
        installs = installs || guard_is_installing(g, id);
    }
    bool moves = installs || sum != s->sum || g->raft->current_term != s->term;
    s->sum = sum;
    s->term = g->raft->current_term;
    return moves;
}

static void stuck_give_up(struct guard *g, raft_time now)
{
    char sentence[256];

    g->stuck.deaf_ms = now + 3 * (raft_time)g->raft->election_timeout;
    snprintf(
        sentence, sizeof sentence,
        "this node leads and is answered, but for %u ms nothing could be committed behind log "
        "index %llu, although entries up to %llu wait: it gives up the leadership. See: orderctl "
        "member list",
        GUARD_STUCK_ELECTIONS * g->raft->election_timeout, g->raft->commit_index,
        raft_last_index(g->raft));
    if (g->judge.log != NULL) {
        g->judge.log(g->judge.arg, "error", sentence);
    }
}

void guard_stuck_review(struct guard *g)
{
    struct guard_stuck *s = &g->stuck;
    raft_time now = g->inner->time(g->inner);

    if (g->raft->state != RAFT_LEADER) {
        s->deaf_ms = 0;
        s->since_ms = 0;
        return;
    }
    if (stuck_moves(g) || s->since_ms == 0 || raft_last_index(g->raft) == g->raft->commit_index ||
        now < s->deaf_ms) {
        s->since_ms = now > 0 ? now : 1;
        return;
    }
    if (now - s->since_ms >= GUARD_STUCK_ELECTIONS * (raft_time)g->raft->election_timeout) {
        stuck_give_up(g, now);
        s->since_ms = now;
    }
}

bool guard_is_deaf(const struct guard *g)
{
    return g->raft->state == RAFT_LEADER && g->stuck.deaf_ms != 0 &&
           g->inner->time(g->inner) < g->stuck.deaf_ms;
}
