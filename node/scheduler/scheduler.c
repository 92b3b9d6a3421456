/* scheduler.c - see scheduler.h. */
#include "scheduler.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../raft/mutant.h"
#include "../../raft/core/recent.h"
#include "internal.h"

/* --- what the batcher asks for --- */

static uint64_t host_now_ms(void *arg)
{
    struct scheduler *s = arg;
    uint64_t now_ms = scheduler_now_ms(s);

    if (s->set_back.ticket != 0) { /* it sets back what it told: nothing comes due in between */
        return s->machine.now_ms;
    }
    /* What was agreed on while this leadership began may be behind what it stamped before. */
    return now_ms > s->batcher.last_now_ms ? now_ms : s->batcher.last_now_ms;
}

static uint64_t host_term(void *arg)
{
    return ((struct scheduler *)arg)->term;
}

static uint64_t host_committed(void *arg)
{
    return replica_commit_index(((struct scheduler *)arg)->replica);
}

static uint32_t host_era(void *arg)
{
    return ((struct scheduler *)arg)->machine.era;
}

static uint8_t *host_alloc(void *arg, size_t len)
{
    (void)arg;
    return replica_alloc(len);
}

/* The library tells only the entry's end; whose it is, is kept here. */
struct proposal {
    struct scheduler *scheduler;
    void *entry;
    uint64_t began_us; /* for the metrics */
};

static void host_settled(void *arg, enum replica_status status)
{
    struct proposal *p = arg;

    scheduler_count_proposal(p->scheduler, p->began_us, status == REPLICA_COMMITTED);
    batcher_settled(&p->scheduler->batcher, p->entry, status == REPLICA_COMMITTED);
    p->scheduler->again = true;
    free(p);
}

static bool host_propose(void *arg, uint8_t *data, size_t len, void *entry)
{
    struct scheduler *s = arg;
    struct proposal *p = must_have(malloc(sizeof *p));

    p->scheduler = s;
    p->entry = entry;
    p->began_us = s->config.metrics != NULL ? scheduler_monotonic_us(s) : 0;
    if (replica_propose(s->replica, data, len, host_settled, p) != 0) {
        free(p);
        replica_dealloc(data);
        return false;
    }
    return true;
}

static void host_answer(void *arg, struct inbound *in, const struct result *logged)
{
    scheduler_note_refusals(arg, in, logged);
    scheduler_answer(arg, in, logged);
}

static void host_refuse(void *arg, struct inbound *in, int error, const char *text)
{
    scheduler_refuse(arg, in, error, text);
}

static void host_internal(void *arg, uint64_t ticket, const struct result *result)
{
    struct scheduler *s = arg;

    callback_worker_ticket(&s->worker, ticket, result);
    scheduler_set_back_applied(s, ticket, result);
    scheduler_administer_noted(s, ticket);
    scheduler_canary_ticket(s, ticket);
}

/* --- what the replica tells --- */

static void replica_told_apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    struct scheduler *s = arg;
    struct machine_results *results = NULL;
    struct entry e; /* decoded once, for all that follows */
    bool whole = entry_decode(data, len, &e) == 0;

    s->machine.clock_us = scheduler_clock_us(s);
    if (MUTANT(LOCAL_CLOCK_AT_APPLY) && s->machine.now_ms < scheduler_now_ms(s)) {
        s->machine.now_ms = scheduler_now_ms(s);
    }
    if (whole) {
        results = batcher_results(&s->batcher, &e);
    }
    if (!whole || machine_apply_entry(&s->machine, index, &e, results) != 0) {
        char sentence[160];
        snprintf(sentence, sizeof sentence,
                 "log entry %" PRIu64 " is damaged or written by a newer version: refusing to "
                 "go on with a state that others do not share",
                 index);
        scheduler_fatal(s, sentence);
        return;
    }
    scheduler_hear_time(s, index, e.epoch);
    if (!scheduler_identify(s)) {
        return;
    }
    scheduler_follow_era(s);
    scheduler_progress(s, "applying the log, up to entry", index, 0);
    if (s->config.applied != NULL) {
        s->config.applied(s->config.applied_arg, index);
    }
    if (results != NULL) {
        scheduler_log_dead(s, &e, results);
        batcher_applied(&s->batcher);
        callback_worker_applied(&s->worker);
    }
    scheduler_canary_applied(s, results != NULL);
    s->again = true;
    if (s->state == SCHEDULER_TAKING_OVER && results != NULL &&
        s->batcher.applied_sequence >= s->leadership_sequence) {
        scheduler_gain_leadership(s);
    }
}

static void replica_told_changed(void *arg, enum replica_role role, uint64_t term)
{
    struct scheduler *s = arg;
    bool was_leader = s->role == REPLICA_LEADER;

    if (s->config.log != NULL && (role != s->role || term != s->term)) {
        log_line(s->config.log, LOG_INFO,
                 role == REPLICA_LEADER      ? "elected leader"
                 : role == REPLICA_CANDIDATE ? "standing for election"
                                             : "following",
                 LOG_U64("term", term));
    }
    if (was_leader && (role != REPLICA_LEADER || term != s->term)) {
        scheduler_lose_leadership(s, ORDERSCHED_NOT_LEADER);
    }
    s->role = role;
    s->term = term;
    s->retry_lead_us = 0;
    s->again = true;
}

static void replica_told_fatal(void *arg, const char *sentence)
{
    scheduler_fatal(arg, sentence);
}

static void replica_told_log(void *arg, const char *level, const char *sentence)
{
    struct scheduler *s = arg;

    if (s->config.log != NULL) {
        log_line(s->config.log, strcmp(level, "error") == 0 ? LOG_ERROR : LOG_WARN, sentence);
    }
}

static void scheduler_woken(void *arg)
{
    ((struct scheduler *)arg)->again = true;
}

/* --- life --- */

static void scheduler_init_parts(struct scheduler *s, struct receiver *receiver)
{
    struct batcher_host host = {
        .arg = s,
        .now_ms = host_now_ms,
        .term = host_term,
        .committed = host_committed,
        .era = host_era,
        .alloc = host_alloc,
        .propose = host_propose,
        .answer = host_answer,
        .refuse = host_refuse,
        .internal = host_internal,
    };

    machine_init(&s->machine);
    if (s->config.max_recent != 0) {
        recent_set_limit(s->machine.recent, s->config.max_recent);
    }
    refusals_init(&s->refusals, recent_limit(s->machine.recent));
    refusals_init(&s->changes, recent_limit(s->machine.recent));
    batcher_init(&s->batcher, &host, s->config.max_queued, s->config.max_queued_bytes);
    scheduler_init_reads(s);
    dispatch_init(&s->dispatch);
    scheduler_init_worker(s, receiver);
    s->dispatch.machine = &s->machine;
    s->dispatch.batcher = &s->batcher;
    s->dispatch.receiver = &s->receivers.receiver;
    s->dispatch.environment = s->environment;
    s->dispatch.log = s->config.log;
    s->dispatch.metrics = s->config.metrics;
    s->dispatch.cluster = s->config.cluster;
    s->dispatch.node_id = s->config.replica.id;
    s->dispatch.inflight.max = s->config.max_deliveries;
    if (s->config.max_callback_requests > 0) {
        s->dispatch.requests.max = s->config.max_callback_requests;
    }
    if (s->config.max_delivery_bytes > 0) {
        s->dispatch.bytes.max = s->config.max_delivery_bytes;
    }
    s->dispatch.woken = scheduler_woken;
    s->dispatch.woken_arg = s;
    clock_init(&s->clock, scheduler_monotonic_us(s));
    lone_clock_init(&s->lone, &s->config.lone_clock, scheduler_monotonic_us(s));
}

struct scheduler *scheduler_new(const struct scheduler_config *config, struct raft_io *io,
                                const struct environment *environment, struct receiver *receiver,
                                char *errbuf, size_t errbuf_len)
{
    struct scheduler *s = calloc(1, sizeof *s);
    struct replica_callbacks callbacks = {
        .arg = s,
        .apply = replica_told_apply,
        .snapshot = scheduler_told_snapshot,
        .restore = scheduler_told_restore,
        .changed = replica_told_changed,
        .check_entry = scheduler_told_check_entry,
        .check_snapshot = scheduler_told_check_snapshot,
        .log = replica_told_log,
        .fatal = replica_told_fatal,
    };

    if (s == NULL) {
        snprintf(errbuf, errbuf_len, "out of memory");
        return NULL;
    }
    s->config = *config;
    s->environment = environment;
    scheduler_init_parts(s, receiver);
    s->config.replica.meter = scheduler_meter(s);
    s->replica = replica_new(&s->config.replica, io, &callbacks, errbuf, errbuf_len);
    if (s->replica == NULL) {
        machine_close(&s->machine);
        free(s);
        return NULL;
    }
    return s;
}

int scheduler_bootstrap(struct scheduler *s, const struct replica_member *members, unsigned n,
                        char *errbuf, size_t errbuf_len)
{
    return replica_bootstrap(s->replica, members, n, errbuf, errbuf_len);
}

int scheduler_start(struct scheduler *s, char *errbuf, size_t errbuf_len)
{
    s->starting = true;
    int rv = replica_start(s->replica, errbuf, errbuf_len);
    s->starting = false;
    s->own_index = replica_last_index(s->replica);
    return rv;
}

void scheduler_set_disk(struct scheduler *s, enum scheduler_disk disk)
{
    static const char *const sentences[] = {
        [SCHEDULER_DISK_OK] = "the data disk has room again: all writes are accepted",
        [SCHEDULER_DISK_LOW] = "the data disk is nearly full: new orders are refused (NO_SPACE); "
                               "free some space",
        [SCHEDULER_DISK_FULL] = "the data disk is full: all client writes are refused "
                                "(NO_SPACE); free space now",
    };

    if (disk != s->disk && s->config.log != NULL) {
        log_line(s->config.log, disk == SCHEDULER_DISK_OK ? LOG_INFO : LOG_ERROR, sentences[disk]);
    }
    s->disk = disk;
}

void scheduler_close(struct scheduler *s, void (*cb)(void *arg), void *arg)
{
    assert(!s->closing);
    scheduler_lose_leadership(s, ORDERSCHED_SHUTTING_DOWN);
    s->closing = true;
    scheduler_end_reads(s);
    replica_close(s->replica, cb, arg);
}

void scheduler_free(struct scheduler *s)
{
    replica_free(s->replica);
    callback_worker_close(&s->worker);
    batcher_close(&s->batcher);
    dispatch_close(&s->dispatch);
    machine_close(&s->machine);
    snapshot_envelope_close(&s->verifying);
    buffer_free(&s->answer);
    buffer_free(&s->results);
    buffer_free(&s->body);
    scheduler_open_gates(s);
    free(s);
}

const struct machine *scheduler_machine(const struct scheduler *s)
{
    return &s->machine;
}

struct replica *scheduler_replica(struct scheduler *s)
{
    return s->replica;
}

uint64_t scheduler_clock_trusted(const struct scheduler *s)
{
    return s->machine.clock_trusted;
}

bool scheduler_leads(const struct scheduler *s)
{
    return s->state == SCHEDULER_LEADING;
}
