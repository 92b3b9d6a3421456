/* orders.h - the orders of a replay, from a CSV file: order_id,purchased_at,paid_at. */
#ifndef ORDERBENCH_ORDERS_H
#define ORDERBENCH_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORDERS_RESOLUTION_MS 1000 /* of the times in such a file */

struct bench_order {
    char *id; /* owned, NUL-terminated, 1 to ORDERSCHED_ID_MAX bytes */
    bool has_payment;
    uint64_t pay_delay_ms; /* from purchase to payment, in real time */
};

struct bench_orders {
    struct bench_order *items;
    size_t n;
    size_t cap;
    size_t *by_id; /* indexes of items, sorted by id */
};

/* Read a file whose first line is the header. Times are Unix seconds; paid_at may be empty. An id
 * may occur once. 0, or -1 with "FILE:LINE: what is wrong" in errbuf. `prefix` is put before each
 * id. Free with bench_orders_free in both cases. */
int bench_orders_read(struct bench_orders *orders, const char *path, const char *prefix,
                      char *errbuf, size_t errbuf_len);
/* Is its payment so long after the purchase, to within what the file can tell? */
bool bench_order_is_paid_at(const struct bench_order *order, uint64_t delay_ms);
/* Index of the order with this id, or SIZE_MAX. */
size_t bench_orders_find(const struct bench_orders *orders, const char *id);
void bench_orders_free(struct bench_orders *orders);

#endif
