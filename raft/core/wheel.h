/* wheel.h - a hierarchical timing wheel of 1 ms (Varghese & Lauck 1987, scheme 7).
 *
 * Orders hang by `order.link` in the slot of order_time_ms(). Insert and remove are O(1). Advancing
 * moves what has become due to a list, in order of time; the work of one call is bounded by
 * `max` orders moved or cascaded plus the slots skipped, which a bitmap of occupied slots makes
 * a handful even across an hour. (Only orders that were inserted after their time, in another
 * order, cost a sort on top.)
 *
 * Each byte of a time is a level. An order stands at the level of the highest byte in which its
 * time differs from the wheel's now, in the slot named by that byte. So every slot of level l
 * after the present one covers 256^l ms that begin at a multiple of it, all orders of a level
 * come before those of the next, and no deadline is too far. When now enters a slot above level 0
 * its orders cascade to lower levels. Orders of the same time stay in order of insertion.
 *
 * The wheel is an index over the state, never the state itself: it is not replicated, not in
 * snapshots, and two replicas may hold the same orders in different slots. Not thread-safe. It
 * must not be moved in memory: the slots are heads of lists. */
#ifndef WHEEL_H
#define WHEEL_H

#include "order.h"

#define WHEEL_BITS 8
#define WHEEL_SLOTS (1u << WHEEL_BITS)
#define WHEEL_LEVELS 8 /* times are 64 bits */
#define WHEEL_LOOKS 1024u

struct wheel {
    uint64_t now_ms;     /* everything before this has been handed out */
    uint64_t n;          /* orders in the wheel */
    unsigned cascading;  /* level whose slot at now_ms waits to be cascaded; 0 = none */
    bool earliest_known; /* a memory of wheel_next_ms, so that it rarely searches a slot */
    uint64_t earliest_ms;
    uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
    uint64_t unsorted[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* slots that may be out of order of time */
    struct link slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* A time before w->now_ms is due at the next advance. The order's link must be free. */
void wheel_insert(struct wheel *w, struct order *o);
/* The order must be in this wheel (its time unchanged since the insert). */
void wheel_remove(struct wheel *w, struct order *o);
/* Move orders with time <= now_ms to the end of `due`, at most `max` (> 0); returns true when all
 * of them were moved, false when `max` stopped the work and more may be left: call again. In
 * between, orders may be inserted and removed. Each order costs at most WHEEL_LEVELS of `max` in
 * its life. Never goes back in time: a now_ms before w->now_ms counts as that. */
bool wheel_advance(struct wheel *w, uint64_t now_ms, struct link *due, unsigned max);
/* The earliest time of an order in the wheel, or UINT64_MAX when empty. May be <= now. Where the first slot
 * that is occupied holds more than WHEEL_LOOKS orders that came out of order of time, a time from which
 * on an advance makes that slot smaller, before all of theirs and after the last advance: who waits for
 * it, advances and asks again is never late.
 * O(1) after an advance that returned true, until the earliest order is removed; then it may look at
 * WHEEL_LOOKS orders. */
uint64_t wheel_next_ms(const struct wheel *w);

#endif
