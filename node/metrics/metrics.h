/* metrics.h - what the parts of a node count and measure while they work.
 *
 * One for a node, made before its parts and freed after them; a part without one (NULL, as in the
 * simulator and in tests) counts nothing. Nothing in it is replicated or decides anything. Written on the
 * raft loop, but for the requests' times, which are the client server's thread's; read on the raft loop,
 * which fills samples from it (metrics_sample.h). It counts since the node started. */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>

#include "../../client/wire/protocol.h"
#include "metrics_histogram.h"

#define METRICS_ROUTES_MAX 1024 /* as many as the machine has */
#define METRICS_PEERS_MAX 32
#define METRICS_CODES_MAX 64 /* operations of clients, by code; 0: a message that cannot be read */

/* What an operation's error lets its client conclude (docs/protocol.md, "Errors"). */
enum metrics_class {
    METRICS_DONE,
    METRICS_DECIDED,
    METRICS_REFUSED,
    METRICS_UNKNOWN,
    METRICS_CLASSES
};

/* Why somebody was told BUSY. */
enum metrics_busy {
    METRICS_BUSY_QUEUE,    /* messages in hand, or their bytes */
    METRICS_BUSY_SHARE,    /* its address has filled its share of the memory of recent requests */
    METRICS_BUSY_REQUESTS, /* the memory of recent requests is full */
    METRICS_BUSY_TIME,     /* what time it is is not known */
    METRICS_BUSY_ANSWER,   /* no room in the answer to a read */
    METRICS_BUSY_RESERVES, /* too many workers wait */
    METRICS_BUSY_CAUSES
};

/* Messages by what answering them takes: a commit; a read; a worker's settle or lease. What may wait for
 * something else, a worker's reserve or a change of members, is not timed. */
enum metrics_request { METRICS_WRITE, METRICS_READ, METRICS_WORK, METRICS_REQUESTS };

#define METRICS_LATENESS_PARTS 5 /* timer, commit, queue, callback, total: dispatch/lateness.h */
#define METRICS_OUTCOMES 6       /* by enum outcome; 0 is none */

/* Of one route, by its slot; zeroed when the slot becomes another route's. */
struct metrics_route {
    char name[ORDERSCHED_ROUTE_NAME_MAX + 1];
    struct metrics_histogram lateness[METRICS_LATENESS_PARTS];
    uint64_t outcomes[METRICS_OUTCOMES];
};

/* Of another member. */
struct metrics_peer {
    uint64_t id;       /* 0: free */
    uint64_t heard_us; /* of the newest round trip in it */
    bool present;      /* it was noted since the last sweep */
    struct metrics_histogram round_trip;
};

struct metrics {
    uint64_t leader; /* the leader that was known last, and its term... */
    uint64_t leader_term;
    uint64_t leader_changes; /* ...and how often it was another one */
    uint64_t proposals_committed, proposals_failed;
    struct metrics_histogram commit;    /* of an entry of this leader: proposed until applied */
    struct metrics_histogram log_write; /* entries handed to the disk until they are durable */
    struct metrics_histogram snapshot;  /* begun until it is durable */
    struct metrics_histogram loop_rounds;
    struct metrics_histogram canary; /* its lateness, while this node led */
    uint64_t snapshot_began_us;      /* 0: none is under way */
    uint64_t snapshot_ended_us;      /* when the newest was stored or loaded; 0: never */
    uint64_t snapshot_bytes;         /* of it */
    uint64_t operations[METRICS_CODES_MAX][METRICS_CLASSES];
    uint64_t busy[METRICS_BUSY_CAUSES];
    struct metrics_histogram requests[METRICS_REQUESTS]; /* the client server's thread writes it */
    struct metrics_route *routes;                        /* METRICS_ROUTES_MAX */
    struct metrics_peer peers[METRICS_PEERS_MAX];
};

/* NULL: no memory. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* All of these take NULL, and do nothing then. */
void metrics_note_leader(struct metrics *m, uint64_t id, uint64_t term);
void metrics_note_operation(struct metrics *m, unsigned code, int error);
void metrics_note_busy(struct metrics *m, enum metrics_busy cause);
/* A message of this kind was answered after so long; the client server's thread. */
void metrics_note_request(struct metrics *m, enum metrics_request kind, uint64_t us);
/* A snapshot is begun; it is durable, or was loaded at the start or from a leader. `now_us` by one
 * clock that never goes back. */
void metrics_note_snapshot_begun(struct metrics *m, uint64_t now_us);
void metrics_note_snapshot_stored(struct metrics *m, uint64_t bytes, uint64_t now_us);
/* The route in this slot, under this name. NULL only where m is. */
struct metrics_route *metrics_route(struct metrics *m, unsigned slot, const char *name);
/* The round trip to this member that was measured at this time; known ones are passed over. */
void metrics_note_round_trip(struct metrics *m, uint64_t id, uint64_t at_us, uint64_t us);
/* What is known of this member; NULL: nothing. */
const struct metrics_peer *metrics_peer(const struct metrics *m, uint64_t id);
/* Free the places of peers that were not noted since the last call of this. */
void metrics_sweep_peers(struct metrics *m);

enum metrics_class metrics_class_of(int error);
/* As they stand in labels; NULL: no operation of a client has this code. */
const char *metrics_operation_name(unsigned code);
const char *metrics_class_name(enum metrics_class c);
const char *metrics_busy_name(enum metrics_busy cause);
const char *metrics_request_name(enum metrics_request kind);
const char *metrics_outcome_name(unsigned outcome);
const char *metrics_part_name(unsigned part);

#endif
