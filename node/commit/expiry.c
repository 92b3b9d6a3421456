/* expiry.c - see expiry.h. */
#include "expiry.h"

#define EXPIRY_ROOM_MS 1000

uint64_t expiry_plan(const struct machine *m, struct batcher *b, uint64_t clock_ms)
{
    uint64_t next_ms = machine_next_ms(m);

    if (next_ms == UINT64_MAX || next_ms <= m->now_ms) {
        return UINT64_MAX; /* nothing to wait for, or machine_advance has it already */
    }
    if (clock_ms < next_ms) {
        return next_ms;
    }
    if (b->inflight == 0 || b->last_now_ms < next_ms) {
        batcher_want_time(b);
    }
    return UINT64_MAX; /* its commit will bring us back */
}

uint64_t expiry_plan_note(const struct machine *m, struct batcher *b, uint64_t clock_ms,
                          uint64_t every_ms)
{
    if (clock_ms < m->now_ms + every_ms) {
        return m->now_ms + every_ms;
    }
    if (b->inflight == 0) {
        batcher_want_time(b);
    }
    return UINT64_MAX; /* its commit will bring us back */
}

uint64_t expiry_plan_room(const struct machine *m, struct batcher *b, uint64_t clock_ms)
{
    uint64_t next_ms = machine_next_forgotten_ms(m);

    if (next_ms > UINT64_MAX - EXPIRY_ROOM_MS) {
        return UINT64_MAX;
    }
    if (clock_ms < next_ms + EXPIRY_ROOM_MS) {
        return next_ms + EXPIRY_ROOM_MS;
    }
    if (b->inflight == 0) {
        batcher_want_time(b);
    }
    return UINT64_MAX; /* its commit will bring us back */
}
