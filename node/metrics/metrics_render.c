/* metrics_render.c - see metrics_render.h.
 *
 * A new metric is a field of the sample, which the raft loop fills, a family written here, or of each route in
 * metrics_routes.c, and a row of docs/metrics.md. Labels have few values: members, routes, and words of ours; never orders or clients. */
#include "metrics_render.h"

#include <inttypes.h>
#include <stdio.h>

#include "metrics_routes.h"

#define ID_TEXT 24

static struct metrics_labels one_label(const char *name, const char *value)
{
    return (struct metrics_labels){{{name, value}}};
}

static const char *id_text(uint64_t id, char out[ID_TEXT])
{
    snprintf(out, ID_TEXT, "%" PRIu64, id);
    return out;
}

static void number(struct buffer *b, const char *name, enum metrics_type type, const char *help,
                   uint64_t value)
{
    const struct metrics_family family = {name, type, help};

    metrics_text_begin(b, &family);
    metrics_text_number(b, &family, NULL, value);
}

static void gauge(struct buffer *b, const char *name, const char *help, uint64_t value)
{
    number(b, name, METRICS_GAUGE, help, value);
}

static void counter(struct buffer *b, const char *name, const char *help, uint64_t value)
{
    number(b, name, METRICS_COUNTER, help, value);
}

/* `known` false: the family has no sample. */
static void gauge_seconds(struct buffer *b, const char *name, const char *help, bool known,
                          int64_t us)
{
    const struct metrics_family family = {name, METRICS_GAUGE, help};

    metrics_text_begin(b, &family);
    if (known) {
        metrics_text_seconds(b, &family, NULL, us);
    }
}

static void gauge_if(struct buffer *b, const char *name, const char *help, bool known,
                     uint64_t value)
{
    const struct metrics_family family = {name, METRICS_GAUGE, help};

    metrics_text_begin(b, &family);
    if (known) {
        metrics_text_number(b, &family, NULL, value);
    }
}

static void histogram(struct buffer *b, const char *name, const char *help,
                      const struct metrics_scale *scale, const struct metrics_counts *counts)
{
    const struct metrics_family family = {name, METRICS_HISTOGRAM, help};

    metrics_text_begin(b, &family);
    metrics_text_histogram(b, &family, NULL, scale, counts);
}

/* One sample for each word. */
static void numbers(struct buffer *b, const struct metrics_family *family, const char *label,
                    const char *const *words, const uint64_t *values, unsigned n)
{
    metrics_text_begin(b, family);
    for (unsigned i = 0; i < n; i++) {
        struct metrics_labels labels = one_label(label, words[i]);
        metrics_text_number(b, family, &labels, values[i]);
    }
}

/* 1 for the state that it is in, 0 for the others: so that each can be asked for by name. */
static void states(struct buffer *b, const char *name, const char *help, const char *const *words,
                   unsigned n, unsigned is)
{
    const struct metrics_family family = {name, METRICS_GAUGE, help};

    metrics_text_begin(b, &family);
    for (unsigned i = 0; i < n; i++) {
        struct metrics_labels labels = one_label("state", words[i]);
        metrics_text_number(b, &family, &labels, i == is);
    }
}

/* --- this node, and how it stands in its cluster --- */

static void render_build(struct buffer *b, const struct metrics_sample *s)
{
    const struct metrics_family build = {"orderschedd_build_info", METRICS_GAUGE,
                                         "1; the labels tell the version and the cluster's name."};
    struct metrics_labels labels = {
        {{"version", s->version != NULL ? s->version : ""}, {"cluster", s->cluster}}};

    metrics_text_begin(b, &build);
    metrics_text_number(b, &build, &labels, 1);
    gauge(b, "orderschedd_node_id", "The id of this node.", s->node);
}

static void render_raft(struct buffer *b, const struct metrics_sample *s)
{
    static const char *const roles[] = {"voter", "standby", "lost_data"};
    const struct metrics_family members = {"orderschedd_members", METRICS_GAUGE,
                                           "Members of the cluster, as this node knows them."};

    gauge(b, "orderschedd_raft_has_leader", "1 if this node knows a leader.", s->leader != 0);
    gauge(b, "orderschedd_raft_is_leader", "1 if this node leads.", s->is_leader);
    gauge(b, "orderschedd_raft_is_removed",
          "1 if the members of its cluster say that this node is none of them.", s->removed);
    gauge(b, "orderschedd_raft_term", "The Raft term.", s->term);
    counter(b, "orderschedd_leader_changes_total", "How often this node saw a new leader or term.",
            s->leader_changes);
    gauge(b, "orderschedd_commit_index", "The log index up to which this node knows it committed.",
          s->commit_index);
    gauge(b, "orderschedd_heard_commit_index",
          "The log index that the leader had committed when it was heard last.",
          s->heard_commit_index);
    gauge(b, "orderschedd_applied_index", "The log index up to which the state is complete.",
          s->applied_index);
    gauge(b, "orderschedd_last_index", "The last log index of this node.", s->last_index);
    numbers(b, &members, "role", roles, (const uint64_t[]){s->voters, s->standbys, s->lost}, 3);
    gauge(b, "orderschedd_proposals_pending", "Entries proposed and not applied yet.",
          s->proposals_pending);
    counter(b, "orderschedd_proposals_committed_total", "Entries of this node that were committed.",
            s->proposals_committed);
    counter(b, "orderschedd_proposals_failed_total",
            "Entries of this node that were lost with its leadership.", s->proposals_failed);
    gauge(b, "orderschedd_queued_messages", "Client messages that wait for an entry.",
          s->queued_messages);
    gauge(b, "orderschedd_queued_bytes", "Bytes of these messages.", s->queued_bytes);
    histogram(b, "orderschedd_commit_seconds", "From an entry's proposal until it was applied.",
              &metrics_scale_fine, &s->commit);
}

static void render_log(struct buffer *b, const struct metrics_sample *s)
{
    histogram(b, "orderschedd_log_write_seconds",
              "From handing entries to the disk until they were durable.", &metrics_scale_fine,
              &s->log_write);
    gauge(b, "orderschedd_log_bytes", "Bytes of the log since the last snapshot.", s->log_bytes);
    gauge(b, "orderschedd_log_entries", "Entries of the log since the last snapshot.",
          s->log_entries);
    gauge_if(b, "orderschedd_snapshot_bytes", "Bytes of the newest snapshot.", s->has_snapshot,
             s->snapshot_bytes);
    gauge_seconds(b, "orderschedd_snapshot_age_seconds",
                  "Since the newest snapshot was stored, or loaded at the start.", s->has_snapshot,
                  (int64_t)s->snapshot_age_us);
    histogram(b, "orderschedd_snapshot_seconds", "From a snapshot's begin until it was durable.",
              &metrics_scale_coarse, &s->snapshot);
}

static void render_peers(struct buffer *b, const struct metrics_sample *s)
{
    const struct metrics_family lag = {
        "orderschedd_follower_lag_entries", METRICS_GAUGE,
        "Of the leader: entries that this member has not confirmed."};
    const struct metrics_family trip = {
        "orderschedd_peer_round_trip_seconds", METRICS_HISTOGRAM,
        "Round trips to this member, its loop's time included; one a second."};
    char id[ID_TEXT];

    metrics_text_begin(b, &lag);
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct metrics_labels labels = one_label("peer", id_text(s->peers[i].id, id));
        if (s->peers[i].lags) {
            metrics_text_number(b, &lag, &labels, s->peers[i].lag_entries);
        }
    }
    metrics_text_begin(b, &trip);
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct metrics_labels labels = one_label("peer", id_text(s->peers[i].id, id));
        if (s->peers[i].measured) {
            metrics_text_histogram(b, &trip, &labels, &metrics_scale_fine, &s->peers[i].round_trip);
        }
    }
}

/* --- orders --- */

static void render_orders(struct buffer *b, const struct metrics_sample *s)
{
    static const char *const words[] = {"pending",   "closing", "paid",
                                        "cancelled", "expired", "dead"};
    const struct metrics_family orders = {"orderschedd_orders", METRICS_GAUGE,
                                          "Orders that are known, by state."};

    numbers(b, &orders, "state", words, s->orders, 6);
    gauge_seconds(b, "orderschedd_oldest_overdue_seconds",
                  "For how long the oldest order that is due waits to be settled.", true,
                  (int64_t)s->oldest_overdue_us);
    gauge(b, "orderschedd_memory_orders_bytes", "Memory of orders and their tables.",
          s->orders_bytes);
    gauge(b, "orderschedd_memory_limit_bytes", "What it may be (max-bytes).", s->bytes_limit);
    gauge(b, "orderschedd_orders_limit", "How many orders there may be (max-orders).",
          s->orders_limit);
    gauge(b, "orderschedd_all_deliveries_in_flight", "Deliveries under way, of all routes.",
          s->deliveries_in_flight);
    gauge(b, "orderschedd_all_deliveries_limit", "How many there may be (max-deliveries).",
          s->deliveries_limit);
}

static void render_canary(struct buffer *b, const struct metrics_sample *s)
{
    gauge_seconds(b, "orderschedd_canary_interval_seconds",
                  "How often this node sends a canary while it leads; 0: never.", true,
                  (int64_t)s->canary_interval_us);
    gauge_seconds(b, "orderschedd_canary_age_seconds",
                  "Since this node saw a canary settled, of whichever leader.", s->canary_seen,
                  (int64_t)s->canary_age_us);
    gauge_seconds(b, "orderschedd_canary_last_lateness_seconds",
                  "How late the newest canary was settled, by the times of the log.",
                  s->canary_seen, (int64_t)s->canary_lateness_us);
    histogram(b, "orderschedd_canary_lateness_seconds",
              "From a canary's deadline until it was settled, while this node led.",
              &metrics_scale_coarse, &s->canary);
}

/* --- clients --- */

static bool was_asked_for(const struct metrics_sample *s, unsigned code)
{
    const uint64_t *n = s->operations[code];

    return n[METRICS_DONE] + n[METRICS_DECIDED] + n[METRICS_REFUSED] + n[METRICS_UNKNOWN] > 0;
}

static void render_requests(struct buffer *b, const struct metrics_sample *s)
{
    const struct metrics_family requests = {"orderschedd_requests_total", METRICS_COUNTER,
                                            "Operations that were answered, by what came of them."};
    const struct metrics_family times = {
        "orderschedd_request_seconds", METRICS_HISTOGRAM,
        "From a client's whole message until its answer was ready to be written."};
    const struct metrics_family busy = {"orderschedd_busy_total", METRICS_COUNTER,
                                        "How often BUSY was answered, and why."};

    metrics_text_begin(b, &requests);
    for (unsigned code = 0; code < METRICS_CODES_MAX; code++) {
        const char *name = metrics_operation_name(code);
        for (unsigned c = 0; name != NULL && was_asked_for(s, code) && c < METRICS_CLASSES; c++) {
            struct metrics_labels labels = {
                {{"operation", name}, {"class", metrics_class_name((enum metrics_class)c)}}};
            metrics_text_number(b, &requests, &labels, s->operations[code][c]);
        }
    }
    metrics_text_begin(b, &times);
    for (unsigned i = 0; i < METRICS_REQUESTS; i++) {
        struct metrics_labels labels = one_label("kind",
                                                 metrics_request_name((enum metrics_request)i));
        metrics_text_histogram(b, &times, &labels, &metrics_scale_fine, &s->requests[i]);
    }
    metrics_text_begin(b, &busy);
    for (unsigned i = 0; i < METRICS_BUSY_CAUSES; i++) {
        struct metrics_labels labels = one_label("cause", metrics_busy_name((enum metrics_busy)i));
        metrics_text_number(b, &busy, &labels, s->busy[i]);
    }
}

static void render_connections(struct buffer *b, const struct metrics_sample *s)
{
    static const char *const causes[] = {"idle", "no_seat", "unread", "unfinished"};
    const struct metrics_family closed = {"orderschedd_connections_closed_total", METRICS_COUNTER,
                                          "Client connections that were closed for want of room."};

    gauge(b, "orderschedd_connections", "Client connections.", s->connections);
    gauge(b, "orderschedd_connections_paused", "Of them: a message waits unread.", s->paused);
    gauge(b, "orderschedd_messages_in_hand", "Client messages that are not answered yet.",
          s->in_hand);
    gauge(b, "orderschedd_unread_bytes", "Bytes of answers that clients have not taken.",
          s->unread_bytes);
    gauge(b, "orderschedd_unfinished_bytes", "Bytes of messages that are not complete.",
          s->unfinished_bytes);
    numbers(b, &closed, "cause", causes,
            (const uint64_t[]){s->closed_idle, s->closed_no_seat, s->closed_unread,
                               s->closed_unfinished},
            4);
    gauge(b, "orderschedd_reserves", "Workers that wait for orders.", s->reserves);
    gauge(b, "orderschedd_recent_requests", "Refused requests that are remembered.",
          s->recent_requests);
    gauge(b, "orderschedd_authorisation", "1 if authorisation is on.", s->authorisation);
    gauge(b, "orderschedd_principals", "Principals that have grants.", s->principals);
    gauge(b, "orderschedd_audit_rows", "Rows of the audit trail.", s->audit_rows);
}

/* --- clocks --- */

static void render_clocks(struct buffer *b, const struct metrics_sample *s)
{
    static const char *const words[METRICS_CLOCK_STATES] = {"unknown", "alone", "disagreed",
                                                            "agreed", "outvoted"};
    const struct metrics_family offset = {"orderschedd_clock_offset_seconds", METRICS_GAUGE,
                                          "This member's wall clock minus this node's."};
    const struct metrics_family error = {"orderschedd_clock_offset_error_seconds", METRICS_GAUGE,
                                         "By how much the offset may be wrong, to both sides."};
    char id[ID_TEXT];

    states(b, "orderschedd_clock_state", "Whether this node's wall clock agrees with the voters'.",
           words, METRICS_CLOCK_STATES, s->clock_state);
    gauge_seconds(b, "orderschedd_clock_ahead_seconds",
                  "By how much this node's wall clock is ahead of what a majority agrees on.", true,
                  s->clock_ahead_us);
    gauge(b, "orderschedd_time_known", "1 if this node knows a time that it could lead by.",
          s->time_known);
    metrics_text_begin(b, &offset);
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct metrics_labels labels = one_label("peer", id_text(s->peers[i].id, id));
        if (s->peers[i].clock_known) {
            metrics_text_seconds(b, &offset, &labels, s->peers[i].clock_offset_us);
        }
    }
    metrics_text_begin(b, &error);
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct metrics_labels labels = one_label("peer", id_text(s->peers[i].id, id));
        if (s->peers[i].clock_known) {
            metrics_text_seconds(b, &error, &labels, s->peers[i].clock_error_us);
        }
    }
}

/* --- the machine --- */

static void render_disk(struct buffer *b, const struct metrics_sample *s)
{
    static const char *const words[METRICS_DISK_STATES] = {"ok", "low", "full"};

    states(b, "orderschedd_disk_state", "How the data disk is doing (min-free).", words,
           METRICS_DISK_STATES, s->disk_state);
    gauge_if(b, "orderschedd_disk_free_bytes", "Free space of the data disk.", s->disk_known,
             s->disk_free);
    gauge_if(b, "orderschedd_disk_size_bytes", "Size of the data disk.", s->disk_known,
             s->disk_total);
    gauge_seconds(b, "orderschedd_tls_expiry_seconds",
                  "Until this node's certificate ends, or one of those behind it.", s->tls_known,
                  s->tls_expiry_us);
}

static uint64_t us_since(uint64_t now_ns, uint64_t ns)
{
    return now_ns > ns ? (now_ns - ns) / 1000 : 0;
}

static void render_process(struct buffer *b, const struct metrics_sample *s,
                           const struct metrics_present *present)
{
    const struct metrics_process *p = &present->process;
    const struct metrics_family cpu = {"orderschedd_process_cpu_seconds_total", METRICS_COUNTER,
                                       "Processor time of this process."};

    histogram(b, "orderschedd_loop_stall_seconds",
              "How long each round of the raft loop kept it from what arrived.",
              &metrics_scale_fine, &s->loop_rounds);
    gauge_seconds(b, "orderschedd_loop_beat_age_seconds", "Since the raft loop turned last.", true,
                  (int64_t)us_since(present->now_ns, present->beat_ns));
    gauge_seconds(b, "orderschedd_sample_age_seconds", "Since the raft loop told what stands here.",
                  s->taken_ns != 0, (int64_t)us_since(present->now_ns, s->taken_ns));
    gauge(b, "orderschedd_process_resident_memory_bytes", "Resident memory of this process.",
          p->resident_bytes);
    gauge(b, "orderschedd_process_virtual_memory_bytes", "Virtual memory of this process.",
          p->virtual_bytes);
    gauge(b, "orderschedd_process_open_fds", "Open file descriptors.", p->open_fds);
    gauge(b, "orderschedd_process_max_fds", "How many there may be.", p->max_fds);
    gauge(b, "orderschedd_process_threads", "Threads of this process.", p->threads);
    metrics_text_begin(b, &cpu);
    metrics_text_seconds(b, &cpu, NULL, (int64_t)p->cpu_us);
    gauge_seconds(b, "orderschedd_process_start_time_seconds",
                  "When this process started, since the Unix epoch.", p->started_us != 0,
                  (int64_t)p->started_us);
}

/* Of these none is long: they are written with the first slice. */
static void render_node(struct buffer *b, const struct metrics_sample *s,
                        const struct metrics_present *present)
{
    render_build(b, s);
    render_raft(b, s);
    render_log(b, s);
    render_peers(b, s);
    render_orders(b, s);
    render_canary(b, s);
    render_requests(b, s);
    render_connections(b, s);
    render_clocks(b, s);
    render_disk(b, s);
    render_process(b, s, present);
}

bool metrics_render_on(struct metrics_render *r, struct buffer *b)
{
    uint32_t lines = METRICS_RENDER_LINES;

    if (!r->begun) {
        render_node(b, r->sample, &r->present);
        r->begun = true;
    }
    while (r->family < METRICS_ROUTES_FAMILIES && lines > 0) {
        r->route = metrics_routes_render(b, r->sample, r->family, r->route, &lines);
        if (r->route == r->sample->n_routes) {
            r->route = 0;
            r->family++;
        }
    }
    return r->family == METRICS_ROUTES_FAMILIES;
}
