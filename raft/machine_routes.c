/* machine_routes.c - the callback routes: replicated, so that any leader has them
 * (docs/semantics.md, "Routes"). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "machine_parts.h"

/* The retries of a route that names none: dense first, as stock is waiting. */
static const uint32_t default_retries_ms[] = {
    1000,    2000,    5000,    15000,   30000,   60000,   300000,  900000,
    3600000, 3600000, 3600000, 3600000, 3600000, 3600000, 3600000,
};
_Static_assert(sizeof default_retries_ms / sizeof *default_retries_ms <= PROTOCOL_RETRIES_MAX,
               "the default is a list that a route can hold");

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

void machine_route_clear(struct route *r)
{
    free(r->url);
    for (uint32_t i = 0; i < r->n_secrets; i++) {
        free(r->secrets[i]);
    }
    memset(r, 0, sizeof *r);
}

static char *copy_text(struct slice text)
{
    char *copy = machine_must_have(malloc(text.len + 1));

    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    return copy;
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
    assert(name.len <= ORDERSCHED_ROUTE_NAME_MAX);
    memset(r, 0, sizeof *r);
    r->used = true;
    r->name_len = (uint8_t)name.len;
    memcpy(r->name, name.data, name.len);
    link_head_init(&r->ready);
    if (m->n_routes <= (uint32_t)(r - m->routes)) {
        m->n_routes = (uint32_t)(r - m->routes) + 1;
    }
    return r;
}

static void fill(struct route *r, const struct operation *op, uint64_t revision)
{
    free(r->url);
    for (uint32_t i = 0; i < r->n_secrets; i++) {
        free(r->secrets[i]);
        r->secrets[i] = NULL;
    }
    r->url = copy_text(op->url);
    r->n_secrets = op->n_secrets;
    for (uint32_t i = 0; i < op->n_secrets; i++) {
        r->secrets[i] = copy_text(op->secrets[i]);
    }
    r->timeout_ms = op->timeout_ms;
    r->window = op->window;
    if (op->n_retries > 0) {
        r->n_retries = op->n_retries;
        memcpy(r->retries_ms, op->retries_ms, op->n_retries * sizeof *r->retries_ms);
    } else {
        r->n_retries = sizeof default_retries_ms / sizeof *default_retries_ms;
        memcpy(r->retries_ms, default_retries_ms, sizeof default_retries_ms);
    }
    r->revision = revision;
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
    fill(r, op, m->applied);
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
    assert(link_empty(&r->ready));
    machine_route_clear(r);
    return ORDERSCHED_OK;
}

void machine_apply_route(struct machine *m, const struct operation *op, struct result *result)
{
    if (machine_answer_early(m, NULL, op->request_id, result)) {
        return;
    }
    result->error = op->code == OPERATION_ROUTE_PUT ? put(m, op) : delete(m, op);
    machine_record_recent(m, op->request_id, result);
}
