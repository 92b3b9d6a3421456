/* cluster_votes.c - crashes that are aimed at a vote: in the middle of its write, so that the disk
 * has it or has it not and nobody was told of it; and just behind the message that gives it, which
 * must find it durable. The process is soon back, while other candidates of the term still ask. */
#include "cluster_internal.h"

#define VOTES_DOWN_US 50000

static bool votes_random_bool(const struct sim_node *n, unsigned per_mille)
{
    const struct sim_cluster *c = n->cluster;

    return per_mille > 0 && !c->healed && n->foreign == 0 && loop_random_bool(c->loop, per_mille);
}

/* A candidate begins with a vote for itself: less often, or there were no candidates. */
enum sim_io_fate votes_write(struct sim_node *n)
{
    unsigned per_mille = n->cluster->options.vote_crash_per_mille / 4;

    if (n->dying || n->starting || !votes_random_bool(n, per_mille)) {
        return SIM_IO_GOES_ON;
    }
    n->crashing = n->dying = true;
    n->cluster->counters.crashes_at_votes++;
    return loop_random_bool(n->cluster->loop, 500) ? SIM_IO_ENDS_BEFORE : SIM_IO_ENDS_BEHIND;
}

void votes_sent(struct sim_node *n, const struct raft_message *message)
{
    const struct raft_request_vote_result *result = &message->request_vote_result;

    if (message->type == RAFT_REQUEST_VOTE_RESULT && result->vote_granted && !result->pre_vote &&
        !n->dying && votes_random_bool(n, n->cluster->options.vote_crash_per_mille)) {
        n->crashing = true;
        n->cluster->counters.crashes_behind_votes++;
    }
}

void votes_crashed(struct sim_node *n)
{
    n->cluster->counters.crashes++;
    node_restart_after(n, loop_below(n->cluster->loop, VOTES_DOWN_US));
}
