/* turns.c - answers that are made in slices: who is next. */
#include <assert.h>

#include "front_internal.h"

struct front_exchange *exchange_of_turn(struct link *link)
{
    return (struct front_exchange *)(void *)((char *)link - offsetof(struct front_exchange, turn));
}

void exchange_go_on(struct exchange *x, void (*go_on)(struct exchange *x))
{
    struct front_exchange *e = exchange_of(x);

    assert(!e->answered);
    e->go_on = go_on;
    link_append(&e->front->turns, &e->turn);
}

void exchange_drop_turn(struct front_exchange *e)
{
    if (link_linked(&e->turn)) {
        link_remove(&e->turn);
    }
}

void turns_run(struct front *f)
{
    if (!link_empty(&f->turns)) {
        struct front_exchange *e = exchange_of_turn(f->turns.next);
        link_remove(&e->turn);
        e->go_on(&e->x);
    }
}
