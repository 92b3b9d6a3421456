/* guard_timeout_now.c - a leadership that is handed over under load is taken up.
 *
 * libraft's leader sends TimeoutNow to the member that is to lead as soon as that one has been *sent*
 * the whole log, once (`progressIsUpToDate`), and takes no more entries until its election timeout is
 * over. The member ignores it while it still writes those entries to its disk (`recvTimeoutNow`), which
 * under load it always does: nobody leads for a while, and then the old leader goes on (hazard 43). So
 * it is kept until the log is stored, for as long as the leader waits for it. */
#include "guard_parts.h"

#include <assert.h>

static bool is_of_leader(const struct guard *g, raft_id id, raft_term term)
{
    const struct raft *r = g->raft;

    return r->state == RAFT_FOLLOWER && r->follower_state.current_leader.id == id &&
           r->current_term == term && guard_server(g, id) != NULL;
}

/* The log is to become what the leader had; another message may still bring a part of it. */
static bool is_being_stored(const struct guard *g, raft_index last)
{
    struct raft *r = g->raft;

    return raft_last_index(r) < last || r->last_stored < last || r->snapshot.installing;
}

bool guard_timeout_now_keep(struct guard *g, const struct raft_message *message)
{
    const struct raft_timeout_now *args = &message->timeout_now;

    if (!is_of_leader(g, message->server_id, args->term) ||
        !is_being_stored(g, args->last_log_index)) {
        return false;
    }
    g->timeout_now = (struct guard_timeout_now){
        .id = message->server_id,
        .args = *args,
        .until_ms = g->inner->time(g->inner) + g->raft->election_timeout,
    };
    return true;
}

void guard_timeout_now_review(struct guard *g)
{
    struct guard_timeout_now kept = g->timeout_now;

    if (kept.id == 0) {
        return;
    }
    if (!is_of_leader(g, kept.id, kept.args.term) || g->inner->time(g->inner) >= kept.until_ms) {
        g->timeout_now.id = 0;
    } else if (!is_being_stored(g, kept.args.last_log_index)) {
        struct raft_message message = {
            .type = RAFT_TIMEOUT_NOW,
            .server_id = kept.id,
            .server_address = guard_server(g, kept.id)->address,
            .timeout_now = kept.args,
        };
        g->timeout_now.id = 0;
        g->recv(g->outer, &message);
    }
}
