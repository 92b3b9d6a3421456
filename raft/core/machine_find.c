/* machine_find.c - which orders are known. */
#include "machine_parts.h"

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
