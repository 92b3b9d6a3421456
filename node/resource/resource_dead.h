/* resource_dead.h - /v1/dead: orders whose attempts are used up; redrive and drop, one or many. */
#ifndef FRONT_RESOURCE_DEAD_H
#define FRONT_RESOURCE_DEAD_H

#include "exchange.h"

void resource_dead_list(struct exchange *x);
void resource_dead_redrive(struct exchange *x);
void resource_dead_drop(struct exchange *x);
void resource_order_redrive(struct exchange *x); /* /v1/orders/{id}/redrive */
void resource_order_drop(struct exchange *x);

#endif
