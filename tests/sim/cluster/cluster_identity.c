/* cluster_identity.c - which cluster a simulated node belongs to, who shakes hands with whom, and
 * the nodes of other clusters that sometimes stand in a member's place.
 *
 * A foreign node has a member's id and address, the cluster's name, and data of its own:
 *
 *   alone     founded a cluster of one, for itself: it leads there, and has its own identity
 *   staging   a directory of another cluster with the same list of members: it votes, and stands
 *             for election, with another log
 *
 * What it does among its own is no concern of the checkers. What it says must reach no member, nor
 * the other way round: the true cluster of each node is known here, whatever the product believes. */
#include <stdlib.h>
#include <string.h>

#include "../../../raft/core/entry.h"
#include "cluster_internal.h"

#define FOREIGN_EPOCHS_MAX 200 /* entries in a log of staging */
#define FOREIGN_TERMS_AHEAD 4

/* --- handshakes --- */

static void identity_hello(const struct sim_node *n, const struct sim_node *to, struct handshake *h)
{
    h->sender = n->id;
    h->receiver = to->id;
    h->flags = 0;
    h->extensions_len = 0;
    h->standing = n->standing;
    snprintf(h->cluster, sizeof h->cluster, "%s", SIM_CLUSTER_NAME);
    snprintf(h->address, sizeof h->address, "%s", n->address);
    if (n->cluster->options.starts) {
        acquaintance_tell(h, &n->storage.lives, &n->seen.lives, to->id);
    }
}

/* What `witness` made of what `n` told, against the truth (cluster_lives.c). */
static void identity_compare(const struct sim_node *witness, const struct handshake *seen,
                             const struct sim_node *n, const struct handshake *told, bool heard)
{
    struct sim_cluster *c = n->cluster;
    bool as_seen = lives_are_as_seen(witness, n);
    bool shut_out = !heard && acquaintance_has_lost(told, seen);

    c->counters.lost_refused += shut_out && !as_seen;
    c->counters.clones_refused += shut_out && clones_is_one(n);
    bool wrong = heard ? !as_seen : shut_out && as_seen;
    if (c->options.starts && c->hooks.misjudged != NULL && wrong) {
        c->hooks.misjudged(c->hooks.arg, witness->number, n->number, heard);
    }
}

static void identity_adopt(struct sim_node *n, const struct handshake *peer)
{
    standing_adopt(&n->standing, &peer->standing);
    n->version = ++n->cluster->last_version;
}

/* `asks`: `from` wants the answer alone. */
static bool identity_judge(struct sim_cluster *c, unsigned from, unsigned to, bool asks)
{
    struct sim_node *a = &c->nodes[from], *b = &c->nodes[to];
    struct handshake first, second;
    char reason[256];

    identity_hello(a, b, &first);
    identity_hello(b, a, &second);
    enum acquaintance its = acquaintance_judge(&second, &first, reason, sizeof reason);
    enum acquaintance own = acquaintance_judge(&first, &second, reason, sizeof reason);
    bool fits = own < ACQUAINTANCE_REFUSED && its < ACQUAINTANCE_REFUSED;
    identity_compare(a, &first, b, &second, fits);
    identity_compare(b, &second, a, &first, fits);
    if (!fits) {
        return false;
    }
    if (own == ACQUAINTANCE_ADOPT && !asks) {
        identity_adopt(a, &second);
    }
    if (its == ACQUAINTANCE_ADOPT && !asks) {
        identity_adopt(b, &first);
    }
    c->counters.identities_adopted += !asks &&
                                      (own == ACQUAINTANCE_ADOPT || its == ACQUAINTANCE_ADOPT);
    if (clones_is_where_known(b)) {
        lives_see(a, b, &second);
    }
    return true;
}

bool cluster_shakes_hands(struct sim_cluster *c, unsigned from, unsigned to)
{
    struct sim_node *a = &c->nodes[from], *b = &c->nodes[to];
    struct sim_verdict *known = &c->verdicts[from][to];

    if (a->scheduler == NULL || b->scheduler == NULL) {
        /* One ended with it on its way, or there was nobody to shake hands with. It is only among
         * members that such a message may still arrive, as one that a socket held. */
        return a->foreign == b->foreign;
    }
    if (known->versions[0] != a->version || known->versions[1] != b->version) {
        uint64_t versions[2] = {a->version, b->version};
        *known = (struct sim_verdict){.fits = identity_judge(c, from, to, false)};
        memcpy(known->versions, versions, sizeof versions);
    }
    c->counters.peers_refused += !known->fits;
    return known->fits;
}

void cluster_ask(struct sim_cluster *c, unsigned from, unsigned to)
{
    (void)identity_judge(c, from, to, true);
}

bool cluster_has_lost(struct sim_cluster *c, unsigned witness, unsigned node)
{
    struct sim_node *a = &c->nodes[witness], *b = &c->nodes[node];
    struct handshake seen, told;

    identity_hello(a, b, &seen);
    identity_hello(b, a, &told);
    return acquaintance_has_lost(&told, &seen);
}

bool cluster_is_shut_out(struct sim_cluster *c, unsigned leader, unsigned node)
{
    return c->options.starts && leader != node &&
           ((c->nodes[node].spoilt && cluster_has_lost(c, leader, node)) ||
            (c->nodes[leader].spoilt && cluster_has_lost(c, node, leader)));
}

/* --- standings --- */

/* What the node's flags would say: a founder of this list, or a joining one. */
void node_plan_standing(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    struct standing_founder founders[SIM_NODES_MAX];
    unsigned count = 0;

    if (standing_has_identity(&n->standing)) {
        return;
    }
    if (n->joins && n->foreign == 0) {
        n->standing = (struct standing){.state = STANDING_JOINING};
        return;
    }
    for (unsigned i = 0; i < c->options.slots; i++) {
        if (n->foreign == 0 ? i < c->options.nodes : i == n->number) {
            founders[count++] = (struct standing_founder){i + 1, c->nodes[i].address};
        }
    }
    standing_found(&n->standing, SIM_CLUSTER_NAME, founders, count);
}

int node_identified(void *arg, const uint8_t identity[PROTOCOL_IDENTITY_SIZE])
{
    struct sim_node *n = arg;

    if (standing_has_identity(&n->standing) &&
        memcmp(n->standing.identity, identity, STANDING_IDENTITY_SIZE) != 0) {
        node_fatal(n, "the log is of another cluster than the directory");
        return -1;
    }
    memcpy(n->standing.identity, identity, STANDING_IDENTITY_SIZE);
    n->standing.state = STANDING_MEMBER;
    n->version = ++n->cluster->last_version;
    return 0;
}

/* --- foreign nodes --- */

static void foreign_append(struct storage *s, raft_term term, enum raft_entry_type type,
                           const void *data, size_t len)
{
    struct raft_entry entry = {
        .term = term,
        .type = type,
        .buf = {.base = (void *)data, .len = len},
    };

    storage_append(s, storage_last(s) + 1, &entry, 1);
}

static void foreign_append_members(struct sim_cluster *c, struct storage *s)
{
    struct raft_configuration members;
    struct raft_buffer encoded;
    int rv = 0;

    raft_configuration_init(&members);
    for (unsigned i = 0; i < c->options.nodes && rv == 0; i++) {
        rv = raft_configuration_add(&members, i + 1, c->nodes[i].address, RAFT_VOTER);
    }
    if (rv != 0 || raft_configuration_encode(&members, &encoded) != 0) {
        abort();
    }
    foreign_append(s, 1, RAFT_CHANGE, encoded.base, encoded.len);
    raft_free(encoded.base);
    raft_configuration_close(&members);
}

static void foreign_append_epoch(struct sim_cluster *c, struct storage *s, raft_term term,
                                 const uint8_t *random)
{
    struct buffer operation = {0};
    struct operation op = {
        .code = OPERATION_EPOCH,
        .seed = 1,
        .retention_ms = c->options.retention_ms,
        .identity = {random, PROTOCOL_IDENTITY_SIZE},
        .secret = {random + PROTOCOL_IDENTITY_SIZE, PROTOCOL_CLUSTER_SECRET_SIZE},
    };
    operation_encode(&operation, &op);
    struct entry entry = {
        .now_ms = cluster_wall_us(c, 0) / 1000,
        .epoch = term,
        .n_operations = 1,
        .committed = (uint32_t)storage_last(s),
        .operations = {operation.data, operation.len},
    };
    size_t len = entry_size(operation.len);
    uint8_t *data = malloc(len);

    if (operation.failed || data == NULL) {
        abort();
    }
    entry_encode(&entry, data);
    foreign_append(s, term, RAFT_COMMAND, data, len);
    free(data);
    buffer_free(&operation);
}

/* The directory of a member of another cluster of this list: as of some term, with some log. */
static void foreign_fill_staging(struct sim_node *n, raft_term term_here)
{
    struct sim_cluster *c = n->cluster;
    struct storage *s = &n->storage;
    uint8_t random[PROTOCOL_IDENTITY_SIZE + PROTOCOL_CLUSTER_SECRET_SIZE];
    raft_term term = 1;

    for (size_t i = 0; i < sizeof random; i++) {
        random[i] = (uint8_t)loop_random(c->loop);
    }
    s->term = term_here + loop_below(c->loop, FOREIGN_TERMS_AHEAD);
    foreign_append_members(c, s);
    for (uint64_t left = loop_between(c->loop, 1, FOREIGN_EPOCHS_MAX); left > 0; left--) {
        foreign_append_epoch(c, s, term, random);
        term += term < s->term && loop_random_bool(c->loop, 100);
    }
    n->standing = n->home->standing;
    n->standing.state = STANDING_MEMBER;
    memcpy(n->standing.identity, random, STANDING_IDENTITY_SIZE);
}

static void foreign_leave_cb(void *arg);

/* Does every founder know its cluster? Before, a member of another one that was founded by the very
 * same list is as good as one of ours: it is the cluster that they find, and join. */
static bool is_founded(const struct sim_cluster *c)
{
    for (unsigned i = 0; i < c->options.nodes; i++) {
        const struct sim_node *n = &c->nodes[i];
        const struct standing *own = n->foreign != 0 ? &n->home->standing : &n->standing;
        if (n->used && !standing_has_identity(own)) {
            return false;
        }
    }
    return true;
}

/* A member's process is stopped, and its machine started with another directory. */
static void foreign_begin(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    bool staging = !n->joins && is_founded(c) && loop_random_bool(c->loop, 700);
    raft_term term = n->storage.term;

    if (n->scheduler != NULL) {
        node_end(n, "stopped, for a node of another cluster");
    }
    n->home = malloc(sizeof *n->home);
    if (n->home == NULL) {
        abort();
    }
    *n->home = (struct sim_home){.storage = n->storage, .standing = n->standing, .joins = n->joins};
    n->foreign = ++c->foreign_last;
    n->standing = (struct standing){0};
    storage_init(&n->storage);
    loop_trace(c->loop, "n%u is now a node of another cluster, %s", n->number + 1,
               staging ? "of the same list" : "alone");
    c->counters.foreign_nodes++;
    if (staging) {
        foreign_fill_staging(n, term > 0 ? term : 1);
    }
    n->joins = false;
    c->leader = c->leader == (int)n->number ? -1 : c->leader;
    n->leave = loop_after(c->loop, loop_between(c->loop, 100000, 4000000), foreign_leave_cb, n);
    node_start(n);
}

void foreign_end(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;

    if (n->foreign == 0) {
        return;
    }
    if (n->leave != NULL) {
        loop_cancel(c->loop, n->leave);
        n->leave = NULL;
    }
    if (n->scheduler != NULL) {
        node_end(n, "stopped: the member comes back");
    }
    storage_free(&n->storage);
    n->storage = n->home->storage;
    n->standing = n->home->standing;
    n->joins = n->home->joins;
    free(n->home);
    n->home = NULL;
    n->foreign = 0;
}

void cluster_send_foreigner(struct sim_cluster *c)
{
    struct sim_node *n = &c->nodes[loop_below(c->loop, c->options.slots)];

    if (n->used && n->retire == NULL && n->foreign == 0) {
        foreign_begin(n);
    }
}

static void foreign_leave_cb(void *arg)
{
    struct sim_node *n = arg;

    n->leave = NULL;
    foreign_end(n);
    if (n->used) {
        node_start(n);
    }
}
