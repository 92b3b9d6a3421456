/* clock_bed.h - a cluster whose nodes have clocks of their own, a receiver with this machine's, which checks
 * webhook-timestamp within 5 minutes, and orders that must come on time by it. Include <cmocka.h> first. */
#ifndef CLOCK_BED_H
#define CLOCK_BED_H

#include "clock_shim.h"
#include "cluster.h"

#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define DAY_US (24 * HOUR_US)
#define CLOCK_BED_DUE_MS 3000
/* Of a time that runs beside this machine's clock, not on it, the milliseconds begin elsewhere. */
#define CLOCK_BED_PHASE_MS 1
#define CLOCK_BED_EARLY_MS 50 /* what is agreed on is a little wider than the clocks are apart */

struct clock_bed {
    struct cluster cluster;
    struct clock_shim shims[5];
    struct sink sink;
    ordersched_client *client;
};

/* The receiver runs, and so many nodes are ready to be started, with right clocks. */
void clock_bed_init(struct clock_bed *b, unsigned nodes);
/* All nodes, with a route "shop" to the receiver. */
void clock_bed_start(struct clock_bed *b);
void clock_bed_end(struct clock_bed *b);
/* With this delay, or, if that is 0, this deadline. What the client says. */
int clock_bed_schedule(struct clock_bed *b, const char *id, uint64_t delay_ms,
                       uint64_t deadline_ms);
/* This order is, or comes to be, delivered first between these, or up to five seconds later, as the receiver's
 * clock says. */
void clock_bed_expect(const struct clock_bed *b, const char *id, uint64_t from_ms, uint64_t to_ms);
/* Orders that are due in CLOCK_BED_DUE_MS are fired on time: by a delay, and, if `by_day`, half of them by a time
 * of day. None is so early, or more than five seconds late. */
void clock_bed_fire(struct clock_bed *b, const char *prefix, bool by_day, unsigned early_ms);
/* Each delivery was taken: none had to be repeated. */
void clock_bed_expect_all_taken(const struct clock_bed *b);

#endif
