/* machine_common.c - what all parts of the state machine reckon, find and walk with, and tell before they change
 * an order. */
#include "machine_parts.h"

uint64_t machine_add_ms(uint64_t time_ms, uint64_t delay_ms)
{
    uint64_t sum;

    return __builtin_add_overflow(time_ms, delay_ms, &sum) ? UINT64_MAX : sum;
}

struct order *machine_walk_next(const struct machine *m, struct machine_walk *walk)
{
    for (; walk->shard < STORE_SHARDS; walk->shard++, walk->slot = 0) {
        const struct store_shard *shard = &m->store.shards[walk->shard];

        while (walk->slot < shard->cap) {
            struct order *o = shard->slots[walk->slot++];

            if (o) {
                return o;
            }
        }
    }
    return NULL;
}

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

/* Before it changes: the observer and the digest hear of it. */
void machine_touch(struct machine *m, struct order *o)
{
    if (m->observer != NULL && o->observed != m->observed_mark) {
        m->observer->order_changes(m->observer, o);
    }
    if (m->digest.running && o->digest != m->digest.mark) {
        machine_digest_add(m, o);
    }
}
