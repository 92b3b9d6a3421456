/* machine_purge.c - forgetting: when a decided order becomes unknown, and when its memory is
 * given back (docs/semantics.md, "Retention"). */
#include <assert.h>

#include "machine_parts.h"
#include "../mutant.h"

/* May it go without a request of it becoming unknown that is not stale yet? */
static bool purge_is_due(const struct machine *m, const struct order *o)
{
    return machine_keeps_old_rules(m) ||
           machine_latest_request_ms(m, o) <= machine_fair_floor_ms(m);
}

static void purge(struct machine *m, struct order *o)
{
    assert(machine_is_forgotten(m, o));
    assert(!o->due && !o->ready && !o->in_flight);
    machine_touch(m, o);
    link_remove(&o->link);
    --*machine_count_of(m, o);
    assert(m->routes[o->route].orders > 0);
    m->routes[o->route].orders--;
    assert(m->memory >= m->store.memory + order_memory(o));
    m->memory -= m->store.memory + order_memory(o);
    store_remove(&m->store, o);
    m->memory += m->store.memory;
    order_free(&m->slab, o);
}

bool machine_purge_for_another(struct machine *m, struct order *o)
{
    if (purge_is_due(m, o)) {
        machine_raise_floor(m, machine_latest_request_ms(m, o));
    } else if (!machine_move_requests(m, o)) {
        return false;
    }
    purge(m, o);
    m->purge_wait_ms = 0; /* another order may be the first now */
    return true;
}

static struct order *order_of_link(struct link *link)
{
    return (struct order *)((char *)link - offsetof(struct order, link));
}

static struct order *first_decided(const struct machine *m)
{
    if (link_empty(&m->terminal)) {
        return NULL;
    }
    return order_of_link(m->terminal.next);
}

uint64_t machine_next_forgotten_ms(const struct machine *m)
{
    const struct order *o = first_decided(m);

    if (!o) {
        return UINT64_MAX;
    }
    uint64_t next_ms = machine_add_ms(order_decided_ms(o), m->retention_ms);
    uint64_t stale_ms = m->purge_wait_ms > machine_fair_floor_ms(m)
                            ? machine_fair_floor_reaches_ms(m, m->purge_wait_ms)
                            : 0;
    return next_ms > stale_ms ? next_ms : stale_ms;
}

/* The deliberate bug: a closing order counts its retention from its deadline. */
static void purge_closing(struct machine *m)
{
    struct machine_walk walk = {0};
    struct order *o = machine_walk_next(m, &walk);

    while (o && (o->state != ORDERSCHED_PENDING || o->deadline_ms + m->retention_ms > m->now_ms)) {
        o = machine_walk_next(m, &walk);
    }
    if (o) {
        machine_index_detach(m, o);
        machine_index_settle(m, o, ORDERSCHED_EXPIRED);
        o->extra->decided_ms = o->deadline_ms;
        purge(m, o);
    }
}

/* The order behind it, if it was decided by the same entry. */
static struct order *next_of_entry(const struct machine *m, const struct order *o)
{
    struct order *next = o->link.next == &m->terminal ? NULL : order_of_link(o->link.next);

    return next && order_decision_index(next) == order_decision_index(o) ? next : NULL;
}

/* Purge what is due of the orders that the entry of the first one decided. The whole entry: a
 * restore may list its orders in another order. False: some have to wait. */
static bool purge_entry(struct machine *m, struct order *o)
{
    uint64_t wait_ms = UINT64_MAX;

    while (o) {
        struct order *next = next_of_entry(m, o);
        uint64_t latest_ms = machine_latest_request_ms(m, o);

        if (purge_is_due(m, o)) {
            machine_raise_floor(m, latest_ms);
            purge(m, o);
        } else {
            wait_ms = latest_ms < wait_ms ? latest_ms : wait_ms;
        }
        o = next;
    }
    m->purge_wait_ms = wait_ms == UINT64_MAX ? 0 : wait_ms;
    return wait_ms == UINT64_MAX;
}

void machine_purge_forgotten(struct machine *m)
{
    if (MUTANT(PURGE_FORGETS_CLOSING)) {
        purge_closing(m);
    }
    if (m->purge_wait_ms > machine_fair_floor_ms(m)) {
        return; /* the first entry's last ones wait, as they did when it was looked at */
    }
    struct order *o = first_decided(m);

    for (unsigned i = 0; i < MACHINE_PURGE_MAX && o && machine_is_forgotten(m, o); i++) {
        if (!purge_entry(m, o)) {
            break;
        }
        o = first_decided(m);
    }
}
