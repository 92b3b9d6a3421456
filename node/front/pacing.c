/* pacing.c - what the node answers alone, and lists, are answered so often to an address: who asks for more waits.
 *
 * Nothing else holds up a crowd that asks for metrics without end: with each answer the next request comes, and between
 * them its threads and the front's can keep a processor from all that should run there, also from the kernel's own threads
 * that complete what is written to the disk. A crowd that asks for lists keeps all busy at the price of a line a list. To
 * be refused would be as good to it as an answer; waiting costs nothing. */
#include <assert.h>

#include "../../client/base/clocks.h"
#include "front_internal.h"

#define US_PER_MS 1000u

static const struct spacing paced = {.interval_us = 1000000 / FRONT_PACED_PER_S,
                                     .at_once = FRONT_PACED_AT_ONCE};

static_assert(PACE_LISTS < API_PACES, "a number of its address's for each");

void exchange_pace(struct front_exchange *e, enum pace pace, void (*handle)(struct exchange *x))
{
    struct front *f = e->front;
    const struct api_seat *seat = &e->visitor->seat;
    uint64_t now_us = clocks_running_us();

    e->due_us = now_us;
    if (seat->address != NULL) {
        e->due_us = spacing_next_us(&paced, api_seats_paced(seat, pace), api_seats_of_address(seat),
                                    now_us);
    }
    if (e->due_us <= now_us) {
        handle(&e->x);
        return;
    }
    e->go_on = handle;
    link_append(&f->paced, &e->turn);
    f->paced_due_us = e->due_us < f->paced_due_us ? e->due_us : f->paced_due_us;
}

static void run_due(struct front *f, uint64_t now_us)
{
    f->paced_due_us = UINT64_MAX;
    for (struct link *at = f->paced.next, *next; at != &f->paced; at = next) {
        struct front_exchange *e = exchange_of_turn(at);
        next = at->next;
        if (e->due_us <= now_us) {
            link_remove(at);
            link_append(&f->turns, at);
        } else if (e->due_us < f->paced_due_us) {
            f->paced_due_us = e->due_us;
        }
    }
}

uint64_t pacing_run(struct front *f)
{
    uint64_t now_us = f->stopping ? UINT64_MAX : clocks_running_us();

    if (f->paced_due_us <= now_us) {
        run_due(f, now_us);
    }
    return f->paced_due_us != UINT64_MAX ? f->paced_due_us / US_PER_MS + 1 : UINT64_MAX;
}
