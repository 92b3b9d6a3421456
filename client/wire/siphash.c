/* siphash.c - see siphash.h. Here because the packaged ones cost more than the hash itself, a call
 * through a context (OpenSSL), or a library for one function that is 2-4 (libsodium). */
#include "siphash.h"

#include <string.h>

struct lanes {
    uint64_t v0, v1, v2, v3;
};

#define INLINE static inline __attribute__((always_inline)) /* the lanes stay in registers */

INLINE uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

INLINE void mix(struct lanes *l)
{
    l->v0 += l->v1;
    l->v1 = rotate(l->v1, 13) ^ l->v0;
    l->v0 = rotate(l->v0, 32);
    l->v2 += l->v3;
    l->v3 = rotate(l->v3, 16) ^ l->v2;
    l->v0 += l->v3;
    l->v3 = rotate(l->v3, 21) ^ l->v0;
    l->v2 += l->v1;
    l->v1 = rotate(l->v1, 17) ^ l->v2;
    l->v2 = rotate(l->v2, 32);
}

INLINE void absorb(struct lanes *l, uint64_t word)
{
    l->v3 ^= word;
    mix(l);
    l->v0 ^= word;
}

/* The same on every machine: whoever compares hashes compares those of others. */
INLINE uint64_t little_endian(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The last bytes, fewer than eight, under the length. */
INLINE uint64_t last_word(const uint8_t *data, size_t left, size_t len)
{
    uint64_t word = (uint64_t)len << 56;

    if (left > 0 && len >= 8) { /* with some of those before them */
        return word | little_endian(data + left - 8) >> (64 - 8 * left);
    }
    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)data[i] << (8 * i);
    }
    return word;
}

struct siphash_key siphash_key_of(const uint8_t bytes[SIPHASH_KEY_SIZE])
{
    return (struct siphash_key){little_endian(bytes), little_endian(bytes + 8)};
}

uint64_t siphash(struct siphash_key key, const void *data, size_t len)
{
    struct lanes l = {
        key.k0 ^ UINT64_C(0x736f6d6570736575),
        key.k1 ^ UINT64_C(0x646f72616e646f6d),
        key.k0 ^ UINT64_C(0x6c7967656e657261),
        key.k1 ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *at = data;
    size_t left = len;

    for (; left >= 8; at += 8, left -= 8) {
        absorb(&l, little_endian(at));
    }
    absorb(&l, last_word(at, left, len));
    l.v2 ^= 0xff;
    for (unsigned i = 0; i < 3; i++) {
        mix(&l);
    }
    return l.v0 ^ l.v1 ^ l.v2 ^ l.v3;
}
