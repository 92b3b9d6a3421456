/* peer_load.h - a closed loop of several connections: orders put, or taken back, in batches. */
#ifndef PEER_LOAD_H
#define PEER_LOAD_H

#include "peer_work.h"

struct load_result {
    double seconds;
    struct histogram latency; /* of each batch, from its call to the answer to the last of it */
};

/* Put orders 0 to w->orders - 1. `handles` (may be NULL) gets the peer's names for them. */
int load_put(const struct work *w, work_deadline *deadline, uint64_t base_ms, uint64_t *handles,
             struct load_result *result);
int load_take_back(const struct work *w, const uint64_t *handles, struct load_result *result);

#endif
