/* io.c - a raft_io in memory. See io.h. */
#include "io.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/mutant.h"

#define IO_WRITES_MAX 16       /* appends that share one write */
#define IO_SLOW_PER_MILLE 10   /* writes that take much longer: a flush, a neighbour */
#define IO_SLOW_FACTOR 20
#define IO_SNAPSHOT_FACTOR 8
#define IO_CALLBACK_MAX_US 300 /* from durable to told */
#define IO_MUTANT_LOSS 16

enum op_kind { OP_APPEND, OP_TRUNCATE, OP_INSTALL, OP_SNAPSHOT, OP_GET };

struct op {
    enum op_kind kind;
    struct op *next;
    raft_index index;
    const struct raft_entry *entries; /* libraft's, until the callback */
    unsigned n;
    struct raft_io_append *append;
    const struct raft_snapshot *snapshot; /* libraft's, until the callback */
    size_t trailing;
    struct raft_io_snapshot_put *put;
    struct raft_io_snapshot_get *get;
    int status;
};

struct op_list {
    struct op *first, **last;
};

struct sent {
    struct raft_io_send *request;
    int status;
};

struct sim_io {
    struct raft_io io;
    struct sim_loop *loop;
    struct storage *storage;
    const struct sim_io_options *options;
    struct sim_io_host host;
    struct sim_io_counters *counters;
    uint64_t tick_us;
    raft_io_tick_cb tick_cb;
    raft_io_recv_cb recv_cb;
    struct sim_event *tick;
    raft_index next; /* to be appended, when all that waits is done */
    struct op_list waiting; /* for the disk; the first n_writing are being written */
    unsigned n_writing;
    struct sim_event *write;
    struct op *own; /* a snapshot of ours that is being written */
    struct sim_event *own_write;
    struct op_list done; /* to be told */
    struct sim_event *tell;
    bool telling; /* tell ran, and waits for the process to be resumed */
    struct sent *sent;
    size_t n_sent, cap_sent;
    bool failed;
    bool dead;
};

static struct sim_io *io_of(const struct raft_io *io)
{
    return io->impl;
}

/* --- lists --- */

static void list_init(struct op_list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_push(struct op_list *l, struct op *op)
{
    op->next = NULL;
    *l->last = op;
    l->last = &op->next;
}

static struct op *list_pop(struct op_list *l)
{
    struct op *op = l->first;

    if (op != NULL) {
        l->first = op->next;
        if (l->first == NULL) {
            l->last = &l->first;
        }
    }
    return op;
}

static struct op *op_new(enum op_kind kind)
{
    struct op *op = calloc(1, sizeof *op);

    if (op == NULL) {
        abort();
    }
    op->kind = kind;
    return op;
}

/* --- telling --- */

static void op_tell(struct op *op, int status)
{
    struct op gone = *op;

    free(op);
    switch (gone.kind) {
        case OP_APPEND:
            gone.append->cb(gone.append, status);
            break;
        case OP_INSTALL:
        case OP_SNAPSHOT:
            gone.put->cb(gone.put, status);
            break;
        case OP_TRUNCATE:
        case OP_GET: /* see io_tell_get */
            break;
    }
}

static void io_tell_get(struct sim_io *io, struct op *op, int status)
{
    struct raft_io_snapshot_get *get = op->get;
    struct raft_snapshot *snapshot = NULL;

    free(op);
    if (status == 0) {
        if (io->storage->has_snapshot) {
            snapshot = storage_get(io->storage);
        } else {
            status = RAFT_NOTFOUND;
        }
    }
    get->cb(get, snapshot, status);
}

static void io_tell_one(struct sim_io *io, struct op *op, int status)
{
    if (op->kind == OP_GET) {
        io_tell_get(io, op, status);
    } else {
        op_tell(op, status);
    }
}

/* An event of the process. */
static void io_tell(void *arg)
{
    struct sim_io *io = arg;
    struct op *op;

    io->telling = false;
    while (!io->dead && (op = list_pop(&io->done)) != NULL) {
        io_tell_one(io, op, op->status);
    }
}

static void io_tell_cb(void *arg)
{
    struct sim_io *io = arg;

    io->tell = NULL;
    io->telling = true;
    io->host.enter(io->host.arg, io_tell, io);
}

static void io_done(struct sim_io *io, struct op *op, int status)
{
    op->status = status;
    list_push(&io->done, op);
    if (io->tell == NULL && !io->telling) {
        io->tell = loop_after(io->loop, loop_below(io->loop, IO_CALLBACK_MAX_US), io_tell_cb, io);
    }
}

/* --- writing --- */

static void io_write_next(struct sim_io *io);

static uint64_t io_duration_us(struct sim_io *io, unsigned factor)
{
    uint64_t us = loop_between(io->loop, io->options->write_min_us, io->options->write_max_us);

    return us * factor * (loop_chance(io->loop, IO_SLOW_PER_MILLE) ? IO_SLOW_FACTOR : 1);
}

static bool io_write_fails(struct sim_io *io)
{
    unsigned fail = io->options->write_fail_per_million;

    return fail > 0 && loop_below(io->loop, 1000000) < fail;
}

/* How many of n entries that were being written are there after a crash or an error. */
static size_t io_tear(struct sim_io *io, size_t n)
{
    switch (loop_below(io->loop, 4)) {
        case 0:
            return n;
        case 1:
            return 0;
        default:
            return loop_below(io->loop, n + 1);
    }
}

/* Nothing more gets to this disk in this life: production ends the process. */
static void io_fail(struct sim_io *io, struct op *op)
{
    if (op->kind == OP_APPEND) {
        storage_append(io->storage, op->index, op->entries, io_tear(io, op->n));
    }
    io->failed = true;
    io->counters->failed_writes++;
    io_done(io, op, RAFT_IOERR);
}

static void io_store(struct sim_io *io, const struct op *op)
{
    switch (op->kind) {
        case OP_APPEND:
            storage_append(io->storage, op->index, op->entries, op->n);
            break;
        case OP_TRUNCATE:
            storage_truncate(io->storage, op->index);
            break;
        case OP_INSTALL:
            storage_put(io->storage, op->snapshot, 0);
            io->counters->snapshots_installed++;
            break;
        case OP_SNAPSHOT:
            storage_put(io->storage, op->snapshot, op->trailing);
            io->counters->snapshots_taken++;
            break;
        case OP_GET:
            break;
    }
}

/* The disk has written the first n_writing. */
static void io_written_cb(void *arg)
{
    struct sim_io *io = arg;

    io->write = NULL;
    while (io->n_writing > 0 && !io->failed) {
        struct op *op = list_pop(&io->waiting);
        io->n_writing--;
        if (op->kind != OP_TRUNCATE && io_write_fails(io)) {
            io_fail(io, op);
        } else {
            io_store(io, op);
            if (op->kind == OP_TRUNCATE) {
                free(op);
            } else {
                io_done(io, op, 0);
            }
        }
    }
    io->n_writing = 0;
    io_write_next(io);
}

static void io_own_written_cb(void *arg)
{
    struct sim_io *io = arg;
    struct op *op = io->own;

    io->own_write = NULL;
    io->own = NULL;
    if (io->failed || io_write_fails(io)) {
        io_fail(io, op);
        return;
    }
    io_store(io, op);
    io_done(io, op, 0);
}

static void io_write_next(struct sim_io *io)
{
    struct op *op = io->waiting.first;

    if (io->dead || io->failed || io->write != NULL) {
        return;
    }
    while (op != NULL && op->kind == OP_SNAPSHOT) { /* begins in its turn, keeps nobody waiting */
        assert(io->own == NULL);
        io->own = list_pop(&io->waiting);
        io->own_write = loop_after(io->loop, io_duration_us(io, IO_SNAPSHOT_FACTOR),
                                   io_own_written_cb, io);
        op = io->waiting.first;
    }
    if (op == NULL) {
        return;
    }
    io->n_writing = 1;
    while (op->kind == OP_APPEND && io->n_writing < IO_WRITES_MAX && op->next != NULL &&
           op->next->kind == OP_APPEND) {
        op = op->next;
        io->n_writing++;
    }
    io->write = loop_after(io->loop,
                           io_duration_us(io, op->kind == OP_INSTALL ? IO_SNAPSHOT_FACTOR : 1),
                           io_written_cb, io);
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

    if (!io->dead) {
        io->storage->vote = id;
    }
    return 0;
}

static int io_append(struct raft_io *raft_io, struct raft_io_append *req,
                     const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op = op_new(OP_APPEND);

    assert(n > 0);
    req->cb = cb;
    op->append = req;
    op->index = io->next;
    op->entries = entries;
    op->n = n;
    io->next += n;
    list_push(&io->waiting, op);
    io_write_next(io);
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
    op = op_new(OP_TRUNCATE);
    op->index = index;
    io->next = index;
    list_push(&io->waiting, op);
    io_write_next(io);
    return 0;
}

static int io_snapshot_put(struct raft_io *raft_io, unsigned trailing,
                           struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
                           raft_io_snapshot_put_cb cb)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op = op_new(trailing == 0 ? OP_INSTALL : OP_SNAPSHOT);

    req->cb = cb;
    op->put = req;
    op->snapshot = snapshot;
    op->trailing = trailing;
    if (trailing == 0) {
        io->next = snapshot->index + 1;
    }
    list_push(&io->waiting, op);
    io_write_next(io);
    return 0;
}

static int io_snapshot_get(struct raft_io *raft_io, struct raft_io_snapshot_get *req,
                           raft_io_snapshot_get_cb cb)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op = op_new(OP_GET);

    req->cb = cb;
    op->get = req;
    io_done(io, op, 0);
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
            case RAFT_COMMAND:
                request->cb(request, request->status, request->result);
                break;
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

static void io_cancel(struct sim_io *io, struct sim_event **event)
{
    if (*event != NULL) {
        loop_cancel(io->loop, *event);
        *event = NULL;
    }
}

size_t sim_io_writing(const struct sim_io *io)
{
    const struct op *op = io->waiting.first;
    size_t n = 0;

    for (unsigned i = 0; i < io->n_writing; i++, op = op->next) {
        n += op->n;
    }
    return n;
}

/* The appends that were being written: a prefix of their entries is there. */
static void io_tear_appends(struct sim_io *io)
{
    size_t n = sim_io_writing(io);
    size_t left = io_tear(io, n);
    struct op *op;

    io->counters->torn_tails += left > 0 && left < n;
    io->counters->lost_writes += n - left;
    op = io->waiting.first;
    for (; left > 0; op = op->next) {
        size_t k = op->n < left ? op->n : left;
        storage_append(io->storage, op->index, op->entries, k);
        left -= k;
    }
}

static void io_lose_reported(struct sim_io *io)
{
    raft_index floor = io->storage->has_snapshot ? io->storage->snapshot.index : 1;
    raft_index last = storage_last(io->storage);
    raft_index n = loop_below(io->loop, IO_MUTANT_LOSS);

    if (last > floor) {
        storage_truncate(io->storage, last - floor > n ? last - n + 1 : floor + 1);
    }
}

void sim_io_kill(struct sim_io *io)
{
    struct op *op = io->waiting.first;

    if (io->dead) {
        return;
    }
    io->dead = true;
    if (io->write != NULL && op->kind == OP_APPEND) {
        io_tear_appends(io);
    } else if (io->write != NULL && loop_chance(io->loop, 500)) {
        io_store(io, op);
    }
    if (io->own_write != NULL && loop_chance(io->loop, 250)) {
        io_store(io, io->own);
    }
    for (unsigned i = 0; op != NULL; op = op->next, i++) {
        io->counters->lost_writes += i >= io->n_writing && op->kind == OP_APPEND ? op->n : 0;
    }
    if (MUTANT(LOST_WRITE_DURABLE)) {
        io_lose_reported(io);
    }
    io_cancel(io, &io->tick);
    io_cancel(io, &io->write);
    io_cancel(io, &io->own_write);
    io_cancel(io, &io->tell);
}

static void io_close(struct raft_io *raft_io, raft_io_close_cb cb)
{
    struct sim_io *io = io_of(raft_io);
    struct op *op;

    sim_io_kill(io);
    while (io->n_sent > 0) {
        struct raft_io_send *request = io->sent[--io->n_sent].request;
        request->cb(request, RAFT_CANCELED);
    }
    while ((op = list_pop(&io->done)) != NULL || (op = list_pop(&io->waiting)) != NULL) {
        io_tell_one(io, op, RAFT_CANCELED);
    }
    if (io->own != NULL) {
        op = io->own;
        io->own = NULL;
        op_tell(op, RAFT_CANCELED);
    }
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
    list_init(&io->waiting);
    list_init(&io->done);
    return io;
}
