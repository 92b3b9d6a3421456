/* principals.h - the principals that the workload `grants` changes while they ask: one worker is the
 * administrator who changes them, one change of each at a time, and records each change with its log
 * index; the others take what they are given as its clients. */
#ifndef PRINCIPALS_H
#define PRINCIPALS_H

#include "../ask/principals.h"
#include "workload.h"

#define PRINCIPALS 6 /* the last one is known by its certificate, the others by tokens */

struct principals;

/* Names and the certificate; nothing is asked of the cluster. */
struct principals *principals_open(struct run *r);
void principals_close(struct principals *p);

/* One more change, drawn by this worker: wait until the cluster has decided it, or the load is over. */
void principals_change(struct principals *p, struct worker *w);
/* Wait until the change of some principal is about to be asked for, so that others can ask at that very
 * moment. Its place; or PRINCIPALS, when none was for a while. *seen, 0 to begin with, is the caller's. */
unsigned principals_await(struct principals *p, uint64_t *seen);
/* What the owner of this place holds by now: the newest token that is known to be there. False: none
 * yet. */
bool principals_identity(struct principals *p, unsigned place, struct identity *out);

#endif
