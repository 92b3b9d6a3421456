/* cluster_members.c - the operator of a simulated cluster: starts empty nodes and adds them, removes
 * others, and has an eye for the worst moment to do so.
 *
 * A node's id is its place, and is used once: a node that was removed for certain is stopped after a while,
 * and never comes back. As long as its removal is not certain it goes on, and may be added again with
 * the disk that it has. */
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/protocol.h"
#include "cluster_internal.h"

#define MEMBERS_STOP_US 3000000     /* until a removed node's process is stopped */
#define MEMBERS_EAGER_PER_MILLE 600 /* a leader that was just elected is asked at once */
#define MEMBERS_CUT_PER_MILLE 500   /* the network fails in the middle of it */

/* A change that a leader was asked for. */
struct member_change {
    struct sim_cluster *cluster;
    enum operation_code code;
    unsigned slot;
    unsigned asked; /* how often that node had been asked for by then */
};

/* --- who is who --- */

bool cluster_is_voter(struct sim_cluster *c, unsigned leader, unsigned node)
{
    struct replica_member members[SIM_NODES_MAX];
    unsigned n = replica_members(scheduler_replica(c->nodes[leader].scheduler), members,
                                 SIM_NODES_MAX);

    for (unsigned i = 0; i < n && i < SIM_NODES_MAX; i++) {
        if (members[i].id == node + 1) {
            return members[i].voter;
        }
    }
    return false;
}

bool cluster_is_used(const struct sim_cluster *c, unsigned node)
{
    return c->nodes[node].used;
}

/* One of the nodes that this holds for, or -1. */
static int members_draw(struct sim_cluster *c, bool (*holds)(struct sim_cluster *, unsigned node))
{
    unsigned found[SIM_NODES_MAX], n = 0;

    for (unsigned i = 0; i < c->options.slots; i++) {
        if (holds(c, i)) {
            found[n++] = i;
        }
    }
    return n > 0 ? (int)found[loop_below(c->loop, n)] : -1;
}

static bool is_new(struct sim_cluster *c, unsigned node)
{
    return !c->nodes[node].used && !c->nodes[node].gone;
}

static bool waits_to_vote(struct sim_cluster *c, unsigned node)
{
    return c->nodes[node].used && c->nodes[node].retire == NULL &&
           !cluster_is_voter(c, (unsigned)c->leader, node);
}

static bool may_leave(struct sim_cluster *c, unsigned node)
{
    return c->nodes[node].used && node != (unsigned)c->leader && clocks_may_leave(c, node);
}

/* --- a change --- */

static void members_stop_cb(void *arg)
{
    struct sim_node *n = arg;
    struct sim_cluster *c = n->cluster;

    n->retire = NULL;
    n->used = false;
    n->gone = true;
    if (n->scheduler != NULL) {
        node_end(n, "removed, and stopped");
    }
    if (n->restart != NULL) {
        loop_cancel(c->loop, n->restart);
        n->restart = NULL;
    }
}

static void members_changed(void *arg, const uint8_t *data, size_t len)
{
    struct member_change *change = arg;
    struct sim_cluster *c = change->cluster;
    struct sim_node *n = &c->nodes[change->slot];
    struct answer answer;
    struct result result;
    size_t used;

    if (data != NULL && answer_decode(data, len, &answer) == ORDERSCHED_OK &&
        answer.error == ORDERSCHED_OK && answer.n_results == 1 &&
        result_decode(answer.results.data, answer.results.len, &result, &used) == ORDERSCHED_OK &&
        result.error == ORDERSCHED_OK) {
        bool adds = change->code == OPERATION_MEMBER_ADD;
        c->counters.members_added += adds;
        c->counters.members_removed += !adds;
        n->surely_votes = n->surely_votes || (adds && !n->to_leave);
        loop_trace(c->loop, "n%u is %s", n->number + 1, adds ? "a voter" : "no member any more");
        /* An answer that comes late says nothing of what was asked for since. */
        if (!adds && n->retire == NULL && change->asked == n->asked) {
            n->retire = loop_after(c->loop, loop_below(c->loop, MEMBERS_STOP_US), members_stop_cb,
                                   n);
        }
    }
    free(change);
}

static void members_ask(struct sim_cluster *c, enum operation_code code, unsigned slot)
{
    struct member_change *change = calloc(1, sizeof *change);
    struct buffer message = {0};
    struct sim_node *n = &c->nodes[slot];
    struct operation op = {
        .code = code,
        .node_id = slot + 1,
        .address = {(const uint8_t *)n->address, strlen(n->address)},
    };

    if (change == NULL) {
        abort();
    }
    *change = (struct member_change){c, code, slot, ++n->asked};
    if (code == OPERATION_MEMBER_REMOVE) {
        n->to_leave = true;
        n->surely_votes = false;
    }
    loop_trace(c->loop, "n%d is to %s n%u", c->leader + 1,
               code == OPERATION_MEMBER_ADD ? "add" : "remove", slot + 1);
    request_encode_head(&message, SIM_CLUSTER_NAME, 0, 1);
    operation_encode(&message, &op);
    if (message.failed) {
        abort();
    }
    cluster_request(c, (unsigned)c->leader, message.data, message.len, members_changed, change);
    buffer_free(&message);
}

/* The leader and, as likely as not, each other node on its side. */
static void members_cut_cb(void *arg)
{
    struct sim_cluster *c = arg;
    bool side[SIM_NODES_MAX] = {false};

    c->members_cut = NULL;
    for (unsigned i = 0; i < c->options.slots; i++) {
        side[i] = i == (unsigned)c->leader || loop_random_bool(c->loop, 500);
    }
    faults_split(c, side);
}

/* The change is on its way: a partition now may leave it half done. */
static void members_spoil(struct sim_cluster *c)
{
    uint64_t most_us = 2 * c->options.latency_max_us + c->options.write_max_us;

    if (c->members_cut == NULL && !c->options.halves &&
        loop_random_bool(c->loop, MEMBERS_CUT_PER_MILLE)) {
        c->members_cut = loop_after(c->loop, loop_below(c->loop, most_us << loop_below(c->loop, 4)),
                                    members_cut_cb, c);
    }
}

void members_change(struct sim_cluster *c)
{
    int slot = -1;
    uint64_t drawn = loop_below(c->loop, 100);

    if (c->leader < 0 || !cluster_is_serving(c, (unsigned)c->leader)) {
        return;
    }
    if (drawn < 40 && (slot = members_draw(c, waits_to_vote)) < 0 &&
        (slot = members_draw(c, is_new)) >= 0) {
        clocks_draw_new(&c->nodes[slot]);
        c->nodes[slot].used = c->nodes[slot].joins = true;
        node_start(&c->nodes[slot]);
    }
    if (slot >= 0) {
        members_ask(c, OPERATION_MEMBER_ADD, (unsigned)slot);
    } else if ((slot = members_draw(c, may_leave)) >= 0) {
        members_ask(c, OPERATION_MEMBER_REMOVE, (unsigned)slot);
    } else {
        return;
    }
    members_spoil(c);
}

/* --- halves --- */

#define HALVES_PER_MILLE 800

/* A set of voters that a leader acts by is known to it alone as yet: what it has sent is still under way, and
 * lost in this cut. With it is who has just become a voter, or else one that was one before: of four
 * voters, each side then lacks no more than one to a majority of its own. */
static void halves_cut(struct sim_node *n, uint32_t before, uint32_t now)
{
    struct sim_cluster *c = n->cluster;
    uint32_t with = now & ~before;
    bool side[SIM_NODES_MAX] = {false};

    if (with == 0) {
        uint32_t others = now & ~(UINT32_C(1) << n->number);
        while (others != 0 && with == 0) {
            with = others & (UINT32_C(1) << loop_below(c->loop, c->options.slots));
        }
    }
    for (unsigned i = 0; i < c->options.slots; i++) {
        side[i] = i == n->number || (with >> i & 1) != 0;
    }
    faults_split(c, side);
}

void members_watch(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    struct replica_member members[SIM_NODES_MAX];
    uint32_t before = n->voters;

    if (!c->options.halves || c->healed) {
        return;
    }
    n->voters = 0;
    if (!n->leads) {
        return;
    }
    unsigned count = replica_members(scheduler_replica(n->scheduler), members, SIM_NODES_MAX);
    for (unsigned i = 0; i < count && i < SIM_NODES_MAX; i++) {
        n->voters |= members[i].voter ? UINT32_C(1) << (members[i].id - 1) : 0;
    }
    if (before != 0 && before != n->voters && loop_random_bool(c->loop, HALVES_PER_MILLE)) {
        halves_cut(n, before, n->voters);
    }
}

/* --- elections --- */

static void members_eager_cb(void *arg)
{
    struct sim_cluster *c = arg;

    c->members_eager = NULL;
    members_change(c);
}

void members_elected(struct sim_cluster *c)
{
    if (c->options.members_every_ms != 0 && !c->healed && c->members_eager == NULL &&
        loop_random_bool(c->loop, MEMBERS_EAGER_PER_MILLE)) {
        c->members_eager = loop_after(c->loop, loop_below(c->loop, 2000), members_eager_cb, c);
    }
}

void members_end(struct sim_cluster *c)
{
    if (c->members_eager != NULL) {
        loop_cancel(c->loop, c->members_eager);
        c->members_eager = NULL;
    }
    if (c->members_cut != NULL) {
        loop_cancel(c->loop, c->members_cut);
        c->members_cut = NULL;
    }
}
