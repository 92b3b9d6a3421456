/* seats.h - who may be connected: so many connections at most, shared by the addresses that
 * they come from.
 *
 * A connection without a message in hand is idle. When all seats are taken and another client
 * comes, the address with the most seats gives one up: the connection of it that has been idle
 * longest; where it has none that is idle, another address with no fewer seats than the newcomer's.
 * One with a message in hand is never taken; where there is no other, the newcomer has to
 * go. One address never gets the last sixteenth of the seats, so that it cannot keep all others
 * out even with messages in hand. Of IPv6 an address is its first 64 bits.
 *
 * Pure. One thread. */
#ifndef API_SEATS_H
#define API_SEATS_H

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;
struct api_address; /* one that has seats, or reads in hand */

#define API_PACES 2 /* kinds of what a host spaces out for an address */

struct api_seat {                 /* part of a connection; zero it to start */
    struct api_seat *prev, *next; /* among the idle */
    struct api_address *address;  /* NULL: it has no seat */
    bool idle;
};

struct api_seats {
    unsigned max;
    unsigned n;
    struct api_seat *first, *last; /* idle; the first for the longest time */
    struct api_address *addresses;
};

void api_seats_init(struct api_seats *s, unsigned max);
/* An idle one. */
void api_seats_take(struct api_seats *s, struct api_seat *seat, const struct sockaddr *from);
/* Reads in hand of the seat's address, and one more or less; an address stays known while it has
 * some, though nobody of it is seated any more. */
unsigned api_seats_reads(const struct api_seat *seat);
struct api_address *api_seats_read_begin(struct api_seat *seat);
void api_seats_read_end(struct api_seats *s, struct api_address *address);
uint64_t api_seats_address(const struct api_seat *seat); /* a number for it; never 0 */
/* What the host counts for its address: 0 when its first seat is taken. */
uint64_t *api_seats_held(const struct api_seat *seat);
/* The same, of what is counted in time, each `kind` (of API_PACES) by itself. */
uint64_t *api_seats_paced(const struct api_seat *seat, unsigned kind);
void api_seats_leave(struct api_seats *s, struct api_seat *seat); /* without one: nothing */
void api_seats_busy(struct api_seats *s, struct api_seat *seat);
void api_seats_idle(struct api_seats *s, struct api_seat *seat);
unsigned api_seats_of_address(const struct api_seat *seat); /* how many its address has */
/* After the newcomer has taken a seat: who has to leave for that? NULL: nobody; the newcomer
 * itself, where nobody else may. */
struct api_seat *api_seats_victim(const struct api_seats *s, struct api_seat *newcomer);

#endif
