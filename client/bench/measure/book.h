/* book.h - the account of a run: what its receivers got of each order, how each ended,
 * and whether that is what had to become of it. By the order's number: 12 bytes and a bit each.
 *
 * The rules. An order that is paid: never delivered, and PAID at the end. Any other: delivered at
 * least once, never before its deadline, with that deadline, always under the same idempotency key,
 * which no other order has (so a receiver that goes by the key has one effect of it), and EXPIRED
 * at the end. Deliveries after an order's first are duplicates: each change of leadership can
 * repeat those that were under way, and nothing else may.
 *
 * Lateness is from the deadline to the first delivery. All functions but open, close and those
 * below "at the end" may be called from any thread. */
#ifndef ORDERBENCH_BOOK_H
#define ORDERBENCH_BOOK_H

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#include "../../base/histogram.h"
#include "soak_plan.h"

enum book_fault_kind {
    BOOK_STRANGER,   /* delivered, and none of the run's orders */
    BOOK_PAID_FIRED, /* delivered although it was paid */
    BOOK_EARLY,
    BOOK_OTHER_DEADLINE,
    BOOK_SECOND_EFFECT, /* delivered again under another key */
    BOOK_SHARED_KEY,    /* two orders under one key: one of them has no effect */
    BOOK_LOST,          /* never delivered */
    BOOK_ENDING,        /* another ending than the right one, or none */
    BOOK_NOT_READ,      /* nobody saw how it ended */
    BOOK_DUPLICATES,    /* more than could be under way */
    BOOK_NODE,          /* a node says otherwise */
    BOOK_FAULTS
};

struct book_fault {
    uint64_t n;
    char first[256]; /* the first of them, in a sentence */
};

struct book {
    const struct soak_plan *plan;
    uint32_t run;           /* of the orders' ids */
    uint64_t *keys;         /* by number: half of its idempotency key; 0: not delivered */
    uint32_t *late_us;      /* of the first delivery; UINT32_MAX: that or more */
    uint8_t *ended;         /* a bit each: its ending was read */
    pthread_mutex_t mutex;  /* guards what follows, and keys and late_us */
    uint64_t delivered;     /* orders */
    uint64_t duplicates;    /* deliveries after the first, under the same key */
    uint64_t leadership;    /* highest in which one was delivered... */
    unsigned leaderships;   /* ...how many there were... */
    uint64_t leadership_us; /* ...and when its first delivery arrived, since the epoch */
    struct book_fault faults[BOOK_FAULTS];
};

/* 0, or -1 without memory. The plan must outlive it; its times may still change until the first
 * delivery. */
int book_open(struct book *b, const struct soak_plan *plan, uint32_t run);
void book_close(struct book *b);

/* A delivery: id, idempotency key ("osd_" and hex digits), fence ("EPOCH.INDEX"), deadline, and
 * arrival by the wall clock. */
void book_delivery(struct book *b, const void *id, size_t id_len, const char *key,
                   const char *fence, uint64_t deadline_ms, uint64_t arrived_us);
uint64_t book_delivered(struct book *b);
/* When the first delivery of a leadership after this one arrived, 0: none has. */
uint64_t book_leadership_after(struct book *b, uint64_t leadership);
/* How order `number` ended: enum ordersched_error of a read, and the state. */
void book_end(struct book *b, uint64_t number, int error, int state);
/* Something else is wrong: a sentence. */
void book_fault(struct book *b, enum book_fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- at the end ---- */

/* Judge all orders. At most so many deliveries can be under way at a time. True: all is right. */
bool book_judge(struct book *b, uint64_t under_way_max);
/* How many duplicates there may be, by that and the leaderships that delivered. */
uint64_t book_duplicates_max(const struct book *b, uint64_t under_way_max);
/* How late were those orders whose deadline lies in [from_us, to_us), and that arrived in
 * [arrived_from_us, arrived_to_us)? Since the epoch; the histogram begins empty. */
void book_lateness(const struct book *b, uint64_t from_us, uint64_t to_us, uint64_t arrived_from_us,
                   uint64_t arrived_to_us, struct histogram *late);
/* Each fault in a sentence: how many of its kind, and the first. Nothing if there is none. */
void book_print_faults(const struct book *b, FILE *out);
uint64_t book_faults(const struct book *b); /* how many in all */

#endif
