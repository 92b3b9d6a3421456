/* partition.c - which links a partition cuts, in every shape that docs/testing.md lists. */
#include "cluster/cluster_internal.h"

enum shape {
    SHAPE_ALONE,    /* one node, most often the leader, hears nobody and is heard by nobody */
    SHAPE_MINORITY, /* as many nodes as may be missing, together */
    SHAPE_RING,     /* each node hears a majority, and each another one */
    SHAPE_BRIDGE,   /* two halves, and one node that hears both */
    SHAPE_DEAF,     /* one node hears nobody, but is heard */
    SHAPE_MUTE,     /* one node is heard by nobody, but hears */
    SHAPE_ONE_LINK, /* one direction between two nodes */
    SHAPE_ALL,      /* nobody hears anybody */
    SHAPES
};

static const char *const shape_names[SHAPES] = {
    "alone", "minority", "ring", "bridge", "deaf", "mute", "one link", "all",
};

static void cut_both(struct sim_cluster *c, unsigned a, unsigned b)
{
    network_cut(c->network, a, b);
    network_cut(c->network, b, a);
}

/* The nodes in random order. */
static void shuffle(struct sim_cluster *c, unsigned *order)
{
    unsigned n = c->options.slots;

    for (unsigned i = 0; i < n; i++) {
        unsigned j = (unsigned)loop_below(c->loop, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

static void cut_groups(struct sim_cluster *c, const unsigned *order, unsigned from, unsigned split)
{
    for (unsigned i = from; i < split; i++) {
        for (unsigned j = split; j < c->options.slots; j++) {
            cut_both(c, order[i], order[j]);
        }
    }
}

void partition_split(struct sim_cluster *c, const bool *side)
{
    for (unsigned i = 0; i < c->options.slots; i++) {
        for (unsigned j = 0; j < c->options.slots; j++) {
            if (side[i] != side[j]) {
                network_cut(c->network, i, j);
            }
        }
    }
    c->counters.partitions++;
}

/* With three nodes the ring is a line: two of them do not hear each other. */
static void cut_ring(struct sim_cluster *c, const unsigned *order)
{
    unsigned n = c->options.slots;

    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = i + 1; j < n; j++) {
            bool neighbours = j == i + 1 || (n > 3 && i == 0 && j == n - 1);
            if (!neighbours) {
                cut_both(c, order[i], order[j]);
            }
        }
    }
}

static void cut_one_way(struct sim_cluster *c, unsigned node, bool deaf)
{
    for (unsigned i = 0; i < c->options.slots; i++) {
        if (i != node) {
            network_cut(c->network, deaf ? i : node, deaf ? node : i);
        }
    }
    c->counters.one_way++;
}

static void cut_clients(struct sim_cluster *c, const unsigned *order, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        network_cut_clients(c->network, order[i]);
    }
}

void partition_draw(struct sim_cluster *c, int leader)
{
    unsigned n = c->options.slots;
    enum shape shape = (enum shape)loop_below(c->loop, SHAPES);
    unsigned order[SIM_NODES_MAX] = {0};
    unsigned split = 1;

    shuffle(c, order);
    if (leader >= 0 && loop_random_bool(c->loop, 700)) { /* the leader is the first */
        for (unsigned i = 0; i < n; i++) {
            if (order[i] == (unsigned)leader) {
                order[i] = order[0];
                order[0] = (unsigned)leader;
            }
        }
    }
    c->counters.partitions++;
    loop_trace(c->loop, "partition: %s, n%u first", shape_names[shape], order[0] + 1);
    switch (shape) {
        case SHAPE_ALONE: cut_groups(c, order, 0, 1); break;
        case SHAPE_MINORITY:
            split = n / 2;
            cut_groups(c, order, 0, split);
            break;
        case SHAPE_RING: cut_ring(c, order); break;
        case SHAPE_BRIDGE: /* the first hears both halves */
            split = (n + 1) / 2;
            cut_groups(c, order, 1, split);
            break;
        case SHAPE_DEAF:
        case SHAPE_MUTE: cut_one_way(c, order[0], shape == SHAPE_DEAF); break;
        case SHAPE_ONE_LINK:
            network_cut(c->network, order[0], order[1]);
            c->counters.one_way++;
            break;
        default:
            for (unsigned i = 1; i < n; i++) {
                cut_groups(c, order, i - 1, i);
            }
            break;
    }
    switch (loop_below(c->loop, 4)) { /* the clients are on one side, or reach everyone */
        case 0: cut_clients(c, order, 0, split); break;
        case 1: cut_clients(c, order, split, n); break;
        default: break;
    }
}
