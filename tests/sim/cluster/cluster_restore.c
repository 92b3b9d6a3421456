/* cluster_restore.c - disks that are copied, put back later, or emptied, with the node's id
 * kept.
 *
 * Raft stands the loss of one disk no more than that of any other thing it relies on: what was
 * confirmed must be on a majority without it, or acknowledged entries are gone whatever the
 * nodes do. So this waits for a moment in which the others hold all that the victim has, know its
 * term, in which it may have voted, and none of them still asks for its vote in that. Then nothing may
 * be lost, and it must be made good.
 *
 * With the extra `starts` the whole directory is copied or wiped, with what it says of its starts:
 * who has seen the node refuses it, for good, unless the copy is of the same start. A majority is
 * never spoilt so. */
#include <stdlib.h>

#include "cluster_internal.h"

#define RESTORE_WIPE_PER_MILLE 300

static bool holds_all_of(const struct storage *other, const struct storage *s)
{
    raft_index last = storage_last(s);

    return (other->has_snapshot && other->snapshot.index >= last) ||
           (storage_term_at(other, last) != 0 &&
            storage_term_at(other, last) == storage_term_at(s, last));
}

static bool others_can_do_without(const struct sim_cluster *c, unsigned victim)
{
    const struct storage *s = &c->nodes[victim].storage;
    unsigned holding = 0;

    for (unsigned i = 0; i < c->options.nodes; i++) {
        const struct storage *other = &c->nodes[i].storage;
        if (i == victim || (c->options.starts && c->nodes[i].spoilt)) {
            continue;
        }
        bool stands = other->term == s->term && other->vote == c->nodes[i].id &&
                      s->vote != other->vote;
        if (other->term < s->term || stands) {
            return false;
        }
        holding += holds_all_of(other, s);
    }
    return holding > c->options.nodes / 2;
}

/* May another one be refused for good? */
static bool may_be_spoilt(const struct sim_cluster *c, unsigned victim)
{
    unsigned spoilt = 0;

    for (unsigned i = 0; i < c->options.nodes; i++) {
        spoilt += i == victim || c->nodes[i].spoilt;
    }
    return !c->options.starts || 2 * spoilt < c->options.nodes;
}

/* The computer stops, and its disk is another one when it starts. */
static void restore_disk(struct sim_node *n, const struct storage *copy)
{
    struct sim_cluster *c = n->cluster;

    if (n->scheduler != NULL) {
        node_end(n, copy != NULL ? "an older copy of its disk is put back" : "its disk is emptied");
    }
    for (unsigned i = 0; i < c->options.nodes && c->hooks.installs != NULL; i++) {
        c->hooks.installs(c->hooks.arg, i, n->number, 0, 0, 0); /* nothing is on its way */
    }
    storage_free(&n->storage);
    n->spoilt = true;
    if (c->options.starts) {
        n->standing = copy != NULL ? c->copy_standing : (struct standing){0};
    }
    if (copy != NULL) {
        storage_copy(&n->storage, copy);
        c->counters.restored++;
    } else {
        storage_init(&n->storage);
        c->counters.wiped++;
    }
    if (n->restart == NULL) {
        node_restart_after(n, loop_below(c->loop, 1000000));
    }
}

bool restore_one(struct sim_cluster *c)
{
    unsigned victim = (unsigned)loop_below(c->loop, c->options.nodes);
    bool wipe = loop_random_bool(c->loop, RESTORE_WIPE_PER_MILLE);

    if (c->options.nodes < 3 || c->options.members_every_ms > 0 ||
        c->options.foreign_every_ms > 0) {
        return true; /* who is a majority without it is not known here */
    }
    if (!may_be_spoilt(c, !wipe && c->copy_of >= 0 ? (unsigned)c->copy_of : victim)) {
        return true;
    }
    if (!wipe && c->copy_of < 0) {
        c->copy_of = (int)victim;
        storage_copy(&c->copy, &c->nodes[victim].storage);
        c->copy_standing = c->nodes[victim].standing;
        return true;
    }
    victim = wipe ? victim : (unsigned)c->copy_of;
    if (c->nodes[victim].starting || !others_can_do_without(c, victim)) {
        return false;
    }
    restore_disk(&c->nodes[victim], wipe ? NULL : &c->copy);
    if (!wipe) {
        restore_end(c);
    }
    return true;
}

void restore_end(struct sim_cluster *c)
{
    if (c->copy_of >= 0) {
        storage_free(&c->copy);
        c->copy_of = -1;
    }
}
