/* peer_receive.h - consumers of a peer: they receive what is due, settle it, and account for every
 * order: delivered once, not early, with its own payload. */
#ifndef PEER_RECEIVE_H
#define PEER_RECEIVE_H

#include "peer_work.h"

struct receive_result {
    double settled_s; /* from the first deadline until the last was settled */
    struct histogram lateness;
};

struct receivers;

/* Connect, and listen where the peer needs that beforehand. 0, or an exit code after a sentence. */
int receivers_open(const struct work *w, struct receivers **out);
/* Receive until all orders are settled, or until nothing has come for `patience_ms`. */
int receivers_run(struct receivers *r, work_deadline *deadline, uint64_t first_ms,
                  uint64_t patience_ms, struct receive_result *result);
void receivers_close(struct receivers *r);

#endif
