/* request_watch.c - see request_watch.h. A cell for each remainder of the id: who comes later takes
 * the place of who was there. */
#include "request_watch.h"

#include <string.h>
#include <xxhash.h>

uint32_t request_watch_target(const struct operation *op)
{
    uint32_t target = (uint32_t)XXH3_64bits_withSeed(op->id.data, op->id.len, op->code);

    return target != 0 ? target : 1;
}

bool request_watch_note(struct request_watch *w, const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE],
                        uint32_t target)
{
    uint64_t chance; /* of the ten random bytes */

    memcpy(&chance, id + ORDERSCHED_REQUEST_ID_SIZE - sizeof chance, sizeof chance);
    chance ^= chance >> 32;
    chance ^= chance >> 16;
    struct request_watch_cell *cell = &w->cells[chance & (REQUEST_WATCH_CELLS - 1)];
    if (cell->target != 0 && memcmp(cell->id, id, sizeof cell->id) == 0) {
        return cell->target == target;
    }
    memcpy(cell->id, id, sizeof cell->id);
    cell->target = target;
    return true;
}
