/* draw.c - what a nemesis draws at random. See nemesis.h. */
#include "nemesis.h"

uint64_t nemesis_between(struct nemesis *n, uint64_t least, uint64_t most)
{
    return least + random_below(&n->random, most - least + 1);
}

unsigned nemesis_any(struct nemesis *n)
{
    return (unsigned)nemesis_between(n, 1, n->run->nodes.n);
}

unsigned nemesis_count(const struct nemesis *n)
{
    unsigned count = 0;

    NEMESIS_EACH(n, place)
    {
        count++;
    }
    return count;
}
