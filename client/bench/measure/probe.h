/* probe.h - how long a node's raft loop stands still at most, seen from outside: by
 * reads of its own state, which are answered on that loop, in an open loop. A wait holds the way
 * there and back, too, so it is an upper bound; a stall that is shorter than the distance of two
 * reads may be missed. */
#ifndef ORDERBENCH_PROBE_H
#define ORDERBENCH_PROBE_H

#include "measure.h"

#define PROBE_PER_S 200

struct probe {
    struct engine engine;
    char target[64];
    bool runs;
};

/* Begin to look at our own node at this position. 0, or an exit code after a sentence. */
int probe_begin(struct probe *p, const struct measure *m, unsigned node);
/* End; the longest wait so far, in ms. 0: it did not run. */
double probe_end(struct probe *p);

#endif
