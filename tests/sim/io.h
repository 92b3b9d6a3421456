/* io.h - a raft_io in memory: one process's view of its disk, its ticks and the network.
 *
 * The disk (storage.h) outlives the process; the sim_io is one life of it. Its contract is
 * raft_uv's, read in libraft 0.22.1:
 *
 *   set_term, set_vote   durable when they return
 *   append, truncate,    one queue. What is written together becomes durable together, later; the
 *   snapshot_put          callback follows later still, in order. An install (trailing 0) waits
 *                         its turn and is waited for; a snapshot of our own is begun in its turn,
 *                         so that the log on disk always reaches it, and delays nobody
 *   send                 done before the process's next event
 *   recv, tick           at the top level of the process's event
 *
 * A crash is sim_io_kill(): what was being written is lost, or torn, or all there; what waited
 * is lost; what was durable stays, even if nobody was told. From then on the sim_io is a dead
 * one, that takes everything and does nothing, until the production code has closed it and freed
 * its own memory.
 *
 * libraft completes requests from raft_uv's loop; here the owner calls sim_io_turn(). */
#ifndef SIM_IO_H
#define SIM_IO_H

#include "loop.h"
#include "storage.h"

/* Of a process that writes its vote: it ends with the vote written and not durable, so that its
 * disk has the one from before or the new one; nothing was sent yet. */
enum sim_io_fate { SIM_IO_GOES_ON, SIM_IO_ENDS_BEFORE, SIM_IO_ENDS_BEHIND };

/* What a process is asked by its raft_io. */
struct sim_io_host {
    void *arg;
    uint64_t (*monotonic_us)(void *arg);
    /* How long this much of its monotonic clock really is. */
    uint64_t (*real_us)(void *arg, uint64_t monotonic_us);
    /* Run cb as an event of the process: now, or when it is resumed; never if it ends before. */
    void (*enter)(void *arg, sim_event_cb cb, void *cb_arg);
    /* Hand a message to the network, which copies it. 0, or the status of its callback. */
    int (*send)(void *arg, const struct raft_message *message);
    enum sim_io_fate (*votes)(void *arg); /* NULL: it goes on */
};

struct sim_io_options {
    uint64_t write_min_us, write_max_us;
    unsigned write_fail_per_million;
    unsigned short capacity; /* free disk, in KiB, as libraft is told; it ends at 65,535 */
};

struct sim_io_counters {
    uint64_t snapshots_taken, snapshots_installed, failed_writes;
    uint64_t lost_writes, torn_tails; /* of the kill */
};

struct sim_io; /* opaque */

/* `options` may change during the life. */
struct sim_io *sim_io_new(struct sim_loop *loop, struct storage *storage,
                          const struct sim_io_options *options, const struct sim_io_host *host,
                          struct sim_io_counters *counters);
struct raft_io *sim_io_raft(struct sim_io *io);
/* Begin an event of the process: what it had sent is sent. */
void sim_io_begin(struct sim_io *io);
/* End one: tell the requests that libraft completed. False: there were none. */
bool sim_io_turn(struct sim_io *io);
/* A message came in; what it owns is the io's from now on. Only from the top level of an event. */
void sim_io_receive(struct sim_io *io, struct raft_message *message);
/* The process ends here and now; or its computer does. */
void sim_io_kill(struct sim_io *io);
/* Entries that are being written: they are lost, torn or there if it is killed now. */
size_t sim_io_writing(const struct sim_io *io);
/* Did a write fail on purpose? */
bool sim_io_failed(const struct sim_io *io);
/* After raft_close's callback. */
void sim_io_free(struct sim_io *io);

/* Free what a message owns. */
void sim_message_discard(struct raft_message *message);

#endif
