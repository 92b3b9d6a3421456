/* fuzz_orders.c - the CSV of a shop's orders that orderbench replays. */
#include <assert.h>
#include <string.h>

#include "../../client/bench/replay/orders.c"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bench_orders orders;
    char why[256] = "";

    if (bench_orders_read(&orders, input_file(data, size), "p-", why, sizeof why) == 0) {
        assert(orders.n > 0);
        for (size_t i = 0; i < orders.n; i++) {
            assert(bench_orders_find(&orders, orders.items[i].id) == i);
            (void)bench_order_is_paid_at(&orders.items[i], 1000);
        }
        assert(bench_orders_find(&orders, "none") == SIZE_MAX);
    } else {
        assert(why[0] != '\0');
    }
    bench_orders_free(&orders);
    return 0;
}
