/* replica_known.c - what a member knows of the cluster and of its log. See replica.h. */
#include <string.h>

#include "replica_parts.h"

enum replica_role replica_role(const struct replica *r)
{
    if (r->closing) {
        return REPLICA_FOLLOWER;
    }
    switch (r->raft.state) {
        case RAFT_LEADER: return REPLICA_LEADER;
        case RAFT_CANDIDATE: return REPLICA_CANDIDATE;
        default: return REPLICA_FOLLOWER;
    }
}

uint64_t replica_term(const struct replica *r)
{
    return raft_current_term(&r->raft);
}

uint64_t replica_commit_index(const struct replica *r)
{
    return raft_commit_index(&r->raft);
}

uint64_t replica_heard_commit_index(const struct replica *r)
{
    return guard_heard_commit(r->guard);
}

uint64_t replica_applied_index(const struct replica *r)
{
    return r->raft.last_applied > r->ahead.index ? r->raft.last_applied : r->ahead.index;
}

uint64_t replica_last_index(const struct replica *r)
{
    return r->closing ? 0 : raft_last_index((struct raft *)&r->raft);
}

uint64_t replica_leader(const struct replica *r, const char **address)
{
    raft_id id = 0;

    *address = NULL;
    if (!r->closing) {
        raft_leader((struct raft *)&r->raft, &id, address);
    }
    if (id != 0 && r->raft.configuration.n > 0 && guard_server(r->guard, id) == NULL) {
        *address = NULL; /* a leader whose configuration we lack, or none: nobody is sent there */
        return 0;
    }
    return id;
}

bool replica_peer_gone(struct replica *r, uint64_t id, unsigned *wait_ms)
{
    return !r->closing && guard_peer_gone(r->guard, id, wait_ms);
}

bool replica_stand(struct replica *r, uint64_t id)
{
    return r->closing || guard_stand(r->guard, id);
}

const char *replica_member_address(const struct replica *r, uint64_t id)
{
    const struct raft_server *member = r->closing ? NULL : guard_server(r->guard, id);

    return member != NULL ? member->address : NULL;
}

unsigned replica_members(const struct replica *r, struct replica_member *out, unsigned max)
{
    const struct raft_configuration *conf = &r->raft.configuration;

    if (r->closing) {
        return 0;
    }
    for (unsigned i = 0; i < conf->n && i < max; i++) {
        raft_index match = 0;
        if (r->raft.state == RAFT_LEADER) {
            raft_match_index(&r->raft, conf->servers[i].id, &match);
        }
        out[i] = (struct replica_member){
            .id = conf->servers[i].id,
            .address = conf->servers[i].address,
            .voter = conf->servers[i].role == RAFT_VOTER,
            .self = conf->servers[i].id == r->raft.id,
            .lost = r->raft.state == RAFT_LEADER && guard_has_lost(r->guard, conf->servers[i].id),
            .match = match,
        };
    }
    return conf->n;
}
