/* api_reads.c - see api_reads.h. */
#include "api_reads.h"

#include <assert.h>

#include "internal.h"

void api_reads_init(struct api_reads *r, unsigned slots, uint64_t bytes_max)
{
    unsigned max = slots - (unsigned)((uint64_t)slots * 5 / 8); /* rounded up: one at least */

    *r = (struct api_reads){
        .max = max,
        .address_max = max - max / 4,
        .bytes_max = bytes_max,
    };
    r->last = &r->first;
}

bool api_reads_is_read(const struct inbound *in)
{
    return in->n_items > in->n_logged && !in->administers;
}

bool api_reads_may_begin(const struct api_reads *r, const struct api_seat *seat)
{
    return r->n < r->max && api_seats_reads(seat) < r->address_max;
}

void api_reads_begin(struct api_reads *r, struct api_slot *slot, struct api_seat *seat)
{
    assert(slot->reads_of == NULL && r->n < r->max);
    r->n++;
    slot->reads_of = api_seats_read_begin(seat);
}

void api_reads_end(struct api_reads *r, struct api_slot *slot, struct api_seats *seats)
{
    if (slot->reads_of != NULL) {
        assert(r->n > 0);
        r->n--;
        api_seats_read_end(seats, slot->reads_of);
        slot->reads_of = NULL;
    }
}

/* What one that waits takes of memory. */
static uint64_t parked_bytes(const struct api_slot *slot)
{
    return slot->counted + sizeof *slot + slot->in.n_items * sizeof *slot->in.items;
}

bool api_reads_park(struct api_reads *r, struct api_slot *slot)
{
    if (r->bytes + parked_bytes(slot) > r->bytes_max) {
        return false;
    }
    r->bytes += parked_bytes(slot);
    slot->next = NULL;
    *r->last = slot;
    r->last = &slot->next;
    return true;
}

void api_reads_unpark(struct api_reads *r, struct api_slot *slot)
{
    struct api_slot **at = &r->first;

    while (*at != slot) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = slot->next;
    r->last = slot->next == NULL ? at : r->last;
    assert(r->bytes >= parked_bytes(slot));
    r->bytes -= parked_bytes(slot);
}
