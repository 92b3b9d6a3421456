/* guard_peers.c - what the guard's parts have in common: itself, and what is known of each member. */
#include "guard_parts.h"

#include <stdlib.h>

struct guard *guard_of(const struct raft_io *outer)
{
    return outer->impl;
}

void guard_fail(struct guard *g, const char *what, int rv)
{
    char sentence[RAFT_ERRMSG_BUF_SIZE + 256];

    snprintf(sentence, sizeof sentence, "%s: %s%s%.*s", what, raft_strerror(rv),
             g->inner->errmsg[0] != '\0' ? ": " : "", (int)sizeof g->inner->errmsg,
             g->inner->errmsg);
    g->fatal(g->fatal_arg, sentence);
}

struct guard_peer *guard_peer_find(const struct guard *g, raft_id id)
{
    struct guard_peer *p = g->peers;

    while (p != NULL && p->id != id) {
        p = p->next;
    }
    return p;
}

struct guard_peer *guard_peer_get(struct guard *g, raft_id id)
{
    struct guard_peer *p = guard_peer_find(g, id);

    if (p == NULL) {
        p = calloc(1, sizeof *p);
        if (p == NULL) {
            guard_fail(g, "cannot remember a member", RAFT_NOMEM);
            return NULL;
        }
        p->id = id;
        p->next = g->peers;
        g->peers = p;
    }
    return p;
}

struct raft_server *guard_server(const struct guard *g, raft_id id)
{
    for (unsigned i = 0; i < g->raft->configuration.n; i++) {
        if (g->raft->configuration.servers[i].id == id) {
            return &g->raft->configuration.servers[i];
        }
    }
    return NULL;
}

raft_time guard_last_heard(const struct guard *g, raft_id id)
{
    const struct guard_peer *p = guard_peer_find(g, id);

    return p != NULL ? p->heard_ms : 0;
}
