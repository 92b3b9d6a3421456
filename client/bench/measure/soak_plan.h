/* soak_plan.h - many orders of one run, told from each other by their number alone:
 * which of them are paid, and when each is due. Pure.
 *
 * Those that are paid are spread evenly among the others, as are the deadlines of the others over
 * `over_ms`; the deadline of one that is paid lies between those of its neighbours, so that it
 * would fire in their midst if its payment were lost. */
#ifndef ORDERBENCH_SOAK_PLAN_H
#define ORDERBENCH_SOAK_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define SOAK_SHARE_WHOLE 1000000u

struct soak_plan {
    uint64_t orders;
    uint64_t pay_share; /* of them is paid: 0 .. below SOAK_SHARE_WHOLE */
    uint64_t first_ms;  /* the first deadline, since the epoch */
    uint64_t over_ms;   /* from it to the last */
};

uint64_t soak_paid(const struct soak_plan *p);  /* how many are paid */
uint64_t soak_fired(const struct soak_plan *p); /* how many are not */
bool soak_is_paid(const struct soak_plan *p, uint64_t number);
/* The number of the k-th order that is paid, from 0 on. The share must not be 0. */
uint64_t soak_paid_number(const struct soak_plan *p, uint64_t k);
uint64_t soak_deadline_ms(const struct soak_plan *p, uint64_t number);

#endif
