/* told_time.c - see told_time.h. */
#include "told_time.h"

#include "../../raft/mutant.h"
#include "clock.h"

static uint64_t passed_us(const struct told_time *t, uint64_t monotonic_us)
{
    return monotonic_us > t->at_us ? monotonic_us - t->at_us : 0;
}

void told_time_hear(struct told_time *t, uint64_t now_ms, uint64_t monotonic_us, enum told_by by)
{
    if (now_ms == t->now_ms ||
        (by == TOLD_BY_PAST && t->by_leader && now_ms <= told_time_ms(t, monotonic_us))) {
        return;
    }
    *t = (struct told_time){now_ms, monotonic_us, by != TOLD_BY_DISK};
}

uint64_t told_time_ms(const struct told_time *t, uint64_t monotonic_us)
{
    return t->now_ms != 0 ? t->now_ms + passed_us(t, monotonic_us) / 1000 : 0;
}

bool told_time_is_trusted(const struct told_time *t, uint64_t monotonic_us)
{
    return t->by_leader && passed_us(t, monotonic_us) <= CLOCK_DRIFT_US;
}

bool told_time_is_borne_out(uint64_t told_us, int64_t wall_us, int64_t error_max_us)
{
    int64_t ahead_us = (int64_t)told_us - wall_us;

    return ahead_us <= error_max_us && ahead_us >= -error_max_us;
}
