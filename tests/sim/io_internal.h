/* io_internal.h - a sim_io as its own files see it: io.c, the process's side, and io_disk.c, what is
 * written to the disk, when, and what a crash leaves of it. */
#ifndef SIM_IO_INTERNAL_H
#define SIM_IO_INTERNAL_H

#include "io.h"

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
    raft_index next;        /* to be appended, when all that waits is done */
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

struct op *io_op_new(enum op_kind kind);
/* It waits for its turn on the disk; all but a truncation is told some time after. */
void io_op_queue(struct sim_io *io, struct op *op);
/* It is told soon, as an event of the process. */
void io_op_done(struct sim_io *io, struct op *op, int status);

void io_disk_init(struct sim_io *io);
/* The process ends: what was being written is lost, or torn, or all there. Nothing is written or
 * told any more. */
void io_disk_crash(struct sim_io *io);
/* Give everything back to a dead process that closes. */
void io_disk_cancel(struct sim_io *io);
/* Cancel an event, if there is one. */
void io_cancel(struct sim_io *io, struct sim_event **event);

#endif
