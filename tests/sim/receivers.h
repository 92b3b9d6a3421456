/* receivers.h - those who are told about expired orders, one or a batch at a time: slow, failing,
 * vetoing, asking for later, refusing when they are busy, crashing between the effect and the
 * answer, or answering half of a batch.
 *
 * They keep what the documentation asks of a receiver: one effect for each idempotency key, the same
 * answer to the same key once it is settled, and nothing for a fence below one seen before. They
 * outlive the nodes. */
#ifndef SIM_RECEIVERS_H
#define SIM_RECEIVERS_H

#include "check/check.h"

struct receivers; /* opaque */

struct receivers *receivers_new(struct sim_loop *loop, const struct sim_options *options,
                                struct check *check, struct coverage *coverage);
/* After the cluster, before the loop is closed. */
void receivers_free(struct receivers *r);
/* A node starts a batch of deliveries (the hook of cluster.h). */
void receivers_deliver(struct receivers *r, struct sim_cluster *cluster, unsigned node,
                       uint64_t token, const struct delivery *first);
/* A node gives an order to a worker (the hook of cluster.h): the order behind its key is known then. */
void receivers_lease(struct receivers *r, unsigned node, uint64_t token, const struct delivery *d);
/* A worker holds this order: what it does about it, and what it will say. False: it dies before it can
 * say anything. */
struct work_job;
bool receivers_work(struct receivers *r, const struct work_job *job, enum outcome *outcome,
                    uint64_t *delay_ms);
/* The order behind a key that was given to a worker. */
uint64_t receivers_order(struct receivers *r, const char *key, unsigned *id);
/* From now on they answer at once and refuse nothing. */
void receivers_heal(struct receivers *r);

#endif
