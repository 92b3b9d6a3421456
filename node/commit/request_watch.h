/* request_watch.h - notices a client that uses one request id for two different operations.
 *
 * The machine remembers a request id with the order that it was used for (docs/semantics.md,
 * "Requests"), so the same id with another order would be carried out as a request of its own, and
 * its client, which takes it for a copy, would never know. This is for a client's mistake, not a
 * promise: only the latest requests that this node took as the leader are remembered, about
 * REQUEST_WATCH_CELLS of them. Not replicated; raft loop only. */
#ifndef REQUEST_WATCH_H
#define REQUEST_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "../../client/wire/protocol.h"

#define REQUEST_WATCH_CELLS 65536u /* a power of two; 1.3 MB */

struct request_watch {
    struct request_watch_cell {
        uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
        uint32_t target; /* 0: the cell is free */
    } cells[REQUEST_WATCH_CELLS];
};

/* What an operation is about, as a number above 0: its code, and the order or route that it
 * names. Pure. */
uint32_t request_watch_target(const struct operation *op);
/* Have the processor bring near what is remembered of this id: the table is in no cache. */
void request_watch_prefetch(const struct request_watch *w,
                            const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE]);
/* Remember that this id was used for this target. False: it was used for another, and that stays
 * remembered. */
bool request_watch_note(struct request_watch *w, const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE],
                        uint32_t target) ORDERSCHED_MUST_CHECK;

#endif
