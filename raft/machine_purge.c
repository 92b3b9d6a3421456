/* machine_purge.c - forgetting: when a decided order becomes unknown, and when its memory is
 * given back (docs/semantics.md, "Retention"). */
#include <assert.h>

#include "machine_parts.h"
#include "mutant.h"

bool machine_is_forgotten(const struct machine *m, const struct order *o)
{
    return order_is_terminal(o) &&
           machine_add_ms(order_decided_ms(o), m->retention_ms) <= m->now_ms;
}

struct order *machine_find(const struct machine *m, struct slice id)
{
    struct order *o = store_find(&m->store, id);

    return o && !machine_is_forgotten(m, o) ? o : NULL;
}

void machine_purge(struct machine *m, struct order *o)
{
    assert(machine_is_forgotten(m, o));
    machine_touch(m, o);
    machine_raise_floor(m, machine_latest_request_ms(o));
    link_remove(&o->link);
    --*machine_count_of(m, o);
    assert(m->routes[o->route].orders > 0);
    m->routes[o->route].orders--;
    m->memory -= m->store.memory + order_memory(o);
    store_remove(&m->store, o);
    m->memory += m->store.memory;
    order_free(&m->slab, o);
}

static struct order *first_decided(const struct machine *m)
{
    if (link_empty(&m->terminal)) {
        return NULL;
    }
    return (struct order *)((char *)m->terminal.next - offsetof(struct order, link));
}

uint64_t machine_next_forgotten_ms(const struct machine *m)
{
    const struct order *o = first_decided(m);

    return o ? machine_add_ms(order_decided_ms(o), m->retention_ms) : UINT64_MAX;
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
        machine_purge(m, o);
    }
}

void machine_purge_forgotten(struct machine *m)
{
    if (MUTANT(PURGE_FORGETS_CLOSING)) {
        purge_closing(m);
    }
    struct order *o = first_decided(m);

    for (unsigned i = 0; i < MACHINE_PURGE_MAX && o && machine_is_forgotten(m, o); i++) {
        uint64_t index = order_decision_index(o);

        /* The whole index: a restore may list the orders of one entry in another order. */
        while (o && order_decision_index(o) == index) {
            machine_purge(m, o);
            o = first_decided(m);
        }
    }
}
