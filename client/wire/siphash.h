/* siphash.h - SipHash-1-3, the hash of tables whose keys are chosen by clients.
 *
 * A pseudorandom function of a key and some bytes: without the key nobody can tell which inputs
 * meet in a table (Aumasson & Bernstein, "SipHash: a fast short-input PRF", 2012). One round a word
 * and three at the end, as its authors propose for tables, whose hashes nobody is shown, and as Rust
 * and Python have it: half of what 2-4 costs, three times an operation. Pure. */
#ifndef SIPHASH_H
#define SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_SIZE 16

struct siphash_key {
    uint64_t k0, k1;
};

struct siphash_key siphash_key_of(const uint8_t bytes[SIPHASH_KEY_SIZE]);
uint64_t siphash(struct siphash_key key, const void *data, size_t len);

#endif
