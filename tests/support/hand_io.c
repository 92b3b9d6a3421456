/* hand_io.c - a raft_io worked by hand. See hand_io.h. */
#include "hand_io.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hand_io *hand(struct raft_io *io)
{
    return io->impl;
}

static int hand_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io;
    (void)id;
    (void)address;
    return 0;
}

static struct raft_snapshot *hand_snapshot(const struct hand_io *h)
{
    struct raft_snapshot *s = raft_calloc(1, sizeof *s);

    s->index = h->snapshot_index;
    s->term = h->snapshot_term;
    s->configuration_index = 1;
    for (unsigned i = 1; i <= h->n_members; i++) {
        char address[32];
        snprintf(address, sizeof address, "host:%u", i);
        int rv = raft_configuration_add(&s->configuration, i, address, RAFT_VOTER);
        assert(rv == 0);
    }
    s->bufs = raft_calloc(1, sizeof *s->bufs);
    s->n_bufs = 1;
    s->bufs[0].len = 8;
    s->bufs[0].base = raft_calloc(1, 8);
    return s;
}

static int hand_load(struct raft_io *io, raft_term *term, raft_id *vote,
                     struct raft_snapshot **snapshot, raft_index *start_index,
                     struct raft_entry *entries[], size_t *n_entries)
{
    struct hand_io *h = hand(io);

    *term = h->term;
    *vote = h->vote;
    *snapshot = h->snapshot_index != 0 ? hand_snapshot(h) : NULL;
    *start_index = h->snapshot_index + 1;
    *entries = NULL;
    *n_entries = 0;
    return 0;
}

static int hand_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
                      raft_io_recv_cb recv)
{
    (void)msecs;
    hand(io)->tick = tick;
    hand(io)->recv = recv;
    return 0;
}

static int hand_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    (void)io;
    (void)conf;
    return 0;
}

static int hand_set_term(struct raft_io *io, raft_term term)
{
    struct hand_io *h = hand(io);

    h->n_set_term++;
    h->term = term;
    h->vote = 0;
    return h->set_term_error;
}

static int hand_set_vote(struct raft_io *io, raft_id id)
{
    struct hand_io *h = hand(io);

    h->n_set_vote++;
    h->vote = id;
    return h->set_vote_error;
}

static int hand_send(struct raft_io *io, struct raft_io_send *req,
                     const struct raft_message *message, raft_io_send_cb cb)
{
    struct hand_io *h = hand(io);

    if (h->send_error != 0) {
        return h->send_error;
    }
    assert(h->n_sends < HAND_IO_MAX);
    req->cb = cb;
    h->sends[h->n_sends].request = req;
    h->sends[h->n_sends++].message = *message;
    return 0;
}

static int hand_append(struct raft_io *io, struct raft_io_append *req,
                       const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct hand_io *h = hand(io);

    (void)entries;
    (void)n;
    if (h->append_error != 0) {
        return h->append_error;
    }
    assert(h->n_appends < HAND_IO_MAX);
    req->cb = cb;
    h->appends[h->n_appends++] = req;
    return 0;
}

static int hand_truncate(struct raft_io *io, raft_index index)
{
    (void)index;
    return hand(io)->truncate_error;
}

static int hand_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                    const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct hand_io *h = hand(io);

    assert(h->put == NULL);
    req->cb = cb;
    h->put = req;
    h->put_index = snapshot->index;
    h->put_trailing = trailing;
    return 0;
}

static int hand_get(struct raft_io *io, struct raft_io_snapshot_get *req,
                    raft_io_snapshot_get_cb cb)
{
    struct hand_io *h = hand(io);

    assert(h->n_gets < HAND_IO_MAX);
    req->cb = cb;
    h->gets[h->n_gets++] = req;
    h->n_gets_ever++;
    return 0;
}

static raft_time hand_time(struct raft_io *io)
{
    return hand(io)->now_ms;
}

static int hand_random(struct raft_io *io, int min, int max)
{
    (void)io;
    (void)max;
    return min;
}

static void hand_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct hand_io *h = hand(io);

    hand_complete_sends(h, RAFT_CANCELED);
    while (h->n_appends > 0) {
        hand_complete_append(h, RAFT_CANCELED);
    }
    if (h->put != NULL) {
        hand_complete_put(h, RAFT_CANCELED);
    }
    while (h->n_gets > 0) {
        hand_complete_get(h, 0);
    }
    cb(io);
}

void hand_io_init(struct hand_io *h)
{
    *h = (struct hand_io){
        .io =
            {
                .version = 2,
                .impl = h,
                .init = hand_init,
                .close = hand_close,
                .load = hand_load,
                .start = hand_start,
                .bootstrap = hand_bootstrap,
                .set_term = hand_set_term,
                .set_vote = hand_set_vote,
                .send = hand_send,
                .append = hand_append,
                .truncate = hand_truncate,
                .snapshot_put = hand_put,
                .snapshot_get = hand_get,
                .time = hand_time,
                .random = hand_random,
            },
        .now_ms = 1000,
    };
}

void hand_tick(struct hand_io *h, unsigned ms)
{
    for (unsigned passed = 0; passed < ms; passed += 50) {
        h->now_ms += 50;
        h->tick(&h->io);
    }
}

void hand_receive(struct hand_io *h, struct raft_message *message)
{
    h->recv(&h->io, message);
}

void hand_complete_sends(struct hand_io *h, int status)
{
    struct hand_send sends[HAND_IO_MAX];
    unsigned n = h->n_sends;

    memcpy(sends, h->sends, n * sizeof sends[0]);
    h->n_sends = 0;
    for (unsigned i = 0; i < n; i++) {
        sends[i].request->cb(sends[i].request, status);
    }
}

void hand_complete_append(struct hand_io *h, int status)
{
    struct raft_io_append *req = h->appends[0];

    assert(h->n_appends > 0);
    memmove(h->appends, h->appends + 1, --h->n_appends * sizeof h->appends[0]);
    req->cb(req, status);
}

void hand_complete_appends(struct hand_io *h)
{
    while (h->n_appends > 0) {
        hand_complete_append(h, 0);
    }
}

void hand_complete_put(struct hand_io *h, int status)
{
    struct raft_io_snapshot_put *req = h->put;

    h->put = NULL;
    req->cb(req, status);
}

void hand_complete_get(struct hand_io *h, int status)
{
    struct raft_io_snapshot_get *req = h->gets[0];

    assert(h->n_gets > 0);
    memmove(h->gets, h->gets + 1, --h->n_gets * sizeof h->gets[0]);
    req->cb(req, status == 0 ? hand_snapshot(h) : NULL, status);
}

unsigned hand_count_sends(const struct hand_io *h, enum raft_message_type type, raft_id to)
{
    unsigned n = 0;

    for (unsigned i = 0; i < h->n_sends; i++) {
        n += h->sends[i].message.type == type && (to == 0 || h->sends[i].message.server_id == to);
    }
    return n;
}
