/* api_reads.h - how many of the messages in hand may be reads: three eighths of the slots, and of
 * these one address three quarters, so that greetings and payments find a slot whatever is read
 * (workers that wait have half of them at most: callback/worker.h).
 *
 * A read is a message that holds anything to be composed beside the log, RESERVE and the like
 * excepted. One past its share waits, complete and checked, at most one of each connection, which
 * is not read from meanwhile; who waits longest is next, of an address that has not its share.
 * As many bytes of them may wait as may be in hand, with what was made of them; more is BUSY.
 *
 * Owns nothing. API thread only. */
#ifndef API_READS_H
#define API_READS_H

#include <stdbool.h>
#include <stdint.h>

struct api_address;
struct api_slot;
struct api_seat;
struct api_seats;
struct inbound;

struct api_reads {
    unsigned max;                   /* in hand */
    unsigned address_max;           /* of one address */
    unsigned n;                     /* in hand */
    struct api_slot *first, **last; /* wait */
    uint64_t bytes;                 /* of those that wait */
    uint64_t bytes_max;
};

void api_reads_init(struct api_reads *r, unsigned slots, uint64_t bytes_max);
/* Of a checked message. */
bool api_reads_is_read(const struct inbound *in);
/* May one more of this seat's address be in hand? */
bool api_reads_may_begin(const struct api_reads *r, const struct api_seat *seat);
void api_reads_begin(struct api_reads *r, struct api_slot *slot, struct api_seat *seat);
/* Of one that began; others are left alone. */
void api_reads_end(struct api_reads *r, struct api_slot *slot, struct api_seats *seats);
/* Let it wait. False: too many bytes wait. */
bool api_reads_park(struct api_reads *r, struct api_slot *slot);
/* It does not wait any more. */
void api_reads_unpark(struct api_reads *r, struct api_slot *slot);

#endif
