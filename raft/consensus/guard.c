/* guard.c - a raft_io in front of a raft_io: disk, clock and life. See guard.h. */
#include "guard_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mutant.h"

/* From the raft_io that a tick or a message came from, however many lie between. */
static struct guard *guard_of_inner(const struct raft_io *io)
{
    const struct raft *raft = io->data;

    return raft->io->impl;
}

/* Pass a status on, with the inner one's words for it. */
static int guard_result(struct guard *g, int rv)
{
    if (rv != 0) {
        memcpy(g->outer->errmsg, g->inner->errmsg, sizeof g->outer->errmsg);
    }
    return rv;
}

void guard_settle(struct guard *g)
{
    if (g->settled != NULL && !g->closing) {
        g->settled(g->settled_arg);
    }
}

/* --- life --- */

static int guard_init(struct raft_io *io, raft_id id, const char *address)
{
    struct guard *g = guard_of(io);

    assert(io->data == g->raft);
    g->inner->data = io->data;
    return guard_result(g, g->inner->init(g->inner, id, address));
}

static int guard_load(struct raft_io *io, raft_term *term, raft_id *voted_for,
                      struct raft_snapshot **snapshot, raft_index *start_index,
                      struct raft_entry *entries[], size_t *n_entries)
{
    struct guard *g = guard_of(io);
    int rv = g->inner->load(g->inner, term, voted_for, snapshot, start_index, entries, n_entries);

    if (rv == 0) {
        g->term = *term;
        g->vote = *voted_for;
        if (g->loaded != NULL) {
            g->loaded(g->loaded_arg, *start_index, *entries, *n_entries);
        }
    }
    return guard_result(g, rv);
}

static void guard_tick(struct raft_io *inner)
{
    struct guard *g = guard_of_inner(inner);

    if (g->closing) {
        return;
    }
    guard_complete_deferred(g);
    guard_install_review(g);
    guard_install_more(g);
    guard_stuck_review(g);
    g->tick(g->outer);
    guard_timeout_now_review(g);
    guard_settle(g);
}

static void guard_recv(struct raft_io *inner, struct raft_message *message)
{
    struct guard *g = guard_of_inner(inner);

    if (g->closing) {
        guard_discard_message(message);
        return;
    }
    guard_receive(g, message);
    guard_install_more(g);
    guard_timeout_now_review(g);
    guard_settle(g);
}

static int guard_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
                       raft_io_recv_cb recv)
{
    struct guard *g = guard_of(io);

    g->tick = tick;
    g->recv = recv;
    return guard_result(g, g->inner->start(g->inner, msecs, guard_tick, guard_recv));
}

static int guard_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    struct guard *g = guard_of(io);

    return guard_result(g, g->inner->bootstrap(g->inner, conf));
}

static int guard_recover(struct raft_io *io, const struct raft_configuration *conf)
{
    struct guard *g = guard_of(io);

    return guard_result(g, g->inner->recover(g->inner, conf));
}

static void guard_closed(struct raft_io *inner)
{
    const struct raft *raft = inner->data;
    struct guard *g = raft->io->impl;

    assert(!g->own.busy && !g->install.busy && g->loads == NULL);
    g->close_cb(g->outer);
}

static void guard_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct guard *g = guard_of(io);

    assert(!g->closing);
    g->closing = true;
    g->close_cb = cb;
    if (g->held) {
        g->held = false;
        guard_forget_kept(&g->held_message);
    }
    guard_verify_close(g);
    guard_install_close(g);
    g->inner->close(g->inner, guard_closed);
}

/* --- term and vote --- */

static int guard_set_term(struct raft_io *io, raft_term term)
{
    struct guard *g = guard_of(io);
    int rv;

    if (term == g->term) {
        return 0;
    }
    rv = g->inner->set_term(g->inner, term);
    if (rv != 0) {
        guard_fail(g, "cannot store the term", rv);
        return guard_result(g, rv);
    }
    guard_count_leap(g, g->term, term);
    g->term = term;
    g->vote = 0; /* set_term clears it, on disk too */
    return 0;
}

static int guard_set_vote(struct raft_io *io, raft_id server_id)
{
    struct guard *g = guard_of(io);
    int rv;

    if (server_id == g->vote) {
        return 0;
    }
    assert(g->vote == 0); /* one vote in a term */
    rv = MUTANT(VOTE_NOT_WRITTEN) ? 0 : g->inner->set_vote(g->inner, server_id);
    if (rv != 0) {
        guard_fail(g, "cannot store the vote", rv);
        return guard_result(g, rv);
    }
    g->vote = server_id;
    return 0;
}

/* --- the log --- */

struct guard_append {
    struct raft_io_append request; /* the inner one */
    struct raft_io_append *outer;
    struct guard *guard;
    uint64_t began_us; /* if it is measured */
};

static uint64_t meter_now_us(const struct guard *g)
{
    return g->meter.now_us != NULL ? g->meter.now_us(g->meter.arg) : 0;
}

static void guard_append_cb(struct raft_io_append *req, int status)
{
    struct guard_append *append = req->data;
    struct guard *g = append->guard;
    struct raft_io_append *outer = append->outer;

    if (status == 0 && g->meter.now_us != NULL) {
        g->meter.log_written(g->meter.arg, meter_now_us(g) - append->began_us);
    }
    free(append);
    if (status != 0 && status != RAFT_CANCELED) {
        /* libraft would go on as if nothing had been asked of the disk. */
        guard_fail(g, "cannot append to the log", status);
    }
    outer->cb(outer, status);
    if (!g->closing) {
        guard_timeout_now_review(g);
    }
    guard_settle(g);
}

static int guard_append(struct raft_io *io, struct raft_io_append *req,
                        const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct guard *g = guard_of(io);
    struct guard_append *append;
    int rv;

    for (unsigned i = 0; i < n; i++) {
        if (entries[i].buf.base == NULL || entries[i].buf.len == 0 || entries[i].buf.len % 8 != 0) {
            guard_fail(g, "an entry's length must be a positive multiple of 8", RAFT_INVALID);
            return RAFT_INVALID;
        }
    }
    append = malloc(sizeof *append);
    if (append == NULL) {
        guard_fail(g, "cannot append to the log", RAFT_NOMEM);
        return RAFT_NOMEM;
    }
    append->outer = req;
    append->guard = g;
    append->began_us = meter_now_us(g);
    append->request.data = append;
    req->cb = cb;
    rv = g->inner->append(g->inner, &append->request, entries, n, guard_append_cb);
    if (rv != 0) {
        free(append);
        guard_fail(g, "cannot append to the log", rv);
    }
    return guard_result(g, rv);
}

void guard_keep_applied(struct guard *g, raft_index index)
{
    assert(index >= g->held_index);
    g->held_index = index;
}

static int guard_truncate(struct raft_io *io, raft_index index)
{
    struct guard *g = guard_of(io);
    int rv;

    if (index <= g->held_index) {
        /* libraft counts from its own commit index, which is behind at a start. */
        g->inner->errmsg[0] = '\0';
        guard_fail(g,
                   "the leader contradicts entries of this node's log that were committed and "
                   "applied: the data of a majority of the members was lost or put back. What the "
                   "cluster has now is not what this node has; compare them before you move this "
                   "node's data directory away and add the machine again, empty, under a new id",
                   RAFT_CORRUPT);
        return RAFT_CORRUPT;
    }
    rv = g->inner->truncate(g->inner, index);
    if (rv != 0) {
        guard_fail(g, "cannot truncate the log", rv);
    }
    return guard_result(g, rv);
}

/* --- snapshots onto the disk --- */

static void guard_put_cb(struct raft_io_snapshot_put *req, int status)
{
    struct guard_put *put = req->data;
    struct guard *g = put->guard;

    assert(put->busy && g->own.busy != g->install.busy);
    put->busy = false;
    if (status == 0 && put == &g->own && g->meter.now_us != NULL) {
        g->meter.snapshot_stored(g->meter.arg);
    }
    if (status != 0 && status != RAFT_CANCELED) {
        guard_fail(g,
                   put == &g->own ? "cannot store a snapshot"
                                  : "cannot store the leader's snapshot",
                   status);
    }
    put->outer->cb(put->outer, status);
    guard_release_held(g);
    guard_settle(g);
}

static int guard_snapshot_put(struct raft_io *io, unsigned trailing,
                              struct raft_io_snapshot_put *req,
                              const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct guard *g = guard_of(io);
    struct guard_put *put = trailing == 0 ? &g->install : &g->own;
    int rv;

    if (g->own.busy || g->install.busy) {
        guard_fail(g, "two snapshots would be stored at the same time", RAFT_BUSY);
        return RAFT_BUSY;
    }
    put->busy = true;
    put->outer = req;
    put->guard = g;
    put->request.data = put;
    req->cb = cb;
    rv = g->inner->snapshot_put(g->inner, trailing, &put->request, snapshot, guard_put_cb);
    if (rv != 0) {
        put->busy = false;
        if (rv != RAFT_CANCELED) {
            guard_fail(g, "cannot store a snapshot", rv);
        }
    }
    return guard_result(g, rv);
}

bool guard_may_snapshot(const struct guard *g)
{
    return !g->closing && !g->held && !g->own.busy && !g->install.busy;
}

/* --- messages out --- */

/* A pre-vote for a term that is over is refused, and libraft's refusal repeats the candidate's term: the
 * candidate never learns that there was a later one, and asks for the same for ever. If its log is
 * the longer one nobody else can win either; with all others down, or in a cluster of two, there is no
 * leader any more. Its libraft takes up a term that is more than one ahead of its own, as it
 * should, if the refusal only shows it (hazard 32). */
static void vote_show_term(const struct guard *g, struct raft_request_vote_result *result)
{
    if (result->pre_vote && !result->vote_granted && result->term < g->raft->current_term &&
        !MUTANT(HAZARD_OLD_PRE_VOTE)) {
        result->term = g->raft->current_term;
    }
}

/* Does libraft refuse entries because the leader's snapshot is not verified yet? The leader would
 * take it for lost. */
static bool guard_lives_only(const struct guard *g, const struct raft_message *message)
{
    return g->verifying && message->type == RAFT_APPEND_ENTRIES_RESULT &&
           message->append_entries_result.rejected > 0 &&
           message->append_entries_result.term == g->verify_message.install_snapshot.term &&
           message->server_id == g->verify_message.server_id;
}

/* What libraft says of its log in a refusal, where it has not forgotten to (hazard 40). */
static void answer_show_last(const struct guard *g, struct raft_append_entries_result *result)
{
    raft_index last = raft_last_index((struct raft *)g->raft);

    if (result->rejected > 0) {
        result->last_log_index = last < result->rejected ? last : result->rejected - 1;
    }
}

/* libraft answers where the sender says that it is. One with a member's id at another address is a copy
 * of its directory: sent votes, it would lead beside the member. The answer goes to the member,
 * who did not ask, or asked for the same vote. An id never changes its address. */
static void message_address_member(const struct guard *g, struct raft_message *message)
{
    const struct raft_server *server = guard_server(g, message->server_id);

    if (server != NULL) {
        message->server_address = server->address;
    }
}

static int guard_send(struct raft_io *io, struct raft_io_send *req,
                      const struct raft_message *message, raft_io_send_cb cb)
{
    struct guard *g = guard_of(io);
    struct raft_message shown = *message;
    int rv;

    if (message->type == RAFT_INSTALL_SNAPSHOT) {
        return guard_install_send(g, req, message, cb);
    }
    if (g->closing) {
        return RAFT_CANCELED;
    }
    req->cb = cb;
    message_address_member(g, &shown);
    if (message->type == RAFT_REQUEST_VOTE_RESULT) {
        vote_show_term(g, &shown.request_vote_result);
    } else if (message->type == RAFT_APPEND_ENTRIES) {
        guard_window_cut(g, message->server_id, &shown.append_entries);
    } else if (guard_lives_only(g, message)) {
        shown.append_entries_result.rejected = 0;
        shown.append_entries_result.last_log_index = 0;
    } else if (message->type == RAFT_APPEND_ENTRIES_RESULT) {
        answer_show_last(g, &shown.append_entries_result);
    }
    rv = g->inner->send(g->inner, req, &shown, cb);
    if (rv != 0) {
        guard_window_lost(g, message->server_id);
        /* Told of a failure, libraft would drop the rest of the step: other messages, and the
         * application of what was just committed. A lost message is ordinary. */
        guard_defer(g, req, NULL, rv);
    }
    return 0;
}

static raft_time guard_time(struct raft_io *io)
{
    struct guard *g = guard_of(io);

    io->capacity = g->inner->capacity;
    return g->inner->time(g->inner);
}

/* libraft asks for its election timeouts alone, and any number between the two will do (Ongaro 2014, 9.3).
 * Where voters take turns each has a part of that range to itself, in order of their ids, and leaves the
 * second half of it free: that is time for the one before to be elected, and no two of them split the
 * votes. */
static int guard_random(struct raft_io *io, int min, int max)
{
    struct guard *g = guard_of(io);
    int voters = 0, before = 0;
    bool votes = false;

    for (unsigned i = 0; g->take_turns && i < g->raft->configuration.n; i++) {
        const struct raft_server *s = &g->raft->configuration.servers[i];
        voters += s->role == RAFT_VOTER;
        before += s->role == RAFT_VOTER && s->id < g->raft->id;
        votes = votes || (s->role == RAFT_VOTER && s->id == g->raft->id);
    }
    if (!votes || (max - min) / voters < 2) {
        return g->inner->random(g->inner, min, max);
    }
    int part = (max - min) / voters;
    return g->inner->random(g->inner, min + before * part, min + before * part + part / 2);
}

/* --- making and freeing --- */

struct guard *guard_new(struct raft_io *inner, struct raft_io *outer, struct raft *raft,
                        guard_fatal_cb fatal, void *arg)
{
    struct guard *g = calloc(1, sizeof *g);

    if (g == NULL) {
        return NULL;
    }
    g->inner = inner;
    g->outer = outer;
    g->raft = raft;
    g->fatal = fatal;
    g->fatal_arg = arg;
    g->deferred_tail = &g->deferred;
    *outer = (struct raft_io){
        .version = inner->version,
        .impl = g,
        .init = guard_init,
        .close = guard_close,
        .load = guard_load,
        .start = guard_start,
        .bootstrap = guard_bootstrap,
        .recover = guard_recover,
        .set_term = guard_set_term,
        .set_vote = guard_set_vote,
        .send = guard_send,
        .append = guard_append,
        .truncate = guard_truncate,
        .snapshot_put = guard_snapshot_put,
        .snapshot_get = guard_snapshot_get,
        .time = guard_time,
        .random = guard_random,
    };
    return g;
}

void guard_free(struct guard *g)
{
    if (g == NULL) {
        return;
    }
    while (g->peers != NULL) {
        struct guard_peer *p = g->peers;
        g->peers = p->next;
        free(p);
    }
    free(g);
}

void guard_on_settled(struct guard *g, void (*settled)(void *arg), void *arg)
{
    g->settled = settled;
    g->settled_arg = arg;
}

void guard_take_turns(struct guard *g)
{
    g->take_turns = true;
}

void guard_on_loaded(struct guard *g, guard_loaded_cb loaded, void *arg)
{
    g->loaded = loaded;
    g->loaded_arg = arg;
}

void guard_meter_by(struct guard *g, const struct guard_meter *meter)
{
    g->meter = *meter;
}

raft_index guard_heard_commit(const struct guard *g)
{
    return g->heard_commit > g->raft->commit_index ? g->heard_commit : g->raft->commit_index;
}
