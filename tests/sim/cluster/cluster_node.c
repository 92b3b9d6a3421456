/* cluster_node.c - one simulated node: a production scheduler over its disk and network. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_internal.h"
#include "../forge.h"

#define NODE_ROUNDS_MAX 8      /* of the scheduler after one event; then it is woken again */
#define NODE_RESTART_US 500000 /* a supervisor's, when crashes are not among the faults */

static void node_wake_cb(void *arg);

/* --- what its io asks for --- */

static uint64_t host_monotonic_us(void *arg)
{
    return node_monotonic_us(arg);
}

static uint64_t host_real_us(void *arg, uint64_t monotonic_us)
{
    return node_real_us(arg, monotonic_us);
}

static void host_enter(void *arg, sim_event_cb cb, void *cb_arg)
{
    node_enter(arg, cb, cb_arg);
}

static enum sim_io_fate host_votes(void *arg)
{
    return votes_write(arg);
}

static void node_tell_install(struct sim_node *n, const struct raft_message *message)
{
    const struct sim_cluster_hooks *hooks = &n->cluster->hooks;
    struct replica_member members[SIM_NODES_MAX];
    unsigned count = replica_members(scheduler_replica(n->scheduler), members, SIM_NODES_MAX);

    for (unsigned i = 0; i < count && hooks->installs != NULL; i++) {
        if (members[i].id == message->server_id) {
            hooks->installs(hooks->arg, n->number, (unsigned)message->server_id - 1,
                            message->install_snapshot.term, members[i].match,
                            node_monotonic_us(n) / 1000);
        }
    }
}

static int host_send(void *arg, const struct raft_message *message)
{
    struct sim_node *n = arg;

    if (message->server_id >= FORGE_STRANGER) {
        return RAFT_NOCONNECTION; /* an answer to one that is nowhere */
    }
    assert(message->server_id > 0 && message->server_id <= n->cluster->options.slots &&
           message->server_id != n->id);
    unsigned to = clones_route(n->cluster, message->server_id, message->server_address);
    int rv = network_send(n->cluster->network, n->number, to, message);
    votes_sent(n, message);
    clocks_sent(n, to);
    if (rv == 0 && message->type == RAFT_INSTALL_SNAPSHOT && n->scheduler != NULL &&
        n->foreign == 0) {
        node_tell_install(n, message);
    }
    return rv;
}

/* --- what its scheduler tells --- */

void node_fatal(void *arg, const char *sentence)
{
    struct sim_node *n = arg;

    if (n->dying) {
        return;
    }
    n->dying = true;
    snprintf(n->sentence, sizeof n->sentence, "%s", sentence);
    sim_io_kill(n->io); /* from here on nothing it does reaches the outside */
}

static void node_applied(void *arg, uint64_t index)
{
    struct sim_node *n = arg;
    struct sim_cluster *c = n->cluster;

    if (n->dying || n->scheduler == NULL) {
        return;
    }
    const struct machine *m = scheduler_machine(n->scheduler);
    if (n->foreign != 0) {
        return;
    }
    c->counters.applied_at_start += n->starting && c->options.nodes > 1;
    loop_trace(c->loop, "n%u apply %" PRIu64 " now %" PRIu64, n->number + 1, index, m->now_ms);
    if (c->hooks.applied != NULL) {
        c->hooks.applied(c->hooks.arg, n->number, index, m);
    }
}

/* --- events --- */

static void node_watch_role(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    const struct replica *r = scheduler_replica(n->scheduler);
    bool leads = replica_role(r) == REPLICA_LEADER;
    uint64_t term = replica_term(r);

    if (n->foreign != 0) {
        return;
    }
    if (n->leads && (!leads || term != n->term)) {
        c->counters.leaders_lost++;
        c->counters.failovers_with_deliveries += n->n_deliveries > 0;
        loop_trace(c->loop, "n%u leads no more", n->number + 1);
        clocks_lost(n);
        n->leads = false;
    }
    if (leads && !n->leads) {
        n->leads = true;
        n->term = term;
        c->counters.elections++;
        loop_trace(c->loop, "n%u leads term %" PRIu64, n->number + 1, term);
        if (c->hooks.leads != NULL) {
            c->hooks.leads(c->hooks.arg, n->number, term);
        }
        if (!clones_is_one(n)) {
            c->leader = (int)n->number;
            members_elected(c);
        }
    }
}

/* Who is added again after that is sent a snapshot of its own. */
static void node_tell_gone(struct sim_node *n)
{
    const struct sim_cluster_hooks *hooks = &n->cluster->hooks;
    struct replica_member members[SIM_NODES_MAX];
    unsigned count = replica_members(scheduler_replica(n->scheduler), members, SIM_NODES_MAX);
    bool member[SIM_NODES_MAX] = {false};

    for (unsigned i = 0; i < count; i++) {
        member[members[i].id - 1] = true;
    }
    for (unsigned i = 0; i < n->cluster->options.slots && hooks->installs != NULL; i++) {
        if (!member[i]) {
            hooks->installs(hooks->arg, n->number, i, 0, 0, 0);
        }
    }
}

static void node_watch_commit(struct sim_node *n)
{
    const struct sim_cluster_hooks *hooks = &n->cluster->hooks;
    uint64_t index = replica_commit_index(scheduler_replica(n->scheduler));

    if (index != n->committed && n->foreign == 0) {
        if (hooks->committed != NULL) {
            hooks->committed(hooks->arg, n->number, n->committed, index);
        }
        node_tell_gone(n);
    }
    n->committed = index;
}

/* An earlier wake-up stays: it only looks once more. As in production, in whole ms. */
static void node_sleep(struct sim_node *n, uint64_t sleep_us)
{
    struct sim_loop *loop = n->cluster->loop;
    uint64_t at_us = loop->now_us + node_real_us(n, (sleep_us + 999) / 1000 * 1000);

    if (n->wake != NULL) {
        if (n->wake_us <= at_us) {
            return;
        }
        loop_cancel(loop, n->wake);
    }
    n->wake_us = at_us;
    n->wake = loop_after(loop, at_us - loop->now_us, node_wake_cb, n);
}

static void node_count(struct sim_node *n)
{
    const struct sim_io_counters *from = &n->cluster->io_counters;
    struct sim_counters *to = &n->cluster->counters;

    to->snapshots_taken = from->snapshots_taken;
    to->snapshots_installed = from->snapshots_installed;
    to->failed_writes = from->failed_writes;
    to->torn_tails = from->torn_tails;
}

static void node_died(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    bool expected = sim_io_failed(n->io) || clones_is_one(n); /* a clone that ends is no loss */
    uint64_t delay_us = c->options.crash_for_ms * 1000;

    node_end(n, n->sentence);
    if (c->hooks.died != NULL) {
        c->hooks.died(c->hooks.arg, n->number, n->sentence, expected);
    }
    node_restart_after(n, c->healed || delay_us == 0 ? NODE_RESTART_US
                                                     : loop_below(c->loop, 2 * delay_us));
}

/* Whatever the event brought about is followed up, as raft_uv's and the node's own prepare and
 * check handles do it. */
static void node_settle(struct sim_node *n)
{
    uint64_t sleep_us = 0;

    for (unsigned i = 0; i < NODE_ROUNDS_MAX && !n->dying; i++) {
        bool told = sim_io_turn(n->io);
        if (i > 0 && !told && sleep_us > 0) {
            break;
        }
        sleep_us = scheduler_run(n->scheduler);
    }
    if (n->crashing) {
        node_end(n, "crashed at its vote");
        votes_crashed(n);
        return;
    }
    if (n->dying) {
        node_died(n);
        return;
    }
    node_count(n);
    node_watch_role(n);
    clocks_watch(n);
    node_watch_commit(n);
    members_watch(n);
    if (n->leaving) {
        node_end(n, "stopped in good order");
        node_restart_after(n, loop_below(n->cluster->loop, NODE_RESTART_US));
        return;
    }
    node_sleep(n, sleep_us);
}

static void node_run(struct sim_node *n, sim_event_cb cb, void *arg)
{
    sim_io_begin(n->io);
    cb(arg);
    node_settle(n);
}

void node_enter(struct sim_node *n, sim_event_cb cb, void *arg)
{
    assert(n->scheduler != NULL && !n->dying);
    if (!n->paused) {
        node_run(n, cb, arg);
        return;
    }
    if (n->n_deferred == n->cap_deferred) {
        n->cap_deferred = 2 * n->cap_deferred + 16;
        n->deferred = realloc(n->deferred, n->cap_deferred * sizeof n->deferred[0]);
        if (n->deferred == NULL) {
            abort();
        }
    }
    n->deferred[n->n_deferred++] = (struct sim_deferred){cb, arg};
}

struct arrival {
    struct sim_io *io;
    struct raft_message *message;
};

static void arrival_receive(void *arg)
{
    struct arrival *a = arg;

    sim_io_receive(a->io, a->message);
}

void node_receive(struct sim_node *n, struct raft_message *message)
{
    struct arrival arrival = {n->io, message};

    if (n->scheduler == NULL) {
        n->cluster->counters.dropped++;
        sim_message_discard(message);
        return;
    }
    assert(!n->paused); /* the network holds what is for it */
    node_enter(n, arrival_receive, &arrival);
}

static void node_woken(void *arg)
{
    (void)arg; /* settling is all */
}

static void node_wake_cb(void *arg)
{
    struct sim_node *n = arg;

    n->wake = NULL;
    node_enter(n, node_woken, n);
}

/* --- life --- */

/* What an operator may set for each node. The limits of one may be the leader's, and then another's. */
static void node_draw_settings(const struct sim_node *n, struct scheduler_config *config)
{
    struct sim_loop l = {.random = n->cluster->options.seed * SIM_NODES_MAX + n->number};

    config->replica.snapshot_threshold = (unsigned)loop_between(&l, 8, 300);
    config->replica.snapshot_trailing = (unsigned)loop_between(&l, 1, 64);
    config->snapshot_slice = (unsigned)loop_between(&l, 1, 20);
    config->retention_ms = loop_between(&l, 1000, 60000);
    config->max_orders = loop_random_bool(&l, 300) ? loop_between(&l, 1, 20) : config->max_orders;
    config->max_bytes = loop_random_bool(&l, 300) ? loop_between(&l, 10000, 400000)
                                                  : config->max_bytes;
    config->max_deliveries = (unsigned)loop_between(&l, 1, 100);
    config->max_queued = (uint32_t)loop_between(&l, 2, 200);
}

/* Members know of each other's disks what these will be told next: a little early, or late. */
static enum scheduler_disk node_disk_of(void *arg, uint64_t id)
{
    const struct sim_node *n = arg;

    n->cluster->counters.disks_compared++;
    return id > 0 && id <= SIM_NODES_MAX ? n->cluster->nodes[id - 1].disk : SCHEDULER_DISK_OK;
}

static struct scheduler *node_make(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    const struct sim_options *o = &c->options;
    struct scheduler_config config = {
        .replica =
            {
                .id = n->id,
                .address = n->address,
                .election_timeout_ms = 500,
                .take_turns = o->take_turns,
                .heartbeat_timeout_ms = 50,
                .snapshot_threshold = o->snapshot_threshold,
                .snapshot_trailing = o->snapshot_trailing,
                .random_seed = (unsigned)loop_random(c->loop),
                .add_patience_ms = o->add_patience_ms,
            },
        .cluster = SIM_CLUSTER_NAME,
        .retention_ms = o->retention_ms,
        .snapshot_slice = o->snapshot_slice,
        .max_recent = o->max_recent,
        .read_turn_ns = o->read_turn_ns,
        .canary_ms = o->canary_ms,
        .max_orders = o->max_orders,
        .max_bytes = UINT64_C(1) << 30,
        .max_deliveries = o->max_deliveries,
        .max_queued = o->max_queued,
        .max_queued_bytes = UINT64_C(64) << 20,
        .max_polls = 64,
        .fatal = node_fatal,
        .fatal_arg = n,
        .identified = node_identified,
        .disk_of = o->transfers ? node_disk_of : NULL,
        .clock = o->wrong_clocks ? clocks_report : NULL,
        .cluster_arg = n,
        .applied = node_applied,
        .applied_arg = n,
    };

    if (o->settings_differ) {
        node_draw_settings(n, &config);
    }
    return scheduler_new(&config, sim_io_raft(n->io), &n->environment, &n->receiver, n->sentence,
                         sizeof n->sentence);
}

static int node_found(struct sim_node *n)
{
    struct replica_member members[SIM_NODES_MAX];
    unsigned size = n->foreign != 0 ? 1 : n->cluster->options.nodes;

    for (unsigned k = 0; k < size; k++) {
        unsigned i = n->foreign != 0 ? n->number : k;
        members[k] = (struct replica_member){
            .id = i + 1,
            .address = n->cluster->nodes[i].address,
            .voter = true,
        };
    }
    return scheduler_bootstrap(n->scheduler, members, size, n->sentence, sizeof n->sentence);
}

void node_start(struct sim_node *n)
{
    struct sim_cluster *c = n->cluster;
    struct sim_io_host host = {
        .arg = n,
        .monotonic_us = host_monotonic_us,
        .real_us = host_real_us,
        .enter = host_enter,
        .send = host_send,
        .votes = host_votes,
    };
    int rv = 0;

    assert(n->scheduler == NULL);
    if (n->restart != NULL) {
        loop_cancel(c->loop, n->restart);
        n->restart = NULL;
    }
    loop_trace(c->loop, "n%u starts, term %llu, log %llu to %llu", n->number + 1,
               (unsigned long long)n->storage.term, (unsigned long long)n->storage.first,
               (unsigned long long)storage_last(&n->storage));
    c->counters.restarts_from_snapshot += n->storage.has_snapshot;
    n->dying = n->crashing = n->draining = n->leaving = n->paused = n->leads = n->bounded = false;
    n->sentence[0] = '\0';
    n->disk = SCHEDULER_DISK_OK; /* as a new scheduler takes it to be */
    n->committed = 0;
    clocks_start(n);
    n->io = sim_io_new(c->loop, &n->storage, &c->io_options, &host, &c->io_counters);
    n->scheduler = node_make(n);
    if (n->scheduler == NULL) {
        abort(); /* lack of memory or our own configuration */
    }
    node_watch_worker(n);
    node_plan_standing(n);
    lives_start(n);
    if (storage_is_pristine(&n->storage) && !n->joins) {
        rv = node_found(n);
    }
    if (rv == 0) {
        n->starting = true;
        rv = scheduler_start(n->scheduler, n->sentence, sizeof n->sentence);
        n->starting = false;
    }
    if (rv != 0) {
        n->dying = true;
    }
    node_settle(n);
}

static void node_restart_cb(void *arg)
{
    struct sim_node *n = arg;

    n->restart = NULL;
    node_start(n);
}

void node_restart_after(struct sim_node *n, uint64_t delay_us)
{
    assert(n->restart == NULL && n->scheduler == NULL);
    n->restart = loop_after(n->cluster->loop, delay_us, node_restart_cb, n);
}

static void node_closed(void *arg)
{
    *(bool *)arg = true;
}

/* The production code closes and frees itself, cut off from the world: a process that ends has
 * no more effects, but its memory must go. */
void node_end(struct sim_node *n, const char *reason)
{
    struct sim_cluster *c = n->cluster;
    bool closed = false;

    loop_trace(c->loop, "n%u ends: %s", n->number + 1, reason);
    n->dying = true;
    sim_io_kill(n->io);
    node_count(n);
    if (n->leads) {
        c->counters.leaders_lost++;
        c->counters.failovers_with_deliveries += n->n_deliveries > 0;
    }
    if (n->wake != NULL) {
        loop_cancel(c->loop, n->wake);
        n->wake = NULL;
    }
    if (n->resume != NULL) {
        loop_cancel(c->loop, n->resume);
        n->resume = NULL;
    }
    lives_end(n);
    told_ended(n);
    clocks_end(n);
    network_forget(c->network, n->number);
    n->n_deferred = 0;
    scheduler_close(n->scheduler, node_closed, &closed);
    assert(closed);
    node_end_deliveries(n);
    scheduler_free(n->scheduler);
    n->scheduler = NULL;
    sim_io_free(n->io);
    n->io = NULL;
    n->paused = n->leads = false;
    node_end_requests(n);
}

void node_pause(struct sim_node *n)
{
    loop_trace(n->cluster->loop, "n%u stands still", n->number + 1);
    n->paused = true;
    n->cluster->counters.pauses++;
    network_hold(n->cluster->network, n->number, true);
}

/* A process that goes on finds its sockets readable and its timers due, and nothing says which it looks at
 * first: a real one looks at the sockets. What comes from one source keeps its order. */
static void deferred_requests_first(struct sim_deferred *deferred, size_t n)
{
    size_t first = 0;

    for (size_t i = 0; i < n; i++) {
        if (node_is_request(deferred[i].cb)) {
            struct sim_deferred request = deferred[i];
            memmove(&deferred[first + 1], &deferred[first], (i - first) * sizeof deferred[0]);
            deferred[first++] = request;
        }
    }
}

void node_resume(struct sim_node *n)
{
    struct sim_deferred *deferred = n->deferred;
    size_t count = n->n_deferred;

    loop_trace(n->cluster->loop, "n%u goes on", n->number + 1);
    n->paused = false;
    n->deferred = NULL;
    n->n_deferred = n->cap_deferred = 0;
    if (n->resume != NULL) {
        loop_cancel(n->cluster->loop, n->resume);
        n->resume = NULL;
    }
    if (n->cluster->options.requests_first) {
        deferred_requests_first(deferred, count);
    }
    for (size_t i = 0; i < count && n->scheduler != NULL; i++) {
        node_run(n, deferred[i].cb, deferred[i].arg);
    }
    free(deferred);
    if (n->scheduler != NULL) {
        network_hold(n->cluster->network, n->number, false);
    }
}

void node_init(struct sim_node *n, struct sim_cluster *c, unsigned number)
{
    int64_t offset_max_us = c->options.clock_offset_max_ms * 1000;
    int64_t drift_max_ppm = (int64_t)c->options.clock_drift_max_ppm;

    n->cluster = c;
    n->number = number;
    n->id = number + 1;
    snprintf(n->address, sizeof n->address, "node%u:7400", number + 1);
    snprintf(n->api_address, sizeof n->api_address, "node%u:7401", number + 1);
    n->offset_us = (int64_t)loop_between(c->loop, 0, (uint64_t)offset_max_us * 2) - offset_max_us;
    n->drift_ppm = (int64_t)loop_between(c->loop, 0, (uint64_t)drift_max_ppm * 2) - drift_max_ppm;
    storage_init(&n->storage);
    node_init_world(n);
}
