/* bucket.h - a token bucket: so many deliveries a second, with bursts up to its size.
 *
 * Full at first. Exact: what a second gives is never rounded away. Pure: times come from outside,
 * and one before the last counts as the last. */
#ifndef BUCKET_H
#define BUCKET_H

#include <stdint.h>

struct bucket {
    uint32_t rate_per_s; /* 0 = no limit */
    uint32_t burst;      /* tokens it holds, at least 1 */
    uint64_t level;      /* in millionths of a token */
    uint64_t at_us;      /* of the level */
};

void bucket_init(struct bucket *b, uint32_t rate_per_s, uint32_t burst, uint64_t now_us);
/* Rate or size changed: what is in it stays, as far as it has room. */
void bucket_change(struct bucket *b, uint32_t rate_per_s, uint32_t burst, uint64_t now_us);
/* Whole tokens in it now; UINT32_MAX without a limit. */
uint32_t bucket_tokens(struct bucket *b, uint64_t now_us);
/* Take n tokens, which must be in it. */
void bucket_take(struct bucket *b, uint32_t n, uint64_t now_us);
/* In how many microseconds there will be n (at most burst) tokens; 0 = they are there. */
uint64_t bucket_wait_us(struct bucket *b, uint32_t n, uint64_t now_us);

#endif
