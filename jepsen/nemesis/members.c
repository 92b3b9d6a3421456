/* members.c - a member leaves, and comes back under a new id with nothing on its disk, as
 * README tells under "A node lost its disk"; and the fault that does this to a sound node. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../bed/command.h"
#include "nemesis.h"

#define TRIES 20
#define REMOVE_TIMEOUT "5s"
#define ADD_TIMEOUT "20s"

/* orderctl, until it has worked; elections may be under way, and a leader has to step down before
 * it can be removed. */
static bool member(struct run *r, const char *const arguments[])
{
    static const char *const transfer[] = {"--timeout", REMOVE_TIMEOUT, "leader", "transfer", NULL};
    unsigned tries = 0;

    while (run_orderctl(r, arguments) != 0) {
        if (++tries == TRIES) {
            fprintf(stderr, "jepsen: member %s %s does not work; see orderctl.log\n", arguments[3],
                    arguments[4]);
            return false;
        }
        if (strcmp(arguments[3], "remove") == 0) {
            (void)run_orderctl(r, transfer);
        }
        sleep_ms(250);
    }
    return true;
}

void nemesis_replace_member(struct nemesis *n, unsigned place)
{
    struct run *r = n->run;
    char old_id[24], new_id[24], address[64];
    const char *drop[] = {"--timeout", REMOVE_TIMEOUT, "member", "remove", old_id, NULL};
    const char *add[] = {"--timeout", ADD_TIMEOUT, "member", "add", new_id, address, NULL};

    snprintf(old_id, sizeof old_id, "%" PRIu64, r->nodes.nodes[place].id);
    if (!member(r, drop)) {
        return; /* it keeps its place, and whether it serves the probes will tell */
    }
    nodes_kill(&r->nodes, place); /* if it runs */
    nodes_replace(&r->nodes, place);
    snprintf(new_id, sizeof new_id, "%" PRIu64, r->nodes.nodes[place].id);
    node_address(place, address, sizeof address);
    nodes_expect_exit(&r->nodes, place, false);
    nodes_start(&r->nodes, place);
    (void)member(r, add);
}

/* Alive or dead when it is removed. */
static void member_begin(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_expect_exit(&n->run->nodes, place, true); /* a removed one may stop */
        if (nemesis_between(n, 0, 1) == 0) {
            nodes_kill(&n->run->nodes, place);
        }
        nemesis_replace_member(n, place);
    }
}

static void member_end(struct nemesis *n, const struct fault *f)
{
    (void)f;
    NEMESIS_EACH(n, place)
    {
        nodes_expect_exit(&n->run->nodes, place, false);
        nodes_start(&n->run->nodes, place); /* if it could not be removed */
    }
}

const struct fault nemesis_member_faults[] = {
    {.name = "member",
     .family = "member",
     .whom = WHOM_ONE,
     .begin = member_begin,
     .end = member_end},
    {.name = "member-leader",
     .family = "member",
     .whom = WHOM_LEADER,
     .begin = member_begin,
     .end = member_end},
    {.name = NULL},
};
