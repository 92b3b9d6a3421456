/* resource_node.h - what a node says of itself: how it is. */
#ifndef FRONT_RESOURCE_NODE_H
#define FRONT_RESOURCE_NODE_H

#include "exchange.h"

void resource_status(struct exchange *x); /* GET /v1/status */

#endif
