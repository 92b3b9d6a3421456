/* io_disk.c - what a sim_io writes, tears and tells. See io_internal.h. */
#include "io_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "../../raft/mutant.h"

#define IO_WRITES_MAX 16     /* appends that share one write */
#define IO_SLOW_PER_MILLE 10 /* writes that take much longer: a flush, a neighbour */
#define IO_SLOW_FACTOR 20
#define IO_SNAPSHOT_FACTOR 8
#define IO_CALLBACK_MAX_US 300 /* from durable to told */
#define IO_MUTANT_LOSS 16

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

struct op *io_op_new(enum op_kind kind)
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
        case OP_APPEND: gone.append->cb(gone.append, status); break;
        case OP_INSTALL:
        case OP_SNAPSHOT: gone.put->cb(gone.put, status); break;
        case OP_TRUNCATE:
        case OP_GET: /* see io_tell_get */ break;
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

void io_op_done(struct sim_io *io, struct op *op, int status)
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

    return us * factor * (loop_random_bool(io->loop, IO_SLOW_PER_MILLE) ? IO_SLOW_FACTOR : 1);
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
        case 0: return n;
        case 1: return 0;
        default: return loop_below(io->loop, n + 1);
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
    io_op_done(io, op, RAFT_IOERR);
}

static void io_store(struct sim_io *io, const struct op *op)
{
    switch (op->kind) {
        case OP_APPEND: storage_append(io->storage, op->index, op->entries, op->n); break;
        case OP_TRUNCATE: storage_truncate(io->storage, op->index); break;
        case OP_INSTALL:
            storage_put(io->storage, op->snapshot, 0);
            io->counters->snapshots_installed++;
            break;
        case OP_SNAPSHOT:
            storage_put(io->storage, op->snapshot, op->trailing);
            io->counters->snapshots_taken++;
            break;
        case OP_GET: break;
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
                io_op_done(io, op, 0);
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
    io_op_done(io, op, 0);
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

void io_op_queue(struct sim_io *io, struct op *op)
{
    list_push(&io->waiting, op);
    io_write_next(io);
}

/* --- the end --- */

void io_cancel(struct sim_io *io, struct sim_event **event)
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

void io_disk_crash(struct sim_io *io)
{
    struct op *op = io->waiting.first;

    if (io->write != NULL && op->kind == OP_APPEND) {
        io_tear_appends(io);
    } else if (io->write != NULL && loop_random_bool(io->loop, 500)) {
        io_store(io, op);
    }
    if (io->own_write != NULL && loop_random_bool(io->loop, 250)) {
        io_store(io, io->own);
    }
    for (unsigned i = 0; op != NULL; op = op->next, i++) {
        io->counters->lost_writes += i >= io->n_writing && op->kind == OP_APPEND ? op->n : 0;
    }
    if (MUTANT(LOST_WRITE_DURABLE)) {
        io_lose_reported(io);
    }
    io_cancel(io, &io->write);
    io_cancel(io, &io->own_write);
    io_cancel(io, &io->tell);
}

void io_disk_cancel(struct sim_io *io)
{
    struct op *op;

    while ((op = list_pop(&io->done)) != NULL || (op = list_pop(&io->waiting)) != NULL) {
        io_tell_one(io, op, RAFT_CANCELED);
    }
    if (io->own != NULL) {
        op = io->own;
        io->own = NULL;
        op_tell(op, RAFT_CANCELED);
    }
}

void io_disk_init(struct sim_io *io)
{
    list_init(&io->waiting);
    list_init(&io->done);
}
