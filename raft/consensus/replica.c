/* replica.c - one member of the consensus group: life, log and leadership. See replica.h. */
#include "replica_parts.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hazard_apply.h"
#include "../mutant.h"

#define REPLICA_ELECTION_MS 500
#define REPLICA_HEARTBEAT_MS 50
#define REPLICA_ADD_PATIENCE_MS 60000
/* A member is made a voter when it is nearly there already; these only bound the last steps. */
#define REPLICA_CATCH_UP_ROUNDS 100
#define REPLICA_CATCH_UP_ROUND_MS 30000

/* --- the state machine's side --- */

static void replica_fatal(void *arg, const char *sentence)
{
    struct replica *r = arg;

    r->callbacks.fatal(r->callbacks.arg, sentence);
}

static int replica_fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct replica *r = fsm->data;

    uint64_t index = raft_last_applied(&r->raft) + 1;

    assert(!r->stepping);
    *result = NULL;
    if (!replica_is_ahead(r, index)) {
        r->stepping = true;
        r->callbacks.apply(r->callbacks.arg, index, buf->base, buf->len);
        r->stepping = false;
    }
    replica_log_grew(r, buf->len);
    return 0;
}

/* libraft's buffers on the parts. Returns the bytes in all of them. */
static size_t replica_show_parts(const struct snapshot_part *parts, unsigned n,
                                 struct raft_buffer *bufs)
{
    static const uint8_t lz4_magic[4] = {0x04, 0x22, 0x4d, 0x18};
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        assert(parts[i].len > 0);
        bufs[i] = (struct raft_buffer){.base = parts[i].data, .len = parts[i].len};
        len += parts[i].len;
    }
    assert(parts[0].len < sizeof lz4_magic || /* libraft would decompress it */
           memcmp(parts[0].data, lz4_magic, sizeof lz4_magic) != 0);
    return len;
}

static int replica_fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct replica *r = fsm->data;
    int rv;

    /* A snapshot of what libraft has not come to yet would be stamped with an index before it. */
    if (!guard_may_snapshot(r->guard) || replica_is_ahead(r, raft_last_applied(&r->raft) + 1)) {
        return RAFT_BUSY;
    }
    assert(r->snapshot == NULL && !r->stepping); /* the one before is stored */
    r->stepping = true;
    rv = r->callbacks.snapshot(r->callbacks.arg, &r->snapshot, &r->n_snapshot);
    r->stepping = false;
    if (rv != 0) {
        return RAFT_BUSY;
    }
    assert(r->n_snapshot > 0); /* an empty file is no snapshot to libraft */
    *bufs = raft_malloc(r->n_snapshot * sizeof **bufs);
    if (*bufs == NULL) {
        replica_fatal(r, "out of memory for a snapshot");
        return RAFT_NOMEM;
    }
    *n_bufs = r->n_snapshot;
    size_t len = replica_show_parts(r->snapshot, r->n_snapshot, *bufs);
    r->snapshot_bytes = len;
    raft_set_snapshot_trailing(&r->raft, replica_log_trailing(r));
    replica_log_begins(r, len);
    return 0;
}

static int replica_fsm_snapshot_finalize(struct raft_fsm *fsm, struct raft_buffer *bufs[],
                                         unsigned *n_bufs)
{
    struct replica *r = fsm->data;

    snapshot_parts_free(r->snapshot, r->n_snapshot);
    r->snapshot = NULL;
    r->n_snapshot = 0;
    raft_free(*bufs);
    *bufs = NULL;
    *n_bufs = 0;
    return 0;
}

/* On success the buffer is ours to free. On failure libraft frees it when starting; later
 * nothing does, and nothing can go on. */
static int replica_fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct replica *r = fsm->data;
    int rv;

    r->stepping = true;
    rv = r->callbacks.restore(r->callbacks.arg, buf->base, buf->len);
    r->stepping = false;
    replica_log_begins(r, buf->len);
    if (rv == 0 && r->meter.now_us != NULL) {
        r->meter.snapshot_stored(r->meter.arg, buf->len);
    }
    if (rv == 0 || !r->starting) {
        raft_free(buf->base);
    }
    if (rv != 0 && !r->starting) {
        replica_fatal(r, "the leader's snapshot cannot be restored");
    }
    return rv != 0 ? RAFT_CORRUPT : 0;
}

/* --- role and term --- */

/* After each event, outside of libraft's step: whatever is called from here may propose. */
static void replica_settled(void *arg)
{
    struct replica *r = arg;
    enum replica_role role = replica_role(r);
    uint64_t term = replica_term(r);

    if (r->starting || r->closing) {
        return;
    }
    assert(!r->stepping && term >= r->term);
    if (role != r->role || term != r->term) {
        r->role = role;
        r->term = term;
        r->callbacks.changed(r->callbacks.arg, role, term);
    }
    if (!r->closing) {
        replica_change_review(r);
        replica_log_review(r);
    }
}

/* libraft ignores this one error, and the logs have already parted ways. */
static void replica_trace(struct raft_tracer *tracer, int type, const void *info)
{
    static const char prefix[] = "  conflicting terms";
    struct replica *r = tracer->impl;
    const struct raft_tracer_info *i = info;

    if (type == RAFT_TRACER_DIAGNOSTIC &&
        strncmp(i->diagnostic.message, prefix, sizeof prefix - 1) == 0) {
        char sentence[512];
        snprintf(sentence, sizeof sentence, "the leader contradicts a committed entry:%.400s",
                 i->diagnostic.message + 1);
        replica_fatal(r, sentence);
    }
}

/* --- what is measured --- */

static void meter_snapshot_stored(void *arg)
{
    struct replica *r = arg;

    r->meter.snapshot_stored(r->meter.arg, r->snapshot_bytes);
}

static uint64_t meter_now_us(void *arg)
{
    const struct replica *r = arg;

    return r->meter.now_us(r->meter.arg);
}

static void meter_log_written(void *arg, uint64_t us)
{
    const struct replica *r = arg;

    r->meter.log_written(r->meter.arg, us);
}

static void replica_measure(struct replica *r, const struct replica_meter *meter)
{
    r->meter = *meter;
    if (meter->now_us != NULL) {
        guard_meter_by(r->guard, &(struct guard_meter){.arg = r,
                                                       .now_us = meter_now_us,
                                                       .log_written = meter_log_written,
                                                       .snapshot_stored = meter_snapshot_stored});
    }
}

/* --- life --- */

static int replica_check_config(const struct replica_config *c, unsigned election_ms,
                                unsigned heartbeat_ms, char *errbuf, size_t errbuf_len)
{
    if (c->id == 0 || c->id > INT64_MAX || c->address == NULL || c->address[0] == '\0') {
        snprintf(errbuf, errbuf_len, "a node needs an id from 1 to 2^63-1 and an address");
        return -1;
    }
    if (election_ms % heartbeat_ms != 0 || election_ms < 2 * heartbeat_ms) {
        snprintf(errbuf, errbuf_len,
                 "the election timeout (%u ms) must be a multiple, at least twice, of the "
                 "heartbeat (%u ms)",
                 election_ms, heartbeat_ms);
        return -1;
    }
    return 0;
}

static void replica_configure(struct replica *r, const struct replica_config *c,
                              unsigned election_ms, unsigned heartbeat_ms)
{
    raft_set_heartbeat_timeout(&r->raft, heartbeat_ms);
    raft_set_election_timeout(&r->raft, election_ms);
    raft_set_pre_vote(&r->raft, true);
    raft_set_install_snapshot_timeout(&r->raft, GUARD_INSTALL_TIMEOUT_MS);
    raft_set_max_catch_up_rounds(&r->raft, REPLICA_CATCH_UP_ROUNDS);
    raft_set_max_catch_up_round_duration(&r->raft, REPLICA_CATCH_UP_ROUND_MS);
    /* libraft's own gate leaves a leader without barrier; the node has one of its own. */
    if (!MUTANT(HAZARD_CAPACITY)) {
        raft_set_capacity_threshold(&r->raft, 0);
    }
    replica_log_configure(r, c);
    raft_seed(&r->raft, c->random_seed);
    r->tracer = (struct raft_tracer){.impl = r, .version = 2, .emit = replica_trace};
    r->raft.tracer = &r->tracer;
}

struct replica *replica_new(const struct replica_config *config, struct raft_io *io,
                            const struct replica_callbacks *callbacks, char *errbuf,
                            size_t errbuf_len)
{
    unsigned heartbeat_ms = config->heartbeat_timeout_ms != 0 ? config->heartbeat_timeout_ms
                                                              : REPLICA_HEARTBEAT_MS;
    unsigned election_ms = config->election_timeout_ms != 0 ? config->election_timeout_ms
                                                            : REPLICA_ELECTION_MS;
    struct replica *r;
    int rv;

    if (replica_check_config(config, election_ms, heartbeat_ms, errbuf, errbuf_len) != 0) {
        return NULL;
    }
    r = calloc(1, sizeof *r);
    if (r == NULL) {
        goto no_memory;
    }
    r->callbacks = *callbacks;
    r->raft.data = r;
    r->add_patience_ms = config->add_patience_ms != 0 ? config->add_patience_ms
                                                      : REPLICA_ADD_PATIENCE_MS;
    r->fsm = (struct raft_fsm){
        .version = 2,
        .data = r,
        .apply = replica_fsm_apply,
        .snapshot = replica_fsm_snapshot,
        .restore = replica_fsm_restore,
        .snapshot_finalize = replica_fsm_snapshot_finalize,
    };
    r->guard = guard_new(io, &r->io, &r->raft, replica_fatal, r);
    if (r->guard == NULL) {
        goto no_memory;
    }
    guard_on_settled(r->guard, replica_settled, r);
    if (config->take_turns) {
        guard_take_turns(r->guard);
    }
    guard_on_loaded(r->guard, replica_ahead_loaded, r);
    guard_judge_by(r->guard, &(struct guard_judge){.arg = r->callbacks.arg,
                                                   .command = r->callbacks.check_entry,
                                                   .snapshot = r->callbacks.check_snapshot,
                                                   .log = r->callbacks.log});
    replica_measure(r, &config->meter);
    rv = raft_init(&r->raft, &r->io, &r->fsm, config->id, config->address);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "%s: %s", raft_strerror(rv), r->raft.errmsg);
        guard_free(r->guard);
        free(r);
        return NULL;
    }
    replica_configure(r, config, election_ms, heartbeat_ms);
    r->starting = true;
    return r;

no_memory:
    free(r);
    snprintf(errbuf, errbuf_len, "out of memory");
    return NULL;
}

int replica_bootstrap(struct replica *r, const struct replica_member *members, unsigned n,
                      char *errbuf, size_t errbuf_len)
{
    struct raft_configuration conf;
    int rv = n == 0 || n > REPLICA_MEMBERS_MAX ? RAFT_TOOMANY : 0;

    raft_configuration_init(&conf);
    for (unsigned i = 0; i < n && rv == 0; i++) {
        rv = raft_configuration_add(&conf, members[i].id, members[i].address,
                                    members[i].voter ? RAFT_VOTER : RAFT_STANDBY);
    }
    if (rv == 0) {
        rv = raft_bootstrap(&r->raft, &conf);
    }
    raft_configuration_close(&conf);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "the cluster cannot be founded: %s%s%s", raft_strerror(rv),
                 r->io.errmsg[0] != '\0' ? ": " : "", r->io.errmsg);
        return -1;
    }
    return 0;
}

/* A lone voter elects itself in raft_start, in the term it had before: libraft begins a new one
 * only with a vote. But a term must have one leader's life: entries that this node sent to a
 * non-voter and lost in a crash would meet others of the same index and term, and an epoch would
 * come twice. Nothing has been proposed yet, so the leadership moves to the next term as it stands.
 * */
static int replica_renew_term(struct replica *r)
{
    assert(r->starting); /* libraft has given out no index of its own yet */
    raft_term term = r->raft.current_term + 1;
    int rv = r->io.set_term(&r->io, term);

    if (rv == 0) {
        r->raft.current_term = term;
        r->raft.voted_for = 0;
        rv = r->io.set_vote(&r->io, r->raft.id);
    }
    if (rv == 0) {
        r->raft.voted_for = r->raft.id;
    }
    return rv;
}

int replica_start(struct replica *r, char *errbuf, size_t errbuf_len)
{
    int rv = raft_start(&r->raft);

    if (rv == 0 && r->raft.state == RAFT_LEADER) {
        rv = replica_renew_term(r);
    }
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "%s: %s", raft_strerror(rv), raft_errmsg(&r->raft));
        return -1;
    }
    replica_ahead_apply(r);
    r->starting = false;
    replica_settled(r); /* a lone voter leads already */
    return 0;
}

static void replica_closed(struct raft *raft)
{
    struct replica *r = raft->data;

    replica_change_close(r);
    if (r->close_cb != NULL) {
        r->close_cb(r->close_arg);
    }
}

void replica_close(struct replica *r, void (*cb)(void *arg), void *arg)
{
    assert(!r->closing && !r->stepping);
    r->closing = true;
    r->close_cb = cb;
    r->close_arg = arg;
    raft_close(&r->raft, replica_closed);
}

void replica_free(struct replica *r)
{
    if (r == NULL) {
        return;
    }
    guard_free(r->guard);
    replica_ahead_free(r);
    free(r->change.address);
    free(r);
}

/* --- proposals --- */

struct proposal {
    struct raft_apply request;
    replica_propose_cb cb;
    void *arg;
};

static void proposal_cb(struct raft_apply *req, int status, void *result)
{
    struct proposal *p = req->data;
    replica_propose_cb cb = p->cb;
    void *arg = p->arg;

    (void)result;
    free(p);
    cb(arg, status == 0 ? REPLICA_COMMITTED : REPLICA_LOST);
}

/* One entry a raft_apply: of several, libraft takes the first only. */
static int replica_apply_one(struct replica *r, struct proposal *p, const struct raft_buffer *buf)
{
#ifdef ORDERSCHEDD_MUTANTS
    if (MUTANT(HAZARD_GROUPED_APPLY)) {
        return hazard_apply(&r->raft, &p->request, buf, proposal_cb);
    }
#endif
    return raft_apply(&r->raft, &p->request, buf, 1, proposal_cb);
}

/* libraft sends a follower whose answer has not come between two ticks one message a heartbeat from
 * then on, until it has confirmed an entry (checkContactQuorum, progressShouldReplicate): after a
 * pause the next entry waits for up to a heartbeat, when both followers are in that state. So the
 * first one after a pause goes out as if a heartbeat were due. */
static int replica_apply_at_once(struct replica *r, struct proposal *p,
                                 const struct raft_buffer *buf)
{
    unsigned heartbeat_ms = r->raft.heartbeat_timeout;
    raft_time now_ms = r->io.time(&r->io);
    bool paused = now_ms - r->proposed_ms >= heartbeat_ms / 2 &&
                  raft_last_index(&r->raft) == r->raft.commit_index;

    r->proposed_ms = now_ms;
    /* It also makes the ticks after it so irregular that libraft gives up a lost snapshot by itself:
     * who wants to see that hazard must do without. */
    if (paused && !MUTANT(HAZARD_LOST_SNAPSHOT)) {
        r->raft.heartbeat_timeout = 0;
    }
    int rv = replica_apply_one(r, p, buf);
    r->raft.heartbeat_timeout = heartbeat_ms;
    return rv;
}

int replica_propose(struct replica *r, uint8_t *data, size_t len, replica_propose_cb cb, void *arg)
{
    struct raft_buffer buf = {.base = data, .len = len};
    struct proposal *p;
    int rv;

    assert(!r->stepping);
    assert(data != NULL && len > 0 && len % 8 == 0 && len <= UINT32_MAX);
    if (r->closing || r->starting || r->raft.state != RAFT_LEADER) {
        return -1;
    }
    p = malloc(sizeof *p);
    if (p == NULL) {
        replica_fatal(r, "out of memory for a proposal");
        return -1;
    }
    p->request.data = p;
    p->cb = cb;
    p->arg = arg;
    rv = replica_apply_at_once(r, p, &buf);
    if (rv == 0) {
        return 0;
    }
    free(p);
    if (rv != RAFT_NOTLEADER && rv != RAFT_NOSPACE) {
        /* The library has half-taken the buffer: neither of us can free it. */
        char sentence[RAFT_ERRMSG_BUF_SIZE + 64];
        snprintf(sentence, sizeof sentence, "an entry could not be proposed: %s: %s",
                 raft_strerror(rv), raft_errmsg(&r->raft));
        replica_fatal(r, sentence);
    }
    return -1;
}

uint8_t *replica_alloc(size_t len)
{
    return raft_malloc(len);
}

void replica_dealloc(uint8_t *data)
{
    raft_free(data);
}
