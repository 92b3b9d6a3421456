/* batcher.h - group commit: client operations, callback outcomes, reads and the passing of time
 * share log entries.
 *
 * An idle batcher proposes at once; a busy one lets operations gather while entries are in
 * flight. An inbound message is never split over entries. A read waits for the commit of the
 * entry it was queued for, which makes it linearizable without a word in the log.
 *
 * Every inbound ends in exactly one reply: with its results when its entry is applied, with
 * NOT_LEADER when it was never proposed, with UNKNOWN_OUTCOME when leadership was lost with it
 * in the log.
 *
 * Who asks stands in front of the operations of a message, unless it is who asked for those before
 * it (docs/roles.md). An entry begins with nobody.
 *
 * Bounds: BATCHER_ENTRIES_MAX entries in flight, with BATCHER_FLIGHT_OPERATIONS in all of them (and a word of who
 * asks, where an entry is one full message), as all may be committed, applied and answered in one round of the loop.
 * An entry takes operations of our own, then messages, until BATCHER_ENTRY_OPERATIONS,
 * BATCHER_ENTRY_BYTES or BATCHER_ENTRY_READS is reached (one message always); queued messages and
 * bytes are capped by the config (BUSY). Outcomes are bounded by the dispatcher's deliveries in
 * flight.
 *
 * Pure: proposes through a function given from outside. Raft loop only. */
#ifndef BATCHER_H
#define BATCHER_H

#include "../../raft/core/machine.h"
#include "inbound.h"

#define BATCHER_ENTRIES_MAX 16
#define BATCHER_ENTRIES_EAGER 2 /* up to here, propose whatever is there */
#define BATCHER_ENTRY_OPERATIONS 1024
#define BATCHER_FLIGHT_OPERATIONS 4096
#define BATCHER_ENTRY_BYTES (256u * 1024)
#define BATCHER_ENTRY_READS 4096    /* messages with reads, 8 for each and 1 for 16 reads */
#define BATCHER_FILL_OPERATIONS 128 /* above EAGER, wait until this much has gathered */
#define BATCHER_FILL_BYTES (32u * 1024)

/* What the batcher asks of its owner. */
struct batcher_host {
    void *arg;
    uint64_t (*now_ms)(void *arg); /* the leader's clock */
    uint64_t (*term)(void *arg);
    uint64_t (*committed)(void *arg); /* log index */
    uint32_t (*era)(void *arg);       /* the state's; NULL: 0 */
    /* Propose; on true the buffer (from alloc) is gone and settled(entry, committed) follows. */
    uint8_t *(*alloc)(void *arg, size_t len);
    bool (*propose)(void *arg, uint8_t *data, size_t len, void *entry);
    /* Answer a message whose entry was applied, or that was refused as a whole. */
    void (*answer)(void *arg, struct inbound *in, const struct result *logged);
    void (*refuse)(void *arg, struct inbound *in, int error, const char *text);
    /* An operation of our own was applied. Before the answers of its entry; may be NULL. */
    void (*internal)(void *arg, uint64_t ticket, const struct result *result);
};

struct batch; /* an entry in flight */

struct batcher {
    struct batcher_host host;
    bool open;                     /* leading: proposals allowed */
    uint64_t sequence;             /* of the newest entry proposed */
    uint64_t applied_sequence;     /* of the newest entry of ours that was applied */
    struct inbound *first, **last; /* queue of messages */
    uint32_t queued;               /* messages */
    uint64_t queued_operations;
    uint64_t queued_bytes;
    uint32_t queued_max;
    uint64_t queued_bytes_max;
    struct buffer internal; /* operations of our own: epoch, outcomes */
    uint32_t n_internal;
    uint64_t tickets;        /* given to operations of our own so far, dropped ones included */
    uint64_t applied_ticket; /* the last whose operation was applied */
    bool want_time;          /* an entry is wanted just for its time */
    enum { BATCHER_FREE, BATCHER_HELD, BATCHER_WAITS_ALONE, BATCHER_GOES_ALONE } alone;
    struct batch *inflight_first, **inflight_last;
    unsigned inflight;              /* entries... */
    uint64_t inflight_operations;   /* ...and the operations in them */
    uint64_t last_now_ms;           /* of the newest entry proposed in this leadership */
    struct machine_results results; /* scratch of the apply */
};

void batcher_init(struct batcher *b, const struct batcher_host *host, uint32_t queued_max,
                  uint64_t queued_bytes_max);
void batcher_close(struct batcher *b); /* the queue must be empty, nothing in flight */

/* Queue a checked message. False: the queue is full, the message stays the caller's. */
bool batcher_submit(struct batcher *b, struct inbound *in);
/* Queue an operation of our own. Returns its ticket, by which host.internal() tells its result;
 * tickets grow by one. One that is dropped with the leadership has no result. */
uint64_t batcher_submit_internal(struct batcher *b, const struct operation *op);
/* Nothing is proposed until batcher_release(), or until the operation of batcher_submit_alone() has
 * been applied. Only while it is open, and no operation of our own is queued. */
void batcher_hold(struct batcher *b);
void batcher_release(struct batcher *b);
/* Of a batcher that is held and has nothing in flight: an entry for this operation alone. */
uint64_t batcher_submit_alone(struct batcher *b, const struct operation *op);
/* Time was set back: what this leadership stamped before is no bound any more. */
void batcher_forget_time(struct batcher *b);
/* Ask for an entry even if nothing else is queued. */
void batcher_want_time(struct batcher *b);

/* Leadership gained: proposals may start. */
void batcher_open(struct batcher *b);
/* Leadership lost: what was never proposed is refused NOT_LEADER; internal operations are
 * dropped. Entries in flight end through batcher_settled. */
void batcher_end_leadership(struct batcher *b, int error, const char *text);
/* Propose what the rules above allow. */
void batcher_pump(struct batcher *b);

/* A committed entry is about to be applied: where its results shall go. NULL when it is not ours.
 * After the apply call batcher_applied. */
struct machine_results *batcher_results(struct batcher *b, const struct entry *entry);
void batcher_applied(struct batcher *b);
/* The end of a proposed entry, from the consensus library. */
void batcher_settled(struct batcher *b, void *entry, bool committed);

/* Nothing queued, nothing in flight. */
bool batcher_idle(const struct batcher *b);

#endif
