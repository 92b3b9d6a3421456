/* resource_node.h - what a node says of itself: that it lives, and how it is. */
#ifndef FRONT_RESOURCE_NODE_H
#define FRONT_RESOURCE_NODE_H

#include "exchange.h"

void resource_livez(struct exchange *x);  /* GET /livez */
void resource_status(struct exchange *x); /* GET /v1/status */

#endif
