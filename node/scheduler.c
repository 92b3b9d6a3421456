/* scheduler.c - see scheduler.h. */
#include "scheduler.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../raft/mutant.h"
#include "../raft/recent.h"
#include "expiry.h"
#include "scheduler_internal.h"

#define SCHEDULER_ADVANCE_MAX 4096       /* orders moved by the wheel in one run */
#define SCHEDULER_FOLLOW_MAX 512         /* of who does not lead: acknowledging comes first */
#define SCHEDULER_FOLLOW_US 1000         /* ... and goes on after this */
#define SCHEDULER_IDLE_US 1000000        /* look again at least this often */
#define SCHEDULER_HELD_UP_US 5000        /* ... at whether clients have taken their answers */
#define SCHEDULER_OFFICE_RETRY_US 50000  /* after a refused proposal, while still the leader */
#define SCHEDULER_TRANSFER_US 2000000    /* for another to take the office when draining */
#define SCHEDULER_CLOCK_WARN_MS 1000
#define SCHEDULER_CLOCK_WARN_EVERY_US 60000000

uint64_t scheduler_monotonic_us(const struct scheduler *s)
{
    return s->environment->monotonic_us(s->environment->impl);
}

uint64_t scheduler_now_ms(struct scheduler *s)
{
    const struct environment *e = s->environment;

    uint64_t now_ms = clock_read(&s->clock, e->wall_us(e->impl), e->monotonic_us(e->impl));

    return now_ms < ENTRY_TIME_MAX_MS ? now_ms : ENTRY_TIME_MAX_MS;
}

/* A follower's own wall clock does not come into it: one that is ahead would hand out request ids
 * of the future. */
uint64_t scheduler_told_ms(struct scheduler *s)
{
    if (s->state != SCHEDULER_FOLLOWING) {
        uint64_t now_ms = scheduler_now_ms(s);
        return now_ms > s->machine.now_ms ? now_ms : s->machine.now_ms;
    }
    if (s->machine.now_ms == 0) {
        return 0; /* no entry ever came: not known */
    }
    uint64_t now_us = scheduler_monotonic_us(s);
    uint64_t passed_us = now_us > s->told_at_us ? now_us - s->told_at_us : 0;
    if (s->told_at_us == 0 || s->told_ms + passed_us / 1000 < s->machine.now_ms) {
        s->told_ms = s->machine.now_ms;
        s->told_at_us = now_us;
        return s->told_ms;
    }
    return s->told_ms + passed_us / 1000;
}

void scheduler_fatal(struct scheduler *s, const char *sentence)
{
    s->config.fatal(s->config.fatal_arg, sentence);
}

/* --- what the batcher asks for --- */

/* The same clock, finer: for measuring. */
uint64_t scheduler_clock_us(struct scheduler *s)
{
    (void)scheduler_now_ms(s);
    return (uint64_t)s->clock.value_us;
}

static uint64_t host_now_ms(void *arg)
{
    return scheduler_now_ms(arg);
}

static uint64_t host_term(void *arg)
{
    return ((struct scheduler *)arg)->term;
}

static uint64_t host_committed(void *arg)
{
    return replica_commit_index(((struct scheduler *)arg)->replica);
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
};

static void host_settled(void *arg, enum replica_status status)
{
    struct proposal *p = arg;

    batcher_settled(&p->scheduler->batcher, p->entry, status == REPLICA_COMMITTED);
    p->scheduler->again = true;
    free(p);
}

static bool host_propose(void *arg, uint8_t *data, size_t len, void *entry)
{
    struct scheduler *s = arg;
    struct proposal *p = malloc(sizeof *p);

    if (p == NULL) {
        abort();
    }
    p->scheduler = s;
    p->entry = entry;
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
    callback_worker_ticket(&((struct scheduler *)arg)->worker, ticket, result);
}

/* --- the office --- */

static void scheduler_enter_office(struct scheduler *s)
{
    assert(s->machine.epoch == s->term || MUTANT(FENCE_RESET_ON_RESTORE));
    s->state = SCHEDULER_IN_OFFICE;
    if (!MUTANT(LEADER_FORGETS_TIME)) {
        clock_raise(&s->clock, s->machine.now_ms); /* entries of the last leader came since */
    }
    dispatch_open(&s->dispatch);
    hurry_begin_office(&s->hurry, &s->machine);
    callback_worker_open(&s->worker, s->machine.epoch);
    if (s->config.log != NULL) {
        log_line(s->config.log, LOG_INFO, "in office: this node decides and fires",
                 LOG_U64("term", s->term), LOG_U64("index", s->machine.applied));
    }
}

/* The first entry of an office. An identity and a secret are in it where the cluster has none, as
 * far as this node has applied: the machine keeps the first. */
static void scheduler_submit_epoch(struct scheduler *s)
{
    uint8_t random[PROTOCOL_IDENTITY_SIZE + PROTOCOL_CLUSTER_SECRET_SIZE];
    struct operation op = {
        .code = OPERATION_EPOCH,
        .seed = s->environment->random(s->environment->impl) | 1,
        .retention_ms = s->config.retention_ms,
    };

    if (s->machine.secret_index == 0) {
        s->environment->secret(s->environment->impl, random, sizeof random);
        op.identity = (struct slice){random, PROTOCOL_IDENTITY_SIZE};
        op.secret = (struct slice){random + PROTOCOL_IDENTITY_SIZE, PROTOCOL_CLUSTER_SECRET_SIZE};
    }
    batcher_submit_internal(&s->batcher, &op);
    explicit_bzero(random, sizeof random);
}

static void scheduler_take_office(struct scheduler *s)
{
    (void)scheduler_now_ms(s);
    if (!MUTANT(LEADER_FORGETS_TIME)) {
        clock_raise(&s->clock, s->machine.now_ms);
    }
    batcher_open(&s->batcher);
    s->state = SCHEDULER_TAKING_OFFICE;
    /* In office from our own entry on: what was proposed before it, in an office of the same term
     * that a transfer interrupted, is applied by then, and can decide no order behind the back of
     * a delivery. (The operation in it is void in that case.) */
    s->office_sequence = s->batcher.sequence + 1;
    scheduler_submit_epoch(s);
    if (MUTANT(FIRE_WITHOUT_EPOCH)) {
        s->state = SCHEDULER_IN_OFFICE;
        dispatch_open(&s->dispatch);
        hurry_begin_office(&s->hurry, &s->machine);
        callback_worker_open(&s->worker, s->machine.epoch);
    }
}

static void scheduler_leave_office(struct scheduler *s, int error)
{
    if (s->state == SCHEDULER_FOLLOWING) {
        return;
    }
    s->state = SCHEDULER_FOLLOWING;
    s->retry_office_us = scheduler_monotonic_us(s) + SCHEDULER_OFFICE_RETRY_US;
    dispatch_close_office(&s->dispatch);
    callback_worker_leave(&s->worker, error);
    batcher_close_office(&s->batcher, error, NULL);
    if (s->config.log != NULL) {
        log_line(s->config.log, LOG_INFO, "out of office", LOG_U64("term", s->term));
    }
}

/* --- what the replica tells --- */

bool scheduler_knows_identity(const struct scheduler *s)
{
    return identity_is_known(s->machine.identity);
}

bool scheduler_identify(struct scheduler *s)
{
    if (s->identified || s->config.identified == NULL || !scheduler_knows_identity(s)) {
        return true;
    }
    s->identified = true;
    return s->config.identified(s->config.cluster_arg, s->machine.identity) == 0;
}

static void replica_told_apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    struct scheduler *s = arg;
    struct machine_results *results = batcher_results(&s->batcher, data, len);

    s->machine.clock_us = scheduler_clock_us(s);
    if (MUTANT(LOCAL_CLOCK_AT_APPLY) && s->machine.now_ms < scheduler_now_ms(s)) {
        s->machine.now_ms = scheduler_now_ms(s);
    }
    if (machine_apply(&s->machine, index, data, len, results) != 0) {
        char sentence[160];
        snprintf(sentence, sizeof sentence,
                 "log entry %" PRIu64 " is damaged or written by a newer version: refusing to "
                 "go on with a state that others do not share",
                 index);
        scheduler_fatal(s, sentence);
        return;
    }
    if (!scheduler_identify(s)) {
        return;
    }
    scheduler_progress(s, "applying the log, up to entry", index, 0);
    if (s->config.applied != NULL) {
        s->config.applied(s->config.applied_arg, index);
    }
    if (results != NULL) {
        scheduler_log_dead(s, data, len, results);
        batcher_applied(&s->batcher);
        callback_worker_applied(&s->worker);
    }
    s->again = true;
    if (s->state == SCHEDULER_TAKING_OFFICE && results != NULL &&
        s->batcher.applied_sequence >= s->office_sequence) {
        scheduler_enter_office(s);
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
        scheduler_leave_office(s, ORDERSCHED_NOT_LEADER);
    }
    s->role = role;
    s->term = term;
    s->retry_office_us = 0;
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
    clock_init(&s->clock, s->environment->wall_us(s->environment->impl),
               scheduler_monotonic_us(s));
}

struct scheduler *scheduler_new(const struct scheduler_config *config, struct raft_io *io,
                                const struct environment *environment,
                                struct receiver *receiver, char *errbuf, size_t errbuf_len)
{
    struct scheduler *s = calloc(1, sizeof *s);
    struct replica_callbacks callbacks = {
        .arg = s,
        .apply = replica_told_apply,
        .snapshot = scheduler_told_snapshot,
        .restore = scheduler_told_restore,
        .changed = replica_told_changed,
        .check_entry = scheduler_told_check_entry,
        .check_image = scheduler_told_check_image,
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
    s->replica = replica_new(&config->replica, io, &callbacks, errbuf, errbuf_len);
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
    return rv;
}

void scheduler_progress(const struct scheduler *s, const char *what, uint64_t done, uint64_t total)
{
    if (s->config.progress != NULL && s->starting) {
        s->config.progress(s->config.progress_arg, what, done, total);
    }
}

void scheduler_set_disk(struct scheduler *s, enum scheduler_disk disk)
{
    static const char *const sentences[] = {
        [SCHEDULER_DISK_OK] = "the data disk has room again: all writes are accepted",
        [SCHEDULER_DISK_LOW] = "the data disk is nearly full: new orders are refused (NO_SPACE), "
                               "free some space",
        [SCHEDULER_DISK_FULL] = "the data disk is full: all client writes are refused "
                                "(NO_SPACE), free space now",
    };

    if (disk != s->disk && s->config.log != NULL) {
        log_line(s->config.log, disk == SCHEDULER_DISK_OK ? LOG_INFO : LOG_ERROR,
                 sentences[disk]);
    }
    s->disk = disk;
}

/* --- the pump --- */

static void scheduler_watch_clock(struct scheduler *s, uint64_t now_us)
{
    int64_t offset_ms = clock_offset_ms(&s->clock);

    if ((offset_ms < SCHEDULER_CLOCK_WARN_MS && offset_ms > -SCHEDULER_CLOCK_WARN_MS) ||
        now_us < s->clock_warned_us || s->config.log == NULL) {
        return;
    }
    s->clock_warned_us = now_us + SCHEDULER_CLOCK_WARN_EVERY_US;
    log_line(s->config.log, LOG_WARN,
             "this node's wall clock stepped; orders keep their pace while the scheduler follows "
             "it by at most 10 %; restart the node to take the wall clock as it is",
             LOG_I64("offset_ms", offset_ms));
}

static void scheduler_drained(void *arg, int error, const char *text)
{
    struct scheduler *s = arg;

    if (error != ORDERSCHED_OK && s->config.log != NULL) {
        log_line(s->config.log, LOG_INFO, "leadership was not handed over",
                 LOG_STR("reason", text != NULL ? text : ordersched_error_text(error)));
    }
    if (s->drain_cb != NULL) {
        void (*cb)(void *) = s->drain_cb;
        s->drain_cb = NULL;
        cb(s->drain_arg);
    }
}

/* Deliveries under way may end and their outcomes be logged before the office is handed over,
 * for a while: it spares their receivers a repetition. */
static void scheduler_drain_step(struct scheduler *s, uint64_t now_us)
{
    bool quiet = batcher_idle(&s->batcher) && s->dispatch.inflight.used == 0 &&
                 s->administering == 0 && s->reader.n == 0;

    if (s->drain_cb == NULL) {
        return;
    }
    if (s->transfer_tried) { /* libraft goes on waiting where no new leader can be elected */
        if (now_us >= s->drain_until_us) {
            scheduler_drained(s, ORDERSCHED_UNKNOWN_OUTCOME, "no new leader in time");
        }
        return;
    }
    if (!quiet && now_us < s->drain_until_us) {
        return;
    }
    s->transfer_tried = true;
    s->drain_until_us = now_us + SCHEDULER_TRANSFER_US;
    if (s->role != REPLICA_LEADER) {
        scheduler_drained(s, ORDERSCHED_OK, NULL);
        return;
    }
    replica_transfer(s->replica, scheduler_successor(s), scheduler_drained, s);
}

void scheduler_drain(struct scheduler *s, unsigned timeout_ms, void (*cb)(void *arg), void *arg)
{
    s->draining = true;
    callback_worker_stop(&s->worker, ORDERSCHED_SHUTTING_DOWN);
    s->drain_until_us = scheduler_monotonic_us(s) + (uint64_t)timeout_ms * 1000;
    s->drain_cb = cb;
    s->drain_arg = arg;
    s->again = true;
}

/* Within an eighth of what is refused as FULL. */
static bool scheduler_room_is_short(const struct scheduler *s)
{
    const struct scheduler_config *c = &s->config;

    return s->machine.store.n >= c->max_orders - c->max_orders / 8 ||
           s->machine.memory >= c->max_bytes - c->max_bytes / 8;
}

/* One round. Returns the leader-clock time of the next time entry, UINT64_MAX for none. */
static uint64_t scheduler_round(struct scheduler *s, uint64_t now_us)
{
    uint64_t clock_ms = scheduler_now_ms(s);
    uint64_t next_ms = UINT64_MAX;

    if (s->role == REPLICA_LEADER && s->state == SCHEDULER_FOLLOWING &&
        now_us >= s->retry_office_us && !s->transfer_tried) {
        scheduler_take_office(s);
    }
    bool leads = s->role == REPLICA_LEADER;
    if (s->told_of_ms != s->machine.now_ms) { /* an entry came: its time goes on from here */
        s->told_of_ms = s->machine.now_ms;
        (void)scheduler_told_ms(s);
    }
    s->behind = !machine_advance(&s->machine, leads ? SCHEDULER_ADVANCE_MAX : SCHEDULER_FOLLOW_MAX);
    s->again = s->again || (s->behind && leads);
    if (s->state == SCHEDULER_IN_OFFICE && !s->draining) {
        if (hurry_run(&s->hurry, &s->machine, &s->batcher)) {
            s->again = true;
        }
        if (dispatch_run(&s->dispatch, scheduler_clock_us(s))) {
            s->again = true;
        }
        next_ms = expiry_plan(&s->machine, &s->batcher, clock_ms);
        if (scheduler_room_is_short(s)) {
            uint64_t room_ms = expiry_plan_room(&s->machine, &s->batcher, clock_ms);
            next_ms = room_ms < next_ms ? room_ms : next_ms;
        }
    }
    s->worker_wake_us = callback_worker_run(&s->worker);
    scheduler_watch_quiet(s, now_us);
    scheduler_build_image(s, now_us);
    batcher_pump(&s->batcher);
    if (s->state != SCHEDULER_FOLLOWING && !s->batcher.open) {
        scheduler_leave_office(s, ORDERSCHED_NOT_LEADER);
    }
    reader_turn(&s->reader);
    scheduler_read_on(s);
    s->again = s->again || scheduler_has_reads(s);
    return next_ms;
}

static uint64_t scheduler_sleep_us(struct scheduler *s, uint64_t next_ms, uint64_t now_us)
{
    uint64_t sleep_us = SCHEDULER_IDLE_US;

    if (s->again) {
        return 0;
    }
    if (next_ms != UINT64_MAX) {
        uint64_t clock_ms = scheduler_now_ms(s);
        uint64_t wait_us = next_ms > clock_ms ? (next_ms - clock_ms) * 1000 : 0;
        sleep_us = wait_us < sleep_us ? wait_us : sleep_us;
    }
    if (s->behind && sleep_us > SCHEDULER_FOLLOW_US) {
        sleep_us = SCHEDULER_FOLLOW_US;
    }
    if (s->role == REPLICA_LEADER && s->state == SCHEDULER_FOLLOWING &&
        s->retry_office_us > now_us && s->retry_office_us - now_us < sleep_us) {
        sleep_us = s->retry_office_us - now_us;
    }
    if (s->worker_wake_us != UINT64_MAX) {
        uint64_t wait_us = s->worker_wake_us > now_us ? s->worker_wake_us - now_us : 0;
        sleep_us = wait_us < sleep_us ? wait_us : sleep_us;
    }
    if (s->state == SCHEDULER_IN_OFFICE && !s->draining && s->dispatch.wake_us != UINT64_MAX) {
        uint64_t wait_us = s->dispatch.wake_us > now_us ? s->dispatch.wake_us - now_us : 0;
        sleep_us = wait_us < sleep_us ? wait_us : sleep_us;
    }
    if (scheduler_is_building(s)) {
        uint64_t wait_us = s->image_next_us > now_us ? s->image_next_us - now_us : 0;
        sleep_us = wait_us < sleep_us ? wait_us : sleep_us;
    }
    if (reader_is_held_up(&s->reader) && sleep_us > SCHEDULER_HELD_UP_US) {
        sleep_us = SCHEDULER_HELD_UP_US;
    }
    if (s->drain_cb != NULL) {
        uint64_t wait_us = s->drain_until_us > now_us ? s->drain_until_us - now_us : 0;
        sleep_us = wait_us < sleep_us ? wait_us : sleep_us;
    }
    return sleep_us;
}

uint64_t scheduler_run(struct scheduler *s)
{
    if (s->running || s->closing) {
        return SCHEDULER_IDLE_US;
    }
    s->running = true;
    s->again = false;
    uint64_t now_us = scheduler_monotonic_us(s);
    uint64_t next_ms = scheduler_round(s, now_us);
    scheduler_watch_clock(s, now_us);
    scheduler_drain_step(s, now_us);
    scheduler_hand_over(s, now_us);
    s->running = false;
    return scheduler_sleep_us(s, next_ms, now_us);
}

void scheduler_close(struct scheduler *s, void (*cb)(void *arg), void *arg)
{
    scheduler_leave_office(s, ORDERSCHED_SHUTTING_DOWN);
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

bool scheduler_in_office(const struct scheduler *s)
{
    return s->state == SCHEDULER_IN_OFFICE;
}
