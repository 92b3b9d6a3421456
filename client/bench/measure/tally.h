/* tally.h - what became of the orders of a plan: deliveries, effects, ends, and how late
 * each order's first delivery was. Pure but for reading the receiver's journal.
 *
 * The rules, an order each:
 *
 *   duplicate  a delivery after the first one
 *   wrong      delivered before its deadline, or with another deadline; a second effect, or one
 *              without a delivery; ended PAID or CANCELLED, which nobody asked for; also a delivery
 *              of an order that the plan does not have
 *   lost       never delivered, or without an effect, or it has not ended (or is not known, or is
 *              DEAD)
 *
 * Lateness is from the deadline to the moment at which the receiver's wall clock was read when the
 * delivery had arrived. */
#ifndef ORDERBENCH_TALLY_H
#define ORDERBENCH_TALLY_H

#include <jansson.h>

#include "plan.h"

struct tally_order {
    uint64_t late_us; /* of the first delivery */
    uint32_t deliveries;
    uint8_t effects; /* 2 stands for more */
    bool wrong;
    bool expired; /* at the end */
};

struct tally {
    const struct plan *plan;
    struct tally_order *orders;
    uint64_t strangers; /* deliveries of orders that the plan does not have */
    uint64_t last_us;   /* arrival of the last first delivery, since the epoch */
};

struct tally_figures {
    uint64_t orders, delivered, duplicates, wrong, lost;
    double late_p50_ms, late_p99_ms, late_p999_ms, late_max_ms; /* of first deliveries; 0: none */
    uint64_t last_us;
};

/* 0, or -1 without memory. The plan must outlive it. */
int tally_open(struct tally *t, const struct plan *plan);
void tally_delivery(struct tally *t, const char *id, uint64_t deadline_ms, uint64_t arrived_us);
void tally_effect(struct tally *t, const char *id);
/* How order i ended: enum ordersched_error of the last GET, and the state. */
void tally_end(struct tally *t, size_t i, int error, int state);
/* Did all of them end EXPIRED? */
bool tally_has_ended(const struct tally *t);
/* Take all that ordersink's journal says about the plan's orders. 0, or -1 with
 * "FILE:LINE: what is wrong" in errbuf. */
int tally_read(struct tally *t, const char *path, char *errbuf, size_t errbuf_len);
/* Sum up. 0, or -1 without memory. */
int tally_sum(const struct tally *t, struct tally_figures *figures);
void tally_close(struct tally *t);

/* {"p50", "p99", "p999", "max"} in ms. */
json_t *tally_lateness_json(const struct tally_figures *figures);

#endif
