/* refusals.h - whose requests fill the memory of recent ones: a share for each address, so that a
 * flood of one leaves room for the requests of others (docs/semantics.md, "Requests"). There is one
 * such account of what changed nothing, and one of what operators changed.
 *
 * What an address has goes down with time as the memory does: a whole share in the lifetime of a
 * request id. While less than half of the memory is used, shares do not matter; from then on an
 * address that has more than its share is told BUSY where its operation would be refused again. It
 * is the leader's guess, outside the log, and costs nobody but that address a repetition.
 *
 * It accounts for REFUSALS_ADDRESSES at a time; the one that has least makes room for another.
 * Pure. Raft loop only. */
#ifndef REFUSALS_H
#define REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#define REFUSALS_ADDRESSES 64u
#define REFUSALS_SHARE 16u /* one in so many of the memory is a share */

struct refusals_of {
    uint64_t address; /* 0: nobody's */
    uint64_t n;       /* as of noted_us */
    uint64_t noted_us;
};

struct refusals {
    uint64_t share; /* requests */
    struct refusals_of of[REFUSALS_ADDRESSES];
};

void refusals_init(struct refusals *r, uint32_t memory); /* requests that are remembered */
/* So many requests of the address were refused. Address 0 has no share, and nothing to fear. */
void refusals_note(struct refusals *r, uint64_t address, uint32_t n, uint64_t now_us);
/* Has it more than its share, and does that matter with so many remembered? */
bool refusals_are_too_many(const struct refusals *r, uint64_t address, uint32_t remembered,
                           uint64_t now_us);

#endif
