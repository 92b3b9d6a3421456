/* lossy_io.c - a raft_io in front of a raft_io that loses messages. See lossy_io.h. */
#include "lossy_io.h"

#include <stdlib.h>

struct lossy_request {
    struct raft_io_send *request;
    struct lossy_request *next;
};

static struct lossy_io *lossy(struct raft_io *io)
{
    return io->impl;
}

static int lossy_init(struct raft_io *io, raft_id id, const char *address)
{
    struct lossy_io *l = lossy(io);

    l->inner->data = io->data; /* raft_uv completes requests through it */
    return l->inner->init(l->inner, id, address);
}

static int lossy_load(struct raft_io *io, raft_term *term, raft_id *vote,
                      struct raft_snapshot **snapshot, raft_index *start_index,
                      struct raft_entry *entries[], size_t *n_entries)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->load(inner, term, vote, snapshot, start_index, entries, n_entries);
}

static int lossy_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
                       raft_io_recv_cb recv)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->start(inner, msecs, tick, recv);
}

static int lossy_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->bootstrap(inner, conf);
}

static int lossy_set_term(struct raft_io *io, raft_term term)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->set_term(inner, term);
}

static int lossy_set_vote(struct raft_io *io, raft_id id)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->set_vote(inner, id);
}

static int lossy_send(struct raft_io *io, struct raft_io_send *req,
                      const struct raft_message *message, raft_io_send_cb cb)
{
    struct lossy_io *l = lossy(io);
    struct lossy_request *lost;

    if (!l->lost(l->arg, message)) {
        l->n_installs += message->type == RAFT_INSTALL_SNAPSHOT;
        return l->inner->send(l->inner, req, message, cb);
    }
    lost = malloc(sizeof *lost);
    if (lost == NULL) {
        return RAFT_NOMEM;
    }
    req->cb = cb;
    lost->request = req;
    lost->next = l->requests;
    l->requests = lost;
    return 0;
}

static int lossy_append(struct raft_io *io, struct raft_io_append *req,
                        const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->append(inner, req, entries, n, cb);
}

static int lossy_truncate(struct raft_io *io, raft_index index)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->truncate(inner, index);
}

static int lossy_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                     const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->snapshot_put(inner, trailing, req, snapshot, cb);
}

static int lossy_get(struct raft_io *io, struct raft_io_snapshot_get *req,
                     raft_io_snapshot_get_cb cb)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->snapshot_get(inner, req, cb);
}

static raft_time lossy_time(struct raft_io *io)
{
    struct raft_io *inner = lossy(io)->inner;

    io->capacity = inner->capacity;
    return inner->time(inner);
}

static int lossy_random(struct raft_io *io, int min, int max)
{
    struct raft_io *inner = lossy(io)->inner;

    return inner->random(inner, min, max);
}

static void lossy_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct lossy_io *l = lossy(io);

    lossy_io_turn(l);
    l->inner->close(l->inner, cb); /* called with the inner one, whose data is the same */
}

void lossy_io_turn(struct lossy_io *l)
{
    while (l->requests != NULL) {
        struct lossy_request *lost = l->requests;
        struct raft_io_send *req = lost->request;
        l->requests = lost->next;
        free(lost);
        req->cb(req, 0);
    }
}

void lossy_io_init(struct lossy_io *l, struct raft_io *inner,
                   bool (*lost)(void *arg, const struct raft_message *message), void *arg)
{
    *l = (struct lossy_io){
        .io =
            {
                .version = 2,
                .impl = l,
                .init = lossy_init,
                .close = lossy_close,
                .load = lossy_load,
                .start = lossy_start,
                .bootstrap = lossy_bootstrap,
                .set_term = lossy_set_term,
                .set_vote = lossy_set_vote,
                .send = lossy_send,
                .append = lossy_append,
                .truncate = lossy_truncate,
                .snapshot_put = lossy_put,
                .snapshot_get = lossy_get,
                .time = lossy_time,
                .random = lossy_random,
            },
        .inner = inner,
        .lost = lost,
        .arg = arg,
    };
}
