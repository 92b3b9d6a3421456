/* resource_metrics.h - what a node tells whoever watches it: metrics, that it lives, that it is ready. Answered
 * by the front's own thread from the newest sample (node/metrics/), whatever the raft loop is doing. Nobody has
 * to say who asks: no order, client or secret is told (docs/metrics.md). */
#ifndef FRONT_RESOURCE_METRICS_H
#define FRONT_RESOURCE_METRICS_H

#include "exchange.h"

void resource_metrics(struct exchange *x); /* GET /metrics */
void resource_livez(struct exchange *x);   /* GET /livez */
void resource_readyz(struct exchange *x);  /* GET /readyz */

#endif
