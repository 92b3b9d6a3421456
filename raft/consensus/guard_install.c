/* guard_install.c - the sending side of InstallSnapshot: one at a time for each follower.
 *
 * libraft sends a snapshot in two steps, a snapshot_get and, from its callback, a send; while the
 * follower is silent (and it is, while megabytes stand in its connection) it starts both again
 * at every tick. The get does not say for whom it is. So the guard answers each get with an empty
 * snapshot from the next tick, and decides in the send, where the follower is known:
 *
 *   a transfer to it is under way        refused; libraft frees its empty message
 *   a snapshot with that index is loaded   shared, and sent
 *   else                                 loaded first: a snapshot_get of our own
 *
 * libraft's send ends when the real message is written out. From then on the transfer holds no
 * memory, but still counts as under way, until the follower's match index moves, the follower
 * refuses entries although the message was written long ago (it was lost with its connection),
 * the leader's term ends, the follower leaves, or the time is over. */
#include "guard_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../mutant.h"

#define GUARD_LOAD_FAILURES_MAX 3

/* --- what is completed from the next tick --- */

void guard_defer(struct guard *g, struct raft_io_send *send, struct raft_io_snapshot_get *get,
                 int status)
{
    struct guard_deferred *d = malloc(sizeof *d);

    assert((send == NULL) != (get == NULL));
    if (d == NULL) {
        guard_fail(g, "cannot complete a message", RAFT_NOMEM);
        return;
    }
    d->send = send;
    d->get = get;
    d->index = g->raft->trail.snapshot.index;
    d->status = status;
    d->next = NULL;
    *g->deferred_tail = d;
    g->deferred_tail = &d->next;
}

int guard_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req,
                       raft_io_snapshot_get_cb cb)
{
    req->cb = cb;
    guard_defer(guard_of(io), NULL, req, 0);
    return 0;
}

/* Answer a get with an empty snapshot. It must not fail: libraft would then free a configuration
 * that it never filled in. */
static void guard_answer_get(struct guard *g, const struct guard_deferred *d)
{
    struct raft_snapshot *snapshot = raft_calloc(1, sizeof *snapshot);
    struct raft_buffer *buf = raft_calloc(1, sizeof *buf);

    if (snapshot == NULL || buf == NULL) {
        raft_free(snapshot);
        raft_free(buf);
        guard_fail(g, "cannot send a snapshot", RAFT_NOMEM);
        return;
    }
    snapshot->index = d->index;
    snapshot->bufs = buf;
    snapshot->n_bufs = 1;
    d->get->cb(d->get, snapshot, 0);
}

void guard_complete_deferred(struct guard *g)
{
    struct guard_deferred *list = g->deferred;

    g->deferred = NULL;
    g->deferred_tail = &g->deferred;
    while (list != NULL) {
        struct guard_deferred *d = list;
        list = d->next;
        if (d->send != NULL) {
            d->send->cb(d->send, d->status);
        } else {
            guard_answer_get(g, d);
        }
        free(d);
    }
}

/* --- snapshots loaded from disk --- */

static void load_unlink(struct guard_load *load)
{
    struct guard_load **at = &load->guard->loads;

    while (*at != load) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = load->next;
}

static void load_release(struct guard_load *load)
{
    struct raft_snapshot *s = load->snapshot;

    assert(load->n_users > 0);
    if (--load->n_users > 0) {
        return;
    }
    load_unlink(load);
    if (s != NULL) {
        raft_configuration_close(&s->configuration);
        for (unsigned i = 0; i < s->n_bufs; i++) {
            raft_free(s->bufs[i].base);
        }
        raft_free(s->bufs);
        raft_free(s);
    }
    free(load);
}

/* --- transfers --- */

static void peer_release(struct guard_peer *p)
{
    p->transfer = 0;
    p->sent_ms = 0;
}

/* Forget that it is under way, so that libraft may try again. */
static void transfer_forget(struct guard_transfer *t)
{
    struct guard_peer *p = guard_peer_find(t->guard, t->id);

    if (p != NULL && p->transfer == t->serial) {
        peer_release(p);
    }
}

/* End libraft's send. The peer may go on counting it as under way. */
static void transfer_end(struct guard_transfer *t, int status)
{
    struct raft_io_send *outer = t->outer;

    if (status != 0) {
        transfer_forget(t);
    }
    load_release(t->load);
    free(t);
    outer->cb(outer, status);
}

static void transfer_sent_cb(struct raft_io_send *req, int status)
{
    struct guard_transfer *t = req->data;
    struct guard *g = t->guard;
    struct guard_peer *p = guard_peer_find(g, t->id);

    if (status == 0 && p != NULL && p->transfer == t->serial) {
        p->sent_ms = g->inner->time(g->inner);
    }
    transfer_end(t, status);
}

static bool guard_leads(const struct guard *g, raft_term term)
{
    return g->raft->state == RAFT_LEADER && g->raft->current_term == term;
}

/* The follower's match index as of now is what it must move from. Not as of when libraft asked:
 * while the snapshot is loaded the follower may yet confirm what was on its way, and that is no
 * sign that it has this snapshot. */
static void transfer_note_match(const struct guard_transfer *t)
{
    struct guard_peer *p = guard_peer_find(t->guard, t->id);

    if (p != NULL && p->transfer == t->serial) {
        p->transfer_loads = false;
        p->transfer_match = 0;
        raft_match_index(t->guard->raft, t->id, &p->transfer_match);
    }
}

/* The snapshot is there: send it. 0: transfer_sent_cb will run; else nothing was sent. */
static int transfer_start(struct guard_transfer *t)
{
    struct guard *g = t->guard;
    const struct raft_snapshot *s = t->load->snapshot;
    /* libraft's own copy of the address may have gone with the configuration it came from. */
    const struct raft_server *server = guard_server(g, t->id);

    if (g->closing || server == NULL || !guard_leads(g, t->term)) {
        return RAFT_CANCELED;
    }
    assert(s->n_bufs == 1 && s->index >= t->load->wanted); /* load_check() let no other pass */
    t->message.type = RAFT_INSTALL_SNAPSHOT;
    t->message.server_id = t->id;
    t->message.server_address = server->address;
    /* All of it from the snapshot: libraft would put the snapshot's index beside an older term. */
    t->message.install_snapshot.term = t->term;
    t->message.install_snapshot.last_index = s->index;
    t->message.install_snapshot.last_term = s->term;
    t->message.install_snapshot.conf = s->configuration;
    t->message.install_snapshot.conf_index = s->configuration_index;
    t->message.install_snapshot.data = s->bufs[0];
    t->request.data = t;
    transfer_note_match(t);
    return g->inner->send(g->inner, &t->request, &t->message, transfer_sent_cb);
}

/* Take the transfers that wait for `load` out of the list, in order. */
static struct guard_transfer *waiting_take(struct guard *g, const struct guard_load *load)
{
    struct guard_transfer *taken = NULL;
    struct guard_transfer **end = &taken;
    struct guard_transfer **at = &g->waiting;

    while (*at != NULL) {
        struct guard_transfer *t = *at;
        if (t->load == load) {
            *at = t->next;
            t->next = NULL;
            *end = t;
            end = &t->next;
        } else {
            at = &t->next;
        }
    }
    return taken;
}

static int load_check(struct guard_load *load, struct raft_snapshot *snapshot, int status)
{
    struct guard *g = load->guard;

    if (status == 0 &&
        (snapshot == NULL || snapshot->n_bufs != 1 || snapshot->index < load->wanted)) {
        status = RAFT_CORRUPT; /* not the snapshot that was stored; its parts are not known */
    }
    if (status == 0) {
        g->load_failures = 0;
        load->snapshot = snapshot;
        return 0;
    }
    raft_free(snapshot);
    if (!g->closing && status != RAFT_NOMEM && status != RAFT_CANCELED &&
        ++g->load_failures >= GUARD_LOAD_FAILURES_MAX) {
        guard_fail(g, "the snapshot cannot be read back from the disk", status);
    }
    return status;
}

static void load_cb(struct raft_io_snapshot_get *req, struct raft_snapshot *snapshot, int status)
{
    struct guard_load *load = req->data;
    struct guard *g = load->guard;
    struct guard_transfer *list = waiting_take(g, load);

    status = load_check(load, snapshot, status);
    while (list != NULL) {
        struct guard_transfer *t = list;
        int rv;
        list = t->next;
        rv = status != 0 ? status : transfer_start(t);
        if (rv != 0) {
            transfer_end(t, rv);
        }
    }
    load_release(load); /* the loading's own use */
}

/* The snapshot with at least `wanted` in it: one that is there or coming, or a new one. */
static struct guard_load *load_get(struct guard *g, raft_index wanted)
{
    struct guard_load *load = g->loads;

    while (load != NULL &&
           (load->snapshot != NULL ? load->snapshot->index : load->wanted) < wanted) {
        load = load->next;
    }
    if (load != NULL) {
        load->n_users++;
        return load;
    }
    load = calloc(1, sizeof *load);
    if (load == NULL) {
        return NULL;
    }
    load->guard = g;
    load->wanted = wanted;
    load->n_users = 2; /* the caller's and the loading's */
    load->request.data = load;
    load->next = g->loads;
    g->loads = load;
    if (g->inner->snapshot_get(g->inner, &load->request, load_cb) != 0) {
        load->n_users = 1;
        load_release(load);
        return NULL;
    }
    return load;
}

int guard_install_send(struct guard *g, struct raft_io_send *req,
                       const struct raft_message *message, raft_io_send_cb cb)
{
    raft_id id = message->server_id;
    struct guard_peer *p;
    struct guard_transfer *t;
    int rv;

    if (g->closing || guard_server(g, id) == NULL ||
        !guard_leads(g, message->install_snapshot.term)) {
        return RAFT_CANCELED;
    }
    p = guard_peer_get(g, id);
    if (p == NULL) {
        return RAFT_NOMEM;
    }
    p->asked = message->install_snapshot.last_index;
    p->asked_term = message->install_snapshot.term;
    if (p->transfer != 0 && !MUTANT(HAZARD_INSTALL_FLOOD)) {
        return RAFT_BUSY;
    }
    t = calloc(1, sizeof *t);
    if (t == NULL) {
        return RAFT_NOMEM;
    }
    t->guard = g;
    t->outer = req;
    t->id = id;
    t->term = message->install_snapshot.term;
    t->message.install_snapshot.version = message->install_snapshot.version;
    t->load = load_get(g, message->install_snapshot.last_index);
    if (t->load == NULL) {
        free(t);
        return RAFT_NOMEM;
    }
    req->cb = cb;
    p->transfer = t->serial = ++g->last_serial;
    p->transfer_term = t->term;
    p->transfer_loads = true;
    p->started_ms = g->inner->time(g->inner);
    p->sent_ms = 0;
    if (t->load->snapshot == NULL) {
        t->next = g->waiting;
        g->waiting = t;
        return 0;
    }
    rv = transfer_start(t);
    if (rv != 0) {
        transfer_forget(t);
        load_release(t->load);
        free(t);
    }
    return rv;
}

/* --- when a transfer no longer counts --- */

void guard_install_review(struct guard *g)
{
    raft_time now = g->inner->time(g->inner);

    for (struct guard_peer *p = g->peers; p != NULL; p = p->next) {
        raft_index match = 0;
        if (p->transfer == 0) {
            continue;
        }
        if (!guard_leads(g, p->transfer_term) || guard_server(g, p->id) == NULL ||
            raft_match_index(g->raft, p->id, &match) != 0 ||
            (!p->transfer_loads && match != p->transfer_match) ||
            now - p->started_ms >= GUARD_INSTALL_TIMEOUT_MS) {
            peer_release(p);
        }
    }
}

/* libraft waits for the end of a transfer until the follower refuses a heartbeat that stands on
 * that snapshot. But its heartbeats stand on its newest one: once it has taken another, it takes
 * each refusal for a stale one, and waits for the whole timeout. So the first refusal after the
 * transfer is over, or was never begun, is made to speak of the snapshot it waits for. */
static void peer_free_libraft(const struct guard *g, struct guard_peer *p,
                              struct raft_append_entries_result *result)
{
    if (p->transfer != 0 || p->asked == 0 || !guard_leads(g, p->asked_term) ||
        MUTANT(HAZARD_LOST_SNAPSHOT)) {
        return;
    }
    if (result->rejected != p->asked) {
        result->rejected = p->asked;
        if (result->last_log_index >= p->asked) {
            result->last_log_index = p->asked - 1;
        }
    }
    p->asked = 0;
}

void guard_install_answered(struct guard *g, raft_id id, struct raft_append_entries_result *result)
{
    struct guard_peer *p = guard_peer_find(g, id);

    if (p == NULL || result->term != g->raft->current_term) {
        return;
    }
    if (result->rejected == 0) {
        if (result->last_log_index >= p->asked) {
            p->asked = 0;
        }
        return;
    }
    if (p->transfer != 0 && p->sent_ms != 0 &&
        g->inner->time(g->inner) - p->sent_ms >= GUARD_INSTALL_DOUBT_MS) {
        peer_release(p);
    }
    peer_free_libraft(g, p, result);
}

bool guard_is_installing(const struct guard *g, raft_id id)
{
    const struct guard_peer *p = guard_peer_find(g, id);

    return p != NULL && p->transfer != 0;
}

/* Give libraft its requests back; transfers that are being sent or loaded end with the inner
 * raft_io's own cancellation. */
void guard_install_close(struct guard *g)
{
    struct guard_transfer *list = g->waiting;

    guard_complete_deferred(g);
    g->waiting = NULL;
    while (list != NULL) {
        struct guard_transfer *t = list;
        list = t->next;
        transfer_end(t, RAFT_CANCELED);
    }
}
