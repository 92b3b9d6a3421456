/* hurry.h - leader only: orders that wait for their next attempt on a route wait no longer, because
 * somebody said so (route retry), or changed where the route leads.
 *
 * It goes through the orders in slices, and for each that waits it proposes that the next attempt
 * be made at once: the time of the next attempt is in the state. One that was under way when its
 * route changed is proposed by the dispatcher when it fails. One that had failed by then, and whose
 * outcome is not in the state yet, does not wait yet either: so a walk begins when all that this leader
 * had proposed before is applied. This is the leader's own work: when another takes over before the end,
 * the rest wait as they would have. Raft loop only. */
#ifndef HURRY_H
#define HURRY_H

#include "../../raft/core/machine.h"
#include "../commit/batcher.h"

struct hurry {
    uint64_t done_index[MACHINE_ROUTES_MAX]; /* of each route's hurry_index */
    uint64_t seen_index; /* the machine's routes_index, when all of them were last looked at */
    bool active;
    uint16_t slot;         /* while active: */
    uint64_t after_ticket; /* of the batcher's: the walk begins when this one is applied */
    uint64_t index;
    bool keyed; /* the position in the store: behind this id */
    uint8_t id[ORDERSCHED_ID_MAX];
    size_t id_len;
};

/* A leadership begins: what was asked for before is over. */
void hurry_begin_leadership(struct hurry *h, const struct machine *m);
/* Orders have changed in other ways than by their own operations: what is not done yet begins anew. */
void hurry_again(struct hurry *h);
/* A slice of the work. Returns true when there is more to do at once. */
bool hurry_run(struct hurry *h, const struct machine *m, struct batcher *batcher);
/* Propose it for one order whose attempts so far were so many. */
void hurry_order(const struct machine *m, struct batcher *batcher, const struct order *o,
                 uint32_t attempts);

#endif
