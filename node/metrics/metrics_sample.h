/* metrics_sample.h - all that a node tells of itself at one moment, and its way from the raft loop, which
 * fills it, to the thread that shows it.
 *
 * The raft loop fills one sample while the newest whole one lies ready and the reader holds one or two before:
 * nobody waits for anybody, and the loop copies a bounded number of bytes. Routes are filled in slices, so
 * those of one sample are of moments a few milliseconds apart. */
#ifndef METRICS_SAMPLE_H
#define METRICS_SAMPLE_H

#include <pthread.h>

#include "metrics.h"

/* The states are those of the scheduler, the disk and the clocks, by their numbers. */
#define METRICS_DISK_STATES 3
#define METRICS_CLOCK_STATES 5

struct metrics_sample_route {
    char name[ORDERSCHED_ROUTE_NAME_MAX + 1];
    bool paused;
    bool active; /* this node leads, and has had deliveries for it: the next four hold */
    uint64_t window, window_limit, in_flight;
    uint64_t silence_us; /* left of what the receiver asked for */
    uint64_t orders;     /* known, decided ones included */
    uint64_t ready;      /* due, and waiting to be delivered */
    uint64_t dead;
    bool measured; /* the next two hold: there were deliveries since the node started */
    struct metrics_counts lateness[METRICS_LATENESS_PARTS];
    uint64_t outcomes[METRICS_OUTCOMES];
};

struct metrics_sample_peer {
    uint64_t id;
    bool lags; /* this node leads: the next holds */
    uint64_t lag_entries;
    bool measured; /* round trips were */
    struct metrics_counts round_trip;
    bool clock_known; /* the next three hold */
    int64_t clock_offset_us, clock_ahead_us;
    int64_t clock_error_us;
};

struct metrics_sample {
    uint64_t taken_ns; /* clocks_running_ns() when it was begun; 0: nothing was sampled yet */
    uint64_t node;
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    const char *version; /* a literal */
    /* Raft */
    uint64_t leader; /* 0: none is known */
    bool is_leader;
    bool removed; /* the members say that this node is none */
    uint64_t term, leader_changes;
    uint64_t commit_index, applied_index, last_index;
    uint64_t heard_commit_index; /* what the leader had committed, when it was last heard */
    uint64_t voters, standbys, lost;
    uint64_t proposals_pending, proposals_committed, proposals_failed;
    uint64_t queued_messages, queued_bytes;
    struct metrics_counts commit, log_write, snapshot, loop_rounds, canary;
    uint64_t log_bytes, log_entries; /* since the last snapshot */
    bool has_snapshot;               /* the next two hold */
    uint64_t snapshot_bytes, snapshot_age_us;
    unsigned n_peers;
    struct metrics_sample_peer peers[METRICS_PEERS_MAX];
    /* orders */
    uint64_t orders[6]; /* pending, closing, paid, cancelled, expired, dead */
    uint64_t oldest_overdue_us;
    uint64_t orders_bytes, bytes_limit, orders_limit;
    uint64_t deliveries_in_flight, deliveries_limit;
    uint32_t n_routes;
    struct metrics_sample_route *routes; /* METRICS_ROUTES_MAX */
    /* the canary */
    uint64_t canary_interval_us; /* 0: off */
    bool canary_seen;            /* one was settled since the node started: the next two hold */
    uint64_t canary_age_us;      /* since then */
    uint64_t canary_lateness_us;
    /* clients */
    uint64_t operations[METRICS_CODES_MAX][METRICS_CLASSES];
    uint64_t busy[METRICS_BUSY_CAUSES];
    struct metrics_counts requests[METRICS_REQUESTS];
    uint64_t connections, paused, in_hand, unread_bytes, unfinished_bytes;
    uint64_t closed_idle, closed_no_seat, closed_unread, closed_unfinished;
    uint64_t reserves, recent_requests;
    uint64_t principals, audit_rows;
    bool authorisation;
    /* the machine it runs on */
    bool tls_known;
    int64_t tls_expiry_us; /* until its certificate ends; negative: it has */
    bool time_known;
    unsigned clock_state;
    int64_t clock_ahead_us;
    unsigned disk_state;
    bool disk_known; /* the next two hold */
    uint64_t disk_free, disk_total;
};

/* Four samples, changing hands. */
struct metrics_exchange {
    pthread_mutex_t mutex;
    struct metrics_sample *filling; /* the raft loop's */
    struct metrics_sample *ready;
    struct metrics_sample *reading; /* the reader's... */
    struct metrics_sample *kept;    /* ...and this, which may be the same: then */
    struct metrics_sample *spare;   /* this is one that nobody has; else NULL */
    bool fresh;                     /* `ready` was not taken yet */
};

/* 0, or -1: no memory. */
int metrics_exchange_init(struct metrics_exchange *x) ORDERSCHED_MUST_CHECK;
void metrics_exchange_close(struct metrics_exchange *x); /* both threads are done with it */
/* Raft loop: the sample to fill, with its room for routes; what is in it is old. */
struct metrics_sample *metrics_exchange_begin(struct metrics_exchange *x);
/* Raft loop: it is whole. */
void metrics_exchange_publish(struct metrics_exchange *x);
/* One other thread: the newest whole one, the reader's until its next call. Before the first was
 * published all of it is zero. */
const struct metrics_sample *metrics_exchange_take(struct metrics_exchange *x);
/* The same, for who takes longer: it stays until the next call of this one. */
const struct metrics_sample *metrics_exchange_keep(struct metrics_exchange *x);

#endif
