/* machine_routes.c - the callback routes: replicated, so that any leader has them
 * (docs/semantics.md, "Routes"). */
#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "machine_parts.h"

/* --- by name: a cell has the slot + 1 of its route, or 0; linear probing --- */

static uint32_t cell_of(struct slice name)
{
    return (uint32_t)XXH3_64bits(name.data, name.len) % MACHINE_ROUTE_CELLS;
}

/* The cell that holds the route of this name, or the free one at which the search ends. */
static uint32_t probe(const struct machine *m, struct slice name)
{
    uint32_t cell = cell_of(name);

    for (; m->route_cells[cell] != 0; cell = (cell + 1) % MACHINE_ROUTE_CELLS) {
        const struct route *r = &m->routes[m->route_cells[cell] - 1];

        if (r->name_len == name.len && memcmp(r->name, name.data, name.len) == 0) {
            break;
        }
    }
    return cell;
}

struct route *machine_find_route(const struct machine *m, struct slice name)
{
    uint32_t cell = name.len > 0 ? probe(m, name) : 0;

    return name.len > 0 && m->route_cells[cell] != 0 ? &m->routes[m->route_cells[cell] - 1] : NULL;
}

void machine_index_route(struct machine *m, const struct route *r)
{
    m->route_cells[probe(m, (struct slice){(const uint8_t *)r->name, r->name_len})] =
        (uint16_t)(r - m->routes + 1);
}

/* Take a route out, and move back into the gap what the search would no longer reach. */
static void forget_route(struct machine *m, const struct route *r)
{
    uint32_t mask = MACHINE_ROUTE_CELLS - 1;
    uint32_t gap = probe(m, (struct slice){(const uint8_t *)r->name, r->name_len});

    for (uint32_t cell = (gap + 1) & mask; m->route_cells[cell] != 0; cell = (cell + 1) & mask) {
        const struct route *other = &m->routes[m->route_cells[cell] - 1];
        uint32_t home = cell_of((struct slice){(const uint8_t *)other->name, other->name_len});

        if (((cell - home) & mask) >= ((cell - gap) & mask)) {
            m->route_cells[gap] = m->route_cells[cell];
            gap = cell;
        }
    }
    m->route_cells[gap] = 0;
}

/* --- changes --- */

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
    machine_index_route(m, r);
    if (m->n_routes <= (uint32_t)(r - m->routes)) {
        m->n_routes = (uint32_t)(r - m->routes) + 1;
    }
    return r;
}

static bool differ(struct slice a, struct slice b)
{
    return a.len != b.len || (a.len > 0 && memcmp(a.data, b.data, a.len) != 0);
}

/* Do deliveries arrive elsewhere, or as something else, so that one that failed may not again? */
static bool leads_elsewhere(const struct route_settings *a, const struct route_settings *b)
{
    bool differs = a->kind != b->kind || a->http1_only != b->http1_only ||
                   a->n_secrets != b->n_secrets || a->n_headers != b->n_headers ||
                   a->n_command != b->n_command || differ(a->url, b->url) ||
                   differ(a->ca_pem, b->ca_pem);

    for (uint32_t i = 0; !differs && i < a->n_secrets; i++) {
        differs = differ(a->secrets[i], b->secrets[i]);
    }
    for (uint32_t i = 0; !differs && i < a->n_headers; i++) {
        differs = differ(a->headers[i].name, b->headers[i].name) ||
                  differ(a->headers[i].value, b->headers[i].value);
    }
    for (uint32_t i = 0; !differs && i < a->n_command; i++) {
        differs = differ(a->command[i], b->command[i]);
    }
    return differs;
}

/* Orders that wait for a repaired route need not wait any longer: the leader sees to it. */
static void change(struct machine *m, struct route *r, const struct route_settings *settings)
{
    if (leads_elsewhere(&r->settings, settings)) {
        r->hurry_index = m->applied;
    }
    route_set(r, settings);
    r->revision = m->applied;
}

static int retry(struct machine *m, const struct operation *op)
{
    struct route *r = machine_find_route(m, op->id);

    if (!r) {
        return ORDERSCHED_NOT_FOUND;
    }
    r->revision = r->hurry_index = m->applied;
    return ORDERSCHED_OK;
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
    change(m, r, &op->settings);
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
    r->revision = r->hurry_index = m->applied;
    return ORDERSCHED_OK;
}

/* What a change names must be for the kind that the route is of. */
static bool fits(const struct route *r, const struct route_settings *changes)
{
    enum route_kind kind = r->settings.kind;

    return (changes->kind == 0 || changes->kind == kind) &&
           (changes->url.len == 0 || kind == ROUTE_HTTP) &&
           (changes->n_command == 0 || kind == ROUTE_EXEC);
}

static int set(struct machine *m, const struct operation *op)
{
    struct route *r = machine_find_route(m, op->id);
    struct route_settings settings;
    struct problem problem;
    size_t used;

    if (!r) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (!fits(r, &op->settings)) {
        return ORDERSCHED_INVALID;
    }
    settings = r->settings;
    int rv = route_settings_change(op->changes.data, op->changes.len, &settings, &used, &problem);
    assert(rv == ORDERSCHED_OK); /* it was decoded before */
    change(m, r, &settings);
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
    forget_route(m, r);
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
                    : op->code == OPERATION_ROUTE_SET    ? set(m, op)
                    : op->code == OPERATION_ROUTE_RETRY  ? retry(m, op)
                                                         : rotate(m, op);
    if (result->error == ORDERSCHED_OK) {
        m->routes_index = m->applied;
    }
    machine_record_recent(m, op->request_id, result);
}
