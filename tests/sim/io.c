/* io.c - a raft_io in memory, as libraft calls it. See io.h. */
#include "io_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct sim_io *io_of(const struct raft_io *io)
{
    return io->impl;
}

/* --- raft_io: the disk --- */

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io;
    (void)id;
    (void)address;
    return 0;
}

static int io_load(struct raft_io *raft_io, raft_term *term, raft_id *voted_for,
                   struct raft_snapshot **snapshot, raft_index *start_index,
                   struct raft_entry *entries[], size_t *n_entries)
{
    struct sim_io *io = io_of(raft_io);

    *term = io->storage->term;
    *voted_for = io->storage->vote;
    *snapshot = io->storage->has_snapshot ? storage_get(io->storage) : NULL;
    storage_load_log(io->storage, start_index, entries, n_entries);
    io->next = storage_last(io->storage) + 1;
    assert(*snapshot == NULL || io->next > (*snapshot)->index);
    return 0;
}

static int io_bootstrap(struct raft_io *raft_io, const struct raft_configuration *conf)
{
    struct sim_io *io = io_of(raft_io);
    struct raft_entry entry = {.term = 1, .type = RAFT_CHANGE};
    int rv;

    if (!storage_is_pristine(io->storage)) {
        return RAFT_CANTBOOTSTRAP;
    }
    rv = raft_configuration_encode(conf, &entry.buf);
    if (rv == 0) {
        io->storage->term = 1;
        storage_append(io->storage, 1, &entry, 1);
        raft_free(entry.buf.base);
    }
    return rv;
}

static int io_recover(struct raft_io *io, const struct raft_configuration *conf)
{
    (void)io;
    (void)conf;
    return RAFT_INVALID; /* never asked for */
}

static int io_set_term(struct raft_io *raft_io, raft_term term)
{
    struct sim_io *io = io_of(raft_io);

    if (!io->dead) {
        assert(term > io->storage->term);
        io->storage->term = term;
        io->storage->vote = 0;
    }
    return 0;
}

static int io_set_vote(struct raft_io *raft_io, raft_id id)
{
    struct sim_io *io = io_of(raft_io);
    enum sim_io_fate fate = SIM_IO_GOES_ON;

    if (!io->dead && io->host.votes != NULL) {
        fate = io->host.votes(io->host.arg);
    }
    if (!io->dead && fate != SIM_IO_ENDS_BEFORE) {
        io->storage->vote = id;
    }
    if (fate != SIM_IO_GOES_ON) {
        sim_io_kill(io);
    }
    return 0;
}

static int io_append(struct raft_io *raft_io, struct raft_io_append *req,
                     const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op = io_op_new(OP_APPEND);

    assert(n > 0);
    req->cb = cb;
    op->append = req;
    op->index = io->next;
    op->entries = entries;
    op->n = n;
    io->next += n;
    io_op_queue(io, op);
    return 0;
}

static int io_truncate(struct raft_io *raft_io, raft_index index)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op;

    assert(index <= io->next);
    if (index == io->next) {
        return 0; /* asked before every append */
    }
    op = io_op_new(OP_TRUNCATE);
    op->index = index;
    io->next = index;
    io_op_queue(io, op);
    return 0;
}

static int io_snapshot_put(struct raft_io *raft_io, unsigned trailing,
                           struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
                           raft_io_snapshot_put_cb cb)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op = io_op_new(trailing == 0 ? OP_INSTALL : OP_SNAPSHOT);

    req->cb = cb;
    op->put = req;
    op->snapshot = snapshot;
    op->trailing = trailing;
    if (trailing == 0) {
        io->next = snapshot->index + 1;
    }
    io_op_queue(io, op);
    return 0;
}

static int io_snapshot_get(struct raft_io *raft_io, struct raft_io_snapshot_get *req,
                           raft_io_snapshot_get_cb cb)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op = io_op_new(OP_GET);

    req->cb = cb;
    op->get = req;
    io_op_done(io, op, 0);
    return 0;
}

/* --- raft_io: the rest --- */

static int io_send(struct raft_io *raft_io, struct raft_io_send *req,
                   const struct raft_message *message, raft_io_send_cb cb)
{
    struct sim_io *io = io_of(raft_io);

    if (io->n_sent == io->cap_sent) {
        io->cap_sent = 2 * io->cap_sent + 16;
        io->sent = realloc(io->sent, io->cap_sent * sizeof io->sent[0]);
        if (io->sent == NULL) {
            abort();
        }
    }
    req->cb = cb;
    io->sent[io->n_sent++] = (struct sent){
        .request = req,
        .status = io->dead ? RAFT_CANCELED : io->host.send(io->host.arg, message),
    };
    return 0;
}

static void io_schedule_tick(struct sim_io *io);

static void io_tick(void *arg)
{
    struct sim_io *io = arg;

    io_schedule_tick(io);
    io->tick_cb(&io->io);
}

static void io_tick_due_cb(void *arg)
{
    struct sim_io *io = arg;

    io->tick = NULL;
    io->host.enter(io->host.arg, io_tick, io);
}

static void io_schedule_tick(struct sim_io *io)
{
    io->tick = loop_after(io->loop, io->host.real_us(io->host.arg, io->tick_us), io_tick_due_cb,
                          io);
}

static int io_start(struct raft_io *raft_io, unsigned msecs, raft_io_tick_cb tick,
                    raft_io_recv_cb recv)
{
    struct sim_io *io = io_of(raft_io);

    io->tick_us = (uint64_t)msecs * 1000;
    io->tick_cb = tick;
    io->recv_cb = recv;
    io_schedule_tick(io);
    return 0;
}

static raft_time io_time(struct raft_io *raft_io)
{
    struct sim_io *io = io_of(raft_io);

    raft_io->capacity = io->options->capacity;
    return io->host.monotonic_us(io->host.arg) / 1000;
}

static int io_random(struct raft_io *raft_io, int min, int max)
{
    return min + (int)loop_below(io_of(raft_io)->loop, (uint64_t)(max - min) + 1);
}

void sim_io_begin(struct sim_io *io)
{
    /* A callback may send again: what is new waits for the next event. */
    size_t n = io->n_sent;

    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct sent sent = io->sent[i];
        sent.request->cb(sent.request, sent.status);
    }
    memmove(io->sent, io->sent + n, (io->n_sent - n) * sizeof io->sent[0]);
    io->n_sent -= n;
}

void sim_io_receive(struct sim_io *io, struct raft_message *message)
{
    io->recv_cb(&io->io, message);
}

/* --- libraft's completed requests --- */

/* The queue is libraft's own (queue.h): a ring of two pointers, next and previous, that goes
 * through the `queue` member of what all request types have in common. */
static struct raft_apply *requests_pop(struct raft *raft)
{
    void **ring = raft->legacy.requests;
    void **head = ring[0];

    if (head == ring) {
        return NULL;
    }
    void **next = head[0];
    void **previous = head[1];
    previous[0] = next;
    next[1] = previous;
    return (struct raft_apply *)((char *)head - offsetof(struct raft_apply, queue));
}

bool sim_io_turn(struct sim_io *io)
{
    struct raft *raft = io->io.data;
    struct raft_apply *request;
    bool told = false;

    while (!io->dead && (request = requests_pop(raft)) != NULL) {
        told = true;
        switch (request->type) {
            case RAFT_COMMAND: request->cb(request, request->status, request->result); break;
            case RAFT_BARRIER: {
                struct raft_barrier *barrier = (struct raft_barrier *)request;
                barrier->cb(barrier, barrier->status);
                break;
            }
            case RAFT_CHANGE: {
                struct raft_change *change = (struct raft_change *)request;
                change->cb(change, change->status);
                break;
            }
            default: { /* libraft's own type for a transfer */
                struct raft_transfer *transfer = (struct raft_transfer *)request;
                assert(request->type == RAFT_CHANGE + 1);
                transfer->cb(transfer);
                break;
            }
        }
    }
    return told;
}

/* --- the end --- */

void sim_io_kill(struct sim_io *io)
{
    if (!io->dead) {
        io->dead = true;
        io_disk_crash(io);
        io_cancel(io, &io->tick);
    }
}

static void io_close(struct raft_io *raft_io, raft_io_close_cb cb)
{
    struct sim_io *io = io_of(raft_io);

    sim_io_kill(io);
    while (io->n_sent > 0) {
        struct raft_io_send *request = io->sent[--io->n_sent].request;
        request->cb(request, RAFT_CANCELED);
    }
    io_disk_cancel(io);
    cb(raft_io);
}

bool sim_io_failed(const struct sim_io *io)
{
    return io->failed;
}

void sim_io_free(struct sim_io *io)
{
    sim_io_kill(io);
    free(io->sent);
    free(io);
}

struct raft_io *sim_io_raft(struct sim_io *io)
{
    return &io->io;
}

void sim_message_discard(struct raft_message *message)
{
    if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
        raft_free(message->append_entries.entries[0].batch);
        raft_free(message->append_entries.entries);
    } else if (message->type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&message->install_snapshot.conf);
        raft_free(message->install_snapshot.data.base);
    }
}

struct sim_io *sim_io_new(struct sim_loop *loop, struct storage *storage,
                          const struct sim_io_options *options, const struct sim_io_host *host,
                          struct sim_io_counters *counters)
{
    struct sim_io *io = calloc(1, sizeof *io);

    if (io == NULL) {
        abort();
    }
    *io = (struct sim_io){
        .io =
            {
                .version = 2,
                .impl = io,
                .init = io_init,
                .close = io_close,
                .load = io_load,
                .start = io_start,
                .bootstrap = io_bootstrap,
                .recover = io_recover,
                .set_term = io_set_term,
                .set_vote = io_set_vote,
                .send = io_send,
                .append = io_append,
                .truncate = io_truncate,
                .snapshot_put = io_snapshot_put,
                .snapshot_get = io_snapshot_get,
                .time = io_time,
                .random = io_random,
            },
        .loop = loop,
        .storage = storage,
        .options = options,
        .host = *host,
        .counters = counters,
    };
    io_disk_init(io);
    return io;
}
