/* ledger.h - the reference receiver's memory: what was said about which order, in a
 * state to look things up and in the journal that it is restored from.
 *
 * A line of the journal: when the request came (t_ms, and the microseconds beyond it in "us"), its
 * kind (delivery, effect, refused), the order's webhook-id (its idempotency key), in a batch also
 * the batch's, order, attempt, fence, deadline, the request's traceparent if it has one, answer, and
 * status and reason of what failed. */
#ifndef ORDERSINK_LEDGER_H
#define ORDERSINK_LEDGER_H

#include "journal.h"
#include "request.h"

struct sink_ledger {
    struct sink_state state;
    struct sink_journal journal;
};

/* 0, or -1 with a sentence in errbuf. Close in both cases. */
int sink_ledger_open(struct sink_ledger *l, const char *path, char *errbuf, size_t errbuf_len);
void sink_ledger_close(struct sink_ledger *l);

/* A line about one order of the request, to be on disk with the next commit. */
void sink_ledger_write(struct sink_ledger *l, const struct sink_request *r,
                       const struct sink_item *item, const char *kind, const char *answer);
/* A line about a request that was refused as a whole. */
void sink_ledger_write_refused(struct sink_ledger *l, const struct sink_request *r);

#endif
