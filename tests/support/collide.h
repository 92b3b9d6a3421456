/* collide.h - ids that meet in a table: what an attacker makes who knows its key.
 *
 * XXH3-64 of 8 bytes is a bijection that can be undone, so whoever knows the seed has an id for any
 * hash. */
#ifndef COLLIDE_H
#define COLLIDE_H

#include <stdint.h>

/* Write the 8 bytes whose XXH3-64 with this seed is `hash`. */
void collide_id(uint64_t seed, uint64_t hash, uint8_t out[8]);

#endif
