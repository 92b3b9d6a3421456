/* answers.c - from results and state to the bytes of an answer. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/callback/route_keys.h"
#include "../../client/text/units.h"
#include "../../client/wire/route_check.h"
#include "../../raft/core/recent.h"
#include "../../raft/peer/standing.h"
#include "internal.h"

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

/* All of an answer but its results. `leader` has room for the address. */
static struct answer scheduler_envelope(struct scheduler *s, const struct inbound *in, int error,
                                        const char *text, uint32_t n_results,
                                        char leader[PROTOCOL_ADDRESS_MAX])
{
    const char *address = NULL;
    uint64_t leader_id = s->closing ? 0 : replica_leader(s->replica, &address);

    leader[0] = '\0';
    if (leader_id != 0 && address != NULL) {
        (void)units_move_port(address, 1, leader, PROTOCOL_ADDRESS_MAX);
    }
    return (struct answer){
        .error = error,
        .node_id = s->config.replica.id,
        .leader_id = leader_id,
        .leader_address = slice_of(leader),
        .term = s->term,
        .now_ms = scheduler_told_ms(s),
        .applied = s->machine.applied,
        .n_results = n_results,
        .text = slice_of(text),
        .identified = (in->flags & PROTOCOL_IDENTIFY) != 0,
        .identity = {s->machine.identity,
                     scheduler_knows_identity(s) ? sizeof s->machine.identity : 0},
    };
}

/* Wrap what is in s->results (n of them) and send it. */
static void scheduler_reply(struct scheduler *s, struct inbound *in, int error, const char *text,
                            uint32_t n_results)
{
    char leader[PROTOCOL_ADDRESS_MAX];
    struct answer answer = scheduler_envelope(s, in, error, text, n_results, leader);

    assert(error == ORDERSCHED_OK ? n_results == in->n_items : n_results == 0);
    answer.results = (struct slice){s->results.data, s->results.len};
    buffer_reset(&s->answer);
    answer_encode(&s->answer, &answer);
    must_hold(!s->answer.failed && !s->results.failed);
    in->reply(in, s->answer.data, s->answer.len);
}

void scheduler_reply_composed(struct scheduler *s, struct inbound *in, struct buffer *composed)
{
    char leader[PROTOCOL_ADDRESS_MAX];
    struct answer answer = scheduler_envelope(s, in, ORDERSCHED_OK, NULL, in->n_items, leader);

    assert(composed->len >= SCHEDULER_HEADROOM || composed->failed);
    buffer_reset(&s->answer);
    answer_encode_head(&s->answer, &answer);
    answer_encode_tail(composed, &answer);
    must_hold(!s->answer.failed && !composed->failed);
    size_t head = s->answer.len;
    assert(head <= PROTOCOL_ANSWER_HEAD_MAX);
    uint8_t *memory = composed->data;
    uint8_t *begin = memory + SCHEDULER_HEADROOM - head;
    memcpy(begin, s->answer.data, head);
    in->memory = &memory;
    in->reply(in, begin, composed->len - SCHEDULER_HEADROOM + head);
    free(memory);
    *composed = (struct buffer){0};
}

void scheduler_refuse(struct scheduler *s, struct inbound *in, int error, const char *text)
{
    scheduler_count_refused(s, in, error);
    buffer_reset(&s->results);
    scheduler_reply(s, in, error, text != NULL ? text : ordersched_error_text(error), 0);
}

static void write_key(struct buffer *b, const char *key)
{
    write_str(b, key, strlen(key));
}

static void write_key_uint(struct buffer *b, const char *key, uint64_t v)
{
    write_key(b, key);
    write_uint(b, v);
}

static void write_key_str(struct buffer *b, const char *key, const char *v)
{
    write_key(b, key);
    write_str(b, v, strlen(v));
}

static const char *role_name(const struct scheduler *s)
{
    if (s->role != REPLICA_LEADER && s->config.is_removed != NULL &&
        s->config.is_removed(s->config.cluster_arg)) {
        return "removed";
    }
    switch (s->role) {
        case REPLICA_LEADER: return "leader";
        case REPLICA_CANDIDATE: return "candidate";
        case REPLICA_FOLLOWER: break;
    }
    return "follower";
}

static void write_key_seconds(struct buffer *b, const char *key,
                              const uint32_t us[PROTOCOL_STALL_SECONDS])
{
    write_key(b, key);
    write_array(b, PROTOCOL_STALL_SECONDS);
    for (unsigned i = 0; i < PROTOCOL_STALL_SECONDS; i++) {
        write_uint(b, us[i]);
    }
}

/* By the time as it goes on: with nothing written, the last entry's may be hours old. */
static void write_forecast(struct scheduler *s, struct buffer *b)
{
    uint64_t time_ms = scheduler_told_ms(s);

    time_ms -= time_ms % FORECAST_MINUTE_MS;
    write_key_uint(b, "became_due", s->machine.became_due);
    write_key_uint(b, "forecast_from_ms", time_ms);
    write_key(b, "forecast");
    write_array(b, PROTOCOL_FORECAST_MINUTES);
    for (unsigned i = 0; i < PROTOCOL_FORECAST_MINUTES; i++, time_ms += FORECAST_MINUTE_MS) {
        write_uint(b, forecast_minute(&s->machine.forecast, time_ms));
    }
}

static void write_loop_stalls(struct scheduler *s, struct buffer *b)
{
    uint32_t longest_us[PROTOCOL_STALL_SECONDS], processor_us[PROTOCOL_STALL_SECONDS];

    s->config.loop_stalls(s->config.loop_stalls_arg, longest_us, processor_us,
                          PROTOCOL_STALL_SECONDS);
    write_key_seconds(b, "loop_stalls_us", longest_us);
    write_key_seconds(b, "loop_processor_us", processor_us);
}

static void write_client_load(struct scheduler *s, struct buffer *b)
{
    struct client_load load;

    s->config.client_load(s->config.client_load_arg, &load);
    write_key(b, "clients");
    write_map(b, 9);
    write_key_uint(b, "connections", load.connections);
    write_key_uint(b, "paused", load.paused);
    write_key_uint(b, "in_hand", load.in_hand);
    write_key_uint(b, "unread_bytes", load.unread);
    write_key_uint(b, "unseated", load.unseated);
    write_key_uint(b, "refused", load.refused);
    write_key_uint(b, "unread_closed", load.unread_closed);
    write_key_uint(b, "unfinished_bytes", load.unfinished);
    write_key_uint(b, "unfinished_closed", load.unfinished_closed);
}

static void write_key_int(struct buffer *b, const char *key, int64_t v)
{
    write_key(b, key);
    write_int(b, v);
}

static void write_clock(struct scheduler *s, struct buffer *b)
{
    struct scheduler_clock clock;

    s->config.clock(s->config.cluster_arg, &clock);
    if (s->lone.standing > LONE_CLOCK_AWAITED) {
        clock.ahead_ms = s->lone.ahead_us / 1000;
    }
    write_key_str(b, "clock", clock_standing_name(clock.standing));
    write_key_int(b, "clock_ahead_ms", clock.ahead_ms);
    write_key_int(b, "clock_low_us", clock.agreed.low_us);
    write_key_int(b, "clock_high_us", clock.agreed.high_us);
    write_key_int(b, "clock_error_max_ms", clock.error_max_ms);
    write_key_uint(b, "clock_ms", s->environment->wall_us(s->environment->impl) / 1000);
    write_key_uint(b, "time_ms", scheduler_told_ms(s));
    write_key_uint(b, "clock_trusted", s->machine.clock_trusted);
    write_key_uint(b, "clock_by_trusted", scheduler_goes_by_trusted(s));
    write_key_uint(b, "time_known", scheduler_knows_time(s));
    write_key_str(b, "lone_clock", lone_clock_name(s->lone.standing));
    write_key(b, "clocks");
    write_array(b, clock.n);
    for (unsigned i = 0; i < clock.n; i++) {
        write_array(b, 4);
        write_uint(b, clock.voters[i].id);
        write_int(b, clock.voters[i].offset_ms);
        write_int(b, clock.voters[i].ahead_ms);
        write_int(b, clock.voters[i].error_us);
    }
}

static void write_doors(struct scheduler *s, struct buffer *b)
{
    struct scheduler_doors doors = {0};

    s->config.doors(s->config.cluster_arg, &doors);
    write_key_str(b, "tls", doors.tls);
    write_key_uint(b, "tls_until_ms", doors.until_ms);
}

/* The leader notices it by what the member refuses, and each node by how the member comes. */
static bool member_has_lost(const struct scheduler *s, const struct replica_member *m)
{
    return m->lost ||
           (s->config.has_lost != NULL && s->config.has_lost(s->config.cluster_arg, m->id));
}

static unsigned count_lost(const struct scheduler *s)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned n = replica_list_members(s->replica, members), lost = 0;

    for (unsigned i = 0; i < n; i++) {
        lost += member_has_lost(s, &members[i]);
    }
    return lost;
}

void scheduler_write_status(struct scheduler *s, struct buffer *b)
{
    struct machine_counts counts;
    char identity[STANDING_IDENTITY_TEXT] = "";
    const char *address;

    if (scheduler_knows_identity(s)) {
        standing_identity_text(s->machine.identity, identity);
    }
    machine_counts(&s->machine, &counts);
    write_map(b, 34 + 2 * (s->config.loop_stalls != NULL) + (s->config.client_load != NULL) +
                     12 * (s->config.clock != NULL) + 2 * (s->config.doors != NULL));
    write_key_str(b, "cluster", s->config.cluster);
    write_key_str(b, "identity", identity);
    write_key_uint(b, "id", s->config.replica.id);
    write_key_str(b, "address", s->config.replica.address);
    write_key_str(b, "role", role_name(s));
    write_key_uint(b, "leader", replica_leader(s->replica, &address));
    write_key_uint(b, "term", s->term);
    write_key_uint(b, "commit", replica_commit_index(s->replica));
    write_key_uint(b, "applied", s->machine.applied);
    write_key_uint(b, "last", replica_last_index(s->replica));
    write_key_uint(b, "now_ms", s->machine.now_ms);
    write_key_uint(b, "epoch", s->machine.epoch);
    write_key_uint(b, "pending", counts.pending);
    write_key_uint(b, "closing", counts.closing);
    write_key_uint(b, "paid", counts.paid);
    write_key_uint(b, "cancelled", counts.cancelled);
    write_key_uint(b, "expired", counts.expired);
    write_key_uint(b, "dead", counts.dead);
    write_key_uint(b, "oldest_overdue_ms", machine_oldest_overdue_ms(&s->machine));
    write_forecast(s, b);
    write_key_uint(b, "memory_bytes", s->machine.memory);
    write_key_uint(b, "deliveries", s->dispatch.inflight.used);
    write_key_uint(b, "queued", s->batcher.queued);
    write_key_str(b, "disk", scheduler_disk_name(s->disk));
    write_key_str(b, "version", ORDERSCHEDD_VERSION);
    write_key_uint(b, "reserves", s->worker.n_polls);
    write_key_uint(b, "reserves_refused", s->worker.n_refused);
    write_key_uint(b, "recent_requests", recent_count(s->machine.recent));
    write_key_uint(b, "lost_data", count_lost(s));
    write_key_str(b, "authorisation", s->machine.grants.on ? "on" : "off");
    write_key_uint(b, "principals", s->machine.grants.n);
    if (s->config.clock != NULL) {
        write_clock(s, b);
    }
    if (s->config.doors != NULL) {
        write_doors(s, b);
    }
    if (s->config.loop_stalls != NULL) {
        write_loop_stalls(s, b);
    }
    if (s->config.client_load != NULL) {
        write_client_load(s, b);
    }
    write_key(b, "routes"); /* the value follows: scheduler_write_routes */
}

void scheduler_write_members(struct scheduler *s)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned n = replica_list_members(s->replica, members);
    const char *address;
    uint64_t leader = replica_leader(s->replica, &address);

    buffer_reset(&s->body);
    write_array(&s->body, n);
    for (unsigned i = 0; i < n; i++) {
        write_array(&s->body, 5);
        write_uint(&s->body, members[i].id);
        write_str(&s->body, members[i].address, strlen(members[i].address));
        const char *kind = member_has_lost(s, &members[i]) ? "lost-data"
                           : members[i].voter              ? "voter"
                                                           : "standby";
        write_str(&s->body, kind, strlen(kind));
        write_uint(&s->body, members[i].id == leader);
        write_uint(&s->body, members[i].match);
    }
}

/* A key as it came may hold anything. */
static void scheduler_print_key(struct slice key, char *out, size_t len)
{
    size_t n = key.len < len - 1 ? key.len : len - 1;

    for (size_t i = 0; i < n; i++) {
        bool printable = key.data[i] > 0x20 && key.data[i] < 0x7f;
        out[i] = printable ? (char)key.data[i] : '?';
    }
    out[n] = '\0';
}

/* "node 9 is not a voter; the voters are 1, 2, 3" */
static void explain_voters(const struct scheduler *s, uint64_t id, char *text, size_t len)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned n = replica_list_members(s->replica, members);
    const char *separator = "";
    size_t used;

    snprintf(text, len, "node %llu is not a voter; the voters are ", (unsigned long long)id);
    for (unsigned i = 0; i < n; i++) {
        used = strlen(text);
        if (members[i].voter) {
            snprintf(text + used, len - used, "%s%llu", separator,
                     (unsigned long long)members[i].id);
            separator = ", ";
        }
    }
}

/* A sentence about the error of an item that was refused on entry, into s->body. */
static void scheduler_explain(struct scheduler *s, const struct inbound *in,
                              const struct inbound_item *item)
{
    struct operation op;
    char text[512];
    int error = operation_decode(in->message + item->offset, item->len, &op);

    error = error == ORDERSCHED_OK ? operation_check_settings(&op) : error;
    if (item->error == ORDERSCHED_INVALID && item->keys_flaw != ROUTE_KEYS_FIT) {
        op.problem = route_keys_problem(item->keys_flaw); /* it was found on another thread */
        error = ORDERSCHED_INVALID;
    }
    if (item->error == ORDERSCHED_INVALID && error == ORDERSCHED_INVALID &&
        op.problem.why != NULL) {
        char key[40];
        scheduler_print_key(op.problem.key, key, sizeof key);
        snprintf(text, sizeof text, "%s %s", key, op.problem.why);
    } else if (item->error == ORDERSCHED_INVALID && error == ORDERSCHED_OK &&
               op.code == OPERATION_CLOCK_TRUST) {
        explain_voters(s, op.node_id, text, sizeof text);
    } else if (item->error == ORDERSCHED_NO_SPACE) {
        snprintf(text, sizeof text, "the data disk of node %llu, which leads, is %s",
                 (unsigned long long)s->config.replica.id,
                 s->disk == SCHEDULER_DISK_FULL ? "full" : "nearly full");
    } else if (item->error == ORDERSCHED_BUSY && scheduler_awaits_time(s, op.code)) {
        snprintf(
            text, sizeof text,
            s->lone.standing != LONE_CLOCK_UNUSED
                ? "what time it is is not known: this node's wall clock is waited for, or too "
                  "far ahead; orderctl clock says which"
                : "what time it is is not known: no majority of the voters' wall clocks agrees");
    } else {
        snprintf(text, sizeof text, "%s", ordersched_error_text(item->error));
    }
    buffer_reset(&s->body);
    write_str(&s->body, text, strlen(text));
}

void scheduler_refused_item(struct scheduler *s, const struct inbound *in,
                            const struct inbound_item *item, struct buffer *out)
{
    scheduler_explain(s, in, item);
    struct result result = {.error = item->error, .body = {s->body.data, s->body.len}};
    result_encode(out, &result);
}

void scheduler_answer_logged(struct scheduler *s, struct inbound *in, const struct result *logged)
{
    buffer_reset(&s->results);
    for (uint32_t i = 0; i < in->n_items; i++) {
        scheduler_write_logged(s, in, &in->items[i], &logged[i], &s->results);
    }
    scheduler_reply(s, in, ORDERSCHED_OK, NULL, in->n_items);
}

void scheduler_answer_one(struct scheduler *s, struct inbound *in, const struct result *result)
{
    metrics_note_operation(s->config.metrics, in->items[0].code, result->error);
    buffer_reset(&s->results);
    result_encode(&s->results, result);
    scheduler_reply(s, in, ORDERSCHED_OK, NULL, 1);
}
