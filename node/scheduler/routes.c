/* routes.c - how the routes are doing, for STATUS: what is under way, and how late. */
#include <string.h>

#include "internal.h"

static const uint32_t quantiles_per_million[] = {500000, 900000, 990000, 999000};
#define ROUTES_LOOKED_AT 128 /* in one go */
#define QUANTILES (sizeof quantiles_per_million / sizeof *quantiles_per_million)

static void write_lateness(struct buffer *b, const struct lateness *l)
{
    write_array(b, LATENESS_PARTS);
    for (unsigned i = 0; i < LATENESS_PARTS; i++) {
        const struct histogram *h = &l->parts[i];
        uint64_t values[QUANTILES];
        histogram_quantiles(h, quantiles_per_million, QUANTILES, values);
        write_array(b, 2 + QUANTILES);
        write_uint(b, h->n);
        for (unsigned k = 0; k < QUANTILES; k++) {
            write_uint(b, values[k]);
        }
        write_uint(b, h->max);
    }
}

static void write_row(struct buffer *b, const char *name, uint64_t inflight, uint64_t ready,
                      uint64_t window, uint64_t silent_ms, const struct lateness *l)
{
    write_array(b, 6);
    write_str(b, name, strlen(name));
    write_uint(b, inflight);
    write_uint(b, ready);
    write_uint(b, window);
    write_uint(b, silent_ms);
    write_lateness(b, l);
}

/* A lane follows its route only when there is something to start, so that one may still be about
 * a route that was deleted. */
static bool is_measured(const struct scheduler *s, uint32_t slot)
{
    const struct route *r = &s->machine.routes[slot];
    const struct route_lane *l = &s->dispatch.lanes[slot];

    return l->settings != NULL && l->lateness != NULL && strcmp(l->settings->route, r->name) == 0;
}

/* Orders may wait where nothing was delivered since this node leads: nobody asks for them, or their route is paused. */
static bool is_shown(const struct scheduler *s, uint32_t slot)
{
    const struct route *r = &s->machine.routes[slot];

    return r->used && (is_measured(s, slot) || route_count_ready(r) > 0);
}

/* Of all routes together. */
static void write_first_row(struct scheduler *s, struct buffer *b)
{
    const struct machine *m = &s->machine;
    uint64_t ready = 0;

    for (uint32_t i = 0; i < m->n_routes; i++) {
        ready += m->routes[i].used ? route_count_ready(&m->routes[i]) : 0;
    }
    write_row(b, "", s->dispatch.inflight.used, ready, s->dispatch.inflight.max, 0,
              s->dispatch.lateness);
}

static void write_route_row(struct scheduler *s, uint32_t slot, uint64_t now_us, struct buffer *b)
{
    static const struct lateness none;
    const struct route_lane *l = &s->dispatch.lanes[slot];
    const struct route *r = &s->machine.routes[slot];

    if (!is_measured(s, slot)) {
        write_row(b, r->name, 0, route_count_ready(r), r->settings.window, 0, &none);
        return;
    }
    uint64_t closed_us = pace_closed_until_us(&l->pace, now_us);
    write_row(b, r->name, l->inflight, route_count_ready(r), pace_window(&l->pace),
              closed_us > now_us ? (closed_us - now_us + 999) / 1000 : 0, l->lateness);
}

uint32_t scheduler_write_routes(struct scheduler *s, uint32_t slot, uint32_t max, struct buffer *b,
                                uint32_t *n)
{
    const struct machine *m = &s->machine;
    uint64_t now_us = scheduler_monotonic_us(s);
    uint32_t until = *n + max;
    uint32_t end = slot + ROUTES_LOOKED_AT < m->n_routes ? slot + ROUTES_LOOKED_AT : m->n_routes;

    if (s->state != SCHEDULER_LEADING) { /* whoever left it has nothing more to tell */
        return m->n_routes;
    }
    if (slot == 0) {
        write_first_row(s, b);
        ++*n;
    }
    for (; slot < end && *n < until; slot++) {
        if (is_shown(s, slot)) {
            write_route_row(s, slot, now_us, b);
            ++*n;
        }
    }
    return slot;
}
