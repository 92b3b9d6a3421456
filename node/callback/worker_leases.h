/* worker_leases.h - reservations: who holds which delivery, until when, and what was said of it.
 *
 *   LEASED ──settled──► SETTLING ──its outcome is applied──► SETTLED ──(remembered for a while)──► freed
 *      └──lease over, leadership over──► freed
 *
 * A token is the leadership's epoch, a serial number and 8 random bytes, so that neither another
 * leadership's token nor a guessed one fits. Found by serial in a hash table; the lease that ends
 * next is on top of a binary heap. Bounded by the dispatcher's deliveries in flight, and
 * WORKER_SETTLED_MAX that are remembered for late copies of a report.
 *
 * Pure. Raft loop only. */
#ifndef WORKER_LEASES_H
#define WORKER_LEASES_H

#include "../dispatch/receiver.h"

#define WORKER_BUCKETS 16384u /* a power of two */
#define WORKER_SETTLED_MAX 8192u

enum reservation_state { RESERVATION_LEASED, RESERVATION_SETTLING, RESERVATION_SETTLED };

struct reservation {
    struct reservation *bucket_next;
    struct reservation *next;  /* its poll's batch, or the queue of SETTLING or SETTLED ones */
    struct delivery *delivery; /* LEASED: ours until done() */
    enum reservation_state state;
    uint64_t serial;
    uint64_t random_bits;
    uint64_t until_us; /* LEASED */
    size_t heap_at;
    uint64_t lease_us;
    char worker[PROTOCOL_WORKER_MAX + 1];
    uint64_t ticket;      /* SETTLING: of the outcome in the batcher */
    enum outcome outcome; /* SETTLING, SETTLED: what was said of it first */
    int error;            /* SETTLED: what the log decided */
    int order_state;
    uint64_t index;
    unsigned waiters; /* SETTLE messages that will be told */
};

struct worker_leases {
    uint64_t epoch;
    uint64_t serial; /* of the newest */
    struct reservation *buckets[WORKER_BUCKETS];
    struct reservation **heap; /* LEASED */
    size_t n;
    size_t cap;
    struct reservation *settling, **settling_last; /* in order of their tickets */
    struct reservation *settled, **settled_last;
    unsigned n_settled;
};

void worker_leases_init(struct worker_leases *l);
void worker_leases_close(struct worker_leases *l); /* nothing may be LEASED; frees the rest */
/* Forget what is SETTLING and SETTLED: the leadership is over. Nobody may wait for them. */
void worker_leases_forget(struct worker_leases *l);

struct reservation *worker_leases_add(struct worker_leases *l, struct delivery *d,
                                      uint64_t random_bits, uint64_t lease_us, uint64_t until_us,
                                      const char *worker);
void worker_leases_token(const struct worker_leases *l, const struct reservation *r,
                         uint8_t token[ORDERSCHED_TOKEN_SIZE]);
/* NULL: no reservation of this leadership, or it is over. */
struct reservation *worker_leases_find(const struct worker_leases *l, struct slice token);
/* The LEASED one that ends next, or NULL. */
struct reservation *worker_leases_first(const struct worker_leases *l);
void worker_leases_extend(struct worker_leases *l, struct reservation *r, uint64_t until_us);
/* A LEASED one is over without a report. Returns its delivery; `r` is gone. */
struct delivery *worker_leases_end(struct worker_leases *l, struct reservation *r);
/* LEASED to SETTLING, with the ticket of its outcome, which is higher than any before. */
void worker_leases_settling(struct worker_leases *l, struct reservation *r, uint64_t ticket);
/* The outcome with this ticket was applied, if it is one of ours. */
void worker_leases_settled(struct worker_leases *l, uint64_t ticket, const struct result *result);

#endif
