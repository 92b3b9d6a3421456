/* resource_table.c - see resource_table.h. */
#include "resource_table.h"

#include "resource_handlers.h"
#include "resource_openapi.h"

const struct resource resource_table[] = {
    {"GET", "/livez", resource_livez, NULL},
    {"GET", "/readyz", resource_readyz, NULL},
    {"GET", "/metrics", resource_metrics, NULL},

    {"GET", "/v1/orders", resource_order_list,
     "state route prefix due_after due_before limit cursor"},
    {"PUT", "/v1/orders/{id}", resource_order_put, NULL},
    {"GET", "/v1/orders/{id}", resource_order_get, "local"},
    {"POST", "/v1/orders/{id}/pay", resource_order_pay, NULL},
    {"POST", "/v1/orders/{id}/cancel", resource_order_cancel, NULL},
    {"POST", "/v1/orders/{id}/extend", resource_order_extend, NULL},
    {"GET", "/v1/orders/{id}/history", resource_order_history, "local"},
    {"POST", "/v1/orders/{id}/redrive", resource_order_redrive, NULL},
    {"POST", "/v1/orders/{id}/drop", resource_order_drop, NULL},
    {"POST", "/v1/batch", resource_batch, NULL},

    {"GET", "/v1/routes", resource_route_list, NULL},
    {"GET", "/v1/routes/{name}", resource_route_get, NULL},
    {"PUT", "/v1/routes/{name}", resource_route_put, NULL},
    {"PATCH", "/v1/routes/{name}", resource_route_patch, NULL},
    {"DELETE", "/v1/routes/{name}", resource_route_delete, NULL},
    {"POST", "/v1/routes/{name}/pause", resource_route_pause, NULL},
    {"POST", "/v1/routes/{name}/resume", resource_route_resume, NULL},
    {"POST", "/v1/routes/{name}/retry", resource_route_retry, NULL},
    {"POST", "/v1/routes/{name}/rotate", resource_route_rotate, NULL},
    {"POST", "/v1/routes/{name}/reserve", resource_reserve, NULL},
    {"POST", "/v1/routes/{name}/lease", resource_lease, NULL},
    {"POST", "/v1/routes/{name}/settle", resource_settle, NULL},

    {"GET", "/v1/dead", resource_dead_list, "route limit cursor"},
    {"POST", "/v1/dead/redrive", resource_dead_redrive, NULL},
    {"POST", "/v1/dead/drop", resource_dead_drop, NULL},

    {"GET", "/v1/openapi.json", resource_openapi, NULL},
    {"GET", "/v1/status", resource_status, "node"},
    {"GET", "/v1/cluster", resource_cluster, NULL},
    {"GET", "/v1/members", resource_member_list, NULL},
    {"POST", "/v1/members", resource_member_add, NULL},
    {"DELETE", "/v1/members/{id}", resource_member_remove, NULL},
    {"POST", "/v1/transfer", resource_transfer, NULL},

    {"GET", "/v1/principals", resource_principal_list, "cursor"},
    {"PUT", "/v1/principals/{name}", resource_principal_put, NULL},
    {"DELETE", "/v1/principals/{name}", resource_principal_delete, NULL},
    {"POST", "/v1/principals/{name}/token", resource_principal_token, NULL},
    {"POST", "/v1/tokens", resource_token_create, NULL},
    {"GET", "/v1/authorisation", resource_authorisation_get, NULL},
    {"PUT", "/v1/authorisation", resource_authorisation_put, NULL},

    {"GET", "/v1/audit", resource_audit_list, "since who what limit cursor"},
};
const unsigned resource_table_n = sizeof resource_table / sizeof resource_table[0];
