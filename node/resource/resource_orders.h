/* resource_orders.h - /v1/orders: schedule, pay, cancel, extend, read, list. */
#ifndef FRONT_RESOURCE_ORDERS_H
#define FRONT_RESOURCE_ORDERS_H

#include "exchange.h"

void resource_order_put(struct exchange *x);
void resource_order_get(struct exchange *x);
void resource_order_pay(struct exchange *x);
void resource_order_cancel(struct exchange *x);
void resource_order_extend(struct exchange *x);
void resource_order_history(struct exchange *x);
void resource_order_list(struct exchange *x);

#endif
