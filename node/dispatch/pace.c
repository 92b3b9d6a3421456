/* pace.c - see pace.h. */
#include "pace.h"

#include <assert.h>
#include <string.h>

#define PACE_ONE 65536u /* a window of 1, scaled */
#define PACE_STEPS 64u  /* from nothing to the configured window */

void pace_init(struct pace *p, uint32_t max)
{
    assert(max > 0);
    memset(p, 0, sizeof *p);
    p->max = max;
    p->scaled = (uint64_t)max * PACE_ONE;
}

void pace_set_max(struct pace *p, uint32_t max)
{
    uint64_t scaled_max = (uint64_t)max * PACE_ONE;

    assert(max > 0);
    if (p->scaled == (uint64_t)p->max * PACE_ONE || p->scaled > scaled_max) {
        p->scaled = scaled_max;
    }
    p->max = max;
}

uint32_t pace_window(const struct pace *p)
{
    assert(p->scaled >= PACE_ONE && p->scaled <= (uint64_t)p->max * PACE_ONE);
    return (uint32_t)(p->scaled / PACE_ONE);
}

uint64_t pace_closed_until_us(const struct pace *p, uint64_t now_us)
{
    return p->closed_us > now_us ? p->closed_us : 0;
}

void pace_answered(struct pace *p)
{
    uint64_t step = p->max / PACE_STEPS > 0 ? p->max / PACE_STEPS : 1;
    uint64_t scaled_max = (uint64_t)p->max * PACE_ONE;

    p->pauses = 0;
    p->scaled += step * PACE_ONE / pace_window(p);
    p->scaled = p->scaled < scaled_max ? p->scaled : scaled_max;
    assert(p->scaled >= PACE_ONE);
}

static void pace_close(struct pace *p, uint64_t until_us)
{
    p->closed_us = until_us > p->closed_us ? until_us : p->closed_us;
}

/* The floor is reached, and even one at a time is too much. */
static void pace_pause(struct pace *p, uint64_t now_us)
{
    uint64_t pause_ms = PACE_PAUSE_MIN_MS;

    for (unsigned i = 0; i < p->pauses && pause_ms < PACE_PAUSE_MAX_MS; i++) {
        pause_ms *= 2;
    }
    p->pauses++;
    pace_close(p, now_us + (pause_ms < PACE_PAUSE_MAX_MS ? pause_ms : PACE_PAUSE_MAX_MS) * 1000);
}

void pace_overloaded(struct pace *p, uint64_t started_us, uint64_t now_us, uint64_t silence_ms)
{
    if (silence_ms > 0) {
        silence_ms = silence_ms < PACE_SILENCE_MAX_MS ? silence_ms : PACE_SILENCE_MAX_MS;
        pace_close(p, now_us + silence_ms * 1000);
    }
    if (p->shrunk_us != 0 && started_us < p->shrunk_us) {
        return;
    }
    if (pace_window(p) == 1) {
        pace_pause(p, now_us);
    }
    p->scaled = p->scaled / 2 > PACE_ONE ? p->scaled / 2 : PACE_ONE;
    p->shrunk_us = now_us;
}
