/* collide.c - see collide.h. Undoes XXH3_len_4to8_64b() and XXH3_rrmxmx() of xxhash.h, step by
 * step from the end. */
#include "collide.h"

#include <string.h>

#define PRIME_MX2 UINT64_C(0x9fb21c651e98df25)

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* Of an odd number, by Newton: each step doubles the bits that are right. */
static uint64_t inverse(uint64_t odd)
{
    uint64_t x = odd;

    for (unsigned i = 0; i < 6; i++) {
        x *= 2 - odd * x;
    }
    return x;
}

/* x ^ rotl(x, 49) ^ rotl(x, 24) done 64 times changes nothing: so 63 times undoes it. */
static uint64_t undo_rotations(uint64_t x)
{
    for (unsigned i = 0; i < 63; i++) {
        x ^= rotate(x, 49) ^ rotate(x, 24);
    }
    return x;
}

/* Bytes 8 to 24 of the default secret, one word xor the other. */
static uint64_t bitflip(uint64_t seed)
{
    static const uint64_t words = UINT64_C(0x1cad21f72c81017c) ^ UINT64_C(0xdb979083e96dd4de);

    seed ^= (uint64_t)__builtin_bswap32((uint32_t)seed) << 32;
    return words - seed;
}

void collide_id(uint64_t seed, uint64_t hash, uint8_t out[8])
{
    uint64_t x = hash;
    uint32_t low, high;

    x ^= x >> 28 ^ x >> 56;
    x *= inverse(PRIME_MX2);
    x ^= (x >> 35) + 8; /* the upper bits, from which this comes, were not touched */
    x *= inverse(PRIME_MX2);
    x = undo_rotations(x) ^ bitflip(seed);
    low = (uint32_t)(x >> 32);
    high = (uint32_t)x;
    memcpy(out, &low, sizeof low);
    memcpy(out + 4, &high, sizeof high);
}
