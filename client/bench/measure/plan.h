/* plan.h - many orders of one measurement: how they are called, on which route each is
 * and when it is due. Pure.
 *
 * Order i is called PREFIX-i, is on route i modulo their number, and its deadline lies i n-ths of
 * `over_ms` after the first one. */
#ifndef ORDERBENCH_PLAN_H
#define ORDERBENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_PREFIX_SIZE 32
#define PLAN_ID_SIZE 56

struct plan {
    char prefix[PLAN_PREFIX_SIZE];
    size_t n;
    const char *const *routes;
    unsigned n_routes;
    uint64_t first_ms; /* since the epoch */
    uint64_t over_ms;
};

void plan_id(const struct plan *p, size_t i, char id[PLAN_ID_SIZE]);
const char *plan_route(const struct plan *p, size_t i);
uint64_t plan_deadline_ms(const struct plan *p, size_t i);
/* Which order is called so? False: none of the plan's. */
bool plan_find(const struct plan *p, const char *id, size_t *i);
/* Is it an order of this plan's prefix at all? */
bool plan_owns(const struct plan *p, const char *id);

#endif
