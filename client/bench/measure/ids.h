/* ids.h - the orders of a measurement: each has a number, and its id (32 bytes) and its
 * deadline follow from it. Pure. */
#ifndef ORDERBENCH_IDS_H
#define ORDERBENCH_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_ID_SIZE 32 /* bytes, without a NUL */
#define BENCH_PAYLOAD_SIZE 64

/* Of each order: so many bytes of JSON, and a NUL. */
extern const char bench_payload[BENCH_PAYLOAD_SIZE + 1];

/* The id of an order: `run` tells one run's orders from another's. */
void bench_id(uint32_t run, uint64_t number, char out[BENCH_ID_SIZE]);
/* The number of the order of this id. False: none of that run. */
bool bench_id_number(uint32_t run, const void *id, size_t len, uint64_t *number);
/* How long the order stays pending: an hour to a day, all over it, so that no deadline comes
 * while a measurement goes on and the wheel is as full as in life. */
uint64_t bench_delay_ms(uint64_t number);

#endif
