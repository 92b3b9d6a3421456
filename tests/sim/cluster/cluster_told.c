/* cluster_told.c - a process that ends is told of by its machine: whoever can dial it learns that nobody
 * listens there (node/leader_watch.c). And the network tells the same of one that runs, now and then. */
#include <assert.h>

#include "../../../raft/consensus/replica.h"
#include "cluster_internal.h"

static void told_cb(void *arg);

static void told_after(struct sim_node *n, uint64_t delay_us)
{
    assert(n->told == NULL);
    n->told = loop_after(n->cluster->loop, delay_us, told_cb, n);
}

/* The leader's machine answered, if it can be reached, and if nobody has started it again. */
static bool told_is_so(const struct sim_node *n)
{
    const struct sim_cluster *c = n->cluster;
    const struct sim_node *leader = &c->nodes[n->told_of];

    return n->told_wrongly || (leader->scheduler == NULL && leader->home == NULL &&
                               network_passes(c->network, n->number, leader->number) &&
                               network_passes(c->network, leader->number, n->number));
}

static void told_enter(void *arg)
{
    struct sim_node *n = arg;
    struct sim_cluster *c = n->cluster;
    struct replica *replica = scheduler_replica(n->scheduler);
    raft_id id = c->nodes[n->told_of].id;
    unsigned wait_ms;

    n->told_due = false;
    if (n->told_gone && replica_stand(replica, id)) {
        n->told_gone = false;
    } else if (n->told_gone) {
        told_after(n, node_real_us(n, 5000)); /* its disk is behind */
    } else if (told_is_so(n) && replica_peer_gone(replica, id, &wait_ms)) {
        loop_trace(c->loop, "n%u is told that n%u is gone%s", n->number + 1, n->told_of + 1,
                   n->told_wrongly ? ", wrongly" : "");
        c->counters.told += !n->told_wrongly;
        c->counters.told_wrongly += n->told_wrongly;
        n->told_gone = true;
        told_after(n, node_real_us(n, UINT64_C(1000) * wait_ms));
    }
}

static void told_cb(void *arg)
{
    struct sim_node *n = arg;

    n->told = NULL;
    n->told_due = true;
    node_enter(n, told_enter, n);
}

/* One at a time, as leader_watch.c has one timer. What comes meanwhile is not told. */
static bool told_is_busy(const struct sim_node *n)
{
    return n->told != NULL || n->told_due || n->told_gone;
}

static void told_begin(struct sim_node *n, unsigned of, bool wrongly)
{
    const struct sim_options *o = &n->cluster->options;

    if (n->scheduler == NULL || n->dying || n->foreign != 0 || told_is_busy(n)) {
        return;
    }
    n->told_of = of;
    n->told_wrongly = wrongly;
    told_after(n, 2 * loop_between(n->cluster->loop, o->latency_min_us, o->latency_max_us));
}

void told_ended(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;

    if (n->told != NULL) {
        loop_cancel(c->loop, n->told);
        n->told = NULL;
    }
    n->told_due = n->told_gone = false;
    for (unsigned i = 0; i < c->options.slots && c->options.told_per_mille > 0; i++) {
        if (i != n->number && n->foreign == 0 &&
            loop_random_bool(c->loop, c->options.told_per_mille)) {
            told_begin(&c->nodes[i], n->number, false);
        }
    }
}

void told_lie(struct sim_cluster *c)
{
    unsigned victim = (unsigned)loop_below(c->loop, c->options.slots);

    if (c->leader >= 0 && (unsigned)c->leader != victim) {
        told_begin(&c->nodes[victim], (unsigned)c->leader, true);
    }
}
