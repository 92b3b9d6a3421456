/* client_backoff.c - how long to wait before trying again. */
#include "client_internal.h"

uint64_t client_backoff_below_ms(struct client_logic *l, unsigned n, uint64_t most)
{
    uint64_t base = l->config.backoff_min_ms;
    uint32_t random_bits;

    while (n > 0 && base < most) {
        base *= 2;
        n--;
    }
    base = base < most ? base : most;
    l->io.random(l->io.arg, &random_bits, sizeof random_bits);
    return base - random_bits % (base / 2 + 1);
}

uint64_t client_backoff_ms(struct client_logic *l, unsigned n)
{
    return client_backoff_below_ms(l, n, l->config.backoff_max_ms);
}
