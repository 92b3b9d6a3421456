/* receivers.c - see receivers.h. */
#include "receivers.h"

#include <assert.h>

static struct receiver *receivers_of(const struct receivers *r, enum route_kind kind)
{
    switch (kind) {
        case ROUTE_WORKER: return r->worker;
        case ROUTE_EXEC: return r->exec;
        case ROUTE_HTTP: break;
    }
    return r->http;
}

static void receivers_start(struct receiver *receiver, struct delivery *first)
{
    struct receiver *one = receivers_of(receiver->impl, first->settings->settings.kind);

    assert(one != NULL);
    one->start(one, first);
}

static void receivers_flush(struct receiver *receiver)
{
    const struct receivers *r = receiver->impl;
    struct receiver *all[] = {r->http, r->worker, r->exec};

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] != NULL && all[i]->flush != NULL) {
            all[i]->flush(all[i]);
        }
    }
}

/* Asked for worker routes only. */
static unsigned receivers_room(struct receiver *receiver, uint16_t route_slot, const char *route)
{
    const struct receivers *r = receiver->impl;

    return r->worker->room(r->worker, route_slot, route);
}

static void receivers_abandon(struct receiver *receiver)
{
    const struct receivers *r = receiver->impl;
    struct receiver *all[] = {r->http, r->worker, r->exec};

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        bool again = i > 0 && all[i] == all[0];
        if (all[i] != NULL && all[i]->abandon != NULL && !again) {
            all[i]->abandon(all[i]);
        }
    }
}

void receivers_init(struct receivers *r, struct receiver *http, struct receiver *worker,
                    struct receiver *exec)
{
    *r = (struct receivers){.http = http, .worker = worker, .exec = exec};
    r->receiver = (struct receiver){.impl = r,
                                    .start = receivers_start,
                                    .flush = receivers_flush,
                                    .abandon = receivers_abandon};
    if (worker != NULL) {
        r->receiver.room = receivers_room;
    }
}
