/* unfinished.c - see unfinished.h. */
#include "unfinished.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

void api_unfinished_init(struct api_unfinished *u, uint64_t max)
{
    memset(u, 0, sizeof *u);
    u->max = max;
}

void api_unfinished_add(struct api_unfinished *u, struct api_unfinished_of *of, size_t bytes,
                        uint64_t *by_address, uint64_t now_ms)
{
    assert(bytes > 0);
    if (of->bytes == 0) {
        of->by_address = by_address;
        of->since_ms = now_ms;
        of->next = NULL;
        of->prev = u->last;
        *(u->last != NULL ? &u->last->next : &u->first) = of;
        u->last = of;
    }
    assert(of->by_address == by_address);
    of->bytes += bytes;
    *by_address += bytes;
    u->bytes += bytes;
}

void api_unfinished_end(struct api_unfinished *u, struct api_unfinished_of *of)
{
    if (of->bytes == 0) {
        return;
    }
    assert(*of->by_address >= of->bytes && u->bytes >= of->bytes);
    *of->by_address -= of->bytes;
    u->bytes -= of->bytes;
    of->bytes = 0;
    *(of->prev != NULL ? &of->prev->next : &u->first) = of->next;
    *(of->next != NULL ? &of->next->prev : &u->last) = of->prev;
    assert((u->bytes == 0) == (u->first == NULL));
}

/* What it has cost so far; a small one costs nothing. */
static uint64_t cost_of(const struct api_unfinished_of *of, uint64_t now_ms)
{
    uint64_t ms = now_ms > of->since_ms ? now_ms - of->since_ms : 0;

    return of->bytes > API_UNFINISHED_SMALL ? of->bytes * (ms + 1) : 0;
}

struct api_unfinished_of *api_unfinished_victim(const struct api_unfinished *u, uint64_t now_ms)
{
    struct api_unfinished_of *victim = u->first;

    if (u->bytes <= u->max) {
        return NULL;
    }
    for (struct api_unfinished_of *of = u->first; of != NULL; of = of->next) {
        uint64_t most = *victim->by_address;
        bool same = of->by_address == victim->by_address;
        if (*of->by_address > most || (same && cost_of(of, now_ms) > cost_of(victim, now_ms))) {
            victim = of;
        }
    }
    return victim;
}
