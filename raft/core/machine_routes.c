/* machine_routes.c - the callback routes: replicated, so that any leader has them
 * (docs/semantics.md, "Routes"). */
#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "../../client/wire/route_secrets.h"
#include "machine_parts.h"

static_assert((MACHINE_ROUTE_CELLS & (MACHINE_ROUTE_CELLS - 1)) == 0, "cells wrap around");
static_assert(MACHINE_ROUTE_CELLS > MACHINE_ROUTES_MAX, "a search ends at a free cell");
static_assert(MACHINE_ROUTES_MAX < UINT16_MAX, "a cell has the slot and one more");

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

bool machine_carries_traceparents(const struct machine *m)
{
    for (uint32_t i = 0; i < m->n_routes; i++) {
        if (m->routes[i].used && m->routes[i].settings.traceparent) {
            return true;
        }
    }
    return false;
}

void machine_index_route(struct machine *m, const struct route *r)
{
    uint32_t cell = probe(m, (struct slice){(const uint8_t *)r->name, r->name_len});

    assert(m->route_cells[cell] == 0); /* its name is new */
    m->route_cells[cell] = (uint16_t)(r - m->routes + 1);
}

/* Take a route out, and move back into the gap what the search would no longer reach. */
static void forget_route(struct machine *m, const struct route *r)
{
    uint32_t mask = MACHINE_ROUTE_CELLS - 1;
    uint32_t gap = probe(m, (struct slice){(const uint8_t *)r->name, r->name_len});

    assert(m->route_cells[gap] == r - m->routes + 1);
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

/* The lowest free slot, ready to be filled; there must be one. */
static struct route *take_slot(struct machine *m, struct slice name)
{
    struct route *r = m->routes;

    while (r->used) {
        r++;
    }
    assert(r < m->routes + MACHINE_ROUTES_MAX);
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
                   a->n_signing_keys != b->n_signing_keys || differ(a->ca_pem, b->ca_pem) ||
                   differ(a->client_cert_pem, b->client_cert_pem) ||
                   differ(a->client_key_pem, b->client_key_pem);

    for (uint32_t i = 0; !differs && i < a->n_secrets; i++) {
        differs = differ(a->secrets[i], b->secrets[i]);
    }
    for (uint32_t i = 0; !differs && i < a->n_signing_keys; i++) {
        differs = differ(a->signing_keys[i], b->signing_keys[i]);
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

static void set(struct machine *m, struct route *r, const struct operation *op)
{
    struct route_settings settings = r->settings;
    struct problem problem;
    size_t used;

    int rv = route_settings_change(op->changes.data, op->changes.len, &settings, &used, &problem);
    assert(rv == ORDERSCHED_OK); /* it was decoded before */
    change(m, r, &settings);
}

/* --- judging: nothing has been changed yet --- */

static bool is_slot_free(const struct machine *m)
{
    uint32_t i = 0;

    while (i < MACHINE_ROUTES_MAX && m->routes[i].used) {
        i++;
    }
    return i < MACHINE_ROUTES_MAX;
}

/* What a change names must be for the kind that the route is of. */
static bool fits(const struct route *r, const struct route_settings *changes)
{
    enum route_kind kind = r->settings.kind;

    return (changes->kind == 0 || changes->kind == kind) &&
           (changes->url.len == 0 || kind == ROUTE_HTTP) &&
           (changes->client_cert_pem.len == 0 || kind == ROUTE_HTTP) &&
           (!changes->traceparent || kind == ROUTE_HTTP) &&
           (changes->n_command == 0 || kind == ROUTE_EXEC);
}

/* `r` is the route of that name, or NULL. */
static int judge(const struct machine *m, const struct route *r, const struct operation *op)
{
    if (op->code == OPERATION_ROUTE_PUT) {
        return r || is_slot_free(m) ? ORDERSCHED_OK : ORDERSCHED_TOO_MANY_ROUTES;
    }
    if (!r) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (op->code == OPERATION_ROUTE_SET && !fits(r, &op->settings)) {
        return ORDERSCHED_INVALID;
    }
    if (op->code == OPERATION_ROUTE_ROTATE && route_public_key_is_good(op->secret) &&
        route_signing_key_find(&r->settings, op->secret).len == 0) {
        return ORDERSCHED_INVALID;
    }
    return op->code == OPERATION_ROUTE_DELETE && r->orders > 0 ? ORDERSCHED_ROUTE_IN_USE
                                                               : ORDERSCHED_OK;
}

/* Does one that is OK leave everything as it is? */
static bool is_idle(const struct route *r, const struct operation *op)
{
    return op->code == OPERATION_ROUTE_PAUSE && r->paused == op->paused;
}

/* --- carrying out --- */

static void carry_out(struct machine *m, struct route *r, const struct operation *op)
{
    switch (op->code) {
        case OPERATION_ROUTE_PUT: change(m, r ? r : take_slot(m, op->id), &op->settings); break;
        case OPERATION_ROUTE_SET: set(m, r, op); break;
        case OPERATION_ROUTE_DELETE:
            assert(r->orders == 0 && link_empty(&r->ready[ROUTE_READY_FIRST]) &&
                   link_empty(&r->ready[ROUTE_READY_RETRY]));
            forget_route(m, r);
            route_clear(r);
            break;
        case OPERATION_ROUTE_PAUSE:
            r->paused_ms = !op->paused ? 0 : r->paused ? r->paused_ms : m->now_ms;
            r->paused = op->paused;
            r->revision = m->applied;
            break;
        case OPERATION_ROUTE_ROTATE:
            route_rotate(r, op->secret, op->keep);
            r->revision = r->hurry_index = m->applied;
            break;
        case OPERATION_ROUTE_RETRY: r->revision = r->hurry_index = m->applied; break;
        default: assert(false);
    }
}

bool machine_route_is_in_vain(const struct machine *m, const struct operation *op)
{
    const struct route *r = machine_find_route(m, op->id);

    return judge(m, r, op) != ORDERSCHED_OK || is_idle(r, op);
}

void machine_apply_route(struct machine *m, const struct operation *op, struct result *result)
{
    struct route *r = machine_find_route(m, op->id);
    int error = judge(m, r, op);
    bool changes = error == ORDERSCHED_OK && !is_idle(r, op);

    if (machine_answer_early(m, NULL, op, result)) {
        return;
    }
    if (!machine_recent_has_room(m, changes)) {
        result->error = ORDERSCHED_BUSY;
        return;
    }
    if (changes) {
        carry_out(m, r, op);
    }
    if (error == ORDERSCHED_OK) {
        m->routes_index = m->applied;
    }
    result->error = error;
    machine_record_recent(m, op, changes, result);
}
