/* bucket.c - see bucket.h. A rate of r a second is r millionths of a token a microsecond. */
#include "bucket.h"

#include <assert.h>

#define BUCKET_TOKEN 1000000u

static uint64_t bucket_size(const struct bucket *b)
{
    return (uint64_t)b->burst * BUCKET_TOKEN;
}

void bucket_init(struct bucket *b, uint32_t rate_per_s, uint32_t burst, uint64_t now_us)
{
    assert(burst > 0);
    *b = (struct bucket){.rate_per_s = rate_per_s, .burst = burst, .at_us = now_us};
    b->level = bucket_size(b);
}

static void bucket_fill(struct bucket *b, uint64_t now_us)
{
    uint64_t elapsed_us = now_us > b->at_us ? now_us - b->at_us : 0;
    assert(b->level <= bucket_size(b));
    uint64_t room = bucket_size(b) - b->level;

    if (b->rate_per_s == 0 || elapsed_us >= room / b->rate_per_s + 1) {
        b->level = bucket_size(b);
    } else {
        b->level += elapsed_us * b->rate_per_s;
    }
    b->level = b->level < bucket_size(b) ? b->level : bucket_size(b);
    b->at_us += elapsed_us;
}

void bucket_change(struct bucket *b, uint32_t rate_per_s, uint32_t burst, uint64_t now_us)
{
    assert(burst > 0);
    bucket_fill(b, now_us);
    b->rate_per_s = rate_per_s;
    b->burst = burst;
    b->level = b->level < bucket_size(b) ? b->level : bucket_size(b);
}

uint32_t bucket_tokens(struct bucket *b, uint64_t now_us)
{
    if (b->rate_per_s == 0) {
        return UINT32_MAX;
    }
    bucket_fill(b, now_us);
    return (uint32_t)(b->level / BUCKET_TOKEN);
}

void bucket_take(struct bucket *b, uint32_t n, uint64_t now_us)
{
    if (b->rate_per_s == 0) {
        return;
    }
    bucket_fill(b, now_us);
    assert(b->level >= (uint64_t)n * BUCKET_TOKEN);
    b->level -= (uint64_t)n * BUCKET_TOKEN;
}

uint64_t bucket_wait_us(struct bucket *b, uint32_t n, uint64_t now_us)
{
    if (b->rate_per_s == 0) {
        return 0;
    }
    bucket_fill(b, now_us);
    uint64_t want = (uint64_t)n * BUCKET_TOKEN;
    assert(n <= b->burst);
    return b->level >= want ? 0 : (want - b->level + b->rate_per_s - 1) / b->rate_per_s;
}
