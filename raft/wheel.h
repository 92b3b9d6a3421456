/* wheel.h - a hierarchical timing wheel of 1 ms (Varghese & Lauck 1987, scheme 7).
 *
 * Orders hang by `order.link` in the slot of order_time_ms(). Insert and remove are O(1). Advancing
 * moves what has become due to a list, in order of time; the work of one call is bounded by
 * `max` orders moved or cascaded plus the slots skipped, which a bitmap of occupied slots makes
 * a handful even across an hour.
 *
 * The wheel is an index over the state, never the state itself: it is not replicated, not in
 * snapshots, and two replicas may hold the same orders in different slots. Not thread-safe. */
#ifndef WHEEL_H
#define WHEEL_H

#include "order.h"

#define WHEEL_BITS 8
#define WHEEL_SLOTS (1u << WHEEL_BITS)
#define WHEEL_LEVELS 5 /* 2^40 ms = 34 years ahead; later times wait in the last slot */

struct wheel {
    uint64_t now_ms; /* everything before this has been handed out */
    uint64_t n;      /* orders in the wheel */
    uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
    struct link slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* A time before w->now_ms is due at the next advance. The order's link must be free. */
void wheel_insert(struct wheel *w, struct order *o);
/* The order must be in this wheel (its time unchanged since the insert). */
void wheel_remove(struct wheel *w, struct order *o);
/* Move orders with time <= now_ms to the end of `due`, at most about `max`; returns true when
 * all of them were moved, false when more is left: call again. Never goes back in time. */
bool wheel_advance(struct wheel *w, uint64_t now_ms, struct link *due, unsigned max);
/* The exact earliest time of an order in the wheel, or UINT64_MAX when empty. May be 0 <= now. */
uint64_t wheel_next_ms(const struct wheel *w);

#endif
