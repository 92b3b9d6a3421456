/* delivery.h - making the deliveries and the copies of route settings that receiver.h describes.
 *
 * Lack of memory aborts, as everywhere on the raft loop where the machine lives. */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "../../raft/core/machine.h"
#include "delivery_key.h"
#include "receiver.h"

/* The settings as they are now, held once. */
struct route_copy *route_copy_make(const struct route *route);
struct route_copy *route_copy_hold(struct route_copy *c);
void route_copy_drop(struct route_copy *c); /* NULL: nothing happens */

/* A delivery of this order, which holds the copy. */
struct delivery *delivery_make(const struct machine *m, const struct order *o,
                               const struct delivery_keys *keys, struct route_copy *settings);
void delivery_free(struct delivery *v);

/* For receivers: it ends as FAILED, without a delay; the reason is cut where it is too long. Whom it
 * blames, and whether the receiver is overloaded, stays as it is. */
void delivery_fail(struct delivery *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
