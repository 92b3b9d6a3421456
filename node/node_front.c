/* node_front.c - the node's HTTP server: where it listens, and whom it asks. */
#include <stdio.h>
#include <string.h>

#include "../client/text/units.h"
#include "node_internal.h"

static int node_inside(void *arg)
{
    struct node *n = arg;

    return api_inside(n->api);
}

static bool node_traces(void *arg)
{
    struct node *n = arg;

    return atomic_load_explicit(&n->traces, memory_order_relaxed);
}

void node_look_at_routes(struct node *n)
{
    const struct machine *m = scheduler_machine(n->scheduler);

    if (n->routes_index != m->routes_index) {
        n->routes_index = m->routes_index;
        atomic_store_explicit(&n->traces, machine_carries_traceparents(m), memory_order_relaxed);
    }
}

/* HOST:PORT+2, and the host of --bind where that is given; or what --http says. */
static bool node_front_address(struct node *n)
{
    char moved[PROTOCOL_ADDRESS_MAX], host[256];
    unsigned port;

    if (n->config->http != NULL) {
        snprintf(n->front_address, sizeof n->front_address, "%s", n->config->http);
        return true;
    }
    if (!units_move_port(n->config->address, 2, moved, sizeof moved) ||
        !units_split_address(moved, host, sizeof host, &port)) {
        return false;
    }
    if (n->config->bind != NULL) {
        snprintf(n->front_address, sizeof n->front_address, "%s:%u", n->config->bind, port);
    } else {
        snprintf(n->front_address, sizeof n->front_address, "%s", moved);
    }
    return true;
}

int node_front_start(struct node *n)
{
    const struct config *c = n->config;
    unsigned n_others = 0;
    char why[512];

    if (c->http != NULL && strcmp(c->http, "off") == 0) {
        return 0;
    }
    if (!node_front_address(n) ||
        !units_move_port(c->address, 1, n->front_self, sizeof n->front_self)) {
        return node_fail(n, "cannot serve HTTP", "the address has no room for its port");
    }
    for (unsigned i = 0; i < c->n_peers; i++) {
        if (c->peers[i].id != c->id &&
            units_move_port(c->peers[i].address, 1, n->front_peers[n_others],
                            sizeof n->front_peers[0])) {
            n->front_others[n_others] = n->front_peers[n_others];
            n_others++;
        }
    }
    struct front_config config = {.address = n->front_address,
                                  .cluster = c->cluster,
                                  .node = c->id,
                                  .self = n->front_self,
                                  .others = n->front_others,
                                  .n_others = n_others,
                                  .inside = node_inside,
                                  .traces = node_traces,
                                  .arg = n,
                                  .log = &n->log,
                                  .tls = n->tls,
                                  .tls_max_age_ms = c->tls_max_age_ms,
                                  .origins = (const char *const *)c->web_origins,
                                  .n_origins = c->n_web_origins,
                                  .metrics = &n->view};
    n->front = front_new(&config, why, sizeof why);
    return n->front != NULL ? 0 : node_fail(n, "cannot start", why);
}
