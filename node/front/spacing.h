/* spacing.h - how often something may happen: so many times a second, and some at once after a rest. Who comes too early is
 * told when it is its turn, and has that turn then, behind all who came before; what is kept is one number. Pure. */
#ifndef FRONT_SPACING_H
#define FRONT_SPACING_H

#include <stdint.h>

struct spacing {
    uint64_t interval_us; /* between two, in the long run */
    unsigned at_once;     /* at least 1 */
};

/* One more, of `waiting` at most that wait: those who went before their turn hold up nobody for long. When its turn is:
 * now_us, or later. `state` is zero to start; now_us never goes back. */
uint64_t spacing_next_us(const struct spacing *s, uint64_t *state, unsigned waiting,
                         uint64_t now_us);

#endif
