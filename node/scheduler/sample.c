/* sample.c - what the scheduler tells of itself as metrics (metrics/metrics_sample.h). Copies, and
 * decides nothing. */
#include <assert.h>
#include <string.h>

#include "../../raft/core/recent.h"
#include "internal.h"

static_assert(METRICS_ROUTES_MAX == MACHINE_ROUTES_MAX, "there is room for all routes");
static_assert(METRICS_PEERS_MAX >= REPLICA_MEMBERS_MAX, "there is room for all members");
static_assert(METRICS_DISK_STATES == SCHEDULER_DISK_FULL + 1 &&
                  METRICS_CLOCK_STATES == CLOCK_OUTVOTED + 1,
              "states are told by their numbers");
static_assert(OUTCOME_BATCH_FAILED < METRICS_OUTCOMES, "outcomes are counted by their numbers");

static void sample_peer(const struct scheduler *s, const struct replica_member *member,
                        const struct metrics_sample *all, struct metrics_sample_peer *out)
{
    const struct metrics_peer *known = metrics_peer(s->config.metrics, member->id);

    *out = (struct metrics_sample_peer){.id = member->id};
    out->lags = all->is_leader;
    out->lag_entries = all->last_index > member->match ? all->last_index - member->match : 0;
    if (known != NULL) {
        out->measured = true;
        metrics_histogram_read(&known->round_trip, &out->round_trip);
    }
}

static void sample_members(struct scheduler *s, struct metrics_sample *out)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned n = replica_list_members(s->replica, members);

    for (unsigned i = 0; i < n; i++) {
        bool lost = members[i].lost || (s->config.has_lost != NULL &&
                                        s->config.has_lost(s->config.cluster_arg, members[i].id));
        out->lost += lost;
        out->voters += members[i].voter && !lost;
        out->standbys += !members[i].voter && !lost;
        if (!members[i].self) {
            sample_peer(s, &members[i], out, &out->peers[out->n_peers++]);
        }
    }
}

static void sample_raft(struct scheduler *s, struct metrics_sample *out)
{
    const char *address;

    out->node = s->config.replica.id;
    out->version = ORDERSCHEDD_VERSION;
    memcpy(out->cluster, s->config.cluster, strnlen(s->config.cluster, sizeof out->cluster - 1));
    out->leader = replica_leader(s->replica, &address);
    out->is_leader = s->role == REPLICA_LEADER;
    out->removed = s->config.is_removed != NULL && s->config.is_removed(s->config.cluster_arg);
    out->term = s->term;
    out->commit_index = replica_commit_index(s->replica);
    out->heard_commit_index = replica_heard_commit_index(s->replica);
    out->applied_index = s->machine.applied;
    out->last_index = replica_last_index(s->replica);
    out->log_bytes = replica_log_bytes(s->replica);
    out->log_entries = replica_log_entries(s->replica);
    out->proposals_pending = s->batcher.inflight;
    out->queued_messages = s->batcher.queued;
    out->queued_bytes = s->batcher.queued_bytes;
    sample_members(s, out);
}

/* What was counted since the start. */
static void sample_counts(struct scheduler *s, struct metrics_sample *out)
{
    const struct metrics *m = s->config.metrics;

    if (m == NULL) {
        return;
    }
    out->leader_changes = m->leader_changes;
    out->proposals_committed = m->proposals_committed;
    out->proposals_failed = m->proposals_failed;
    metrics_histogram_read(&m->commit, &out->commit);
    metrics_histogram_read(&m->log_write, &out->log_write);
    metrics_histogram_read(&m->snapshot, &out->snapshot);
    metrics_histogram_read(&m->loop_rounds, &out->loop_rounds);
    metrics_histogram_read(&m->canary, &out->canary);
    out->has_snapshot = m->snapshot_ended_us != 0;
    out->snapshot_bytes = m->snapshot_bytes;
    out->snapshot_age_us = scheduler_monotonic_us(s) - m->snapshot_ended_us;
    memcpy(out->operations, m->operations, sizeof out->operations);
    memcpy(out->busy, m->busy, sizeof out->busy);
    for (unsigned i = 0; i < METRICS_REQUESTS; i++) {
        metrics_histogram_read(&m->requests[i], &out->requests[i]);
    }
}

/* By the time as it goes on, not by the last entry's: with nothing written it must grow. */
static uint64_t oldest_overdue_us(struct scheduler *s)
{
    uint64_t overdue_ms = machine_oldest_overdue_ms(&s->machine);
    uint64_t since_ms = overdue_ms > 0 ? s->machine.now_ms - overdue_ms
                                       : machine_next_ms(&s->machine);
    uint64_t told_ms = scheduler_told_ms(s);

    if (overdue_ms == 0 && s->machine.stored.pending == 0) {
        return 0; /* what is in the wheel is the canary */
    }
    return told_ms > since_ms ? (told_ms - since_ms) * 1000 : 0;
}

static void sample_canary(struct scheduler *s, struct metrics_sample *out)
{
    out->canary_interval_us = s->config.canary_ms * 1000;
    out->canary_seen = s->canary_settled_us != 0;
    out->canary_age_us = scheduler_monotonic_us(s) - s->canary_settled_us;
    out->canary_lateness_us = s->machine.canary.lateness_ms * 1000;
}

static void sample_orders(struct scheduler *s, struct metrics_sample *out)
{
    struct machine_counts n;

    machine_counts(&s->machine, &n);
    const uint64_t by_state[6] = {n.pending, n.closing, n.paid, n.cancelled, n.expired, n.dead};
    memcpy(out->orders, by_state, sizeof by_state);
    out->oldest_overdue_us = oldest_overdue_us(s);
    out->orders_bytes = s->machine.memory + slab_waste(&s->machine.slab);
    out->bytes_limit = s->config.max_bytes;
    out->orders_limit = s->config.max_orders;
    out->deliveries_in_flight = s->dispatch.inflight.used;
    out->deliveries_limit = s->dispatch.inflight.max;
    out->reserves = s->worker.n_polls;
    out->recent_requests = recent_count(s->machine.recent);
    out->principals = s->machine.grants.n;
    out->audit_rows = audit_count(&s->machine.audit);
    out->authorisation = s->machine.grants.on;
}

static void sample_clients(struct scheduler *s, struct metrics_sample *out)
{
    struct client_load load = {0};

    if (s->config.client_load != NULL) {
        s->config.client_load(s->config.client_load_arg, &load);
    }
    out->connections = load.connections;
    out->paused = load.paused;
    out->in_hand = load.in_hand;
    out->unread_bytes = load.unread;
    out->unfinished_bytes = load.unfinished;
    out->closed_idle = load.unseated;
    out->closed_no_seat = load.refused;
    out->closed_unread = load.unread_closed;
    out->closed_unfinished = load.unfinished_closed;
}

static void sample_peer_clock(const struct scheduler_clock_voter *voter, struct metrics_sample *out)
{
    for (unsigned i = 0; i < out->n_peers; i++) {
        struct metrics_sample_peer *p = &out->peers[i];
        if (p->id == voter->id) {
            p->clock_known = true;
            p->clock_offset_us = voter->offset_ms * 1000;
            p->clock_ahead_us = voter->ahead_ms * 1000;
            p->clock_error_us = voter->error_us;
        }
    }
}

static void sample_clocks(struct scheduler *s, struct metrics_sample *out)
{
    struct scheduler_clock clock;

    out->time_known = scheduler_knows_time(s);
    if (s->config.clock == NULL) {
        return;
    }
    s->config.clock(s->config.cluster_arg, &clock);
    out->clock_state = clock.standing;
    out->clock_ahead_us = s->lone.standing > LONE_CLOCK_AWAITED ? s->lone.ahead_us
                                                                : clock.ahead_ms * 1000;
    for (unsigned i = 0; i < clock.n; i++) {
        sample_peer_clock(&clock.voters[i], out);
    }
}

static void sample_doors(struct scheduler *s, struct metrics_sample *out)
{
    struct scheduler_doors doors = {0};

    out->disk_state = s->disk;
    if (s->config.doors == NULL) {
        return;
    }
    s->config.doors(s->config.cluster_arg, &doors);
    out->tls_known = doors.until_ms != 0;
    out->tls_expiry_us = (int64_t)(doors.until_ms * 1000) -
                         (int64_t)s->environment->wall_us(s->environment->impl);
}

void scheduler_sample(struct scheduler *s, struct metrics_sample *out)
{
    sample_raft(s, out);
    sample_counts(s, out);
    sample_orders(s, out);
    sample_canary(s, out);
    sample_clients(s, out);
    sample_clocks(s, out);
    sample_doors(s, out);
}

/* --- routes --- */

/* A lane follows its route only when there is something to start, so that one may still be about
 * a route that was deleted. */
static bool lane_is_of(const struct route_lane *l, const struct route *r)
{
    return l->settings != NULL && strcmp(l->settings->route, r->name) == 0;
}

static void sample_lane(struct scheduler *s, uint32_t slot, uint64_t now_us,
                        struct metrics_sample_route *out)
{
    const struct route_lane *l = &s->dispatch.lanes[slot];

    if (s->state != SCHEDULER_LEADING || !lane_is_of(l, &s->machine.routes[slot])) {
        return;
    }
    uint64_t closed_us = pace_closed_until_us(&l->pace, now_us);
    out->active = true;
    out->in_flight = l->inflight;
    out->window = pace_window(&l->pace);
    out->window_limit = l->pace.max;
    out->silence_us = closed_us > now_us ? closed_us - now_us : 0;
}

static void sample_route(struct scheduler *s, uint32_t slot, uint64_t now_us,
                         struct metrics_sample_route *out)
{
    const struct route *r = &s->machine.routes[slot];
    const struct metrics *m = s->config.metrics;

    memcpy(out->name, r->name, sizeof out->name);
    out->paused = r->paused;
    out->orders = r->orders;
    out->dead = r->dead;
    out->ready = route_count_ready(r);
    out->active = false;
    sample_lane(s, slot, now_us, out);
    out->measured = m != NULL && strcmp(m->routes[slot].name, r->name) == 0;
    for (unsigned i = 0; out->measured && i < METRICS_LATENESS_PARTS; i++) {
        metrics_histogram_read(&m->routes[slot].lateness[i], &out->lateness[i]);
    }
    if (out->measured) {
        memcpy(out->outcomes, m->routes[slot].outcomes, sizeof out->outcomes);
    }
}

uint32_t scheduler_sample_routes(struct scheduler *s, uint32_t slot, uint32_t max,
                                 struct metrics_sample *out)
{
    const struct machine *m = &s->machine;
    uint64_t now_us = scheduler_monotonic_us(s);
    uint32_t end = m->n_routes - slot < max ? m->n_routes : slot + max;

    if (slot >= m->n_routes) { /* a restore in between may have left fewer */
        return 0;
    }
    for (; slot < end; slot++) {
        if (m->routes[slot].used) {
            sample_route(s, slot, now_us, &out->routes[out->n_routes++]);
        }
    }
    return slot < m->n_routes ? slot : 0;
}
