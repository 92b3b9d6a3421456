/* cluster_lives.c - the starts of simulated nodes, and which of each other's they have seen: what
 * the product keeps in DIR/starts and DIR/acquaintances (raft/disk/disk_lives.h, node/acquaint.h),
 * and beside it the truth.
 *
 * The truth is a birth: a number that each process has for itself alone. A directory has the births
 * of those that ran with it; a copy has them too, up to the copy. So of two nodes one has lost what
 * it had confirmed, as far as the other has seen, exactly if its directory has not the birth that
 * the other one has seen of its id, or that of no member any more. That is held against what the
 * product judges (STARTS). */
#include <string.h>

#include "cluster_internal.h"

#define LIVES_ASK_US 1000000
#define LIVES_WRITES 3 /* of a file that is replaced: it, its name, the directory */

/* Of streams of their own, so that they move no other choice of a run. */
static struct sim_loop lives_stream(const struct sim_node *n, uint64_t salt)
{
    return (struct sim_loop){.random = n->cluster->loop->now_us * 64 + n->number + (salt << 56)};
}

/* --- its own --- */

void lives_start(struct sim_node *n)
{
    struct storage *s = &n->storage;
    struct sim_loop stream = lives_stream(n, 1);

    lives_begin(&s->lives, loop_random(&stream));
    memmove(s->births + 1, s->births, (LIVES_TOLD_MAX - 1) * sizeof s->births[0]);
    s->births[0] = ++n->cluster->last_birth;
    n->seen = s->seen;
    n->version = ++n->cluster->last_version;
    lives_ask_later(n);
}

uint64_t lives_birth(const struct sim_node *n)
{
    return n->storage.births[0];
}

/* --- keeping --- */

static void lives_kept_cb(void *arg)
{
    struct sim_node *n = arg;

    n->keep = NULL;
    n->storage.seen = n->keeping;
    if (n->keep_again) {
        n->keep_again = false;
        lives_keep(n);
    }
}

/* On the thread pool, and one write at a time: what is new meanwhile is written behind it. */
void lives_keep(struct sim_node *n)
{
    const struct sim_options *o = &n->cluster->options;
    struct sim_loop stream = lives_stream(n, 2);

    if (n->keep != NULL) {
        n->keep_again = true;
        return;
    }
    n->keeping = n->seen;
    n->keep = loop_after(n->cluster->loop,
                         LIVES_WRITES * loop_between(&stream, o->write_min_us, o->write_max_us),
                         lives_kept_cb, n);
}

void lives_end(struct sim_node *n)
{
    struct sim_loop stream = lives_stream(n, 3);

    if (n->ask != NULL) {
        loop_cancel(n->cluster->loop, n->ask);
        n->ask = NULL;
    }
    if (n->keep != NULL) {
        loop_cancel(n->cluster->loop, n->keep);
        n->keep = NULL;
        if (loop_random_bool(&stream, 500)) {
            n->storage.seen = n->keeping;
        }
    }
    n->keep_again = false;
}

/* --- seeing --- */

void lives_see(struct sim_node *n, const struct sim_node *peer, const struct handshake *told)
{
    if (acquaintance_note(&n->seen.lives, told)) {
        n->seen.births[peer->id - 1] = lives_birth(peer);
        /* As it was told: by now the peer may have taken over an identity from this very handshake,
         * and a copy of the same start from before has none again, which nobody has seen otherwise. */
        n->seen.members[peer->id - 1] |= standing_has_identity(&told->standing);
        n->version = ++n->cluster->last_version;
        lives_keep(n);
    }
}

bool lives_are_as_seen(const struct sim_node *witness, const struct sim_node *n)
{
    uint64_t seen = witness->seen.births[n->id - 1];

    if (witness->seen.members[n->id - 1] && !standing_has_identity(&n->standing)) {
        return false;
    }
    for (unsigned i = 0; i < LIVES_TOLD_MAX && seen != 0; i++) {
        if (n->storage.births[i] == seen) {
            return true;
        }
    }
    return seen == 0;
}

/* --- asking --- */

/* The member with the next greater id, else the smallest. */
static struct sim_node *lives_next(struct sim_node *n)
{
    struct replica_member members[SIM_NODES_MAX];
    unsigned count = replica_members(scheduler_replica(n->scheduler), members, SIM_NODES_MAX);
    uint64_t next = 0, first = 0;

    for (unsigned i = 0; i < count && i < SIM_NODES_MAX; i++) {
        uint64_t id = members[i].id;
        first = id != n->id && (first == 0 || id < first) ? id : first;
        next = id != n->id && id > n->asked_id && (next == 0 || id < next) ? id : next;
    }
    n->asked_id = next != 0 ? next : first;
    return n->asked_id != 0 ? &n->cluster->nodes[n->asked_id - 1] : NULL;
}

static void lives_ask_cb(void *arg)
{
    struct sim_node *n = arg;
    struct sim_cluster *c = n->cluster;

    n->ask = NULL;
    lives_ask_later(n);
    struct sim_node *peer = n->paused ? NULL : lives_next(n);
    if (peer != NULL && peer->scheduler != NULL && !peer->paused &&
        network_passes(c->network, n->number, peer->number) &&
        network_passes(c->network, peer->number, n->number)) {
        cluster_ask(c, n->number, peer->number);
    }
}

/* Where it can make a difference. */
void lives_ask_later(struct sim_node *n)
{
    const struct sim_options *o = &n->cluster->options;

    if (o->starts && (o->restore_every_ms > 0 || o->clones_every_ms > 0)) {
        n->ask = loop_after(n->cluster->loop, node_real_us(n, LIVES_ASK_US), lives_ask_cb, n);
    }
}
