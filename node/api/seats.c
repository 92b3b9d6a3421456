/* seats.c - see seats.h. */
#include "seats.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"

#define SEATS_SPARE 16u /* one in so many is not for the address that has all others */

/* There are as many as seats and reads at most; they are looked through when somebody comes. */
struct api_address {
    struct api_address *next;
    uint8_t prefix[8];
    unsigned n;    /* seats */
    uint64_t held; /* the host's, as is the next */
    uint64_t paced[API_PACES];
    unsigned reads;
};

void api_seats_init(struct api_seats *s, unsigned max)
{
    memset(s, 0, sizeof *s);
    s->max = max;
}

/* --- addresses --- */

static void address_prefix(const struct sockaddr *from, uint8_t prefix[8])
{
    memset(prefix, 0, 8);
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;

        memcpy(prefix + 4, &in->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)from;

        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
            memcpy(prefix + 4, in->sin6_addr.s6_addr + 12, 4);
        } else {
            memcpy(prefix, in->sin6_addr.s6_addr, 8);
        }
    }
}

static struct api_address *address_find(struct api_seats *s, const struct sockaddr *from)
{
    struct api_address *a = s->addresses;
    uint8_t prefix[8];

    address_prefix(from, prefix);
    while (a != NULL && memcmp(a->prefix, prefix, sizeof prefix) != 0) {
        a = a->next;
    }
    if (a == NULL) {
        a = must_have(calloc(1, sizeof *a));
        memcpy(a->prefix, prefix, sizeof prefix);
        a->next = s->addresses;
        s->addresses = a;
    }
    return a;
}

static void address_forget_unused(struct api_seats *s, struct api_address *a)
{
    struct api_address **at = &s->addresses;

    if (a->n > 0 || a->reads > 0) {
        return;
    }
    while (*at != a) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = a->next;
    free(a);
}

/* The one with the most seats; of several the newcomer's. */
static const struct api_address *address_with_most(const struct api_seats *s,
                                                   const struct api_address *newcomer)
{
    const struct api_address *most = newcomer;

    for (const struct api_address *a = s->addresses; a != NULL; a = a->next) {
        most = a->n > most->n ? a : most;
    }
    return most;
}

/* --- seats --- */

void api_seats_idle(struct api_seats *s, struct api_seat *seat)
{
    assert(seat->address != NULL && !seat->idle);
    seat->idle = true;
    seat->next = NULL;
    seat->prev = s->last;
    *(s->last != NULL ? &s->last->next : &s->first) = seat;
    s->last = seat;
}

void api_seats_busy(struct api_seats *s, struct api_seat *seat)
{
    assert(seat->idle && (seat->prev != NULL ? seat->prev->next == seat : s->first == seat));
    seat->idle = false;
    *(seat->prev != NULL ? &seat->prev->next : &s->first) = seat->next;
    *(seat->next != NULL ? &seat->next->prev : &s->last) = seat->prev;
}

void api_seats_take(struct api_seats *s, struct api_seat *seat, const struct sockaddr *from)
{
    assert(seat->address == NULL);
    seat->address = address_find(s, from);
    seat->address->n++;
    s->n++;
    api_seats_idle(s, seat);
}

uint64_t api_seats_address(const struct api_seat *seat)
{
    uint64_t address;

    memcpy(&address, seat->address->prefix, sizeof address);
    return address != 0 ? address : 1;
}

unsigned api_seats_of_address(const struct api_seat *seat)
{
    return seat->address->n;
}

uint64_t *api_seats_held(const struct api_seat *seat)
{
    return &seat->address->held;
}

uint64_t *api_seats_paced(const struct api_seat *seat, unsigned kind)
{
    assert(kind < API_PACES);
    return &seat->address->paced[kind];
}

void api_seats_leave(struct api_seats *s, struct api_seat *seat)
{
    if (seat->address == NULL) {
        return;
    }
    if (seat->idle) {
        api_seats_busy(s, seat);
    }
    assert(s->n > 0 && seat->address->n > 0);
    seat->address->n--;
    address_forget_unused(s, seat->address);
    seat->address = NULL;
    s->n--;
}

/* --- reads --- */

unsigned api_seats_reads(const struct api_seat *seat)
{
    return seat->address->reads;
}

struct api_address *api_seats_read_begin(struct api_seat *seat)
{
    seat->address->reads++;
    return seat->address;
}

void api_seats_read_end(struct api_seats *s, struct api_address *address)
{
    assert(address->reads > 0);
    address->reads--;
    address_forget_unused(s, address);
}

/* --- who has to leave --- */

/* The one that is idle longest, of this address, or (NULL) of any that has as many seats as the newcomer's, but not the
 * newcomer. */
static struct api_seat *longest_idle(const struct api_seats *s, const struct api_address *address,
                                     const struct api_seat *newcomer)
{
    struct api_seat *seat = s->first;

    while (seat != NULL &&
           (seat == newcomer || (address != NULL ? seat->address != address
                                                 : seat->address->n < newcomer->address->n))) {
        seat = seat->next;
    }
    return seat;
}

struct api_seat *api_seats_victim(const struct api_seats *s, struct api_seat *newcomer)
{
    struct api_seat *victim;

    if (newcomer->address->n > s->max - s->max / SEATS_SPARE) {
        victim = longest_idle(s, newcomer->address, newcomer);
        return victim != NULL ? victim : newcomer;
    }
    if (s->n <= s->max) {
        return NULL;
    }
    victim = longest_idle(s, address_with_most(s, newcomer->address), newcomer);
    if (victim == NULL) {
        victim = longest_idle(s, NULL, newcomer);
    }
    return victim != NULL ? victim : newcomer;
}
