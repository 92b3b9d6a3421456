/* resource_handlers.h - who answers a request for each of the HTTP API's resources, as resource_table.c lists them.
 *
 * Each is called once, with an exchange whose path fits its row and whose parameters have the row's names, and
 * answers it now or in a call-back of what it asks. All on the front's own thread. */
#ifndef FRONT_RESOURCE_HANDLERS_H
#define FRONT_RESOURCE_HANDLERS_H

#include "exchange.h"

/* /v1/orders: schedule, pay, cancel, extend, read, list. */
void resource_order_put(struct exchange *x);
void resource_order_get(struct exchange *x);
void resource_order_pay(struct exchange *x);
void resource_order_cancel(struct exchange *x);
void resource_order_extend(struct exchange *x);
void resource_order_history(struct exchange *x);
void resource_order_list(struct exchange *x);

/* /v1/batch: many operations on orders in one request, each with an answer of its own. */
void resource_batch(struct exchange *x);

/* /v1/dead: orders whose attempts are used up; redrive and drop, one or many. */
void resource_dead_list(struct exchange *x);
void resource_dead_redrive(struct exchange *x);
void resource_dead_drop(struct exchange *x);
void resource_order_redrive(struct exchange *x); /* /v1/orders/{id}/redrive */
void resource_order_drop(struct exchange *x);

/* /v1/routes: callback routes, their settings, pausing, retrying, rotating their secrets. */
void resource_route_list(struct exchange *x);
void resource_route_get(struct exchange *x);
void resource_route_put(struct exchange *x);
void resource_route_patch(struct exchange *x);
void resource_route_delete(struct exchange *x);
void resource_route_pause(struct exchange *x);
void resource_route_resume(struct exchange *x);
void resource_route_retry(struct exchange *x);
void resource_route_rotate(struct exchange *x);

/* /v1/routes/{route}/reserve, lease and settle: workers over HTTP (docs/workers.md). */
void resource_reserve(struct exchange *x);
void resource_lease(struct exchange *x);
void resource_settle(struct exchange *x);

/* /v1/members, /v1/transfer, /v1/status, /v1/cluster: the nodes and who leads. */
void resource_member_list(struct exchange *x);
void resource_member_add(struct exchange *x);
void resource_member_remove(struct exchange *x);
void resource_transfer(struct exchange *x);
void resource_status(struct exchange *x);
void resource_cluster(struct exchange *x);

/* /v1/principals, /v1/tokens, /v1/authorisation: who may do what (docs/roles.md). */
void resource_principal_list(struct exchange *x);
void resource_principal_put(struct exchange *x);
void resource_principal_delete(struct exchange *x);
void resource_principal_token(struct exchange *x); /* POST: another token */
void resource_token_create(struct exchange *x);
void resource_authorisation_get(struct exchange *x);
void resource_authorisation_put(struct exchange *x);

/* /v1/audit: who administered the cluster, and what became of it. */
void resource_audit_list(struct exchange *x);

/* What a node tells whoever watches it, from its newest sample (node/metrics/), whatever the raft loop is doing.
 * Nobody has to say who asks: no order, client or secret is told. /metrics, /livez: that the node's loop turns,
 * /readyz: that clients may be sent to it (docs/metrics.md). */
void resource_metrics(struct exchange *x);
void resource_livez(struct exchange *x);
void resource_readyz(struct exchange *x);

#endif
