/* resource_table.c - see resource_table.h. */
#include "resource_table.h"

#include "resource_batch.h"
#include "resource_node.h"
#include "resource_openapi.h"
#include "resource_orders.h"

const struct resource resource_table[] = {
    {"GET", "/livez", resource_livez, NULL},

    {"GET", "/v1/orders", resource_order_list, "state route limit cursor"},
    {"PUT", "/v1/orders/{id}", resource_order_put, NULL},
    {"GET", "/v1/orders/{id}", resource_order_get, "local"},
    {"POST", "/v1/orders/{id}/pay", resource_order_pay, NULL},
    {"POST", "/v1/orders/{id}/cancel", resource_order_cancel, NULL},
    {"POST", "/v1/orders/{id}/extend", resource_order_extend, NULL},
    {"GET", "/v1/orders/{id}/history", resource_order_history, "local"},
    {"POST", "/v1/batch", resource_batch, NULL},

    {"GET", "/v1/openapi.json", resource_openapi, NULL},
    {"GET", "/v1/status", resource_status, NULL},
};
const unsigned resource_table_n = sizeof resource_table / sizeof resource_table[0];
