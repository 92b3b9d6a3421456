/* fuzz_journal.c - the receiver's journal: as ordersink reads its own at a start, and as orderbench judges
 * by it. The first byte chooses. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "../../client/bench/replay/journal.c"
#include "../../client/bench/replay/orders.c"
#undef HEADER
#include "../../client/sink/journal.c"
#include "../../client/sink/ledger.c"
#include "../../client/sink/state.c"
#include "input.h"

#define ORDERS "order_id,purchased_at,paid_at\na,1,2\nb,1,\n"

static void read_of_sink(const uint8_t *data, size_t size)
{
    struct sink_ledger ledger = {0};
    struct reading reading = {.path = "journal", .each = restore_cb, .arg = &ledger};
    FILE *file = fopen(input_file(data, size), "r");
    char why[256] = "";

    assert(file != NULL);
    if (reading_run(&reading, file, why, sizeof why) == 0) {
        assert((size_t)reading.good <= size && (reading.torn || (size_t)reading.good == size));
    } else {
        assert(why[0] != '\0');
    }
    fclose(file);
    sink_state_free(&ledger.state);
}

static void read_of_bench(const uint8_t *data, size_t size)
{
    struct bench_orders orders;
    struct bench_journal journal;
    char why[256] = "";

    int error = bench_orders_read(&orders, input_file((const uint8_t *)ORDERS, strlen(ORDERS)), "",
                                  why, sizeof why);
    assert(error == 0);
    const char *path = input_file(data, size);
    assert(bench_journal_length(path) == size);
    if (bench_journal_read(&journal, path, 0, &orders, why, sizeof why) == 0) {
        for (size_t i = 0; i < journal.n; i++) {
            assert(journal.events[i].order < orders.n);
        }
    } else {
        assert(why[0] != '\0');
    }
    bench_journal_free(&journal);
    bench_orders_free(&orders);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] % 2 == 0) {
        read_of_sink(data + 1, size - 1);
    } else if (size > 0) {
        read_of_bench(data + 1, size - 1);
    }
    return 0;
}
