/* resource_cluster.h - /v1/members, /v1/transfer, /v1/status, /v1/cluster: the nodes and who leads. */
#ifndef FRONT_RESOURCE_CLUSTER_H
#define FRONT_RESOURCE_CLUSTER_H

#include "exchange.h"

void resource_member_list(struct exchange *x);
void resource_member_add(struct exchange *x);
void resource_member_remove(struct exchange *x);
void resource_transfer(struct exchange *x);
void resource_status(struct exchange *x);
void resource_cluster(struct exchange *x);

#endif
