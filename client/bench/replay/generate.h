/* generate.h - makes orders whose payment delays are spread as a real shop's are. */
#ifndef ORDERBENCH_GENERATE_H
#define ORDERBENCH_GENERATE_H

#include <stdint.h>
#include <stdio.h>

/* Write `count` orders as CSV (orders.h), the same for the same seed on every machine:
 * 57 of 100 are paid within 30.5 minutes, 1 of 100 never, the others later, up to two weeks. No
 * payment falls within 30 s of the 30.5 minutes. 0, or -1 when writing failed. */
int bench_generate(FILE *out, uint64_t count, uint64_t seed);

#endif
