/* scheduler.h - one node's life without its I/O: replica, machine, batcher, expiry, dispatcher.
 *
 *               replica_changed(leader)
 *   FOLLOWING ---------------------------> TAKING OVER   proposes its epoch, accepts clients
 *       ^                                       |
 *       |  deposed, or a proposal refused       | own epoch entry applied
 *       '---------------------------- LEADING <-'   fires
 *
 * Everything it needs (disk and network as a raft_io, clocks, randomness, the receiver, client
 * messages) comes from outside, so that the simulator runs this very code. Raft loop only.
 *
 * Its owner calls scheduler_run() after every event it handed in and whenever the time it asked
 * for has come; the scheduler never starts a timer itself. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include "../../raft/consensus/replica.h"
#include "../../raft/peer/clock_agreement.h"
#include "../commit/batcher.h"
#include "../host/clock.h"
#include "../commit/client_load.h"
#include "../dispatch/dispatch.h"
#include "../host/environment.h"
#include "../commit/inbound.h"
#include "../host/lone_clock.h"
#include "../host/log.h"
#include "../metrics/metrics_sample.h"

struct raft_io;

enum scheduler_disk { SCHEDULER_DISK_OK, SCHEDULER_DISK_LOW, SCHEDULER_DISK_FULL };

/* Another voter's clock, as seen from this node. */
struct scheduler_clock_voter {
    uint64_t id;
    int64_t offset_ms; /* it minus this node's */
    int64_t ahead_ms;  /* of the nearest time that a majority agrees on; negative: behind it */
    int64_t error_us;  /* of the offset, to both sides */
};

struct scheduler_clock {
    enum clock_standing standing;
    int64_t ahead_ms; /* this node's own */
    /* What a majority agrees on, from this node's clock; 0, 0: nothing. */
    struct clock_bounds agreed;
    int64_t error_max_ms; /* by how much right clocks may differ from each other */
    unsigned n;           /* other voters that were heard of late */
    struct scheduler_clock_voter voters[REPLICA_MEMBERS_MAX];
};

/* How a node's ports are guarded, for STATUS. */
struct scheduler_doors {
    const char *tls; /* "on"; "off": plain TCP on the loopback; "insecure": plain TCP anywhere */
    uint64_t
        until_ms; /* when the node's certificate ends, since the Unix epoch; 0: there is none */
};

struct scheduler_config {
    struct replica_config replica;
    const char *cluster;
    uint64_t retention_ms;
    uint64_t max_orders; /* more: schedule is answered FULL */
    uint64_t max_bytes;  /* memory of orders; more: FULL */
    unsigned max_deliveries;
    unsigned max_callback_requests; /* HTTP requests under way; 0 = no cap of their own */
    uint64_t max_delivery_bytes;    /* memory of deliveries in flight; 0 = the default */
    uint32_t max_queued;            /* client messages waiting for an entry; more: BUSY */
    uint64_t max_queued_bytes;
    /* NULL, or the sentence why no member may be at this address (HOST:PORT). May be NULL: any. */
    const char *(*refuse_address)(const char *address);
    bool allow_exec;    /* routes of kind exec may be put while this node leads */
    uint32_t max_polls; /* workers that wait for orders; more: BUSY */
    uint64_t canary_ms; /* a canary so often, while this node leads; 0: none */
    /* Refused requests remembered, on all nodes alike; 0 = MACHINE_RECENT_MAX. */
    uint32_t max_recent;
    uint64_t read_turn_ns;   /* nominal time for reading between two events; 0 = READER_TURN_NS */
    unsigned snapshot_slice; /* orders written into a snapshot between two events; 0 = 2,000 */
    const struct log *log;   /* may be NULL */
    /* Something that must end the process; does not return in production. */
    void (*fatal)(void *arg, const char *sentence);
    void *fatal_arg;
    /* After each entry that was applied, before anyone is told of it. May be NULL. For reading
     * the machine only. */
    void (*applied)(void *arg, uint64_t index);
    void *applied_arg;
    /* The state has the cluster's identity: after the entry or snapshot that brought it, once in
     * the life of a process, before anyone is told of that entry. 0, or -1: fatal was called. May
     * be NULL. */
    int (*identified)(void *arg, const uint8_t identity[PROTOCOL_IDENTITY_SIZE]);
    /* Before a member is added: does the node there fit? The answer comes later, once; the sentence
     * says what to do if it does not. NULL: it is not asked. */
    void (*ask)(void *arg, uint64_t id, const char *address,
                void (*cb)(void *cb_arg, bool fits, const char *sentence), void *cb_arg);
    /* Is this member refused, because it has lost what it had confirmed? NULL: that is not known. */
    bool (*has_lost)(void *arg, uint64_t id);
    /* Was this node removed from its cluster, as its members say? NULL: that is not known. */
    bool (*is_removed)(void *arg);
    /* Was this a member once, as far as this node has seen? NULL: that is not known. */
    bool (*was_member)(void *arg, uint64_t id);
    /* How the data disk of another member is doing, as far as that is known; else OK. NULL: nobody
     * tells, and a disk has no say in who leads. */
    enum scheduler_disk (*disk_of)(void *arg, uint64_t id);
    /* While it is the only voter; used where the environment knows the kernel's word. */
    struct lone_clock_rules lone_clock;
    /* What this node knows of the voters' wall clocks. NULL: nothing, and STATUS does not say. */
    void (*clock)(void *arg, struct scheduler_clock *out);
    /* How this node's ports are guarded. NULL: STATUS does not say. */
    void (*doors)(void *arg, struct scheduler_doors *out);
    void *cluster_arg; /* of the eight */
    /* How far a start is; total 0: not known. May be NULL. */
    void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
    void *progress_arg;
    /* Fill in the longest rounds of the loop that runs this, and the most processor time of one, in
     * us, for each of the last n seconds, the present one first. NULL: there is no such loop, and
     * STATUS says nothing. */
    void (*loop_stalls)(void *arg, uint32_t *longest_us, uint32_t *processor_us, unsigned n);
    void *loop_stalls_arg;
    /* What clients take of the server that gives us their messages. NULL: STATUS does not say. */
    void (*client_load)(void *arg, struct client_load *load);
    void *client_load_arg;
    /* What is counted and measured; outlives the scheduler. NULL: nothing. */
    struct metrics *metrics;
};

struct scheduler; /* opaque */

/* NULL: no memory, or the reason is in errbuf. `io`, `environment` and `receiver` stay the
 * caller's and must outlive the scheduler. The config's strings too. */
struct scheduler *scheduler_new(const struct scheduler_config *config, struct raft_io *io,
                                const struct environment *environment, struct receiver *receiver,
                                char *errbuf, size_t errbuf_len);
/* Pristine disk only: become a founding member with these voters. 0 or -1. */
int scheduler_bootstrap(struct scheduler *s, const struct replica_member *members, unsigned n,
                        char *errbuf, size_t errbuf_len);
/* Load the disk and take part. 0 or -1. */
int scheduler_start(struct scheduler *s, char *errbuf, size_t errbuf_len);

/* A checked client message. Its reply() runs exactly once, maybe before this returns. */
void scheduler_submit(struct scheduler *s, struct inbound *in);
/* A message that inbound_check refused. Replies at once. */
void scheduler_refuse(struct scheduler *s, struct inbound *in, int error, const char *text);
/* How the data disk is doing: LOW refuses new orders, FULL every client write. A leader transfers
 * its leadership to a voter that has more room (transfer.c). */
void scheduler_set_disk(struct scheduler *s, enum scheduler_disk disk);

/* Do what there is to do; reads get the budget of a new turn of the loop (reader.h). Returns in how many
 * microseconds to call again at the latest. */
uint64_t scheduler_run(struct scheduler *s);
/* The same, later in that turn: reads have what is left of its budget. */
uint64_t scheduler_run_on(struct scheduler *s);

/* Stop accepting; transfer the leadership to another voter if leading; then `cb`. Pending requests
 * are still answered. Bounded by `timeout_ms`. */
void scheduler_drain(struct scheduler *s, unsigned timeout_ms, void (*cb)(void *arg), void *arg);
/* Close the replica; every pending message is answered; cb; then scheduler_free. */
void scheduler_close(struct scheduler *s, void (*cb)(void *arg), void *arg);
void scheduler_free(struct scheduler *s);

/* Fill in what the scheduler knows of itself, all but the routes; what is in `out` is zero. Bounded: some
 * ten microseconds. */
void scheduler_sample(struct scheduler *s, struct metrics_sample *out);
/* Append rows of the routes in up to `max` slots from `slot` on. Returns the slot to go on with; 0: all are
 * there. */
uint32_t scheduler_sample_routes(struct scheduler *s, uint32_t slot, uint32_t max,
                                 struct metrics_sample *out);

const struct machine *scheduler_machine(const struct scheduler *s);
struct replica *scheduler_replica(struct scheduler *s);
/* The node whose wall clock counts where no majority of the voters' agrees, as the log has it; 0: none. */
uint64_t scheduler_clock_trusted(const struct scheduler *s);
bool scheduler_leads(const struct scheduler *s);

#endif
