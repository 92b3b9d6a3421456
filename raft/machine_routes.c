/* machine_routes.c - the callback routes: replicated, so that any leader has them
 * (docs/semantics.md, "Routes"). */
#include <string.h>

#include "machine_parts.h"

struct route *machine_find_route(const struct machine *m, struct slice name)
{
    for (uint32_t i = 0; i < m->n_routes; i++) {
        struct route *r = &m->routes[i];

        if (r->used && r->name_len == name.len &&
            (name.len == 0 || memcmp(r->name, name.data, name.len) == 0)) {
            return r;
        }
    }
    return NULL;
}

/* The lowest free slot, ready to be filled; NULL when all are in use. */
static struct route *take_slot(struct machine *m, struct slice name)
{
    struct route *r = m->routes;
    struct route *end = m->routes + MACHINE_ROUTES_MAX;

    while (r < end && r->used) {
        r++;
    }
    if (r == end) {
        return NULL;
    }
    route_init(r, name);
    if (m->n_routes <= (uint32_t)(r - m->routes)) {
        m->n_routes = (uint32_t)(r - m->routes) + 1;
    }
    return r;
}

static int put(struct machine *m, const struct operation *op)
{
    struct route *r = machine_find_route(m, op->id);

    if (!r) {
        r = take_slot(m, op->id);
    }
    if (!r) {
        return ORDERSCHED_TOO_MANY_ROUTES;
    }
    route_set(r, &op->settings);
    r->revision = m->applied;
    return ORDERSCHED_OK;
}

static int pause(struct machine *m, const struct operation *op)
{
    struct route *r = machine_find_route(m, op->id);

    if (!r) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (r->paused != op->paused) {
        r->paused = op->paused;
        r->revision = m->applied;
    }
    return ORDERSCHED_OK;
}

static int rotate(struct machine *m, const struct operation *op)
{
    struct route *r = machine_find_route(m, op->id);

    if (!r) {
        return ORDERSCHED_NOT_FOUND;
    }
    route_rotate(r, op->secret, op->keep);
    r->revision = m->applied;
    return ORDERSCHED_OK;
}

static int delete(struct machine *m, const struct operation *op)
{
    struct route *r = machine_find_route(m, op->id);

    if (!r) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (r->orders > 0) {
        return ORDERSCHED_ROUTE_IN_USE;
    }
    route_clear(r);
    return ORDERSCHED_OK;
}

void machine_apply_route(struct machine *m, const struct operation *op, struct result *result)
{
    if (machine_answer_early(m, NULL, op->request_id, result)) {
        return;
    }
    if (!machine_recent_has_room(m, true)) {
        result->error = ORDERSCHED_BUSY;
        return;
    }
    result->error = op->code == OPERATION_ROUTE_PUT      ? put(m, op)
                    : op->code == OPERATION_ROUTE_DELETE ? delete(m, op)
                    : op->code == OPERATION_ROUTE_PAUSE  ? pause(m, op)
                                                         : rotate(m, op);
    if (result->error == ORDERSCHED_OK) {
        m->routes_index = m->applied;
    }
    machine_record_recent(m, op->request_id, result);
}
