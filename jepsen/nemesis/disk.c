/* disk.c - faults of the nodes' disks: power cuts, no space, failing writes. */
#include "nemesis.h"

#include "../bed/command.h"

/* --- power cuts, failing writes, no space --- */

static void power_begin(struct nemesis *n, const struct fault *f)
{
    NEMESIS_EACH(n, place)
    {
        nodes_expect_exit(&n->run->nodes, place, true);
        disk_cut_power(&n->run->nodes.nodes[place].disk);
    }
    NEMESIS_EACH(n, place)
    {
        nodes_kill(&n->run->nodes, place);
    }
    nemesis_struck(n, f);
}

/* The disk fails under a node that goes on running, if it does. */
static void error_begin(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_expect_exit(&n->run->nodes, place, true);
        disk_cut_power(&n->run->nodes.nodes[place].disk);
    }
}

static void remount_end(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_kill(&n->run->nodes, place);
        disk_remount(&n->run->nodes.nodes[place].disk);
        nodes_expect_exit(&n->run->nodes, place, false);
        nodes_start(&n->run->nodes, place);
    }
}

static void full_begin(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_expect_exit(&n->run->nodes, place, true);
        disk_fill(&n->run->nodes.nodes[place].disk);
    }
}

static void full_end(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        disk_empty(&n->run->nodes.nodes[place].disk);
        nodes_expect_exit(&n->run->nodes, place, false);
        nodes_start(&n->run->nodes, place); /* if it stopped */
    }
}

#define POWER(kind, who)                                                                     \
    {                                                                                        \
        .name = "power-" kind, .family = "power-cut", .whom = who, .ends_leaderships = true, \
        .begin = power_begin, .end = remount_end                                             \
    }

const struct fault nemesis_disk_faults[] = {
    POWER("one", WHOM_ONE),
    POWER("minority", WHOM_MINORITY),
    POWER("all", WHOM_ALL),
    {.name = "disk-full",
     .family = "disk-full",
     .whom = WHOM_MINORITY,
     .begin = full_begin,
     .end = full_end},
    {.name = "disk-error",
     .family = "disk-error",
     .whom = WHOM_MINORITY,
     .begin = error_begin,
     .end = remount_end},
    {.name = NULL},
};
