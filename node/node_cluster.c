/* node_cluster.c - what a node is told and asked about its cluster: whose it is, who its members
 * are and how they do, and whether a newcomer fits. */
#include "node_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "founding.h"

#define NODE_REMOVED_EVERY_US 60000000
#define NODE_ASK_MS 10000 /* for a node that is to be added, and may be starting */

/* --- what it is told --- */

/* Keep the standing, or leave: what follows depends on it. */
static int node_keep_standing(struct node *n, const struct standing *standing)
{
    char err[512];

    if (disk_set_standing(n->disk, standing, err, sizeof err) == 0) {
        return 0;
    }
    node_fatal(n, err);
    return -1;
}

/* A member of a cluster has addressed this node, which is in none yet. */
static int node_adopt(void *arg, const struct standing *standing)
{
    struct node *n = arg;
    char identity[STANDING_IDENTITY_TEXT];

    if (node_keep_standing(n, standing) != 0) {
        return -1;
    }
    standing_identity_text(standing->identity, identity);
    log_line(&n->log, LOG_INFO, "this node belongs to a cluster from now on",
             LOG_STR("identity", identity));
    return 0;
}

/* Nothing has come of this founding, and nothing good can. */
static void node_founded_elsewhere(void *arg, const char *sentence)
{
    struct node *n = arg;

    log_line(&n->log, LOG_ERROR, "cannot found the cluster", LOG_STR("reason", sentence));
    (void)log_flush(&n->log, NODE_LAST_WORDS_MS);
    _exit(1);
}

/* The log, or a snapshot of the state, tells the cluster's identity. */
static int node_identified(void *arg, const uint8_t identity[PROTOCOL_IDENTITY_SIZE])
{
    struct node *n = arg;
    struct standing standing = *disk_standing(n->disk);
    char err[256], ours[9], theirs[9];

    if (standing_has_identity(&standing) &&
        memcmp(standing.identity, identity, STANDING_IDENTITY_SIZE) != 0) {
        snprintf(err, sizeof err,
                 "the log is of cluster %s, but this node belongs to %s: directories of two nodes "
                 "were mixed. Put back what belongs together",
                 standing_brief(identity, theirs), standing_brief(standing.identity, ours));
        node_fatal(n, err);
        return -1;
    }
    if (standing_has_identity(&standing) && standing.state == STANDING_MEMBER) {
        return 0;
    }
    memcpy(standing.identity, identity, STANDING_IDENTITY_SIZE);
    standing.state = STANDING_MEMBER;
    if (node_keep_standing(n, &standing) != 0) {
        return -1;
    }
    transport_set_standing(&n->transport, &standing);
    return 0;
}

/* A member was seen in a life that is new. */
static void node_noted(void *arg)
{
    struct node *n = arg;

    acquaint_keep(&n->acquaint);
}

static bool node_has_lost(void *arg, uint64_t id)
{
    const struct node *n = arg;

    return transport_has_lost(&n->transport, id);
}

static uint64_t node_without(void *arg, uint64_t id)
{
    const struct node *n = arg;

    return n->scheduler != NULL ? replica_without(scheduler_replica(n->scheduler), id) : 0;
}

static bool node_is_removed(void *arg)
{
    const struct node *n = arg;

    return n->removed_index != 0 && n->scheduler != NULL &&
           replica_is_removed(scheduler_replica(n->scheduler), n->removed_index);
}

static void node_told_removed(void *arg, uint64_t by, uint64_t index)
{
    struct node *n = arg;
    uint64_t now_us = node_monotonic_us();

    n->removed_index = index > n->removed_index ? index : n->removed_index;
    if (!node_is_removed(n) ||
        (n->removed_said_us != 0 && now_us - n->removed_said_us < NODE_REMOVED_EVERY_US)) {
        return;
    }
    n->removed_said_us = now_us;
    log_line(&n->log, LOG_ERROR,
             "the members of this cluster say that this node is not one of them: it was removed, "
             "and takes part in nothing. Stop it and move its data directory away; to have the "
             "machine back, start it empty with --join under a new id, and add it under that id "
             "with orderctl member add",
             LOG_U64("told_by", by), LOG_U64("configuration_index", index));
}

static bool node_was_member(void *arg, uint64_t id)
{
    const struct node *n = arg;
    const struct life *life = lives_recall(disk_seen(n->disk), id);

    return life != NULL && life->member;
}

static enum scheduler_disk node_disk_of(void *arg, uint64_t id)
{
    const struct node *n = arg;
    uint8_t shortage = transport_shortage_of(&n->transport, id);

    return shortage < SCHEDULER_DISK_FULL ? (enum scheduler_disk)shortage : SCHEDULER_DISK_FULL;
}

/* A question to a node that is to be added. */
struct node_question {
    uint64_t id;
    char address[PROTOCOL_ADDRESS_MAX];
    void (*cb)(void *cb_arg, bool fits, const char *sentence);
    void *cb_arg;
};

static void node_answered(void *arg, enum transport_answer answer, const char *sentence)
{
    struct node_question *q = arg;
    char text[1200];

    if (answer == TRANSPORT_SILENT || answer == TRANSPORT_GONE) {
        snprintf(text, sizeof text,
                 "nothing was changed: no node %" PRIu64 " of a cluster of this name answers at %s "
                 "(%s). Start it there, empty, with --id %" PRIu64 " --join and the same "
                 "--cluster, then run the add again",
                 q->id, q->address, sentence, q->id);
    } else {
        snprintf(text, sizeof text, "nothing was changed: %s", sentence);
    }
    q->cb(q->cb_arg, answer == TRANSPORT_FITS, text);
    free(q);
}

static void node_ask(void *arg, uint64_t id, const char *address,
                     void (*cb)(void *cb_arg, bool fits, const char *sentence), void *cb_arg)
{
    struct node *n = arg;
    struct node_question *q = malloc(sizeof *q);

    if (q == NULL) {
        cb(cb_arg, false, "out of memory");
        return;
    }
    *q = (struct node_question){.id = id, .cb = cb, .cb_arg = cb_arg};
    snprintf(q->address, sizeof q->address, "%s", address);
    if (transport_ask(&n->transport, id, address, NODE_ASK_MS, node_answered, q) != 0) {
        free(q);
        cb(cb_arg, false, n->transport.errmsg);
    }
}

/* Asked by the transport, whose connections come when the scheduler is there. */
static const char *node_member_address(void *arg, uint64_t id)
{
    struct node *n = arg;

    return n->scheduler != NULL ? replica_member_address(scheduler_replica(n->scheduler), id)
                                : NULL;
}

/* What --address and --peers must keep to, a member that is added later must as well. */
static const char *node_refuse_address(const char *address)
{
    return transport_is_loopback(address)
               ? NULL
               : "the member's address is not on the loopback, and without TLS anyone who reaches "
                 "it can read and forge commands: nodes have to be started with --tls-cert, "
                 "--tls-key and --tls-ca for that, or with --insecure";
}

static void node_ended(void *arg, uint64_t id)
{
    struct node *n = arg;

    if (n->scheduler != NULL && !n->stopping) {
        leader_watch_ended(&n->leader_watch, id);
    }
}

static uint64_t node_leader(void *arg, const char **address)
{
    const struct node *n = arg;

    return replica_leader(scheduler_replica(n->scheduler), address);
}

static bool node_peer_gone(void *arg, uint64_t id, unsigned *wait_ms)
{
    struct node *n = arg;

    return replica_peer_gone(scheduler_replica(n->scheduler), id, wait_ms);
}

static bool node_stand(void *arg, uint64_t id)
{
    struct node *n = arg;

    return replica_stand(scheduler_replica(n->scheduler), id);
}

void node_cluster_watch_leader(struct node *n)
{
    const struct leader_watch_follower follower = {n, node_leader, node_peer_gone, node_stand};

    leader_watch_init(&n->leader_watch, &n->loop, &n->transport, &follower);
}

void node_cluster_guide(void *impl, uint64_t wall_us, uint64_t monotonic_us,
                        struct clock_guide *guide)
{
    struct node *n = impl;

    clock_watch_guide(&n->clock_watch, wall_us, monotonic_us, guide);
}

/* What the watch sees. */
static void node_clock(void *arg, struct scheduler_clock *out)
{
    const struct node *n = arg;
    struct clock_view view;

    clock_watch_view(&n->clock_watch, &view);
    clock_view_report(&view, out);
    out->error_max_ms = n->clock_watch.error_max_us / 1000;
}

static void node_doors(void *arg, struct scheduler_doors *out)
{
    const struct node *n = arg;

    out->tls = n->tls != NULL ? "on" : n->config->insecure ? "insecure" : "off";
    int64_t end_s = n->tls != NULL ? tls_files_end_s(n->tls) : 0;
    out->until_ms = end_s > 0 ? (uint64_t)end_s * 1000 : 0;
}

/* --- who asks --- */

void node_cluster_serve_transport(struct node *n, struct transport_config *config)
{
    config->adopt = node_adopt;
    config->founded_elsewhere = node_founded_elsewhere;
    config->noted = node_noted;
    config->without = node_without;
    config->removed = node_told_removed;
    config->ended = node_ended;
    config->cluster_arg = n;
    config->clocks = &n->clock_watch.samples;
    config->member_address = node_member_address;
    config->member_arg = n;
    config->tls = n->tls;
    config->tls_looks = true;
    config->tls_max_age_ms = n->config->tls_max_age_ms;
    config->standing = disk_standing(n->disk);
    config->lives = disk_lives(n->disk);
    config->seen = disk_seen(n->disk);
}

void node_cluster_serve_scheduler(struct node *n, struct scheduler_config *config)
{
    config->refuse_address = n->config->insecure || n->tls != NULL ? NULL : node_refuse_address;
    config->doors = node_doors;
    config->identified = node_identified;
    config->ask = node_ask;
    config->has_lost = node_has_lost;
    config->is_removed = node_is_removed;
    config->was_member = node_was_member;
    config->disk_of = node_disk_of;
    config->clock = node_clock;
    config->cluster_arg = n;
}

/* --- the founding --- */

int node_cluster_found(struct node *n)
{
    const struct config *c = n->config;
    const struct standing *standing = disk_standing(n->disk);
    struct replica_member members[CONFIG_PEERS_MAX];
    char err[TRANSPORT_SENTENCE_MAX];

    if (standing->state != STANDING_FOUNDING || standing_has_identity(standing)) {
        return 0;
    }
    if (founding_differs(c, standing, err, sizeof err) ||
        founding_ask(c, n->disk, n->tls, err, sizeof err) != 0) {
        return node_fail(n, "cannot found the cluster", err);
    }
    for (unsigned i = 0; i < c->n_peers; i++) {
        members[i] = (struct replica_member){.id = c->peers[i].id,
                                             .address = c->peers[i].address,
                                             .voter = true};
    }
    if (disk_is_pristine(n->disk) &&
        scheduler_bootstrap(n->scheduler, members, c->n_peers, err, sizeof err) != 0) {
        return node_fail(n, "cannot found the cluster", err);
    }
    return 0;
}
