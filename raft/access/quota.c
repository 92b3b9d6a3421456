/* quota.c - see quota.h. */
#include "quota.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "../mutant.h"

#define OPERATION 1000u /* thousandths */
#define FULL_MS \
    1000u /* in which an empty bucket fills: a thousandth a millisecond and operation a second */

static_assert(GRANT_RATE_MAX * (uint64_t)OPERATION <= UINT32_MAX, "a level is four bytes");
static_assert(QUOTA_CHARGES <= 1u << 14, "a charge is 14 bits");

uint64_t quota_bucket_level(const struct quota_bucket *b, uint64_t operations_per_s,
                            uint64_t now_ms)
{
    uint64_t full = operations_per_s * OPERATION;

    assert(operations_per_s <= GRANT_RATE_MAX);
    if (b->time_ms == 0 || now_ms < b->time_ms || now_ms - b->time_ms >= FULL_MS) {
        return full;
    }
    uint64_t level = b->level + (now_ms - b->time_ms) * operations_per_s;
    return level < full ? level : full;
}

uint64_t quota_bucket_wait_ms(const struct quota_bucket *b, uint64_t operations_per_s,
                              uint64_t now_ms)
{
    uint64_t level = quota_bucket_level(b, operations_per_s, now_ms);

    return level >= OPERATION ? 0 : (OPERATION - level + operations_per_s - 1) / operations_per_s;
}

void quota_bucket_take(struct quota_bucket *b, uint64_t operations_per_s, uint64_t now_ms)
{
    uint64_t level = quota_bucket_level(b, operations_per_s, now_ms);

    assert(level >= OPERATION || MUTANT(QUOTA_CHECKED_BEFORE_LOG));
    b->level = (uint32_t)(level < OPERATION ? 0 : level - OPERATION);
    b->time_ms = now_ms;
}

void quota_bucket_return(struct quota_bucket *b)
{
    b->level += OPERATION;
}

static bool has_no_room(uint64_t used, uint64_t more, uint64_t quota)
{
    return quota > 0 && (used >= quota || more > quota - used);
}

struct quota_shortage quota_room(const struct quota *quota, const struct quota_account *account,
                                 uint64_t order_bytes, uint64_t now_ms)
{
    struct quota_shortage s = {0};

    if (order_bytes > 0 && has_no_room(account->orders, 1, quota->pending_orders)) {
        s.kind = QUOTA_ORDERS;
    } else if (order_bytes > 0 && has_no_room(account->bytes, order_bytes, quota->bytes)) {
        s.kind = QUOTA_BYTES;
    } else if (quota->operations_per_s > 0) {
        s.wait_ms = quota_bucket_wait_ms(&account->bucket, quota->operations_per_s, now_ms);
        s.kind = s.wait_ms > 0 ? QUOTA_OPERATIONS : QUOTA_NONE;
    }
    return s;
}

bool quota_is_over_sooner(const struct quota_shortage *a, const struct quota_shortage *b)
{
    return b->kind == QUOTA_NONE ||
           (a->wait_ms != 0 && (b->wait_ms == 0 || a->wait_ms < b->wait_ms));
}

void quota_explain(const struct quota_shortage *s, char *text, size_t len)
{
    unsigned number = s->place + 1u;

    switch (s->kind) {
        case QUOTA_OPERATIONS:
            snprintf(text, len,
                     "the operations a second of its grant %u are used up; come again in %" PRIu64
                     " ms",
                     number, s->wait_ms);
            return;
        case QUOTA_ORDERS:
            snprintf(text, len,
                     "its grant %u has as many pending orders as it may; come again when one is "
                     "decided",
                     number);
            return;
        case QUOTA_BYTES:
            snprintf(text, len,
                     "the pending orders of its grant %u leave no room for as many bytes; come "
                     "again when others are decided",
                     number);
            return;
        case QUOTA_NONE: snprintf(text, len, "there is room again"); return;
    }
}
