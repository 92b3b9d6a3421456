/* hurry.c - see hurry.h. */
#include "hurry.h"

#include <assert.h>
#include <string.h>

#define HURRY_LOOKED_MAX 256u   /* orders a slice: some 50 us */
#define HURRY_PROPOSED_MAX 512u /* waiting for an entry, before more are proposed */

void hurry_begin_leadership(struct hurry *h, const struct machine *m)
{
    memset(h, 0, sizeof *h);
    for (uint32_t i = 0; i < m->n_routes; i++) {
        h->done_index[i] = m->routes[i].hurry_index;
    }
    h->seen_index = m->routes_index;
}

void hurry_again(struct hurry *h)
{
    h->active = false;
    h->seen_index = 0;
}

void hurry_order(const struct machine *m, struct batcher *batcher, const struct order *o,
                 uint32_t attempts)
{
    struct operation op = {
        .code = OPERATION_HURRY,
        .id = {order_id(o), o->id_len},
        .epoch = m->epoch,
        .version = o->version,
        .attempt = attempts,
    };

    batcher_submit_internal(batcher, &op);
}

/* The next route that is to be gone through. */
static bool hurry_choose(struct hurry *h, const struct machine *m, uint64_t tickets)
{
    if (h->seen_index == m->routes_index) {
        return false;
    }
    for (uint32_t i = 0; i < m->n_routes; i++) {
        const struct route *r = &m->routes[i];
        if (!r->used || r->hurry_index <= h->done_index[i]) {
            continue;
        }
        if (r->orders == 0 || m->stored.closing == 0) { /* a new route, or nobody waits */
            h->done_index[i] = r->hurry_index;
        } else {
            h->active = true;
            h->slot = (uint16_t)i;
            h->index = r->hurry_index;
            h->after_ticket = tickets;
            h->keyed = false;
            h->id_len = 0;
            return true;
        }
    }
    h->seen_index = m->routes_index;
    return false;
}

bool hurry_run(struct hurry *h, const struct machine *m, struct batcher *batcher)
{
    if (!h->active && !hurry_choose(h, m, batcher->tickets)) {
        return false;
    }
    if (batcher->applied_ticket < h->after_ticket) {
        return false; /* its entry will bring us back */
    }
    assert(h->slot < m->n_routes && h->index > h->done_index[h->slot]);
    struct store_position position = {.keyed = h->keyed, .id = {h->id, h->id_len}};
    const struct order *o = NULL;
    for (unsigned i = 0; i < HURRY_LOOKED_MAX && batcher->n_internal < HURRY_PROPOSED_MAX; i++) {
        o = store_next(&m->store, position);
        if (o == NULL) {
            h->active = false;
            h->done_index[h->slot] = h->index;
            return true; /* there may be another route */
        }
        position = store_position_of(&m->store, o);
        h->keyed = position.keyed;
        h->id_len = position.id.len;
        memcpy(h->id, position.id.data, position.id.len);
        if (o->route == h->slot && machine_is_waiting(m, o)) {
            hurry_order(m, batcher, o, o->extra->attempts);
        }
    }
    return batcher->n_internal < HURRY_PROPOSED_MAX;
}
