/* claim.h - which of its caller's grants an operation of the log is charged to: the first that covers it and
 * has room in its quotas. Told without looking at any order. Pure. */
#ifndef CLAIM_H
#define CLAIM_H

#include "roles.h"

struct claim {
    uint16_t charge;    /* the account; 0: of a grant without quotas, or of nobody who has some */
    bool takes;         /* an operation of its bucket */
    bool counts;        /* the order that it makes */
    struct quota quota; /* of the grant */
    struct quota_shortage shortage; /* kind QUOTA_NONE: there is room */
};

/* The claim of an operation that roles_decide() lets in. `gates`: buckets like those of the accounts that
 * must have room, too; NULL: none. */
struct claim claim_make(const struct grants *g, const struct principal *p,
                        const struct operation *op, uint64_t now_ms,
                        const struct quota_bucket *gates);

#endif
