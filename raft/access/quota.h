/* quota.h - how much of the quotas of its grants a principal has used (docs/roles.md, "Quotas").
 *
 * Replicated state, a part of the principals' (grants.h). A principal that is given a quota gets a *slot*,
 * which is its own until it is revoked, and longer, until the last order that is counted there is decided.
 * In a slot each *place* has an account: what is used of the quotas of the grant that stands there among
 * the principal's, whichever that is. An order tells its account by a *charge*, a number of 14 bits.
 *
 * Operations are counted by a bucket that holds what may be done at once, one second's worth, and fills
 * in the time of the entries. Pure. */
#ifndef QUOTA_H
#define QUOTA_H

#include "../../client/wire/grant.h"

#define QUOTA_SLOTS 2048u /* 0 is nobody's; more than there are principals, for those that were */
#define QUOTA_CHARGES (QUOTA_SLOTS * GRANT_MAX)

/* All zeros is a full one. */
struct quota_bucket {
    uint64_t time_ms; /* when `level` was right */
    uint32_t level;   /* thousandths of an operation */
};

struct quota_account {
    struct quota_bucket bucket; /* of a place with a quota of operations; else all zeros */
    uint64_t orders;            /* derived: undecided ones, */
    uint64_t bytes;             /* derived: of their ids and payloads */
};

/* Derived: a slot is free once nobody has it, and no order is counted in it. */
struct quota_slot {
    bool is_owned;   /* by a principal */
    uint64_t orders; /* undecided ones that are counted in it */
};

/* What there is no room in. Numbers are this process's own. */
enum quota_kind { QUOTA_NONE, QUOTA_OPERATIONS, QUOTA_ORDERS, QUOTA_BYTES };
struct quota_shortage {
    enum quota_kind kind;
    uint8_t place;    /* of the grant, from 0 */
    uint64_t wait_ms; /* until there is room; 0: until orders are decided */
};

static inline uint16_t quota_charge(uint16_t slot, uint32_t place)
{
    return (uint16_t)(slot * GRANT_MAX + place);
}
static inline uint16_t quota_slot_of(uint16_t charge)
{
    return charge / GRANT_MAX;
}
static inline uint32_t quota_place_of(uint16_t charge)
{
    return charge % GRANT_MAX;
}

/* After how long the bucket holds an operation; 0: it does now. A time that went back fills it. */
uint64_t quota_bucket_wait_ms(const struct quota_bucket *b, uint64_t operations_per_s,
                              uint64_t now_ms);
/* Take one out, if there is one. */
void quota_bucket_take(struct quota_bucket *b, uint64_t operations_per_s, uint64_t now_ms);
/* Put back what was taken just now. */
void quota_bucket_return(struct quota_bucket *b);
/* What it holds, in thousandths of an operation. */
uint64_t quota_bucket_level(const struct quota_bucket *b, uint64_t operations_per_s,
                            uint64_t now_ms);

/* Is there room in the account for one operation, which makes an order of so many bytes (0: none)? Else
 * what there is none in; the place is not set. */
struct quota_shortage quota_room(const struct quota *quota, const struct quota_account *account,
                                 uint64_t order_bytes, uint64_t now_ms);
/* Of two shortages, the one to tell of: which is over first. */
bool quota_is_over_sooner(const struct quota_shortage *a, const struct quota_shortage *b);
/* One sentence: which quota, and when to come again. */
void quota_explain(const struct quota_shortage *s, char *text, size_t len);

#endif
