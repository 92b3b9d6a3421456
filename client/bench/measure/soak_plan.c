/* soak_plan.c - see soak_plan.h. */
#include "soak_plan.h"

/* How many of the first n orders are paid. */
static uint64_t paid_among(const struct soak_plan *p, uint64_t n)
{
    return n * p->pay_share / SOAK_SHARE_WHOLE;
}

uint64_t soak_paid(const struct soak_plan *p)
{
    return paid_among(p, p->orders);
}

uint64_t soak_fired(const struct soak_plan *p)
{
    return p->orders - soak_paid(p);
}

bool soak_is_paid(const struct soak_plan *p, uint64_t number)
{
    return paid_among(p, number + 1) > paid_among(p, number);
}

uint64_t soak_paid_number(const struct soak_plan *p, uint64_t k)
{
    /* The least n for which paid_among(n + 1) is k + 1. */
    return ((k + 1) * SOAK_SHARE_WHOLE + p->pay_share - 1) / p->pay_share - 1;
}

uint64_t soak_deadline_ms(const struct soak_plan *p, uint64_t number)
{
    uint64_t earlier = number - paid_among(p, number); /* those before it that fire */

    return p->first_ms + p->over_ms * earlier / soak_fired(p);
}
