/* lateness_rows.h - how each route is doing, and where its orders' time went, as the leader's STATUS tells. The form of
 * the rows is in docs/protocol.md. */
#ifndef LATENESS_ROWS_H
#define LATENESS_ROWS_H

#include "../wire/cursor.h"
#include "../wire/protocol.h"
#include "../lib/ask.h"

struct lateness_figures {
    uint64_t count, p50, p90, p99, p999, max; /* in us */
};

struct lateness_row {
    struct slice route; /* empty: all together; points into the answer */
    uint64_t deliveries, ready, window, silent_ms;
    struct lateness_figures parts[LATENESS_PARTS];
};

/* Move to the rows in the body of a STATUS. Returns their number: 0, or one for all together, and then one for each
 * route that had deliveries. */
uint32_t lateness_rows_begin(struct cursor *c, const struct ask_reply *status);
/* Read the next one. False: it is malformed. */
bool lateness_row_read(struct cursor *c, struct lateness_row *row);

#endif
