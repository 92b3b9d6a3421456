/* budget.h - an amount of work that may still be done before others have their turn, in nominal
 * nanoseconds: work is counted, no clock is read, so that the same work stops at the same place on
 * every machine. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdint.h>

/* Take off what was done; what was done beyond the budget is forgotten. */
static inline void budget_spend(uint64_t *budget_ns, uint64_t cost_ns)
{
    *budget_ns -= cost_ns < *budget_ns ? cost_ns : *budget_ns;
}

#endif
