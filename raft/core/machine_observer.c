/* machine_observer.c - who hears of an order before it changes: the observer, and the digest. */
#include "machine_parts.h"

void machine_touch(struct machine *m, struct order *o)
{
    if (m->observer != NULL && o->observed != m->observed_mark) {
        m->observer->order_changes(m->observer, o);
    }
    if (m->digest.running && o->digest != m->digest.mark) {
        machine_digest_add(m, o);
    }
}
