/* request_watch.c - see request_watch.h. A cell for each remainder of the id: who comes later takes
 * the place of whoever was there. */
#include "request_watch.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

static_assert((REQUEST_WATCH_CELLS & (REQUEST_WATCH_CELLS - 1)) == 0, "a remainder is some bits");

uint32_t request_watch_target(const struct operation *op)
{
    uint32_t target = (uint32_t)XXH3_64bits_withSeed(op->id.data, op->id.len, op->code);

    return target != 0 ? target : 1;
}

static size_t cell_of(const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE])
{
    uint64_t random_bits; /* of the ten random bytes */

    memcpy(&random_bits, id + ORDERSCHED_REQUEST_ID_SIZE - sizeof random_bits, sizeof random_bits);
    random_bits ^= random_bits >> 32;
    random_bits ^= random_bits >> 16;
    return random_bits & (REQUEST_WATCH_CELLS - 1);
}

void request_watch_prefetch(const struct request_watch *w,
                            const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE])
{
    __builtin_prefetch(&w->cells[cell_of(id)]);
}

bool request_watch_note(struct request_watch *w, const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE],
                        uint32_t target)
{
    struct request_watch_cell *cell = &w->cells[cell_of(id)];

    if (cell->target != 0 && request_id_is_same(cell->id, id)) {
        return cell->target == target;
    }
    memcpy(cell->id, id, sizeof cell->id);
    cell->target = target;
    return true;
}
