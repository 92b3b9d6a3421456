/* turns.c - answers that are made in slices: who is next. */
#include <assert.h>

#include "front_internal.h"

void exchange_go_on(struct exchange *x, void (*go_on)(struct exchange *x))
{
    struct front_exchange *e = exchange_of(x);
    struct front *f = e->front;

    assert(!e->answered && e->go_on == NULL);
    e->go_on = go_on;
    e->next_turn = NULL;
    *f->last_turn = e;
    f->last_turn = &e->next_turn;
}

void exchange_drop_turn(struct front_exchange *e)
{
    struct front *f = e->front;
    struct front_exchange **at = &f->first_turn;

    if (e->go_on == NULL) {
        return;
    }
    while (*at != e) {
        assert(*at != NULL);
        at = &(*at)->next_turn;
    }
    *at = e->next_turn;
    f->last_turn = f->last_turn == &e->next_turn ? at : f->last_turn;
    e->go_on = NULL;
}

void turns_run(struct front *f)
{
    struct front_exchange *e = f->first_turn;

    if (e != NULL) {
        void (*go_on)(struct exchange * x) = e->go_on;
        exchange_drop_turn(e);
        go_on(&e->x);
    }
}
