/* claim.c - see claim.h. */
#include "claim.h"

/* Of the order that it would make; 0: it makes none. */
static uint64_t order_bytes_of(const struct operation *op)
{
    return op->code == OPERATION_SCHEDULE ? op->id.len + op->payload.len : 0;
}

static struct quota_shortage room_at(const struct grants *g, const struct quota *quota,
                                     uint16_t charge, uint64_t order_bytes, uint64_t now_ms,
                                     const struct quota_bucket *gates)
{
    struct quota_shortage s = quota_room(quota, &g->accounts[charge], order_bytes, now_ms);

    if (s.kind == QUOTA_NONE && gates != NULL && quota->operations_per_s > 0) {
        s.wait_ms = quota_bucket_wait_ms(&gates[charge], quota->operations_per_s, now_ms);
        s.kind = s.wait_ms > 0 ? QUOTA_OPERATIONS : QUOTA_NONE;
    }
    return s;
}

static struct claim claim_on(const struct quota *quota, uint16_t charge, uint64_t order_bytes)
{
    struct claim claim = {.quota = *quota};

    claim.takes = quota->operations_per_s > 0;
    claim.counts = order_bytes > 0 && (quota->pending_orders > 0 || quota->bytes > 0);
    claim.charge = claim.takes || claim.counts ? charge : 0;
    return claim;
}

struct claim claim_make(const struct grants *g, const struct principal *p,
                        const struct operation *op, uint64_t now_ms,
                        const struct quota_bucket *gates)
{
    uint64_t order_bytes = order_bytes_of(op);
    struct claim refused = {0};

    for (uint32_t i = 0; p != NULL && p->slot != 0 && i < p->n_grants; i++) {
        const struct quota *quota = &p->grants[i].quota;
        uint16_t charge = quota_charge(p->slot, i);
        if (!roles_grant_covers(p, i, op)) {
            continue;
        }
        struct quota_shortage s = room_at(g, quota, charge, order_bytes, now_ms, gates);
        if (s.kind == QUOTA_NONE) {
            return claim_on(quota, charge, order_bytes);
        }
        s.place = (uint8_t)i;
        if (quota_is_over_sooner(&s, &refused.shortage)) {
            refused = claim_on(quota, charge, order_bytes);
            refused.shortage = s;
        }
    }
    return refused;
}
