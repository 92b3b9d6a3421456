/* network.c - faults between the nodes: partitions, loss, delay, duplication, corruption, a
 * slow link. */
#include <stdio.h>
#include <string.h>

#include "nemesis.h"

static void detail(struct nemesis *n, const char *key, const char *value)
{
    size_t at = strlen(n->details);

    snprintf(n->details + at, sizeof n->details - at, ", :%s %s", key, value);
}

static void detail_number(struct nemesis *n, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    detail(n, key, text);
}

/* --- partitions --- */

static bool partition_prepare(struct nemesis *n, const struct fault *f)
{
    char shape[64];

    snprintf(shape, sizeof shape, "\"%s\"", f->name + strlen("partition-"));
    detail(n, "shape", shape);
    return true;
}

static void network_heal_all(struct nemesis *n, const struct fault *f)
{
    (void)f;
    network_heal(&n->run->network);
}

/* The chosen on one side, the others on the other. */
static void partition_sides(struct nemesis *n, const struct fault *f)
{
    struct bed_network *net = &n->run->network;

    (void)f;
    for (unsigned a = 1; a <= net->n_nodes; a++) {
        for (unsigned b = 1; b <= net->n_nodes; b++) {
            if (n->chosen[a] != n->chosen[b]) {
                network_cut_both(net, a, b);
            }
        }
    }
    network_apply(net);
}

/* Each node sees itself and its neighbours in a circle: a majority, and for each another one. */
static void partition_ring(struct nemesis *n, const struct fault *f)
{
    struct bed_network *net = &n->run->network;
    unsigned all = net->n_nodes;

    (void)f;
    for (unsigned a = 0; a < all; a++) {
        for (unsigned b = 0; b < all; b++) {
            unsigned apart = (b + all - a) % all;
            if (apart != 0 && apart != 1 && apart != all - 1) {
                network_cut_both(net, a + 1, b + 1);
            }
        }
    }
    network_apply(net);
}

/* Two halves that only the chosen one sees both of. */
static void partition_bridge(struct nemesis *n, const struct fault *f)
{
    struct bed_network *net = &n->run->network;
    unsigned bridge = 1;

    (void)f;
    NEMESIS_EACH(n, place)
    {
        bridge = place;
    }
    for (unsigned a = 1; a <= net->n_nodes; a++) {
        for (unsigned b = 1; b <= net->n_nodes; b++) {
            unsigned side_a = (a + net->n_nodes - bridge) % net->n_nodes;
            unsigned side_b = (b + net->n_nodes - bridge) % net->n_nodes;
            if (side_a != 0 && side_b != 0 && (side_a <= 2) != (side_b <= 2)) {
                network_cut_both(net, a, b);
            }
        }
    }
    network_apply(net);
}

/* What others send to the chosen does not arrive... */
static void partition_in(struct nemesis *n, const struct fault *f)
{
    struct bed_network *net = &n->run->network;

    (void)f;
    NEMESIS_EACH(n, place)
    {
        for (unsigned other = 1; other <= net->n_nodes; other++) {
            network_cut(net, other, place);
        }
    }
    network_apply(net);
}

/* ...or what the chosen send. */
static void partition_out(struct nemesis *n, const struct fault *f)
{
    struct bed_network *net = &n->run->network;

    (void)f;
    NEMESIS_EACH(n, place)
    {
        for (unsigned other = 1; other <= net->n_nodes; other++) {
            network_cut(net, place, other);
        }
    }
    network_apply(net);
}

static void partition_receiver(struct nemesis *n, const struct fault *f)
{
    struct bed_network *net = &n->run->network;

    (void)f;
    for (unsigned place = 1; place <= net->n_nodes; place++) {
        network_cut_both(net, place, BED_RECEIVERS);
    }
    network_apply(net);
}

/* --- links that are bad --- */

static bool loss_prepare(struct nemesis *n, const struct fault *f)
{
    (void)f;
    n->parameter = nemesis_between(n, 5, 30);
    detail_number(n, "percent", n->parameter);
    return true;
}

static void loss_begin(struct nemesis *n, const struct fault *f)
{
    struct bed_network *net = &n->run->network;

    (void)f;
    net->loss_percent = (unsigned)n->parameter;
    NEMESIS_EACH(n, place)
    {
        net->lossy[place] = true;
    }
    network_apply(net);
}

static bool slow_prepare(struct nemesis *n, const struct fault *f)
{
    (void)f;
    n->parameter = nemesis_between(n, 64, 512);
    detail_number(n, "kbit", n->parameter);
    return true;
}

static void slow_begin(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        network_slow(&n->run->network, place, (unsigned)n->parameter);
    }
}

static void disturb(struct nemesis *n, const struct bed_disturbance *d)
{
    char program[600], log[600];

    run_program(n->run, "jepsen-forwarder", program, sizeof program);
    snprintf(log, sizeof log, "%s/forwarder.log", n->run->store);
    NEMESIS_EACH(n, place)
    {
        network_disturb(&n->run->network, place, d, program, log);
    }
}

/* Jitter above the delay's half reorders. */
static bool delay_prepare(struct nemesis *n, const struct fault *f)
{
    (void)f;
    n->parameter = nemesis_between(n, 10, 150);
    detail_number(n, "delay-ms", n->parameter);
    detail_number(n, "jitter-ms", n->parameter);
    return true;
}

static void delay_begin(struct nemesis *n, const struct fault *f)
{
    struct bed_disturbance d = {.delay_ms = (unsigned)n->parameter,
                                .jitter_ms = (unsigned)n->parameter};

    (void)f;
    disturb(n, &d);
}

static bool duplicate_prepare(struct nemesis *n, const struct fault *f)
{
    (void)f;
    n->parameter = nemesis_between(n, 10, 60);
    detail_number(n, "percent", n->parameter);
    return true;
}

static void duplicate_begin(struct nemesis *n, const struct fault *f)
{
    struct bed_disturbance d = {.jitter_ms = 20, .duplicate_percent = (unsigned)n->parameter};

    (void)f;
    disturb(n, &d);
}

static bool corrupt_prepare(struct nemesis *n, const struct fault *f)
{
    (void)f;
    n->parameter = nemesis_between(n, 1, 10);
    detail_number(n, "percent", n->parameter);
    return true;
}

static void corrupt_begin(struct nemesis *n, const struct fault *f)
{
    struct bed_disturbance d = {.corrupt_percent = (unsigned)n->parameter};

    (void)f;
    disturb(n, &d);
}

#define PARTITION(kind, who, how)                                           \
    {                                                                       \
        .name = "partition-" kind, .family = "partition", .whom = who,      \
        .prepare = partition_prepare, .begin = how, .end = network_heal_all \
    }

const struct fault nemesis_network_faults[] = {
    PARTITION("leader", WHOM_LEADER, partition_sides),
    PARTITION("minority", WHOM_MINORITY, partition_sides),
    PARTITION("ring", WHOM_ALL, partition_ring),
    PARTITION("bridge", WHOM_ONE, partition_bridge),
    PARTITION("in", WHOM_LEADER, partition_in),
    PARTITION("out", WHOM_LEADER, partition_out),
    PARTITION("receiver", WHOM_NOBODY, partition_receiver),
    {.name = "loss",
     .family = "loss",
     .whom = WHOM_MINORITY,
     .prepare = loss_prepare,
     .begin = loss_begin,
     .end = network_heal_all},
    {.name = "delay",
     .family = "delay",
     .whom = WHOM_MINORITY,
     .prepare = delay_prepare,
     .begin = delay_begin,
     .end = network_heal_all},
    {.name = "duplicate",
     .family = "duplicate",
     .whom = WHOM_MINORITY,
     .prepare = duplicate_prepare,
     .begin = duplicate_begin,
     .end = network_heal_all},
    {.name = "corrupt",
     .family = "corrupt",
     .whom = WHOM_ONE,
     .prepare = corrupt_prepare,
     .begin = corrupt_begin,
     .end = network_heal_all},
    {.name = "slow-link",
     .family = "slow-link",
     .whom = WHOM_ONE,
     .prepare = slow_prepare,
     .begin = slow_begin,
     .end = network_heal_all},
    {.name = NULL},
};
