/* cluster_clones.c - a clone: a process with a copy of a member's directory, under the member's id.
 *
 * The member goes on beside it, or is down; it may have been started again since the copy was made.
 *
 *   elsewhere   the clone has an address of its own, which it tells: what answers it goes there,
 *               and clients are sent there where it leads
 *   same place  it tells the member's address: what answers it goes to the member
 *
 * Of the connections that a node has for an id only one lasts (raft/transport/seats.c): a newer one
 * takes the older one's place, but while the older one lasts a clone elsewhere gets none. That is
 * what a seat is here. */
#include <stdio.h>
#include <string.h>

#include "cluster_internal.h"

#define CLONES_SAME_PLACE_PER_MILLE 350
#define CLONES_AT_ONCE_PER_MILLE 500 /* it is started when the copy is made; else later */
#define CLONES_LATER_US 4000000

static struct sim_node *clone_of(struct sim_cluster *c)
{
    return c->options.clones_every_ms > 0 ? &c->nodes[c->options.slots] : NULL;
}

bool clones_is_one(const struct sim_node *n)
{
    return n->number >= n->cluster->options.slots;
}

/* Is it where the members know its id? */
bool clones_is_where_known(const struct sim_node *n)
{
    return !clones_is_one(n);
}

/* --- addresses --- */

unsigned clones_route(const struct sim_cluster *c, raft_id id, const char *address)
{
    const struct sim_node *clone = &c->nodes[c->options.slots];
    const struct sim_node *member = &c->nodes[id - 1];

    bool elsewhere = c->options.clones_every_ms > 0 && clone->id == id &&
                     strcmp(address, member->address) != 0 && strcmp(address, clone->address) == 0;

    return elsewhere ? clone->number : member->number;
}

/* --- seats --- */

static bool seat_is_taken(const struct sim_cluster *c, const struct sim_seat *seat, unsigned to)
{
    const struct sim_node *holder = &c->nodes[seat->holder];

    return seat->serial != 0 && holder->scheduler != NULL && lives_birth(holder) == seat->birth &&
           lives_birth(&c->nodes[to]) == seat->to_birth &&
           network_passes(c->network, seat->holder, to);
}

bool clones_take_seat(struct sim_cluster *c, unsigned from, unsigned to, uint64_t *serial)
{
    const struct sim_node *n = &c->nodes[from];

    *serial = 0;
    if (c->options.clones_every_ms == 0) {
        return true;
    }
    struct sim_seat *seat = &c->seats[to][n->id - 1];
    bool taken = seat_is_taken(c, seat, to);
    if (taken && seat->holder != from && strcmp(n->address, c->nodes[seat->holder].address) != 0 &&
        !clones_is_where_known(n)) {
        c->counters.clones_refused++;
        return false;
    }
    if (!taken || seat->holder != from) {
        *seat = (struct sim_seat){from, lives_birth(n), lives_birth(&c->nodes[to]), ++c->last_seat};
    }
    *serial = seat->serial;
    return true;
}

bool clones_has_seat(struct sim_cluster *c, unsigned from, unsigned to, uint64_t serial)
{
    bool has = serial == 0 || c->seats[to][c->nodes[from].id - 1].serial == serial;

    c->counters.clones_heard += has && clones_is_one(&c->nodes[from]);
    return has;
}

/* --- life --- */

static void clone_stop(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;

    if (n->scheduler != NULL) {
        node_end(n, "the clone is stopped");
    }
    if (n->restart != NULL) {
        loop_cancel(c->loop, n->restart);
        n->restart = NULL;
    }
    storage_free(&n->storage);
    storage_init(&n->storage);
    n->id = 0;
}

static void clone_make(struct sim_node *n, const struct sim_node *of)
{
    struct sim_cluster *c = n->cluster;
    bool same_place = !c->options.clones_elsewhere ||
                      loop_random_bool(c->loop, CLONES_SAME_PLACE_PER_MILLE);

    n->id = of->id;
    if (same_place) {
        memcpy(n->address, of->address, sizeof n->address);
    } else {
        snprintf(n->address, sizeof n->address, "clone:7400");
    }
    storage_free(&n->storage);
    storage_copy(&n->storage, &of->storage);
    n->standing = of->standing;
    n->joins = of->joins;
    loop_trace(c->loop, "n%u is a clone of n%u, %s", n->number + 1, of->number + 1,
               same_place ? "in the same place" : "elsewhere");
    c->counters.clones++;
    node_restart_after(n, loop_random_bool(c->loop, CLONES_AT_ONCE_PER_MILLE)
                              ? 0
                              : loop_below(c->loop, CLONES_LATER_US));
}

/* A member that is a majority by itself has nobody who could notice that there are two of it: each
 * decides alone, from the copy on. Of one that is down it is not known, where members change; nor of one of
 * two, whose disk may not have the other yet. */
static bool decides_alone(const struct sim_node *n)
{
    const struct sim_options *options = &n->cluster->options;
    struct replica_member members[SIM_NODES_MAX];
    unsigned voters = 0;

    if (n->scheduler == NULL) {
        return options->members_every_ms != 0 || options->nodes == 1;
    }
    unsigned count = replica_members(scheduler_replica(n->scheduler), members, SIM_NODES_MAX);
    for (unsigned i = 0; i < count && i < SIM_NODES_MAX; i++) {
        voters += members[i].voter;
    }
    return voters <= (options->members_every_ms != 0 ? 2 : 1);
}

void clones_change(struct sim_cluster *c)
{
    struct sim_node *clone = clone_of(c);
    const struct sim_node *of = &c->nodes[loop_below(c->loop, c->options.slots)];

    if (clone->id != 0) {
        clone_stop(clone);
    } else if (of->used && of->foreign == 0 && standing_has_identity(&of->standing) &&
               !storage_is_pristine(&of->storage) && !decides_alone(of)) {
        clone_make(clone, of);
    }
}

void clones_init(struct sim_cluster *c)
{
    if (clone_of(c) != NULL) {
        struct sim_node *n = clone_of(c);
        node_init(n, c, c->options.slots);
        n->id = 0;
        snprintf(n->api_address, sizeof n->api_address, "clone:7401");
    }
}

void clones_end(struct sim_cluster *c)
{
    if (clone_of(c) != NULL && clone_of(c)->id != 0) {
        clone_stop(clone_of(c));
    }
}
