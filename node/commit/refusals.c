/* refusals.c - see refusals.h. */
#include "refusals.h"

#include <string.h>

#include "../../client/wire/protocol.h"

#define LIFETIME_US (PROTOCOL_REQUEST_LIFETIME_MS * 1000ull)

void refusals_init(struct refusals *r, uint32_t memory)
{
    memset(r, 0, sizeof *r);
    r->share = memory / REFUSALS_SHARE;
}

static uint64_t left_of(const struct refusals *r, const struct refusals_of *of, uint64_t now_us)
{
    uint64_t us = now_us > of->noted_us ? now_us - of->noted_us : 0;
    uint64_t gone = us < LIFETIME_US ? r->share * us / LIFETIME_US : r->share;

    return of->n > gone ? of->n - gone : 0;
}

void refusals_note(struct refusals *r, uint64_t address, uint32_t n, uint64_t now_us)
{
    struct refusals_of *of = &r->of[0];

    if (address == 0 || n == 0) {
        return;
    }
    for (unsigned i = 0; i < REFUSALS_ADDRESSES; i++) {
        if (r->of[i].address == address) {
            of = &r->of[i];
            break;
        }
        if (left_of(r, &r->of[i], now_us) < left_of(r, of, now_us)) {
            of = &r->of[i];
        }
    }
    uint64_t left = of->address == address ? left_of(r, of, now_us) : 0;
    /* Never more than it takes a lifetime to lose: what comes later finds a fair start. */
    *of = (struct refusals_of){address, left + n < 2 * r->share ? left + n : 2 * r->share, now_us};
}

bool refusals_are_too_many(const struct refusals *r, uint64_t address, uint32_t remembered,
                           uint64_t now_us)
{
    if (address == 0 || remembered < r->share * (REFUSALS_SHARE / 2)) {
        return false;
    }
    for (unsigned i = 0; i < REFUSALS_ADDRESSES; i++) {
        if (r->of[i].address == address) {
            return left_of(r, &r->of[i], now_us) > r->share;
        }
    }
    return false;
}
