/* resource_table.c - see resource_table.h. */
#include "resource_table.h"

#include "resource_metrics.h"
#include "resource_node.h"

const struct resource resource_table[] = {
    {"GET", "/livez", resource_livez, NULL},
    {"GET", "/readyz", resource_readyz, NULL},
    {"GET", "/metrics", resource_metrics, NULL},
    {"GET", "/v1/status", resource_status, NULL},
};
const unsigned resource_table_n = sizeof resource_table / sizeof resource_table[0];
