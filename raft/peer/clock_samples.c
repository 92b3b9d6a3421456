/* clock_samples.c - see clock_samples.h.
 *
 *    0  u64 the receiver's monotonic time in what it told last; 0: nothing came
 *    8  u64 for how long the sender has had that
 *   16  u64 the sender's monotonic time
 *   24  u64 the sender's wall clock */
#include "clock_samples.h"

#include <stddef.h>

#include "bytes.h"

#define WALL_MAX_US (1ull << 60) /* some 36,000 years */

static struct clock_peer *peer_find(const struct clock_samples *s, uint64_t id)
{
    for (unsigned i = 0; i < CLOCK_PEERS_MAX; i++) {
        if (s->peers[i].id == id) {
            return (struct clock_peer *)&s->peers[i];
        }
    }
    return NULL;
}

/* Free ones were heard at 0. */
static struct clock_peer *peer_make(struct clock_samples *s, uint64_t id)
{
    struct clock_peer *oldest = &s->peers[0];

    for (unsigned i = 1; i < CLOCK_PEERS_MAX; i++) {
        if (s->peers[i].heard_us < oldest->heard_us) {
            oldest = &s->peers[i];
        }
    }
    *oldest = (struct clock_peer){.id = id};
    return oldest;
}

void clock_samples_tell(const struct clock_samples *s, uint64_t id, uint64_t monotonic_us,
                        uint64_t wall_us, uint8_t out[CLOCK_TOLD_SIZE])
{
    const struct clock_peer *p = peer_find(s, id);
    bool heard = p != NULL && p->told_us != 0;

    bytes_put_u64(out, heard ? p->told_us : 0);
    bytes_put_u64(out + 8, heard ? monotonic_us - p->heard_us : 0);
    bytes_put_u64(out + 16, monotonic_us);
    bytes_put_u64(out + 24, wall_us);
}

static bool contradict(const struct clock_sample *a, const struct clock_sample *b, int64_t drift_us)
{
    return a->low_us > b->high_us + drift_us || b->low_us > a->high_us + drift_us;
}

static int64_t drift_over(uint64_t us)
{
    return (int64_t)(us / 1000000 * CLOCK_DRIFT_PPM + CLOCK_DRIFT_PPM);
}

static void peer_add(struct clock_peer *p, const struct clock_sample *sample)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (contradict(&p->window[i], sample, drift_over(sample->at_us - p->window[i].at_us))) {
            p->n = p->next = 0; /* its clock was set */
        }
    }
    p->window[p->next] = *sample;
    p->next = (p->next + 1) % CLOCK_WINDOW;
    p->n += p->n < CLOCK_WINDOW;
}

bool clock_samples_take(struct clock_samples *s, uint64_t id, uint64_t monotonic_us,
                        const uint8_t told[CLOCK_TOLD_SIZE])
{
    uint64_t ours_us = bytes_get_u64(told);
    uint64_t held_us = bytes_get_u64(told + 8);
    uint64_t theirs_us = bytes_get_u64(told + 16);
    uint64_t wall_us = bytes_get_u64(told + 24);

    /* The other one's clock may run faster than this one. */
    uint64_t drift_us = (held_us < CLOCK_AGE_MAX_US ? held_us : CLOCK_AGE_MAX_US) *
                            CLOCK_DRIFT_PPM / 1000000 +
                        1;
    uint64_t passed_us = monotonic_us - ours_us;

    if (id == 0 || theirs_us == 0 || wall_us > WALL_MAX_US || ours_us > monotonic_us) {
        return false;
    }
    if (held_us > passed_us && held_us - passed_us > drift_us) {
        return false;
    }
    struct clock_peer *p = peer_find(s, id);
    if (p == NULL) {
        p = peer_make(s, id);
    }
    p->told_us = theirs_us;
    p->heard_us = monotonic_us;
    if (ours_us == 0) {
        return true;
    }
    int64_t low_us = (int64_t)wall_us - (int64_t)monotonic_us;
    uint64_t round_trip_us = (passed_us > held_us ? passed_us - held_us : 0) + drift_us;
    const struct clock_sample sample = {low_us, low_us + (int64_t)round_trip_us, monotonic_us};
    bool first = p->n == 0;
    peer_add(p, &sample);
    return first;
}

bool clock_samples_look(const struct clock_samples *s, uint64_t id, uint64_t monotonic_us,
                        uint64_t wall_us, int64_t *low_us, int64_t *high_us)
{
    const struct clock_peer *p = peer_find(s, id);
    int64_t own_us = (int64_t)wall_us - (int64_t)monotonic_us;
    int64_t best_us = INT64_MAX;

    for (unsigned i = 0; p != NULL && i < p->n; i++) {
        const struct clock_sample *w = &p->window[i];
        uint64_t age_us = monotonic_us - w->at_us;
        int64_t drift_us = drift_over(age_us);
        int64_t width_us = w->high_us - w->low_us + 2 * drift_us;
        if (age_us <= CLOCK_AGE_MAX_US && width_us < best_us) {
            best_us = width_us;
            *low_us = w->low_us - drift_us - own_us;
            *high_us = w->high_us + drift_us - own_us;
        }
    }
    return best_us != INT64_MAX;
}

bool clock_samples_newest(const struct clock_samples *s, uint64_t id, uint64_t *at_us,
                          uint64_t *round_trip_us)
{
    const struct clock_peer *p = peer_find(s, id);

    if (p == NULL || p->n == 0) {
        return false;
    }
    const struct clock_sample *newest = &p->window[(p->next + CLOCK_WINDOW - 1) % CLOCK_WINDOW];
    *at_us = newest->at_us;
    *round_trip_us = (uint64_t)(newest->high_us - newest->low_us);
    return true;
}
